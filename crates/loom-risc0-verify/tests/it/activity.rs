//! The verifier as a function of texts.

use data_encoding::BASE64;
use loom_risc0_verify::activity::verdict;

use crate::vectors::{Vector, all, groth16};

const NOW_MS: u64 = 1_767_225_600_000;
/// SHA-256 of the vector's output.
const OUTPUT_SHA256: &str = "3b8839d29d6fc9286b8f95f9c676ff10c1add3c8bfe3b8d6153be90020ed91be";

fn verdict_of(evidence: &[u8], policy: &str, args: &str) -> serde_json::Value {
    serde_json::from_str(&verdict(evidence, policy, NOW_MS, args)).unwrap()
}

fn code(evidence: &[u8], policy: &str, args: &str) -> String {
    let verdict = verdict_of(evidence, policy, args);
    assert_eq!(verdict["accepted"], false, "{verdict}");
    assert!(!verdict["reason"].as_str().unwrap().is_empty(), "{verdict}");
    verdict["code"].as_str().unwrap().to_owned()
}

fn policy(ids: &[&str]) -> String {
    serde_json::json!({ "image_ids": ids }).to_string()
}

#[test]
fn what_a_receipt_proves_is_said_in_full() {
    for Vector { name, kind, bytes, image_id, journal } in all() {
        let id = image_id.to_string();
        let verdict = verdict_of(&bytes, &policy(&[&id]), "{}");
        assert_eq!(verdict["accepted"], true, "{name}: {verdict}");
        assert_eq!(verdict["kind"], kind.name(), "{name}");
        assert_eq!(verdict["image_id"], id, "{name}");
        assert_eq!(verdict["public_output"], BASE64.encode(&journal), "{name}");
        // Whatever else is allowed, and however it is asked for.
        let args = serde_json::json!({
            "image_id": id.to_uppercase(), "public_output": BASE64.encode(&journal),
            "public_output_sha256": verdict["public_output_sha256"],
        });
        assert_eq!(verdict_of(&bytes, "{}", &args.to_string()), verdict, "{name}");
        assert_eq!(verdict_of(&bytes, &policy(&[&"00".repeat(32), &id]), "{}"), verdict, "{name}");
    }
}

#[test]
fn what_is_not_allowed_or_asked_for_is_refused_by_its_own_code() {
    let Vector { bytes, image_id, .. } = groth16();
    let (id, other) = (image_id.to_string(), "11".repeat(32));
    let arg = |name: &str, value: &str| serde_json::json!({ name: value }).to_string();
    for (policy, args, expected) in [
        ("{}".to_owned(), "{}".to_owned(), "no-program"),
        (policy(&[]), "{}".to_owned(), "program-not-allowed"),
        (policy(&[&other]), "{}".to_owned(), "program-not-allowed"),
        (policy(&[&other]), arg("image_id", &id), "program-not-allowed"),
        (policy(&[&id]), arg("image_id", &other), "program-not-allowed"),
        (policy(&[&id, &other]), arg("image_id", &other), "other-program"),
        ("{}".to_owned(), arg("image_id", &other), "other-program"),
        (policy(&[&id]), arg("public_output", "AAAA"), "other-output"),
        (policy(&[&id]), arg("public_output_sha256", &other), "other-output"),
        (policy(&[&id]), arg("public_output", "AAA"), "invalid-args"),
        (policy(&[&id]), arg("image_id", "11"), "invalid-args"),
        (policy(&[&id]), arg("programme", &id), "invalid-args"),
        (policy(&[&id]), "[]".to_owned(), "invalid-args"),
        (policy(&[&id]), String::new(), "invalid-args"),
        (policy(&["11"]), "{}".to_owned(), "invalid-policy"),
        (r#"{"image_id":"11"}"#.to_owned(), "{}".to_owned(), "invalid-policy"),
        (format!(r#"[["{id}"]]"#), "{}".to_owned(), "invalid-policy"),
    ] {
        assert_eq!(code(&bytes, &policy, &args), expected, "{policy} {args}");
    }
}

#[test]
fn what_is_no_proof_is_refused_by_its_own_code() {
    let Vector { bytes, image_id, .. } = groth16();
    let policy = policy(&[&image_id.to_string()]);
    assert_eq!(code(b"", &policy, "{}"), "unreadable");
    assert_eq!(code(&bytes[..40], &policy, "{}"), "unreadable");
    let mut flipped = bytes.clone();
    flipped[100] ^= 1;
    assert_eq!(code(&flipped, &policy, "{}"), "invalid-proof");
    let mut without = bytes;
    without.splice(1..5 + 256, [0, 0, 0, 0]);
    assert_eq!(code(&without, &policy, "{}"), "no-seal");
}

/// The bytes are part of journals.
#[test]
fn a_verdict_has_one_form() {
    let Vector { bytes, image_id, journal, .. } = groth16();
    let accepted = verdict(&bytes, &policy(&[&image_id.to_string()]), NOW_MS, "{}");
    let output = BASE64.encode(&journal);
    let begin = format!(r#"{{"accepted":true,"kind":"groth16","image_id":"{image_id}","public_output":"{output}","#);
    assert_eq!(accepted, format!(r#"{begin}"public_output_sha256":"{OUTPUT_SHA256}"}}"#));
    let refused = verdict(b"no receipt", "{}", NOW_MS, r#"{"image_id":"00"}"#);
    assert!(refused.starts_with(r#"{"accepted":false,"code":"invalid-args","reason":""#), "{refused}");
}
