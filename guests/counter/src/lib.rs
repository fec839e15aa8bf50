//! An actor whose state is one number: `{"add": 2}` adds to it and replies the new value. Under
//! load on one key it measures how fast a single actor commits turns.

use loom_guest::Error;
use loom_guest::host::state;
use serde::Deserialize;

#[derive(Deserialize)]
struct Message {
    add: i64,
}

loom_guest::actor!(add);

fn add(message: Message) -> Result<i64, Error> {
    let value = state::get::<i64>()?.unwrap_or(0);
    let value = value
        .checked_add(message.add)
        .ok_or_else(|| Error::new("overflow", "the sum does not fit into 64 bits"))?;
    state::set(&value)?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use loom_guest::testing;
    use serde_json::json;

    use super::add;

    #[test]
    fn adds_to_what_is_there() {
        let _host = testing::script([
            (json!({"op": "state.get"}), Ok(json!(40))),
            (json!({"op": "state.set", "value": 42}), Ok(json!(null))),
        ]);
        assert_eq!(loom_guest::run(r#"{"add":2}"#.to_owned(), add), "42");
    }

    #[test]
    fn a_sum_that_does_not_fit_fails_the_turn() {
        let _host = testing::script([(json!({"op": "state.get"}), Ok(json!(i64::MAX)))]);
        let output = loom_guest::run(r#"{"add":1}"#.to_owned(), add);
        assert!(output.contains(r#""kind":"overflow""#), "{output}");
    }
}
