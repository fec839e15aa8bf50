//! An actor for tests of the host: its message is a small program that issues raw requests.
//!
//! ```json
//! {"do": [
//!   {"op": "activity.start", "name": "echo", "input": 1},
//!   {"op": "await", "handles": [{"$ref": 0}], "mode": "all"},
//!   {"reply": {"$ref": [1, "/0/ok"]}}
//! ]}
//! ```
//!
//! Items run in order. An object with `op` is a request; its answer joins the list of answers, and
//! later items refer to the `ok` value of the i-th answer by `{"$ref": i}`, or to a part of it by
//! `{"$ref": [i, "/json/pointer"]}`. Without a `reply` the actor replies `{"answers": [...]}`.
//! Members of a request leave in alphabetical order.
//!
//! The other items:
//!
//! | item | what it does |
//! |---|---|
//! | `{"raw": "text"}` | issues the text as it is, JSON or not |
//! | `{"reply": value}` | ends the turn with this reply |
//! | `{"reply_bytes": n}` | ends the turn with a reply of `n` bytes |
//! | `{"reply_text": "text"}` | ends the turn with this output as it is, JSON or not |
//! | `{"fail": {"kind", "message", "retryable"?}}` | fails the turn |
//! | `{"fail_unless_ok": i}` | fails the turn with the error of the i-th answer, if it is one |
//! | `{"trap": "message"}` | panics |
//! | `{"spin": true}` | loops for ever |
//! | `{"allocate": n}` | allocates and touches `n` bytes and keeps them |
//! | `{"recurse": true}` | recurses for ever |

mod program;

use loom_guest::{Error, host};
use serde_json::{Value, json};

use crate::program::{Item, Program, resolve};

loom_guest::export!(probe);

fn probe(input: String) -> String {
    match run(&input) {
        Ok(output) => output,
        Err(error) => json!({ "err": error }).to_string(),
    }
}

/// Runs the program; the result is the output text.
fn run(input: &str) -> Result<String, Error> {
    let program: Program = serde_json::from_str(input)
        .map_err(|error| Error::new("invalid-input", error.to_string()))?;
    let mut answers: Vec<Value> = Vec::new();
    let mut kept: Vec<Vec<u8>> = Vec::new();
    for item in program.items {
        match item {
            Item::Request(request) => {
                let request = resolve(&request, &answers)?;
                answers.push(issue(&request.to_string())?);
            }
            Item::Raw(text) => answers.push(issue(&text)?),
            Item::Reply(value) => return Ok(resolve(&value, &answers)?.to_string()),
            Item::ReplyBytes(count) => return Ok(text_of_bytes(count)),
            Item::ReplyText(text) => return Ok(text),
            Item::Fail(error) => return Err(error),
            Item::FailUnlessOk(index) => fail_unless_ok(&answers, index)?,
            Item::Trap(message) => panic!("{message}"),
            Item::Spin => spin(),
            Item::Allocate(count) => kept.push(vec![1; count]),
            Item::Recurse => drop(recurse(1)),
        }
    }
    drop(kept);
    Ok(json!({ "answers": answers }).to_string())
}

fn issue(request: &str) -> Result<Value, Error> {
    let answer = host::raw(request);
    serde_json::from_str(&answer).map_err(|error| Error::new("invalid-answer", error.to_string()))
}

fn fail_unless_ok(answers: &[Value], index: usize) -> Result<(), Error> {
    match answers.get(index).and_then(|answer| answer.get("err")) {
        Some(error) => Err(serde_json::from_value(error.clone())?),
        None => Ok(()),
    }
}

/// A JSON string that is `count` bytes long, quotes included.
fn text_of_bytes(count: usize) -> String {
    Value::String("x".repeat(count.saturating_sub(2))).to_string()
}

fn spin() -> ! {
    loop {
        // The optimiser may not assume that this loop ends.
        std::hint::black_box(0);
    }
}

/// Never ends on purpose, and is too opaque for the optimiser to become a loop.
#[expect(
    unconditional_recursion,
    reason = "exhausting the stack is what it is for"
)]
fn recurse(depth: u64) -> u64 {
    std::hint::black_box(recurse(std::hint::black_box(depth) + 1)) + 1
}

#[cfg(test)]
mod tests;
