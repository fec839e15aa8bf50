use serde_json::{Value, json};

use super::ratios;

fn run(changes: &Value) -> Value {
    let mut application = json!({
        "application_id": "S0001",
        "loan_amount_cents": 10_500_000,
        "property_value_cents": 13_500_000,
        "income_cents": 9_100_000,
        "monthly_debt_cents": null,
        "lien_status": null,
        "ltv_stated_bps": null,
        "dti_stated": null,
    });
    for (name, value) in changes.as_object().unwrap() {
        application[name] = value.clone();
    }
    serde_json::from_str(&loom_guest::run(application.to_string(), ratios)).unwrap()
}

#[test]
fn loan_to_value() {
    let cases = [
        (json!({}), json!(7777), "derived"),
        (json!({"ltv_stated_bps": 8000}), json!(8000), "stated"),
        (json!({"ltv_stated_bps": 0}), json!(0), "stated"),
        (
            json!({"property_value_cents": null}),
            json!(null),
            "missing",
        ),
        (json!({"lien_status": 1}), json!(7777), "derived"),
        (json!({"lien_status": 2}), json!(null), "missing"),
        (
            json!({"lien_status": 2, "ltv_stated_bps": 9100}),
            json!(9100),
            "stated",
        ),
        (loan(80_009, 100_000), json!(8000), "derived"),
        (loan(80_010, 100_000), json!(8001), "derived"),
        (
            loan(1_000_000_000_000, 1),
            json!(10_000_000_000_000_000_i64),
            "derived",
        ),
    ];
    for (changes, bps, source) in cases {
        let output = run(&changes);
        assert_eq!(
            (&output["ltv_bps"], &output["ltv_source"]),
            (&bps, &json!(source)),
            "{changes}"
        );
    }
}

fn loan(amount: i64, value: i64) -> Value {
    json!({"loan_amount_cents": amount, "property_value_cents": value})
}

#[test]
fn debt_to_income() {
    let bucket = json!({"min_bps": 5000, "max_bps": 6000});
    let open = json!({"min_bps": 6001, "max_bps": null});
    let whole = exactly(4300);
    let nothing = Value::Null;
    let cases = [
        (json!({}), nothing.clone(), "missing", false),
        (
            json!({"dti_stated": bucket}),
            bucket.clone(),
            "stated",
            false,
        ),
        (json!({"dti_stated": open}), open.clone(), "stated", false),
        (debt(430_000, &nothing), exactly(4300), "derived", false),
        (debt(430_001, &nothing), exactly(4301), "derived", false),
        (debt(0, &nothing), exactly(0), "derived", false),
        (debt(430_000, &whole), exactly(4300), "derived", false),
        (debt(440_000, &whole), exactly(4400), "derived", false),
        (debt(440_001, &whole), exactly(4401), "derived", true),
        (debt(420_000, &whole), exactly(4200), "derived", false),
        (debt(419_900, &whole), exactly(4199), "derived", true),
        (debt(610_000, &bucket), exactly(6100), "derived", false),
        (debt(610_001, &bucket), exactly(6101), "derived", true),
        (debt(900_000, &open), exactly(9000), "derived", false),
        (debt(590_100, &open), exactly(5901), "derived", false),
        (debt(590_000, &open), exactly(5900), "derived", true),
        (
            json!({"monthly_debt_cents": 1, "income_cents": 0}),
            nothing.clone(),
            "missing",
            false,
        ),
        (
            json!({"monthly_debt_cents": 1, "income_cents": -5}),
            nothing.clone(),
            "missing",
            false,
        ),
        (
            json!({"monthly_debt_cents": 1, "income_cents": null}),
            nothing.clone(),
            "missing",
            false,
        ),
        (
            json!({"monthly_debt_cents": 1, "income_cents": -5, "dti_stated": bucket}),
            bucket.clone(),
            "stated",
            false,
        ),
    ];
    for (changes, dti, source, conflict) in cases {
        let output = run(&changes);
        let actual = (
            &output["dti"],
            &output["dti_source"],
            &output["dti_conflict"],
        );
        assert_eq!(
            actual,
            (&dti, &json!(source), &json!(conflict)),
            "{changes}"
        );
    }
}

/// A monthly debt against $10,000 a month.
fn debt(cents: i64, stated: &Value) -> Value {
    json!({"monthly_debt_cents": cents, "income_cents": 12_000_000, "dti_stated": stated})
}

fn exactly(bps: i64) -> Value {
    json!({"min_bps": bps, "max_bps": bps})
}

#[test]
fn what_the_normaliser_never_sends_is_refused() {
    let cases = [
        json!({"property_value_cents": 0}),
        json!({"monthly_debt_cents": -1}),
        json!({"loan_amount_cents": 1.5}),
        json!({"loan_amount_cents": i64::MAX, "property_value_cents": 1}),
        json!({"monthly_debt_cents": i64::MAX, "income_cents": 1}),
        json!({"dti_stated": {"min_bps": 1, "max_bps": 2, "more": 3}}),
    ];
    for changes in cases {
        assert_eq!(run(&changes)["err"]["kind"], "invalid-input", "{changes}");
    }
}

#[test]
fn every_output_of_the_normaliser_has_ratios() {
    let cases: Value = serde_json::from_str(normalise_cases::CASES).unwrap();
    for case in cases["cases"].as_array().unwrap() {
        let mut application = cases["output"].clone();
        let Some(changes) = case["changes"].as_object() else {
            continue;
        };
        for (name, value) in changes {
            application[name] = value.clone();
        }
        let output: Value =
            serde_json::from_str(&loom_guest::run(application.to_string(), ratios)).unwrap();
        assert_eq!(output.get("err"), None, "{}", case["name"]);
    }
}
