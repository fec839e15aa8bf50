//! The whole turn against a scripted host.

use loom_guest::{Error, testing};
use serde_json::{Value, json};

use super::{ANSWERS_MAX, handle};

const PROGRAM: &str = "bafkreiprogram";
const PROGRAM_TEXT: &str = "{\"the\": \"program\"}";

type Step = (Value, Result<Value, Error>);

fn cases() -> Value {
    serde_json::from_str(normalise_cases::CASES).unwrap()
}

fn run(message: Value, steps: Vec<Step>) -> Value {
    let _host = testing::script(steps);
    serde_json::from_str(&loom_guest::run(message.to_string(), handle)).unwrap()
}

fn message() -> Value {
    json!({"type": "review", "application": cases()["base"], "program": PROGRAM})
}

fn activity(name: &str, input: Value, answer: Result<Value, Error>) -> Step {
    (
        json!({"op": "activity", "name": name, "input": input}),
        answer,
    )
}

fn ratios() -> Value {
    json!({
        "ltv_bps": 7777, "ltv_source": "stated",
        "dti": {"min_bps": 3000, "max_bps": 3599}, "dti_source": "stated", "dti_conflict": false,
    })
}

fn review(decision: &str) -> Value {
    let reasons = match decision {
        "approve" => json!([]),
        _ => json!([{"id": "cap", "code": 1, "text": "too high"}]),
    };
    json!({"decision": decision, "met": ["a"], "missed": ["cap"], "unknown": [], "reasons": reasons})
}

/// The steps that every review begins with.
fn beginning(decision: &str) -> Vec<Step> {
    let (base, typed) = (cases()["base"].clone(), cases()["output"].clone());
    let facts = json!({
        "activity_year": 2024, "loan_type": 1, "loan_purpose": 1, "occupancy_type": 1,
        "lien_status": null, "preapproval": null, "reverse_mortgage": null,
        "open_end_line_of_credit": null, "business_or_commercial_purpose": null,
        "conforming_loan_limit": null, "construction_method": 1, "multifamily": 0,
        "manufactured_home_secured_property_type": null, "loan_term_months": null,
        "loan_amount_cents": 10_500_000, "property_value_cents": 13_500_000,
        "income_cents": 9_100_000, "monthly_debt_cents": null,
        "ltv_bps": 7777, "dti_bps": {"min": 3000, "max": 3599}, "dti_conflict": 0,
    });
    vec![
        activity("normalise", base, Ok(typed.clone())),
        activity("ratios", typed, Ok(ratios())),
        (
            json!({"op": "blob.get", "cid": PROGRAM}),
            Ok(json!(PROGRAM_TEXT)),
        ),
        activity(
            "criteria-reviewer",
            json!({"program": PROGRAM_TEXT, "state": "TX", "facts": facts}),
            Ok(review(decision)),
        ),
    ]
}

fn send(body: Value) -> Step {
    let to = "portfolio/SYNTHETICLENDER00001";
    (
        json!({"op": "send", "to": to, "body": body}),
        Ok(json!("message-id")),
    )
}

fn decided(decision: &str, by: &str) -> Step {
    send(json!({
        "type": "decided", "application_id": "S0001", "decision": decision, "by": by,
        "amount_cents": 10_500_000,
    }))
}

fn about_referral(kind: &str) -> Step {
    send(json!({"type": kind, "application_id": "S0001", "amount_cents": 10_500_000}))
}

fn set_state(reply: &Value) -> Step {
    (json!({"op": "state.set", "value": reply}), Ok(Value::Null))
}

fn promise(handle: u64, problem: Option<&str>) -> Step {
    let mut data = json!({
        "application_id": "S0001", "reasons": [{"id": "cap", "code": 1, "text": "too high"}],
    });
    if let Some(problem) = problem {
        data["problem"] = json!(problem);
    }
    let answer = json!({"handle": handle, "token": format!("token-{handle}")});
    (
        json!({"op": "promise.create", "label": "loan-review", "data": data}),
        Ok(answer),
    )
}

fn answered(handle: u64, answer: Result<Value, Error>) -> Step {
    (json!({"op": "promise.await", "handle": handle}), answer)
}

fn reply(decision: &str, by: &str, review: &Value) -> Value {
    json!({
        "application_id": "S0001", "decision": decision, "by": by,
        "criteria": {"met": ["a"], "missed": ["cap"], "unknown": []},
        "reasons": review["reasons"],
        "ltv_bps": 7777, "ltv_source": "stated",
        "dti": {"min_bps": 3000, "max_bps": 3599}, "dti_source": "stated",
        "program": PROGRAM,
    })
}

#[test]
fn the_program_decides() {
    for decision in ["approve", "deny"] {
        let expected = reply(decision, "program", &review(decision));
        let mut steps = beginning(decision);
        steps.extend([decided(decision, "program"), set_state(&expected)]);
        assert_eq!(run(message(), steps), expected);
    }
}

#[test]
fn a_person_decides_what_the_program_refers() {
    for (note, shown) in [
        (json!("seen the lease"), json!("seen the lease")),
        (json!(null), json!(null)),
    ] {
        let mut expected = reply("approve", "person", &review("refer"));
        expected["person"] = json!({"by": "Ada", "note": shown});
        let mut steps = beginning("refer");
        steps.extend([
            about_referral("referred"),
            promise(1, None),
            answered(
                1,
                Ok(json!({"decision": "approve", "by": "Ada", "note": note})),
            ),
            decided("approve", "person"),
            set_state(&expected),
        ]);
        assert_eq!(run(message(), steps), expected);
    }
}

#[test]
fn an_unusable_answer_is_asked_for_again() {
    let unusable = [
        (
            json!({"decision": "refer", "by": "Ada"}),
            "unknown variant `refer`, expected `approve` or `deny`",
        ),
        (json!({"decision": "deny"}), "missing field `by`"),
        (
            json!({"decision": "deny", "by": " "}),
            "\"by\" names nobody",
        ),
        (
            json!({"decision": "deny", "by": "A".repeat(201)}),
            "\"by\" is longer than 200 characters",
        ),
    ];
    let mut expected = reply("deny", "person", &review("refer"));
    expected["person"] = json!({"by": "Ada", "note": null});
    let mut steps = beginning("refer");
    steps.push(about_referral("referred"));
    let mut problem = None;
    for (handle, (answer, reason)) in unusable.into_iter().enumerate() {
        steps.extend([
            promise(handle as u64, problem),
            answered(handle as u64, Ok(answer)),
        ]);
        problem = Some(reason);
    }
    steps.extend([
        promise(9, problem),
        answered(9, Ok(json!({"decision": "deny", "by": "Ada"}))),
        decided("deny", "person"),
        set_state(&expected),
    ]);
    assert_eq!(run(message(), steps), expected);
}

#[test]
fn a_referral_without_a_decision_is_abandoned() {
    let mut steps = beginning("refer");
    steps.extend([
        about_referral("referred"),
        promise(1, None),
        answered(1, Err(Error::new("rejected", "withdrawn by the applicant"))),
        about_referral("abandoned"),
    ]);
    assert_eq!(run(message(), steps)["err"]["kind"], "rejected");

    let mut steps = beginning("refer");
    steps.push(about_referral("referred"));
    let text = "invalid type: string \"yes\", expected struct Answer";
    for attempt in 0..ANSWERS_MAX as u64 {
        steps.extend([
            promise(attempt, (attempt > 0).then_some(text)),
            answered(attempt, Ok(json!("yes"))),
        ]);
    }
    steps.push(about_referral("abandoned"));
    assert_eq!(run(message(), steps)["err"]["kind"], "no-usable-answer");
}

#[test]
fn a_failed_step_fails_the_turn_before_anything_is_sent() {
    for failing in 0..4 {
        let mut steps = beginning("approve");
        steps.truncate(failing + 1);
        steps[failing].1 = Err(Error::new("some-kind", "why"));
        let expected = json!({"err": {"kind": "some-kind", "message": "why", "retryable": false}});
        assert_eq!(run(message(), steps), expected, "step {failing}");
    }
}

#[test]
fn a_message_of_another_shape_is_refused() {
    let messages = [
        json!({"type": "approve", "application": {}, "program": "x"}),
        json!({"type": "review", "application": [], "program": "x"}),
        json!({"type": "review", "application": {}}),
        json!({"type": "review", "application": {}, "program": "x", "decision": "approve"}),
        json!({}),
        json!(null),
    ];
    for message in messages {
        assert_eq!(
            run(message.clone(), vec![])["err"]["kind"],
            "invalid-input",
            "{message}"
        );
    }
}
