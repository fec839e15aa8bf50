//! An actor that adds up: `{"add": 3}` is answered with the sum so far. A query is answered with
//! `{"sum": 3, "turns": 1}`, without a turn.

use loom_guest::Error;
use loom_guest::host::{self, state};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Message {
    add: i64,
}

#[derive(Serialize)]
struct View {
    sum: i64,
    turns: u64,
}

loom_guest::actor!(add);
loom_guest::query!(view);

fn add(message: Message) -> Result<i64, Error> {
    let sum = sum()? + message.add;
    state::set(&sum)?;
    Ok(sum)
}

fn view(_input: ()) -> Result<View, Error> {
    Ok(View {
        sum: sum()?,
        turns: host::context().turn,
    })
}

fn sum() -> Result<i64, Error> {
    Ok(state::get()?.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use loom_guest::testing;
    use serde_json::json;

    use super::{add, view};

    #[test]
    fn adds_to_the_sum() {
        let _host = testing::script([
            (json!({"op": "state.get"}), Ok(json!(4))),
            (json!({"op": "state.set", "value": 7}), Ok(json!(null))),
        ]);
        assert_eq!(loom_guest::run(r#"{"add":3}"#.to_owned(), add), "7");
    }

    #[test]
    fn shows_the_sum() {
        let context = json!({"namespace": "default", "type": "tally", "key": "a", "message_id": "",
            "sender": null, "deployment": "bafy", "turn": 2});
        let _host = testing::script([
            (json!({"op": "state.get"}), Ok(json!(null))),
            (json!({"op": "context"}), Ok(context)),
        ]);
        assert_eq!(
            loom_guest::run("null".to_owned(), view),
            r#"{"sum":0,"turns":2}"#
        );
    }
}
