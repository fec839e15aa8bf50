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
        json!({"type": "review", "application": {}, "program": "x", "prove": 1}),
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

/// Ten thousand a month and three of debt, against 43 %.
fn derived() -> (Value, Value) {
    let mut typed = cases()["output"].clone();
    typed["income_cents"] = json!(12_000_000);
    typed["monthly_debt_cents"] = json!(300_000);
    let mut derived = ratios();
    derived["dti"] = json!({"min_bps": 3000, "max_bps": 3000});
    derived["dti_source"] = json!("derived");
    (typed, derived)
}

/// The steps up to what is sent, of a review whose ratio can be proved.
fn provable(limit: Value) -> Vec<Step> {
    let (typed, derived) = derived();
    let mut steps = beginning("approve");
    steps[0].1 = Ok(typed.clone());
    steps[1] = activity("ratios", typed, Ok(derived));
    let mut input = steps[3].0["input"].clone();
    input["facts"]["income_cents"] = json!(12_000_000);
    input["facts"]["monthly_debt_cents"] = json!(300_000);
    input["facts"]["dti_bps"] = json!(3000);
    steps[3].0["input"] = input.clone();
    input["limit_of"] = json!("dti_bps");
    let answer = Ok(json!({"limit": limit}));
    steps.push(activity("criteria-reviewer", input, answer));
    steps
}

/// A proof over income and debt of a year, and what it says: 32 bytes, ratio, limit, verdict.
fn proved(public_output: &str) -> Vec<Step> {
    let input = "ABu3AAAAAACA7jYAAAAAAMwQuAs=";
    let proof = json!({"image_id": "07", "public_output": public_output, "receipt": "bafkreid"});
    vec![
        (
            json!({"op": "prove.start", "program": "dti",
                "input": {"media_type": "loom/dti", "base64": input}}),
            Ok(json!(5)),
        ),
        (
            json!({"op": "await", "handles": [5], "mode": "all"}),
            Ok(json!([{"ok": proof}])),
        ),
    ]
}

const WITHIN: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQG4C8wQAQ==";
const ANOTHER_LIMIT: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQG4C80QAQ==";

fn to_batch() -> Step {
    let figures = json!({"income_cents": 12_000_000, "debt_cents": 3_600_000, "limit_bps": 4300});
    let body = json!({"type": "case", "application_id": "S0001", "figures": figures});
    (
        json!({"op": "send", "to": "dti-batch/run", "body": body}),
        Ok(json!("message-id")),
    )
}

#[test]
fn a_ratio_is_proved_alone_and_goes_to_be_proved_with_others() {
    let proof = json!({
        "receipt": "bafkreid", "image_id": "07", "dti_bps": 3000, "limit_bps": 4300,
        "within_limit": true,
    });
    for (prove, batch) in [(true, false), (false, true), (true, true)] {
        let mut expected = reply("approve", "program", &review("approve"));
        expected["dti"] = json!({"min_bps": 3000, "max_bps": 3000});
        expected["dti_source"] = json!("derived");
        let mut message = message();
        let mut steps = provable(json!(4300));
        if prove {
            message["prove"] = json!(true);
            expected["proof"] = proof.clone();
            steps.extend(proved(WITHIN));
        }
        if batch {
            message["batch"] = json!("dti-batch/run");
            steps.push(to_batch());
        }
        steps.extend([decided("approve", "program"), set_state(&expected)]);
        assert_eq!(run(message, steps), expected, "{prove} {batch}");
    }
}

#[test]
fn where_there_is_nothing_to_prove_the_reply_says_so() {
    let mut message = message();
    message["prove"] = json!(true);
    message["batch"] = json!("dti-batch/run");
    let mut expected = reply("approve", "program", &review("approve"));
    expected["proof"] = json!(null);
    // The ratio is a stated one.
    let mut steps = beginning("approve");
    steps.extend([decided("approve", "program"), set_state(&expected)]);
    assert_eq!(run(message.clone(), steps), expected);

    // No criterion limits it, or with a number that is no limit.
    expected["dti"] = json!({"min_bps": 3000, "max_bps": 3000});
    expected["dti_source"] = json!("derived");
    for limit in [json!(null), json!(-1), json!(65_536)] {
        let mut steps = provable(limit);
        steps.extend([decided("approve", "program"), set_state(&expected)]);
        assert_eq!(run(message.clone(), steps), expected);
    }
}

#[test]
fn a_proof_that_fails_or_disagrees_fails_the_turn_before_anything_is_sent() {
    let mut message = message();
    message["prove"] = json!(true);
    message["batch"] = json!("dti-batch/run");
    for output in [ANOTHER_LIMIT, "AQI="] {
        let mut steps = provable(json!(4300));
        steps.extend(proved(output));
        let reply = run(message.clone(), steps);
        assert_eq!(reply["err"]["kind"], "proof-disagrees", "{reply}");
    }
    let mut steps = provable(json!(4300));
    steps.extend(proved(WITHIN));
    let error = json!({"kind": "no-prover", "message": "why", "retryable": false});
    steps.last_mut().unwrap().1 = Ok(json!([{"err": error}]));
    assert_eq!(run(message.clone(), steps)["err"], error);

    // The activity's ratio is not the one that these figures give.
    let mut steps = provable(json!(4300));
    let other = json!({"min_bps": 3001, "max_bps": 3001});
    steps[1].1.as_mut().unwrap()["dti"] = other;
    steps[3].0["input"]["facts"]["dti_bps"] = json!(3001);
    steps[4].0["input"]["facts"]["dti_bps"] = json!(3001);
    assert_eq!(run(message, steps)["err"]["kind"], "proof-disagrees");
}

/// The verifier's and the register's answers about a statement, and who is asked.
fn stated(verdict: Value, used_by: Option<&str>) -> Vec<Step> {
    let fields = json!(["/account/holder", "/income/annual"]);
    let mut steps = vec![(
        json!({"op": "verify", "verifier": "bank-statement", "evidence": "bafkreis",
            "args": {"fields": fields}}),
        Ok(verdict),
    )];
    if let Some(used_by) = used_by {
        let body = json!({"type": "use", "application_id": "S0001"});
        steps.push((
            json!({"op": "call", "to": "attestation/7ccec0fb", "body": body, "deadline_ms": 30_000}),
            Ok(json!({"application_id": used_by})),
        ));
    }
    steps
}

fn accepted(holder: &str, income: &str) -> Value {
    let field = |value: &str| json!({"json": json!(value).to_string()});
    json!({
        "accepted": true, "attestation_id": "7ccec0fb", "notary_key": "031b", "server_name": "bank",
        "time": 1, "findings": [],
        "fields": {"/account/holder": field(holder), "/income/annual": field(income)},
    })
}

fn with_statement() -> Value {
    let mut message = message();
    message["statement"] = json!({"presentation": "bafkreis", "holder": "Jane Q. Public"});
    message
}

/// A review that goes by an attested income, of an applicant who claims 91,000.00.
fn attested(cents: u64, text: &str, decision: &str, reasons: Value) -> Value {
    let mut steps = beginning("approve");
    let mut subject = cases()["output"].clone();
    subject["income_cents"] = json!(cents);
    steps[1] = activity("ratios", subject, Ok(ratios()));
    steps[3].0["input"]["facts"]["income_cents"] = json!(cents);
    for (place, step) in stated(accepted("Jane Q. Public", text), Some("S0001"))
        .into_iter()
        .enumerate()
    {
        steps.insert(1 + place, step);
    }
    let mut expected = reply(decision, "program", &json!({"reasons": reasons}));
    expected["income"] = json!({
        "claimed_cents": 9_100_000, "attested_cents": cents, "notary_key": "031b",
        "server_name": "bank", "attestation_id": "7ccec0fb", "time": 1, "findings": [],
    });
    steps.extend([decided(decision, "program"), set_state(&expected)]);
    assert_eq!(run(with_statement(), steps), expected);
    expected
}

#[test]
fn a_stated_income_counts_and_not_the_claim() {
    attested(9_100_000, "91000.00", "approve", json!([]));
    attested(9_500_000, "95000.00", "approve", json!([]));
    let overstated = json!([{"id": "income-overstated", "code": 6,
        "text": "the income claimed is more than the bank states"}]);
    attested(9_099_999, "90999.99", "deny", overstated);
}

#[test]
fn a_statement_that_does_not_count_fails_the_turn_before_anything_is_decided() {
    let refused = json!({"accepted": false, "code": "signature", "reason": "why"});
    for (verdict, used_by, kind) in [
        (refused, None, "statement-refused"),
        (
            accepted("John Doe", "91000.00"),
            None,
            "statement-of-another",
        ),
        (
            accepted("Jane Q. Public", "91000"),
            None,
            "statement-misread",
        ),
        (
            accepted("Jane Q. Public", "91000.00"),
            Some("S0002"),
            "statement-used",
        ),
        (json!({"accepted": true}), None, "verdict-misread"),
    ] {
        let mut steps = vec![beginning("approve").remove(0)];
        steps.extend(stated(verdict, used_by));
        assert_eq!(run(with_statement(), steps)["err"]["kind"], kind);
    }
}
