//! `loom tlsn`: whether a notary saw it, says the exit code.

use serde_json::Value;

use crate::process::{run, stdout};

const KEY: &str = "031b84c5567b126440995d3ed5aaba0565d71e1834604819ff9c17f5e9d5dd078f";

fn testdata(name: &str) -> String {
    format!("{}/../loom-tlsnotary/testdata/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn verdict(arguments: &[&str]) -> (i32, Value, String) {
    let output = run(&[&["tlsn", "verify"], arguments].concat());
    let verdict = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code().unwrap(), verdict, String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_presentation_is_accepted_rejected_or_unreadable() {
    let file = testdata("valid/s1-bank-blake3-k256.redacted.presentation.tlsn");
    let root = testdata("pki/ec-root.pem");
    let trusted = ["--notary-key", KEY, "--root", &root];
    let server = ["--server", "statements.examplebank.test", "--field", "/closing_balance", "--json"];
    let (exit, accepted, _) = verdict(&[&[&file[..]], &trusted[..], &server].concat());
    assert_eq!((exit, &accepted["accepted"], &accepted["reason"]), (0, &true.into(), &Value::Null));
    assert_eq!((&accepted["notary_key"], &accepted["time"]), (&KEY.into(), &1_795_350_790.into()));
    assert_eq!(accepted["server_name"], "statements.examplebank.test");
    assert!(accepted["sent"].as_str().unwrap().contains(&format!("authorization: {}\r\n", "X".repeat(26))));
    assert!(accepted["received"].as_str().unwrap().contains(&format!(r#""holder":"{}""#, "X".repeat(14))));
    let field = &accepted["fields"]["/closing_balance"];
    assert_eq!((&field["json"], &field["placed"]), (&r#""5873.12""#.into(), &false.into()));
    assert_eq!(field["assumes"].as_array().unwrap().len(), 3);

    for (arguments, reason) in [
        (&["--server", "bank.example"][..], "not among the expected servers"),
        (&["--not-before", "2026-11-23T00:00:00Z"], "before"),
        (&["--not-after", "1795350789"], "after"),
    ] {
        let (exit, rejected, _) = verdict(&[&[&file[..]], &trusted[..], arguments, &["--json"][..]].concat());
        assert_eq!((exit, &rejected["accepted"]), (1, &false.into()));
        assert!(rejected["reason"].as_str().unwrap().contains(reason), "{rejected}");
    }
    // Mozilla's authorities do not know the test's.
    let (exit, rejected, _) = verdict(&[&file, "--notary-key", KEY, "--json"]);
    assert_eq!((exit, &rejected["code"]), (1, &"certificate".into()));
    let damaged = testdata("adversarial/trunc-9.tlsn");
    let (exit, rejected, _) = verdict(&[&damaged, "--notary-key", KEY, "--json"]);
    assert_eq!((exit, &rejected["code"]), (1, &"malformed".into()));

    for arguments in [
        &["/nowhere", "--notary-key", KEY][..],
        &[&file],
        &[&file, "--notary-key", "00"],
        &[&file, "--notary-key", KEY, "--root", "/nowhere"],
        &[&file, "--notary-key", KEY, "--root", &file],
        &[&file, "--notary-key", KEY, "--root", &root, "--field", "no pointer"],
    ] {
        let (exit, _, said) = verdict(arguments);
        assert!(exit == 2 && said.starts_with("error"), "{arguments:?}: {said}");
    }
}

/// What a person reads has no characters that could move the cursor, and says what a finding means.
#[test]
fn a_person_reads_what_is_disclosed_and_what_is_to_be_known() {
    let file = testdata("adversarial/name-wildcard-ok.tlsn");
    let shown = stdout(&["tlsn", "verify", &file, "--notary-key", KEY, "--root", &testdata("pki/ec-root.der")]);
    for expected in [
        "accepted: notary 031b84c5",
        "x.api.examplebank.test",
        "(wildcard-certificate)",
        "another than the server's name (host-differs)",
        "received: 941 of 976 bytes disclosed",
    ] {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    assert!(!shown.contains('\r'), "{shown:?}");
}

#[test]
fn a_presentation_is_shown_unchecked() {
    let file = testdata("valid/s3-ssa-rsa-keccak-eth.full.presentation.tlsn");
    let shown = stdout(&["tlsn", "show", &file]);
    assert!(shown.contains("nothing of this is checked") && shown.contains("benefits.examplessa.test"), "{shown}");
    let shown: Value = serde_json::from_str(&stdout(&["tlsn", "show", &file, "--json"])).unwrap();
    assert_eq!((&shown["signature"], &shown["hash"]), (&"secp256k1eth".into(), &"Keccak-256".into()));
    assert_eq!(run(&["tlsn", "show", &testdata("adversarial/zeros-4k.tlsn")]).status.code(), Some(2));
}
