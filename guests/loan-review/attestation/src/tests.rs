use std::cell::RefCell;
use std::rc::Rc;

use loom_guest::testing;
use serde_json::{Value, json};

use super::handle;

/// Sends messages of these senders to a fresh actor; the replies.
fn run(messages: &[(Option<&str>, &str)]) -> Vec<Value> {
    let state = Rc::new(RefCell::new(Value::Null));
    let sender = Rc::new(RefCell::new(Value::Null));
    let (kept, asked) = (Rc::clone(&state), Rc::clone(&sender));
    let _host = testing::answer_with(move |request| {
        Ok(match request["op"].as_str().unwrap() {
            "context" => json!({
                "namespace": "default", "type": "attestation", "key": "7ccec0fb", "message_id": "m",
                "sender": *asked.borrow(), "deployment": "d", "turn": 1,
            }),
            "state.get" => kept.borrow().clone(),
            "state.set" => {
                kept.replace(request["value"].clone());
                Value::Null
            }
            other => panic!("unexpected {other}"),
        })
    });
    let send = |(from, application): &(Option<&str>, &str)| {
        sender.replace(json!(from));
        let message = json!({"type": "use", "application_id": application});
        serde_json::from_str(&loom_guest::run(message.to_string(), handle)).unwrap()
    };
    messages.iter().map(send).collect()
}

#[test]
fn the_first_application_keeps_it() {
    let replies = run(&[
        (Some("loan-review/S1"), "S1"),
        (Some("loan-review/S2"), "S2"),
        (Some("loan-review/S1"), "S1"),
    ]);
    assert_eq!(replies, vec![json!({"application_id": "S1"}); 3]);
}

#[test]
fn nobody_uses_it_in_the_name_of_another() {
    for sender in [None, Some("loan-review/S2"), Some("portfolio/S1")] {
        let replies = run(&[(sender, "S1"), (Some("loan-review/S3"), "S3")]);
        assert_eq!(replies[0]["err"]["kind"], "not-the-applicant", "{sender:?}");
        assert_eq!(replies[1], json!({"application_id": "S3"}));
    }
}
