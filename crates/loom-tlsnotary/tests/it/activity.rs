//! The verifier as a function of texts.

use data_encoding::BASE64;
use loom_tlsnotary::activity::verdict;
use serde_json::{Value, json};

use crate::{bytes, manifest};

const AT_MS: u64 = 1_795_350_790_000;

fn policy(changes: &Value) -> Value {
    let mut policy = json!({
        "notary_keys": ["031b84c5567b126440995d3ed5aaba0565d71e1834604819ff9c17f5e9d5dd078f"],
        "roots": [BASE64.encode(&bytes("pki/ec-root.der"))],
        "servers": ["statements.examplebank.test"],
        "age_s_max": 3600,
    });
    for (name, value) in changes.as_object().unwrap() {
        policy[name] = value.clone();
    }
    policy
}

fn judged(file: &str, changes: Value, at_ms: u64, args: Value) -> Value {
    let text = verdict(&bytes(file), &policy(&changes).to_string(), at_ms, &args.to_string());
    serde_json::from_str(&text).unwrap()
}

const FULL: &str = "valid/s1-bank-blake3-k256.full.presentation.tlsn";
const REDACTED: &str = "valid/s1-bank-blake3-k256.redacted.presentation.tlsn";
const FIELDS: &str = "valid/s1-bank-blake3-k256.fields.presentation.tlsn";

#[test]
fn fields_of_an_accepted_presentation() {
    let verdict = judged(FULL, json!({"fields": ["/account/holder"]}), AT_MS, json!({"fields": ["/closing_balance"]}));
    assert_eq!(verdict["accepted"], true, "{verdict}");
    assert_eq!(verdict["fields"]["/account/holder"]["json"], r#""Jane Q. Public""#);
    assert_eq!(verdict["fields"]["/closing_balance"]["json"], r#""5873.12""#);
    assert_eq!(verdict["attestation_id"], manifest()["valid"][0]["attestation_id"]);
    assert_eq!(verdict["findings"], json!([]));
}

#[test]
fn why_a_presentation_is_not_accepted() {
    let balance = || json!({"fields": ["/closing_balance"]});
    let none = || json!({});
    for (file, changes, at_ms, args, code) in [
        (FULL, none(), AT_MS + 3_600_000, none(), "accepted"),
        (FULL, none(), AT_MS + 3_601_000, none(), "too-old"),
        (FULL, none(), AT_MS - 301_000, none(), "too-new"),
        (FULL, json!({"servers": ["bank.example"]}), AT_MS, none(), "name-unexpected"),
        (FULL, json!({"notary_keys": []}), AT_MS, none(), "notary-untrusted"),
        (FULL, json!({"notary_keys": ["00"]}), AT_MS, none(), "invalid-policy"),
        (FULL, json!({"roots": ["AAAA"]}), AT_MS, none(), "invalid-policy"),
        (FULL, json!({"roots": [{"subject": ""}]}), AT_MS, none(), "invalid-policy"),
        (FULL, json!({"roots": [{"subject": "", "subject_public_key_info": ""}]}), AT_MS, none(), "certificate"),
        (FULL, json!({"further": 1}), AT_MS, none(), "invalid-policy"),
        (FULL, none(), AT_MS, json!([]), "invalid-args"),
        (FULL, none(), AT_MS, json!({"fields": ["/nothing"]}), "field"),
        (REDACTED, none(), AT_MS, balance(), "field"),
        (REDACTED, json!({"assume_placement": true}), AT_MS, balance(), "accepted"),
        (FIELDS, json!({"assume_placement": true}), AT_MS, balance(), "response-unreadable"),
        ("valid/s1-bank-blake3-k256.identity-only.presentation.tlsn", none(), AT_MS, balance(), "nothing-disclosed"),
        (
            "valid/s1-bank-blake3-k256.no-identity.presentation.tlsn",
            json!({"servers": []}),
            AT_MS,
            none(),
            "name-missing",
        ),
        ("adversarial/amount-raised.tlsn", none(), AT_MS, none(), "opening-uncommitted"),
        ("adversarial/trunc-9.tlsn", none(), AT_MS, none(), "malformed"),
    ] {
        let verdict = judged(file, changes.clone(), at_ms, args);
        let found = if verdict["accepted"] == true { "accepted" } else { verdict["code"].as_str().unwrap() };
        assert_eq!(found, code, "{file} {changes}: {verdict}");
    }
}

#[test]
fn the_operators_own_notary_is_flagged() {
    let own = json!({"operator_keys": ["031b84c5567b126440995d3ed5aaba0565d71e1834604819ff9c17f5e9d5dd078f"]});
    let verdict = judged(FULL, own, AT_MS, json!({}));
    assert_eq!(verdict["findings"][0]["code"], "operator-notary");
}
