use std::cell::RefCell;
use std::rc::Rc;

use loom_guest::testing;
use serde_json::{Value, json};

use super::handle;

/// Sends the messages to a fresh portfolio; the replies, and the state at the end.
fn run(sender: Option<&str>, messages: &[Value]) -> (Vec<Value>, Value) {
    let state = Rc::new(RefCell::new(Value::Null));
    let context = json!({
        "namespace": "default", "type": "portfolio", "key": "SYNTHETICLENDER00001",
        "message_id": "m", "sender": sender, "deployment": "d", "turn": 1,
    });
    let kept = Rc::clone(&state);
    let _host = testing::answer_with(move |request| {
        Ok(match request["op"].as_str().unwrap() {
            "context" => context.clone(),
            "state.get" => kept.borrow().clone(),
            "state.set" => {
                kept.replace(request["value"].clone());
                Value::Null
            }
            other => panic!("unexpected {other}"),
        })
    });
    let reply = |message: &Value| {
        serde_json::from_str(&loom_guest::run(message.to_string(), handle)).unwrap()
    };
    let replies = messages.iter().map(reply).collect();
    let state = state.borrow().clone();
    (replies, state)
}

fn decided(id: &str, decision: &str, by: &str, amount_cents: u64) -> Value {
    json!({
        "type": "decided", "application_id": id, "decision": decision, "by": by,
        "amount_cents": amount_cents,
    })
}

fn about(kind: &str, id: &str, amount_cents: u64) -> Value {
    json!({"type": kind, "application_id": id, "amount_cents": amount_cents})
}

#[test]
fn totals_add_up() {
    let messages = [
        decided("S1", "approve", "program", 100),
        decided("S2", "deny", "program", 20),
        about("referred", "S3", 3),
        about("referred", "S4", 4),
        about("referred", "S5", 5),
        about("referred", "S6", 6),
        decided("S3", "approve", "person", 3),
        decided("S4", "deny", "person", 4),
        about("abandoned", "S5", 5),
        json!({"type": "totals"}),
    ];
    let (replies, state) = run(Some("loan-review/S1"), &messages);
    let expected = json!({
        "approved": {"count": 2, "amount_cents": 103},
        "denied": {"count": 2, "amount_cents": 24},
        "decided_by_program": 2,
        "decided_by_person": 2,
        "referred_pending": {"count": 1, "amount_cents": 6},
        "referred_resolved": 2,
        "referred_abandoned": 1,
        "last": {"application_id": "S4", "decision": "deny"},
    });
    assert_eq!(replies.last(), Some(&expected));
    assert_eq!(state, expected);
    assert!(replies[..9].iter().all(Value::is_null), "{replies:?}");
}

#[test]
fn anybody_may_ask_and_only_reviews_may_report() {
    for sender in [None, Some("portfolio/X"), Some("loan-reviewer/X")] {
        let messages = [
            decided("S1", "approve", "program", 1),
            json!({"type": "totals"}),
        ];
        let (replies, state) = run(sender, &messages);
        assert_eq!(replies[0]["err"]["kind"], "forbidden", "{sender:?}");
        assert_eq!(replies[1]["approved"]["count"], 0, "{sender:?}");
        assert_eq!(state, Value::Null);
    }
}

#[test]
fn nonsense_is_refused_and_changes_nothing() {
    let cases = [
        (decided("S1", "refer", "program", 1), "invalid-input"),
        (decided("S1", "approve", "nobody", 1), "invalid-input"),
        (decided("", "approve", "program", 1), "invalid-input"),
        (
            decided(&"i".repeat(65), "approve", "program", 1),
            "invalid-input",
        ),
        (decided("S1", "approve", "person", 1), "not-referred"),
        (about("abandoned", "S1", 1), "not-referred"),
        (
            json!({"type": "decided", "application_id": "S1"}),
            "invalid-input",
        ),
        (
            json!({"type": "referred", "application_id": "S1", "amount_cents": -1}),
            "invalid-input",
        ),
        (json!({"type": "reset"}), "invalid-input"),
        (
            json!({"type": "totals", "of": "everybody"}),
            "invalid-input",
        ),
        (json!(null), "invalid-input"),
    ];
    for (message, kind) in cases {
        let (replies, state) = run(Some("loan-review/S1"), std::slice::from_ref(&message));
        assert_eq!(replies[0]["err"]["kind"], kind, "{message}");
        assert_eq!(state, Value::Null, "{message}");
    }
}

#[test]
fn a_sum_beyond_64_bits_is_refused() {
    let messages = [
        decided("S1", "deny", "program", u64::MAX),
        decided("S2", "deny", "program", 1),
    ];
    let (replies, state) = run(Some("loan-review/S1"), &messages);
    assert_eq!(replies[1]["err"]["kind"], "overflow");
    assert_eq!(state["denied"]["count"], 1);
}
