//! Proofs in bundles: what a receipt shows, and every way in which one nearly fits.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::{FutureExt as _, future::BoxFuture};
use loom_evidence::Bundle;
use loom_machine::ImageId;
use loom_runtime::{BundleOptions, OsSalts, Proof, ProofProgress, ProofRequest, ProveError, Prover};
use loom_types::{Entry, EntryBody, Payload};
use loom_verify::{Auditor, Class, Receipts, Report};
use sha2::{Digest as _, Sha256};

use crate::{
    operator::signed,
    world::{World, file, sandbox, verified},
};

const IMAGE_ID: ImageId = ImageId([7; 32]);

/// A proof system that proves nothing: its receipts say which program put out what.
struct Says;

impl Receipts for Says {
    fn verify(&self, receipt: &[u8], image_id: ImageId) -> Result<Vec<u8>, String> {
        let rest = receipt.strip_prefix(b"receipt ").ok_or("it is no receipt")?;
        let (of, output) = rest.split_at_checked(32).ok_or("it is too short")?;
        if of == image_id.0 { Ok(output.to_vec()) } else { Err("it is of another program".to_owned()) }
    }
}

fn receipt(image_id: ImageId, output: &[u8]) -> Bytes {
    [b"receipt ", &image_id.0[..], output].concat().into()
}

/// A prover, and what it makes of each receipt before it hands it over.
struct Lies<F>(F, Mutex<Vec<Bytes>>);

impl<F: Fn(&[Bytes], Bytes) -> Bytes + Send + Sync> Prover for Lies<F> {
    fn prove(&self, request: ProofRequest, _: ProofProgress) -> BoxFuture<'static, Result<Proof, ProveError>> {
        let public_output: Bytes = [&Sha256::digest(&request.input)[..], b"yes"].concat().into();
        let mut before = self.1.lock().unwrap();
        let honest = receipt(request.image_id, &public_output);
        let receipt = (self.0)(&before, honest.clone());
        before.push(honest);
        std::future::ready(Ok(Proof { public_output, receipt, segments: 1 })).boxed()
    }
}

/// Two turns, each with a proof over an input of its own.
async fn world(lie: impl Fn(&[Bytes], Bytes) -> Bytes + Send + Sync + 'static) -> World {
    world_of(IMAGE_ID, lie).await
}

async fn world_of(image_id: ImageId, lie: impl Fn(&[Bytes], Bytes) -> Bytes + Send + Sync + 'static) -> World {
    let world = World::with_prover(Some((image_id, Arc::new(Lies(lie, Mutex::default()))))).await;
    for base64 in ["NTAwMA==", "NTAwMQ=="] {
        let request = format!(
            r#"{{"op":"prove.start","program":"dti","input":{{"media_type":"text/plain","base64":"{base64}"}}}}"#
        );
        world
            .run(&format!(
                r#"{{"do":[{request},{{"op":"await","handles":[{{"$ref":0}}],"mode":"all"}},{{"reply":{{"$ref":1}}}}]}}"#
            ))
            .await;
    }
    world
}

fn verified_with_says(bundle: &Bundle, auditor: &Auditor) -> Report {
    loom_verify::verify_with(&file(bundle), auditor, &*sandbox(), &Says).unwrap()
}

fn proofs(report: &Report) -> Vec<(Class, &str)> {
    let of_proofs = report.claims.iter().filter(|claim| claim.subject.ends_with(" prove.start"));
    of_proofs.map(|claim| (claim.class, claim.detail.as_str())).collect()
}

#[tokio::test]
async fn a_receipt_makes_an_outcome_proved() {
    let world = world(|_, honest| honest).await;
    for disclose_inputs in [true, false] {
        let bundle = world.bundle_with(BundleOptions { disclose_inputs, ..BundleOptions::default() }).await;
        let report = verified_with_says(&bundle, &world.auditor());
        assert!(report.ok && report.turns.re_executed == 2, "{report:#?}");
        let proofs = proofs(&report);
        assert!(proofs.len() == 2 && proofs.iter().all(|(class, _)| *class == Class::Proved), "{proofs:#?}");
        assert!(proofs[0].1.contains(&format!("'dti' with image id {IMAGE_ID}")), "{proofs:?}");
        assert_eq!(proofs[0].1.contains("left out"), !disclose_inputs);
        let turn = report.claims.iter().find(|claim| claim.subject.ends_with("turn 1")).unwrap();
        assert_eq!(
            (turn.class, turn.detail.contains("not compared, of steps 0")),
            (Class::ReExecuted, !disclose_inputs)
        );
        let left_out = report.claims.iter().filter(|claim| claim.class == Class::Redacted).count();
        assert_eq!(left_out, if disclose_inputs { 0 } else { 2 }, "{:#?}", report.claims);
    }
    world.runtime.shutdown().await;
}

/// The proof needs neither the module nor the rest of the turn.
#[tokio::test]
async fn a_turn_that_is_not_run_again_has_its_proof_all_the_same() {
    let world = world(|_, honest| honest).await;
    let redact = vec!["1:message".parse().unwrap()];
    let options = BundleOptions { redact, cascade: true, ..BundleOptions::default() };
    let report = verified_with_says(&world.bundle_with(options).await, &world.auditor());
    assert!(report.ok && report.turns.re_executed == 0, "{report:#?}");
    assert_eq!(proofs(&report).len(), 2, "{report:#?}");
    assert!(proofs(&report).iter().all(|(class, _)| *class == Class::Proved), "{report:#?}");
    world.runtime.shutdown().await;
}

#[tokio::test]
async fn without_its_receipt_an_outcome_is_claimed() {
    let world = world(|_, honest| honest).await;
    let bundle = world.bundle(None).await;
    let mut manifest = bundle.manifest().clone();
    let is_receipt = |cid: &loom_types::Cid| bundle.material()[cid].starts_with(b"receipt ");
    manifest.material.retain(|cid| !is_receipt(cid));
    let mut parts = bundle.parts();
    parts.retain(|cid, bytes| !(bundle.material().contains_key(cid) && bytes.starts_with(b"receipt ")));
    let report = verified_with_says(&Bundle::assemble(manifest, parts).unwrap(), &world.auditor());
    assert!(report.ok, "{report:#?}");
    assert!(
        proofs(&report).iter().all(|(class, detail)| *class == Class::Claimed && detail.contains("not in the file"))
    );
    world.runtime.shutdown().await;
}

/// The entry at which the report sees a contradiction, and what it says.
fn contradicted(report: &Report) -> &loom_verify::Contradiction {
    assert!(
        !report.ok && proofs(report).iter().filter(|(class, _)| *class == Class::Proved).count() < 2,
        "{report:#?}"
    );
    &report.failures[0]
}

#[tokio::test]
async fn receipts_that_nearly_fit_are_contradictions() {
    type Lie = fn(&[Bytes], Bytes) -> Bytes;
    let cases: [(&str, Lie); 5] = [
        ("no receipt", |_, honest| [b"x", &honest[..]].concat().into()),
        ("another output", |_, honest| [&honest[..], b"!"].concat().into()),
        ("another output", |before, honest| before.first().cloned().unwrap_or(honest)),
        ("another output", |_, honest| honest.slice(..honest.len() - 1)),
        ("another program", |_, honest| receipt(ImageId([8; 32]), &honest[40..])),
    ];
    for (what, lie) in cases {
        let world = world(lie).await;
        let report = verified_with_says(&world.bundle(None).await, &world.auditor());
        let failure = contradicted(&report);
        assert!(failure.reason.contains(what), "{what}: {failure:#?}");
        assert!(failure.entry.as_ref().is_some_and(|entry| entry.contains("probe/a#")), "{failure:#?}");
        assert_eq!(failure.expected.is_some(), what == "another output", "{failure:#?}");
        world.runtime.shutdown().await;
    }
}

/// The operator holds the key and rewrites what the entries say about an honest proof.
#[tokio::test]
async fn an_honest_receipt_does_not_fit_other_entries() {
    let world = world(|_, honest| honest).await;
    let bundle = world.bundle(None).await;
    let entries = &bundle.entries()[0];
    let place = |kind: &str| entries.iter().position(|entry| entry.body.kind() == kind).unwrap();
    let (step, outcome) = (place("step"), place("outcome"));
    let other_input = entries.iter().rev().find_map(|entry| match &entry.body {
        EntryBody::Step { input, .. } => *input,
        _ => None,
    });
    let forge = |place: usize, more: &[Payload], change: &dyn Fn(&mut EntryBody)| {
        let mut entry: Entry = entries[place].clone();
        change(&mut entry.body);
        verified_with_says(&signed(&world, &bundle, place, entry, more).unwrap(), &world.auditor())
    };
    let report = forge(step, &[], &|body| {
        if let EntryBody::Step { input, .. } = body {
            *input = other_input
        }
    });
    let failure = contradicted(&report);
    assert!(failure.reason.contains("over another input") && failure.expected != failure.actual, "{failure:#?}");
    let report = forge(step, &[], &|body| {
        if let EntryBody::Step { input, .. } = body {
            *input = None
        }
    });
    assert!(!report.ok, "{report:#?}");
    let report = forge(outcome, &[], &|body| {
        if let EntryBody::Outcome { evidence, .. } = body {
            evidence.clear()
        }
    });
    assert!(contradicted(&report).reason.contains("other evidence"), "{report:#?}");
    let request = |image_id: ImageId| {
        let text = format!(r#"{{"op":"prove.start","program":"dti","image_id":"{image_id}"}}"#);
        Payload::json(&text, &mut OsSalts::default())
    };
    let other = request(ImageId([8; 32]));
    let report = forge(step, std::slice::from_ref(&other), &|body| {
        if let EntryBody::Step { request, .. } = body {
            *request = other.cid()
        }
    });
    assert!(report.failures.iter().any(|it| it.reason.contains("another program than was asked for")), "{report:#?}");
    world.runtime.shutdown().await;
}

/// The real proof system: a receipt of another run counts for nothing here, however good it is.
#[tokio::test]
async fn a_real_receipt_of_something_else_is_a_contradiction() {
    let testdata = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../loom-risc0-verify/testdata");
    let real: Bytes = std::fs::read(testdata.join("groth16_3.0.receipt.borsh")).unwrap().into();
    let image_id = std::fs::read_to_string(testdata.join("groth16_3.0.image_id")).unwrap().trim().parse().unwrap();
    for (program, what) in [(image_id, "another output"), (IMAGE_ID, "does not count: it proves a run of")] {
        let real = real.clone();
        let world = world_of(program, move |_, _| real.clone()).await;
        let report = verified(&world.bundle(None).await, &world.auditor());
        let failure = contradicted(&report);
        assert!(failure.reason.contains(what), "{failure:#?}");
        world.runtime.shutdown().await;
    }
    let world = world(|_, honest| honest).await;
    let report = verified(&world.bundle(None).await, &world.auditor());
    assert!(contradicted(&report).reason.contains("does not count"), "what a simulation says is no receipt");
    world.runtime.shutdown().await;
}
