//! Verdicts in bundles: what evidence shows when it is verified in the sandbox and again by the auditor.

use std::path::Path;

use bytes::Bytes;
use loom_evidence::Bundle;
use loom_machine::{
    ActorSpec, Deployment, GuestLimits, Sandbox as _, Verification, VerifierKind, VerifierSpec, compute,
};
use loom_runtime::{BundleOptions, OsSalts};
use loom_types::{Cid, Codec, Entry, EntryBody, Namespace, Payload, Resolution};
use loom_verify::{Class, Report};

use crate::{
    operator::signed,
    world::{World, prebuilt, sandbox, verified},
};

/// Accepts everything, as an operator's own module may.
const LIAR: &str = r#"(module
    (memory (export "memory") 64)
    (data (i32.const 16) "{\"accepted\":true}")
    (func (export "loom_alloc") (param i32) (result i32) (i32.const 65536))
    (func (export "loom_free") (param i32 i32))
    (func (export "execute") (param i32 i32) (result i64) (i64.const 0x1000000011)))"#;

/// Somebody's receipt, and the program that it is of.
fn groth16() -> (Bytes, String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../loom-risc0-verify/testdata");
    let receipt = std::fs::read(folder.join("groth16_3.0.receipt.borsh")).unwrap();
    let image_id = std::fs::read_to_string(folder.join("groth16_3.0.image_id")).unwrap();
    (receipt.into(), image_id.trim().to_owned())
}

fn tampered() -> Bytes {
    let mut receipt = groth16().0.to_vec();
    receipt[100] ^= 1;
    receipt.into()
}

/// A node whose actors may have receipts verified by this module.
async fn world(module: Vec<u8>) -> World {
    let world = World::new().await;
    let limits = GuestLimits { fuel: 20_000_000, ..GuestLimits::default() };
    let probe = world.handle.put_blob(prebuilt("probe.wasm").into()).await.unwrap();
    let verifier = VerifierSpec {
        kind: VerifierKind::Risc0,
        module: world.handle.put_blob(module.into()).await.unwrap(),
        limits: VerifierSpec::limits_default(),
        policy: serde_json::json!({ "image_ids": [groth16().1] }).to_string(),
    };
    let actors = [("probe".to_owned(), ActorSpec::new(probe, limits))].into();
    let deployment = Deployment::new("tests", actors, [].into()).unwrap();
    let deployment = deployment.with_verifiers([("receipts".to_owned(), verifier)].into()).unwrap();
    world.handle.deploy(&Namespace::default(), deployment).await.unwrap();
    world
}

/// Has each piece of evidence verified in one turn, and bundles it.
async fn judged(world: &World, pieces: &[(Bytes, &str)]) -> Bundle {
    let mut steps = Vec::new();
    for (evidence, args) in pieces {
        let cid = world.handle.put_blob(evidence.clone()).await.unwrap();
        steps.push(format!(r#"{{"op":"verify","verifier":"receipts","evidence":"{cid}","args":{args}}}"#));
    }
    world.run(&format!(r#"{{"do":[{}]}}"#, steps.join(","))).await;
    world.bundle(None).await
}

fn claims(report: &Report) -> Vec<(Class, &str)> {
    let of_verdicts = report.claims.iter().filter(|claim| claim.subject.ends_with(" verify"));
    of_verdicts.map(|claim| (claim.class, claim.detail.as_str())).collect()
}

/// The verdicts that the journal has.
fn verdicts(bundle: &Bundle) -> Vec<serde_json::Value> {
    let outcome = |entry: &Entry| match &entry.body {
        EntryBody::Step { op, outcome: Some(Resolution::Ok(cid)), .. } if op == Verification::OP => Some(*cid),
        _ => None,
    };
    let outcomes = bundle.entries()[0].iter().filter_map(outcome);
    outcomes.map(|cid| serde_json::from_slice(bundle.payloads()[&cid].value()).unwrap()).collect()
}

#[tokio::test]
async fn a_receipt_is_accepted_in_the_sandbox_and_again_by_the_auditor() {
    let ((receipt, image_id), other) = (groth16(), format!(r#"{{"image_id":"{}"}}"#, "11".repeat(32)));
    let world = world(prebuilt("risc0-verifier.wasm")).await;
    let pieces =
        [(receipt.clone(), "{}"), (tampered(), "{}"), (receipt, &other), (Bytes::from_static(b"no receipt"), "{}")];
    let bundle = judged(&world, &pieces).await;
    let found = verdicts(&bundle);
    assert_eq!((&found[0]["accepted"], &found[0]["image_id"]), (&true.into(), &image_id.clone().into()));
    let codes: Vec<_> = found[1..].iter().map(|verdict| verdict["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["invalid-proof", "program-not-allowed", "unreadable"]);
    let report = verified(&bundle, &world.auditor());
    assert!(report.ok && report.turns.re_executed == 1, "{report:#?}");
    let claims = claims(&report);
    assert!(claims[0].0 == Class::Proved && claims[0].1.contains(&image_id), "{claims:#?}");
    let rejected = |(class, detail): &(Class, &str)| *class == Class::ReExecuted && detail.contains("rejected");
    assert!(claims.len() == 4 && claims[1..].iter().all(rejected), "{claims:#?}");
    world.runtime.shutdown().await;
}

/// The module belongs to the operator: that it says the same again is worth little.
#[tokio::test]
async fn a_verifier_that_accepts_what_proves_nothing_is_contradicted() {
    let world = world(wat::parse_str(LIAR).unwrap()).await;
    let bundle = judged(&world, &[(tampered(), "{}")]).await;
    assert_eq!(verdicts(&bundle)[0]["accepted"], true);
    let report = verified(&bundle, &world.auditor());
    let failure = &report.failures[0];
    assert!(!report.ok && failure.reason.contains("does not come to this verdict"), "{report:#?}");
    assert!(failure.entry.as_ref().unwrap().contains("probe/a#") && failure.actual.is_some(), "{failure:#?}");
    world.runtime.shutdown().await;
}

/// The operator holds the key and rewrites what the step says.
#[tokio::test]
async fn a_verdict_that_is_rewritten_is_contradicted() {
    let world = world(prebuilt("risc0-verifier.wasm")).await;
    let bundle = judged(&world, &[(tampered(), "{}")]).await;
    let is_step = |entry: &Entry| matches!(entry.body, EntryBody::Step { .. });
    let place = bundle.entries()[0].iter().position(is_step).unwrap();
    let EntryBody::Step { request, .. } = &bundle.entries()[0][place].body else { unreachable!("found as one") };
    let asked = Verification::from_json(bundle.payloads()[request].text().unwrap()).unwrap();
    let forge = |text: &str, change: &dyn Fn(&mut EntryBody, Cid)| {
        let lie = Payload::json(text, &mut OsSalts::default());
        let mut entry = bundle.entries()[0][place].clone();
        change(&mut entry.body, lie.cid());
        verified(&signed(&world, &bundle, place, entry, &[lie]).unwrap(), &world.auditor())
    };
    let report = forge(r#"{"accepted":true}"#, &|body, lie| {
        if let EntryBody::Step { outcome, .. } = body {
            *outcome = Some(Resolution::Ok(lie));
        }
    });
    let named = |failure: &loom_verify::Contradiction| {
        failure.reason.contains("does not come to this verdict") && failure.entry.as_ref().unwrap().contains("probe/a#")
    };
    assert!(!report.ok && report.failures.iter().any(named), "{report:#?}");
    let rewrite = |asked: Verification| {
        forge(&asked.to_json(), &|body, lie| {
            if let EntryBody::Step { request, .. } = body {
                *request = lie;
            }
        })
    };
    for lie in [
        Verification { policy: "{}".to_owned(), ..asked.clone() },
        Verification { module: Cid::of(Codec::Raw, b"another"), ..asked.clone() },
        Verification { at_ms: Some(1), ..asked.clone() },
        Verification { verifier: "other".to_owned(), ..asked },
    ] {
        let report = rewrite(lie.clone());
        let is_of_the_request = |failure: &loom_verify::Contradiction| failure.reason.starts_with("request: ");
        assert!(!report.ok && report.failures.iter().any(is_of_the_request), "{lie:?}: {report:#?}");
    }
    world.runtime.shutdown().await;
}

#[tokio::test]
async fn without_its_evidence_a_verdict_is_claimed() {
    let (receipt, _) = groth16();
    let world = world(prebuilt("risc0-verifier.wasm")).await;
    let bundle = judged(&world, &[(receipt.clone(), "{}")]).await;
    let cid = Cid::of(Codec::Raw, &receipt);
    let (mut manifest, mut parts) = (bundle.manifest().clone(), bundle.parts());
    manifest.material.retain(|material| *material != cid);
    parts.remove(&cid).expect("it was in the file");
    let report = verified(&Bundle::assemble(manifest, parts).unwrap(), &world.auditor());
    assert!(report.ok && report.turns.re_executed == 1, "{report:#?}");
    assert!(matches!(claims(&report)[..], [(Class::Claimed, detail)] if detail.contains("not in the file")));
    world.runtime.shutdown().await;
}

/// Whoever has the evidence has the verdict.
#[tokio::test]
async fn a_verdict_that_is_left_out_takes_its_evidence_with_it() {
    let (receipt, _) = groth16();
    let world = world(prebuilt("risc0-verifier.wasm")).await;
    let bundle = judged(&world, &[(receipt.clone(), "{}")]).await;
    let is_step = |entry: &&Entry| matches!(entry.body, EntryBody::Step { .. });
    let seq = bundle.entries()[0].iter().find(is_step).unwrap().seq;
    let cid = Cid::of(Codec::Raw, &receipt);
    let hidden = |cascade| {
        let redact = vec![format!("{seq}:ok").parse().unwrap()];
        BundleOptions { redact, cascade, ..BundleOptions::default() }
    };
    let refused = world.handle.bundle(&crate::world::probe(), &hidden(false)).await.unwrap_err().to_string();
    assert!(refused.contains(&cid.to_string()) && refused.contains("when it is verified"), "{refused}");
    let bundle = world.bundle_with(hidden(true)).await;
    assert!(!bundle.material().contains_key(&cid));
    assert!(verified(&bundle, &world.auditor()).ok);
    world.runtime.shutdown().await;
}

/// One source, two machines: the module says what the auditor's verifier does, text for text.
#[test]
fn the_module_and_the_native_verifier_agree_on_every_mutation() {
    let bytes = prebuilt("risc0-verifier.wasm");
    let module = sandbox().compile(Cid::of(Codec::Raw, &bytes), &bytes).unwrap().unwrap();
    let (receipt, image_id) = groth16();
    let verification = Verification {
        verifier: "receipts".to_owned(),
        kind: VerifierKind::Risc0,
        module: Cid::of(Codec::Raw, &bytes),
        policy: serde_json::json!({ "image_ids": [image_id] }).to_string(),
        at_ms: None,
        evidence: Cid::of(Codec::Raw, &receipt),
        args: None,
    };
    let mut pieces = vec![receipt.to_vec(), Vec::new(), [&receipt[..], &[0]].concat()];
    let places = (0..receipt.len()).step_by(receipt.len() / 80);
    pieces.extend(places.clone().map(|place| {
        let mut changed = receipt.to_vec();
        changed[place] ^= 1 << (place % 8);
        changed
    }));
    pieces.extend(places.step_by(4).map(|place| receipt[..place].to_vec()));
    assert!(pieces.len() > 100, "{}", pieces.len());
    let mut accepted = 0;
    for piece in pieces {
        let input = verification.input(&piece);
        let ended = compute(&*module, &VerifierSpec::limits_default(), &input).unwrap();
        let said = verification.outcome(ended).unwrap();
        let native = loom_risc0_verify::activity::verdict(&piece, &verification.policy, 0, verification.arguments());
        assert_eq!(said, native, "{piece:?}");
        accepted += usize::from(native.starts_with(r#"{"accepted":true"#));
    }
    assert_eq!(accepted, 1);
}
