//! The activity `criteria-reviewer`: a criteria program and facts -> a decision with its reasons.
//!
//! In: `{"program": TEXT, "state": "TX" | null, "facts": {NAME: FACT}}`, where a fact is an integer,
//! `null` for missing, or `{"min": N, "max": N | null}`. The program is text rather than JSON, so
//! that it stays byte for byte what its CID names. Out: the review of the crate `criteria`, which
//! does all the work and documents the language. With `"limit_of": NAME`, out is `{"limit": N | null}`:
//! the lowest limit that the criteria which apply set that fact. A program that breaks its rules fails with kind
//! `invalid-program` and the place; facts that do not fit the program with `invalid-facts`.

use criteria::{Facts, Program, Review};
use loom_guest::Error;
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    program: String,
    state: Option<String>,
    facts: Facts,
    limit_of: Option<String>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Output {
    Review(Review),
    Limit { limit: Option<i64> },
}

loom_guest::activity!(review);

fn review(input: Input) -> Result<Output, Error> {
    let program = Program::parse(&input.program)
        .map_err(|error| Error::new("invalid-program", error.to_string()))?;
    let state = input.state.as_deref();
    let output = match &input.limit_of {
        Some(name) => criteria::limit(&program, state, &input.facts, name)
            .map(|limit| Output::Limit { limit }),
        None => criteria::evaluate(&program, state, &input.facts).map(Output::Review),
    };
    output.map_err(|error| Error::new("invalid-facts", error.to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::review;

    const PROGRAM: &str = r#"{"format": "loom-criteria/1", "name": "t", "version": "1", "criteria": [
        {"id": "cap", "severity": "deny", "code": 1, "text": "too high",
         "require": {"field": "x", "at_most": 50}}]}"#;

    fn run(input: Value) -> Value {
        serde_json::from_str(&loom_guest::run(input.to_string(), review)).unwrap()
    }

    #[test]
    fn a_program_decides() {
        let output = run(
            json!({"program": PROGRAM, "state": null, "facts": {"x": {"min": 51, "max": null}}}),
        );
        let expected = json!({
            "decision": "deny", "met": [], "missed": ["cap"], "unknown": [],
            "reasons": [{"id": "cap", "code": 1, "text": "too high"}],
        });
        assert_eq!(output, expected);
    }

    #[test]
    fn a_limit_is_told_to_whoever_asks() {
        for (name, expected) in [("x", json!(50)), ("y", json!(null))] {
            let input =
                json!({"program": PROGRAM, "state": null, "facts": {"x": 51}, "limit_of": name});
            assert_eq!(run(input), json!({"limit": expected}));
        }
    }

    #[test]
    fn failures_say_whose_fault() {
        let cases = [
            (
                json!({"program": "{}", "state": null, "facts": {}}),
                "invalid-program",
            ),
            (
                json!({"program": PROGRAM, "state": null, "facts": {}}),
                "invalid-facts",
            ),
            (
                json!({"program": PROGRAM, "state": null, "facts": {"x": 1.5}}),
                "invalid-input",
            ),
            (json!({"program": PROGRAM, "state": null}), "invalid-input"),
            (
                json!({"program": PROGRAM, "state": null, "facts": {}, "limit_of": 7}),
                "invalid-input",
            ),
        ];
        for (input, kind) in cases {
            assert_eq!(run(input.clone())["err"]["kind"], kind, "{input}");
        }
    }
}
