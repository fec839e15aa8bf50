//! An actor that reminds: `{"text": "tea", "in_ms": 60000}` is answered a minute later, even if the node was
//! killed and started again in between. It counts its reminders in its state.

use loom_guest::host::{self, state};
use loom_guest::{Error, log};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Message {
    text: String,
    in_ms: u64,
}

/// What lasts from one message to the next.
#[derive(Default, Deserialize, Serialize)]
struct State {
    number: u64,
    last: String,
}

#[derive(Debug, Serialize)]
struct Reply {
    text: String,
    number: u64,
}

loom_guest::actor!(remind);

fn remind(message: Message) -> Result<Reply, Error> {
    let State { number, .. } = state::get()?.unwrap_or_default();
    host::sleep(message.in_ms)?;
    let number = number + 1;
    log::info!("reminder {number}: {}", message.text);
    state::set(&State {
        number,
        last: message.text.clone(),
    })?;
    Ok(Reply {
        text: message.text,
        number,
    })
}

#[cfg(test)]
mod tests {
    use loom_guest::testing;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_reminder_sleeps_before_it_counts() {
        let _host = testing::script([
            (json!({"op": "state.get"}), Ok(json!(null))),
            (json!({"op": "sleep", "ms": 5}), Ok(json!(null))),
            (
                json!({"op": "log", "level": "info", "message": "reminder 1: tea"}),
                Ok(json!(null)),
            ),
            (
                json!({"op": "state.set", "value": {"number": 1, "last": "tea"}}),
                Ok(json!(null)),
            ),
        ]);
        let message = Message {
            text: "tea".to_owned(),
            in_ms: 5,
        };
        assert_eq!(remind(message).unwrap().number, 1);
    }
}
