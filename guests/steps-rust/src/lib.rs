//! An actor for benchmarks: `{"n": 10}` runs the activity `step` ten times, one after the other,
//! adds up what it returns, and replies `{"id": KEY, "acc": 45}`.

use loom_guest::{Error, host};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Message {
    n: u64,
}

#[derive(Serialize)]
struct StepInput {
    i: u64,
}

#[derive(Deserialize)]
struct StepOutput {
    v: u64,
}

#[derive(Serialize)]
struct Reply {
    id: String,
    acc: u64,
}

loom_guest::actor!(steps);

fn steps(message: Message) -> Result<Reply, Error> {
    let mut acc = 0;
    for i in 0..message.n {
        let output: StepOutput = host::activity("step", &StepInput { i })?;
        acc += output.v;
    }
    Ok(Reply {
        id: host::context().key,
        acc,
    })
}

#[cfg(test)]
mod tests {
    use loom_guest::testing;
    use serde_json::json;

    use super::steps;

    #[test]
    fn adds_up_the_steps() {
        let _host = testing::answer_with(|request| {
            Ok(match request["op"].as_str() {
                Some("activity") => json!({"v": request["input"]["i"], "p": "x"}),
                _ => json!({
                    "namespace": "default", "type": "steps", "key": "bench-1", "message_id": "m",
                    "sender": null, "deployment": "d", "turn": 1,
                }),
            })
        });
        let output = loom_guest::run(r#"{"n":10}"#.to_owned(), steps);
        assert_eq!(output, r#"{"id":"bench-1","acc":45}"#);
    }
}
