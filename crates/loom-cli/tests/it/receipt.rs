//! `loom receipt`: whether a program ran, says its exit code.

use serde_json::Value;

use crate::process::{run, stdout};

fn testdata(name: &str) -> String {
    format!("{}/../loom-risc0-verify/testdata/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn a_receipt_is_accepted_rejected_or_unreadable() {
    let file = testdata("groth16_3.0.receipt.borsh");
    let id = std::fs::read_to_string(testdata("groth16_3.0.image_id")).unwrap().trim().to_owned();
    let verdict = |arguments: &[&str]| {
        let output = run(&[&["receipt", "verify"], arguments].concat());
        let verdict: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (output.status.code().unwrap(), verdict, String::from_utf8(output.stderr).unwrap())
    };
    let (exit, accepted, _) = verdict(&[&file, "--image-id", &id, "--json"]);
    assert_eq!((exit, &accepted["accepted"], &accepted["kind"]), (0, &Value::Bool(true), &"groth16".into()));
    assert_eq!((&accepted["image_id"], &accepted["reason"]), (&id.as_str().into(), &Value::Null));
    assert!(stdout(&["receipt", "verify", &file, "--image-id", &id]).contains("'just a simple receipt'"));

    let other = "0".repeat(64);
    let (exit, rejected, _) = verdict(&[&file, "--image-id", &other, "--json"]);
    assert_eq!((exit, &rejected["accepted"]), (1, &Value::Bool(false)));
    assert!(rejected["reason"].as_str().unwrap().contains(&format!("a run of {id}, not of {other}")), "{rejected}");

    let folder = tempfile::tempdir().unwrap();
    let cut = folder.path().join("cut");
    std::fs::write(&cut, &std::fs::read(&file).unwrap()[..300]).unwrap();
    let (exit, unreadable, _) = verdict(&[cut.to_str().unwrap(), "--image-id", &id, "--json"]);
    assert_eq!((exit, &unreadable["accepted"]), (2, &Value::Bool(false)));
    for arguments in [[&file[..], "--image-id", "abc"], ["/nowhere", "--image-id", &id]] {
        let (exit, _, said) = verdict(&arguments);
        assert!(exit == 2 && said.starts_with("error"), "{said}");
    }
}

#[test]
fn a_receipt_is_shown_unchecked() {
    let shown = stdout(&["receipt", "show", &testdata("groth16_3.0.receipt.borsh")]);
    assert!(shown.contains("489 bytes, borsh; nothing of this is checked"), "{shown}");
    let shown: Value =
        serde_json::from_str(&stdout(&["receipt", "show", &testdata("groth16_3.0.receipt.borsh"), "--json"])).unwrap();
    assert_eq!((&shown["kind"], &shown["seals"][0]["bytes"]), (&"groth16".into(), &256.into()));
    assert_eq!(shown["verifier_parameters"], loom_risc0_verify::parameters::GROTH16);
}
