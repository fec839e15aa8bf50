//! An amount that is proved and not shown: from a holder's presentation to what a reader of the two files learns.

use std::path::Path;

use serde_json::{Value, json};

use crate::process::run;

/// The notary of `testdata/committed`.
const KEY: &str = "02989c0b76cb563971fdc9bef31ec06c3560f3249d6ee9e5d83c57625596e05f6f";

fn testdata(name: &str) -> String {
    format!("{}/../loom-tlsnotary/testdata/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Runs `loom tlsn` and says how it ended, what it printed, and its complaint.
fn tlsn(arguments: &[&str]) -> (i32, String, String) {
    let output = run(&[&["tlsn"], arguments].concat());
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Prepares a proof that the closing balance reaches a threshold, and the presentation without it.
fn prepared(folder: &Path, cents: &str) -> (Value, String) {
    let shown = folder.join("shown.tlsn").to_str().unwrap().to_owned();
    let full = testdata("committed/full.tlsn");
    let arguments = ["--pointer", "/closing_balance", "--threshold-cents", cents, "--out", &shown];
    let (exit, printed, said) = tlsn(&[&["amount", &full], &arguments[..]].concat());
    assert_eq!(exit, 0, "{said}");
    assert!(said.contains("as private as the amount") && !said.contains("5873"), "{said}");
    (serde_json::from_str(&printed).unwrap(), shown)
}

fn verified(file: &str, receipt: &str, json: &[&str]) -> (i32, String) {
    let root = testdata("pki/ec-root.pem");
    let trusted = ["--notary-key", KEY, "--root", &root, "--receipt", receipt];
    let (exit, printed, _) = tlsn(&[&["verify", file], &trusted[..], json].concat());
    (exit, printed)
}

#[test]
fn what_is_to_be_proved_is_taken_out_of_a_presentation() {
    let folder = tempfile::tempdir().unwrap();
    let (input, shown) = prepared(folder.path(), "500000");
    let expected = json!({
        "attestation_id": "636f6d6d697474656420616d6f756e74", "range": [399, 406], "blinder": "03".repeat(16),
        "text": "5873.12", "threshold_cents": 500_000,
    });
    assert_eq!(input, expected);
    let expected = std::fs::read(testdata("committed/shown.tlsn")).unwrap();
    assert!(std::fs::read(&shown).unwrap() == expected, "it is the presentation without the one value");
    let genuine = testdata("valid/s2-bank-sha256-p256.full.presentation.tlsn");
    let full = testdata("committed/full.tlsn");
    for (file, pointer, problem) in [
        (&genuine, "/closing_balance", "no commitment to this value alone"),
        (&full, "/currency", "no commitment to this value alone"),
        (&full, "/nothing", "no such member"),
        (&shown, "/closing_balance", "it is hidden, by all appearances in bytes 399 to 406"),
    ] {
        let (exit, _, said) = tlsn(&["amount", file, "--pointer", pointer, "--threshold-cents", "1"]);
        assert!(exit == 2 && said.contains("error[input-invalid]") && said.contains(problem), "{said}");
    }
}

#[test]
fn a_receipt_of_something_else_proves_nothing_of_an_amount() {
    let other = format!("{}/../loom-risc0-verify/testdata/groth16_3.0.receipt.borsh", env!("CARGO_MANIFEST_DIR"));
    let (exit, printed) = verified(&testdata("committed/shown.tlsn"), &other, &["--json"]);
    let verdict: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!((exit, &verdict["accepted"], &verdict["amount"]["proved"]), (1, &json!(false), &json!(false)));
    assert!(verdict["reason"].as_str().unwrap().starts_with("nothing is proved of it: "), "{verdict}");
    let (exit, printed) = verified(&testdata("committed/shown.tlsn"), &other, &[]);
    assert!(
        exit == 1
            && printed.starts_with("rejected: ")
            && printed.contains("amount      nothing is proved of it: the receipt is not one of"),
        "{printed}"
    );
    let nowhere = testdata("committed/nowhere");
    assert_eq!(verified(&testdata("committed/shown.tlsn"), &nowhere, &[]).0, 2);
}

#[test]
#[cfg(feature = "prover")]
fn a_hidden_amount_is_proved_to_reach_a_threshold() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["amount.json", "data", "the.receipt"].map(|name| folder.path().join(name));
    let [input, data, receipt] = paths.each_ref().map(|path| path.to_str().unwrap());
    let prove = |cents: &str, more: &[&str]| {
        let (json, shown) = prepared(folder.path(), cents);
        std::fs::write(input, json.to_string()).unwrap();
        let arguments = ["prove", "committed-amount", "--input", input, "--data", data, "--out", receipt, "--json"];
        let output = run(&[&arguments, more].concat());
        let proved: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (proved, shown)
    };
    let (dry, _) = prove("600000", &["--dry-run"]);
    assert_eq!((&dry["cost"]["segment_po2"], &dry["says"]["reached"]), (&json!([14]), &json!(false)));

    let (proved, shown) = prove("500000", &[]);
    assert_eq!((&proved["says"]["reached"], &proved["says"]["range"]), (&json!(true), &json!([399, 406])));
    let (exit, printed) = verified(&shown, receipt, &["--json"]);
    let amount = &serde_json::from_str::<Value>(&printed).unwrap()["amount"];
    assert_eq!((exit, &amount["pointer"]), (0, &json!("/closing_balance")), "{amount}");
    assert_eq!((&amount["threshold_cents"], &amount["shown"]), (&json!(500_000), &json!(false)));
    let (exit, printed) = verified(&shown, receipt, &[]);
    assert!(exit == 0 && printed.contains("proved to be at least 5000.00, and it is not shown"), "{printed}");

    // The same receipt beside a presentation of another attestation, by a notary that is trusted as well.
    let genuine = testdata("valid/s1-bank-blake3-k256.full.presentation.tlsn");
    let key = "031b84c5567b126440995d3ed5aaba0565d71e1834604819ff9c17f5e9d5dd078f";
    let root = testdata("pki/ec-root.pem");
    let (exit, printed, _) = tlsn(&["verify", &genuine, "--notary-key", key, "--root", &root, "--receipt", receipt]);
    assert!(exit == 1 && printed.contains("not about this presentation: it is of another attestation"), "{printed}");
}
