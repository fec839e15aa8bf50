//! The example's criteria program, on applications as the normaliser puts them out.

use criteria::{Program, evaluate};
use serde_json::{Map, Value, json};

use crate::facts::facts;

const PROGRAM: &str = include_str!("../../../../examples/loan-review/criteria.json");

/// The decision, then what was missed (`-`) or is unknown and counts (`?`).
fn check(application: Value, ratios: Value, expected: &str) {
    let cases: Value = serde_json::from_str(normalise_cases::CASES).unwrap();
    let mut subject: Map<String, Value> = cases["output"].as_object().unwrap().clone();
    subject.extend(application.as_object().unwrap().clone());
    let mut all_ratios = json!({
        "ltv_bps": 7777, "ltv_source": "stated", "dti": {"min_bps": 3000, "max_bps": 3599},
        "dti_source": "stated", "dti_conflict": false,
    });
    for (name, value) in ratios.as_object().unwrap() {
        all_ratios[name] = value.clone();
    }
    let facts = facts(&subject, &serde_json::from_value(all_ratios).unwrap()).unwrap();
    let program = Program::parse(PROGRAM).unwrap_or_else(|error| panic!("{error}"));
    let review = evaluate(&program, subject["state"].as_str(), &facts).unwrap();
    let mut actual = format!("{:?}", review.decision).to_lowercase();
    for reason in &review.reasons {
        let sign = if review.missed.contains(&reason.id) {
            '-'
        } else {
            '?'
        };
        actual.push_str(&format!(" {sign}{}", reason.id));
    }
    assert_eq!(actual, expected, "{application} {ratios}");
}

fn dti(min_bps: i64, max_bps: impl Into<Option<i64>>) -> Value {
    json!({"dti": {"min_bps": min_bps, "max_bps": max_bps.into()}})
}

fn ltv(bps: i64) -> Value {
    json!({"ltv_bps": bps})
}

#[test]
fn debt_to_income() {
    let conventional = json!({});
    let (fha, va, usda) = (
        json!({"loan_type": 2}),
        json!({"loan_type": 3}),
        json!({"loan_type": 4}),
    );
    check(conventional.clone(), dti(5000, 5000), "approve");
    check(
        conventional.clone(),
        dti(5001, 5001),
        "deny -dti-conventional",
    );
    check(
        conventional.clone(),
        dti(5000, 6000),
        "refer ?dti-conventional",
    );
    check(
        conventional.clone(),
        dti(6001, None),
        "deny -dti-conventional",
    );
    check(conventional, json!({"dti": null}), "refer -dti-known");
    check(fha.clone(), dti(4900, 4900), "approve");
    check(fha.clone(), dti(5000, 6000), "refer ?dti-fha");
    check(fha.clone(), dti(6001, None), "deny -dti-fha");
    check(va.clone(), dti(5000, 6000), "approve");
    check(va, dti(6001, None), "refer -dti-va");
    check(usda, dti(4500, 4500), "refer -dti-usda");
    check(
        json!({"conforming_loan_limit": 0}),
        dti(4500, 4500),
        "refer -dti-jumbo",
    );
    check(
        json!({"conforming_loan_limit": 1}),
        dti(4500, 4500),
        "approve",
    );
    check(
        json!({}),
        json!({"dti_conflict": true}),
        "refer -dti-consistent",
    );
}

#[test]
fn loan_to_value() {
    let purchase = json!({});
    check(purchase.clone(), ltv(9700), "approve");
    check(purchase.clone(), ltv(9701), "refer -ltv-purchase");
    check(purchase.clone(), ltv(10500), "refer -ltv-purchase");
    check(
        purchase.clone(),
        ltv(10501),
        "deny -ltv-ceiling -ltv-purchase",
    );
    check(purchase, json!({"ltv_bps": null}), "refer -ltv-known");
    let cash_out = |state: Value| json!({"loan_purpose": 32, "state": state});
    check(cash_out(json!("CA")), ltv(8000), "approve");
    check(cash_out(json!("CA")), ltv(8001), "refer -ltv-cash-out");
    check(
        cash_out(json!("TX")),
        ltv(8001),
        "deny -ltv-cash-out -tx-home-equity",
    );
    check(
        cash_out(json!(null)),
        ltv(8001),
        "refer -ltv-cash-out ?tx-home-equity",
    );
    check(cash_out(json!(null)), ltv(8000), "approve");
    let home_equity = |state: &str| json!({"loan_purpose": 4, "state": state});
    check(home_equity("CA"), ltv(8500), "approve");
    check(home_equity("CA"), ltv(9001), "refer -ltv-home-equity");
    check(home_equity("TX"), ltv(8500), "deny -tx-home-equity");
    let second_home = |purpose: i64| json!({"occupancy_type": 2, "loan_purpose": purpose});
    check(second_home(1), ltv(9000), "approve");
    check(second_home(1), ltv(9001), "refer -ltv-second-home");
    check(second_home(32), ltv(7501), "refer -ltv-second-home");
    let investment = |purpose: i64| json!({"occupancy_type": 3, "loan_purpose": purpose});
    check(investment(1), ltv(8500), "approve");
    check(investment(31), ltv(7501), "refer -ltv-investment");
    check(json!({"loan_type": 2}), ltv(9819), "approve");
    check(json!({"loan_type": 2}), ltv(9820), "refer -ltv-fha");
    check(
        json!({"loan_type": 2, "loan_purpose": 32, "state": "CA"}),
        ltv(8141),
        "refer -ltv-fha",
    );
    check(json!({"loan_type": 3}), ltv(10330), "approve");
    check(json!({"loan_type": 3}), ltv(10331), "refer -ltv-va");
    check(json!({"loan_type": 4}), ltv(10102), "refer -ltv-usda");
}

#[test]
fn income_and_what_is_not_covered() {
    check(
        json!({"income_cents": null}),
        json!({}),
        "refer -income-stated",
    );
    check(
        json!({"income_cents": 0}),
        json!({}),
        "refer -income-positive",
    );
    check(
        json!({"income_cents": -1}),
        json!({}),
        "deny -income-not-negative",
    );
    let nothing = json!({"dti": null, "ltv_bps": null});
    let streamline =
        |loan_type: i64| json!({"loan_type": loan_type, "loan_purpose": 31, "income_cents": null});
    check(streamline(2), nothing.clone(), "approve");
    check(streamline(3), nothing.clone(), "approve");
    check(
        streamline(1),
        nothing,
        "refer -income-stated -dti-known -ltv-known",
    );
    check(json!({"multifamily": 1}), json!({}), "refer -residential");
    check(json!({"multifamily": null}), json!({}), "approve");
    check(
        json!({"reverse_mortgage": 1}),
        json!({}),
        "refer -not-reverse",
    );
    check(
        json!({"business_or_commercial_purpose": 1}),
        json!({}),
        "refer -consumer-purpose",
    );
    let manufactured = |secured: Value| json!({"construction_method": 2, "manufactured_home_secured_property_type": secured});
    check(manufactured(json!(1)), json!({}), "approve");
    check(
        manufactured(json!(2)),
        json!({}),
        "refer -manufactured-with-land",
    );
    check(
        manufactured(json!(null)),
        json!({}),
        "refer ?manufactured-with-land",
    );
}
