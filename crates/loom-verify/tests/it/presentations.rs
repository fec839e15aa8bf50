//! The presentation verifier as a module says what it says natively, text for text: on every vector, and on files that
//! somebody changed.

use std::path::PathBuf;

use loom_machine::{GuestLimits, Module, Sandbox as _, Verification, VerifierKind, VerifierSpec, compute};
use loom_types::{Cid, Codec};
use serde_json::{Value, json};

use crate::world::{prebuilt, sandbox};

fn testdata(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../loom-tlsnotary/testdata");
    std::fs::read(folder.join(name)).unwrap()
}

fn manifest() -> Value {
    serde_json::from_slice(&testdata("manifest.json")).unwrap()
}

/// A policy that trusts every notary and authority of the vectors.
fn verification(evidence: &[u8], module: Cid, fields: &[&str]) -> Verification {
    let manifest = manifest();
    let roots = manifest["roots"].as_object().unwrap().values();
    let roots: Vec<_> = roots.map(|file| data_encoding::BASE64.encode(&testdata(file.as_str().unwrap()))).collect();
    let keys: Vec<_> = manifest["notary_keys"].as_array().unwrap().iter().map(|key| key[1].clone()).collect();
    Verification {
        verifier: "bank-statement".to_owned(),
        kind: VerifierKind::Tlsnotary,
        module,
        policy: json!({ "notary_keys": keys, "roots": roots, "assume_placement": true }).to_string(),
        at_ms: Some(1_795_400_000_000),
        evidence: Cid::of(Codec::Raw, evidence),
        args: Some(json!({ "fields": fields }).to_string()),
    }
}

/// What both say, if they agree.
fn agreed(module: &dyn Module, limits: &GuestLimits, verification: &Verification, evidence: &[u8]) -> Value {
    let ended = compute(module, limits, &verification.input(evidence)).unwrap();
    let said = verification.outcome(ended).unwrap();
    let at_ms = verification.at_ms.unwrap();
    let native = loom_tlsnotary::activity::verdict(evidence, &verification.policy, at_ms, verification.arguments());
    assert_eq!(said, native);
    serde_json::from_str(&said).unwrap()
}

/// Its budget is 200,000 bytes compressed with gzip, which takes it to a bit more than a third.
#[test]
fn the_module_is_small() {
    let bytes = prebuilt("tls-notary-verifier.wasm").len();
    assert!(bytes < 520_000, "{bytes} bytes; what it is made of is in docs/performance.md");
}

#[test]
fn the_module_and_the_native_verifier_agree_on_presentations() {
    let bytes = prebuilt("tls-notary-verifier.wasm");
    let cid = Cid::of(Codec::Raw, &bytes);
    let module = sandbox().compile(cid, &bytes).unwrap().unwrap();
    let limits = VerifierSpec::limits_default();
    let manifest = manifest();
    let vectors = manifest["valid"].as_array().unwrap().iter().chain(manifest["adversarial"].as_array().unwrap());
    for vector in vectors {
        let file = testdata(vector["file"].as_str().unwrap());
        let verdict = agreed(&*module, &limits, &verification(&file, cid, &[]), &file);
        let is_held = matches!(verdict["code"].as_str(), None | Some("name-missing"));
        match vector["expected"].as_str().unwrap() {
            "reject" => assert!(!is_held, "{}: {verdict}", vector["file"]),
            "either" => {}
            // Without a server's name no verdict is good, although the presentation holds.
            _ => assert!(is_held, "{}: {verdict}", vector["file"]),
        }
    }
    let file = testdata("valid/s1-bank-blake3-k256.redacted.presentation.tlsn");
    let asked = verification(&file, cid, &["/closing_balance", "/account/type"]);
    let verdict = agreed(&*module, &limits, &asked, &file);
    assert_eq!(verdict["fields"]["/account/type"]["json"], r#""checking""#, "{verdict}");
    for place in (0..file.len()).step_by(file.len() / 150) {
        let mut changed = file.clone();
        changed[place] ^= 1 << (place % 8);
        agreed(&*module, &limits, &asked, &changed);
        agreed(&*module, &limits, &asked, &file[..place]);
    }
}
