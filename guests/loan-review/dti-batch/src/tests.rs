//! The whole turn against a scripted host.

use loom_guest::{Error, testing};
use serde_json::{Value, json};

use super::handle;

type Step = (Value, Result<Value, Error>);

/// SHA-256 of the private block, root, two cases, one within its limit, as base64.
const OUTPUT: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQECAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAAAABAAAA";

fn run(message: Value, steps: Vec<Step>) -> Value {
    let _host = testing::script(steps);
    serde_json::from_str(&loom_guest::run(message.to_string(), handle)).unwrap()
}

fn received(sender: Value, body: Value) -> Step {
    let answer = json!({"handle": 1, "message_id": "m", "sender": sender, "body": body});
    (json!({"op": "receive"}), Ok(answer))
}

fn case(id: &str, debt_cents: i64) -> Value {
    let figures = json!({"income_cents": 500_000, "debt_cents": debt_cents, "limit_bps": 4300});
    json!({"type": "case", "application_id": id, "figures": figures})
}

fn collected() -> Vec<Step> {
    vec![
        received(json!("loan-review/D1"), case("D1", 215_000)),
        received(json!("loan-review/D2"), case("D2", 215_001)),
    ]
}

fn proves(output: &str) -> Vec<Step> {
    // Three zeros, then the two blocks, the first of which is the example of docs/formats/programs.md.
    let input = "AAAAg1AAAQIDBAUGBwgJCgsMDQ4PaGxvb20vZHRpVCChBwAAAAAA2EcDAAAAAADMEMwQg1AAAQIDBAUGBwgJCgsMDQ4PaGxvb20\
                 vZHRpVCChBwAAAAAA2UcDAAAAAADMEM0Q";
    let salts = "000102030405060708090a0b0c0d0e0f".repeat(2);
    let proof = json!({"image_id": "07", "public_output": output, "receipt": "bafkreid"});
    vec![
        received(json!(null), json!({"type": "prove"})),
        (json!({"op": "random", "bytes": 32}), Ok(json!(salts))),
        (
            json!({"op": "prove.start", "program": "batch",
                "input": {"media_type": "loom/dti-set", "base64": input}}),
            Ok(json!(4)),
        ),
        (
            json!({"op": "await", "handles": [4], "mode": "all"}),
            Ok(json!([{"ok": proof}])),
        ),
    ]
}

#[test]
fn cases_are_collected_and_proved_together() {
    let expected = json!({
        "receipt": "bafkreid", "image_id": "07", "root": "02".repeat(32), "cases": ["D1", "D2"],
        "within_limit": 1,
    });
    let mut steps = collected();
    steps.extend(proves(OUTPUT));
    steps.push((
        json!({"op": "state.set", "value": expected}),
        Ok(Value::Null),
    ));
    assert_eq!(run(json!({"type": "collect"}), steps), expected);
}

#[test]
fn nobody_but_reviews_may_send_cases_and_nonsense_is_passed_over() {
    let mut steps = collected();
    let mut no_income = case("D9", 1);
    no_income["figures"]["income_cents"] = json!(0);
    steps.extend([
        received(json!(null), case("D3", 1)),
        received(json!("portfolio/X"), case("D4", 1)),
        received(json!("loan-review/D5"), json!({"type": "case"})),
        received(json!("loan-review/D9"), no_income),
        received(json!(null), json!(7)),
    ]);
    steps.extend(proves(OUTPUT));
    let expected = run_ending(steps);
    assert_eq!(expected["cases"], json!(["D1", "D2"]));
}

/// With a host that takes any state.
fn run_ending(steps: Vec<Step>) -> Value {
    let mut steps = steps.into_iter();
    let _host = testing::answer_with(move |request| match request["op"].as_str() {
        Some("state.set") => Ok(Value::Null),
        _ => {
            let (expected, answer) = steps.next().unwrap();
            assert_eq!(request, expected);
            answer
        }
    });
    let message = json!({"type": "collect"}).to_string();
    serde_json::from_str(&loom_guest::run(message, handle)).unwrap()
}

#[test]
fn without_cases_nothing_is_proved() {
    let steps = vec![received(json!(null), json!({"type": "prove"}))];
    assert_eq!(run(json!({"type": "collect"}), steps), Value::Null);
}

#[test]
fn a_proof_of_something_else_fails_the_turn() {
    let none_within = OUTPUT.replace("AAAABAAAA", "AAAAAAAAA");
    assert_ne!(none_within, OUTPUT);
    for (output, kind) in [
        (none_within.as_str(), "proof-disagrees"),
        ("AQIDBA==", "proof-misread"),
    ] {
        let mut steps = collected();
        steps.extend(proves(output));
        let reply = run(json!({"type": "collect"}), steps);
        assert_eq!(reply["err"]["kind"], kind, "{reply}");
    }
}

#[test]
fn a_host_that_cannot_prove_is_named() {
    let mut steps = collected();
    steps.extend(proves(OUTPUT));
    steps.pop();
    steps.last_mut().unwrap().1 = Err(Error::new("no-prover", "this node cannot prove"));
    let reply = run(json!({"type": "collect"}), steps);
    assert_eq!(reply["err"]["kind"], "no-prover");
}

#[test]
fn what_comes_before_collecting_began_is_refused() {
    for message in [case("D1", 1), json!({"type": "prove"})] {
        assert_eq!(run(message, vec![])["err"]["kind"], "not-collecting");
    }
    assert_eq!(run(json!({}), vec![])["err"]["kind"], "invalid-input");
}
