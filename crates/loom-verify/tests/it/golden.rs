//! Bundles that an earlier version made must verify for ever, as strongly as on the day they were made.
//!
//! `testdata/README.md` says how they were made. Nothing here writes them: what a bundle or its report does not hold any
//! more is a broken promise, and mended elsewhere.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use bytes::Bytes;
use loom_evidence::{Bundle, Manifest, PublicKey};
use loom_machine::{Failure, GuestLimits, HostFault, Module, Proved, Sandbox};
use loom_runtime::OsSalts;
use loom_types::{Cid, Codec, Entry, EntryBody, Payload, Resolution, TurnResult};
use loom_verify::{Auditor, Class, Report, verify, verify_both};
use serde_json::Value;

use crate::{
    mutations::relinked,
    world::{CompilesOnce, sandbox, verified},
};

/// The bundles. Each has a report beside it.
const GOLDEN: [&str; 7] = ["loan-review", "closure", "redacted", "earlier", "cosigned", "proved", "amount"];

fn read(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("testdata");
    std::fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn key(name: &str) -> PublicKey {
    String::from_utf8(read(name)).unwrap().trim_end().parse().unwrap()
}

pub(crate) fn golden(name: &str) -> Bytes {
    read(&format!("{name}.car")).into()
}

/// Somebody who trusts the nodes that made them and the monitor that watched one.
pub(crate) fn auditor() -> Auditor {
    let keys = ["node.pub", "prover.pub", "amounts.pub"].map(key).to_vec();
    Auditor { keys, monitors: vec![key("monitor.pub")], ..Auditor::default() }
}

/// What of a report is for programs, its claims in a fixed order. Details are for people, and may change.
fn promised(mut report: Value) -> Value {
    let claims = report["claims"].as_array_mut().unwrap();
    for claim in claims.iter_mut() {
        claim.as_object_mut().unwrap().remove("detail");
    }
    claims.sort_by_key(Value::to_string);
    report
}

fn promised_of(report: &Report) -> Value {
    promised(serde_json::to_value(report).unwrap())
}

#[test]
fn golden_bundles_say_what_they_said() {
    for name in GOLDEN {
        let report = verify(&golden(name), &auditor(), &*sandbox()).unwrap();
        let was = serde_json::from_slice(&read(&format!("{name}.json"))).unwrap();
        assert_eq!(promised_of(&report), promised(was), "{name}: {report:#?}");
    }
}

/// The same engine under a name that no bundle has: what those who upgrade it meet.
struct Renamed(Arc<CompilesOnce>);

impl Sandbox for Renamed {
    fn engine(&self) -> &str {
        "an engine of the future"
    }

    fn check_limits(&self, limits: &GuestLimits) -> Result<(), String> {
        self.0.check_limits(limits)
    }

    fn compile(&self, cid: Cid, bytes: &[u8]) -> Result<Result<Arc<dyn Module>, Failure>, HostFault> {
        self.0.compile(cid, bytes)
    }
}

#[test]
fn golden_bundles_say_the_same_under_another_engine() {
    let another = Renamed(sandbox());
    for name in GOLDEN {
        let own = verify(&golden(name), &auditor(), &*sandbox()).unwrap();
        let report = verify(&golden(name), &auditor(), &another).unwrap();
        assert_eq!(promised_of(&report), promised_of(&own), "{name}: {report:#?}");
    }
}

#[test]
fn a_golden_bundle_goes_on_where_an_earlier_one_ended() {
    let (earlier, later) = (golden("earlier"), golden("cosigned"));
    let report = verify_both(&earlier, &later, &auditor(), &*sandbox()).unwrap();
    let continued = report.claims.iter().find(|claim| claim.subject.ends_with("#2 continued"));
    assert!(report.ok && continued.is_some_and(|claim| claim.class == Class::ReExecuted), "{report:#?}");
    let swapped = verify_both(&later, &earlier, &auditor(), &*sandbox()).unwrap();
    assert!(swapped.failures.iter().any(|failure| failure.reason.contains("older one first")), "{swapped:#?}");
}

/// Somebody without the node's key changes one thing, and names and links everything anew.
fn changed(name: &str, is: fn(&Entry) -> bool, change: fn(&mut EntryBody, Cid), value: &str) -> Report {
    let bundle = Bundle::read(&golden(name)).unwrap();
    let place = bundle.entries()[0].iter().position(is).expect("there is one");
    let payload = Payload::json(value, &mut OsSalts::default());
    let mut entry = bundle.entries()[0][place].clone();
    change(&mut entry.body, payload.cid());
    let (manifest, mut blocks) = relinked(&bundle, &bundle.parts(), place, entry);
    blocks.insert(payload.cid(), payload.block().clone());
    judged(manifest, blocks)
}

fn judged(manifest: Manifest, blocks: BTreeMap<Cid, Bytes>) -> Report {
    verified(&Bundle::assemble(manifest, blocks).unwrap(), &auditor())
}

fn assert_rejected(report: &Report, reasons: &[&str]) {
    for reason in reasons {
        let is_found = report.failures.iter().any(|failure| failure.reason.contains(reason));
        assert!(!report.ok && is_found, "{reason}: {report:#?}");
    }
}

#[test]
fn another_decision_of_a_golden_review_is_rejected() {
    let is = |entry: &Entry| matches!(entry.body, EntryBody::TurnEnded { .. });
    let change = |body: &mut EntryBody, cid| {
        let EntryBody::TurnEnded { result, .. } = body else { unreachable!("found as one") };
        *result = TurnResult::Reply(cid);
    };
    let report = changed("loan-review", is, change, r#"{"application_id":"S0002","decision":"deny"}"#);
    assert_rejected(&report, &["run again, turn 1 does something else", "of the log: "]);
}

/// A ratio that a real receipt proves, over figures that are not in the file.
#[test]
fn a_golden_proof_needs_nobodys_word() {
    let nobody = Auditor::default();
    let report = verify(&golden("proved"), &nobody, &*sandbox()).unwrap();
    let proofs: Vec<_> = report.claims.iter().filter(|claim| claim.class == Class::Proved).collect();
    let [proof] = &proofs[..] else { panic!("{report:#?}") };
    assert!(proof.subject.ends_with(" prove.start") && proof.detail.contains("left out"), "{proof:?}");
    assert!(report.ok && report.turns.re_executed == 1, "{report:#?}");
}

/// The bank's word that the notary saw, and a real receipt: enough, and how much is not in the file.
#[test]
fn a_golden_amount_is_worth_its_notarys_word_and_is_not_shown() {
    let report = verify(&golden("amount"), &Auditor::default(), &*sandbox()).unwrap();
    let amount = report.claims.iter().find(|claim| claim.subject.ends_with(" prove.start amount")).unwrap();
    let notary = "02989c0b76cb563971fdc9bef31ec06c3560f3249d6ee9e5d83c57625596e05f6f".to_owned();
    assert_eq!((amount.class, &amount.by), (Class::Attested, &vec![notary]));
    let told = r#"named an amount at "/closing_balance""#;
    let proved = "it is proved to be at least 5000.00, and it is not shown";
    assert!(amount.detail.contains(told) && amount.detail.ends_with(proved), "{amount:?}");
    let file = golden("amount");
    let is_in = |part: &[u8]| file.windows(part.len()).any(|window| window == part);
    assert!(!is_in(b"5873.12"));
    // The message had it in base64, whose letters depend on where it stood.
    for before in 0..3 {
        let text = data_encoding::BASE64.encode(&[&[0; 2][..before], b"5873.12"].concat());
        assert!(!is_in(&text.as_bytes()[3..text.len() - 3]), "{text}");
    }
}

/// What came of the golden proof, and what somebody makes of it who links everything anew.
fn changed_proof(change: impl Fn(&mut Proved), more: Option<Bytes>) -> Report {
    let bundle = Bundle::read(&golden("proved")).unwrap();
    let is_proof = |entry: &Entry| matches!(&entry.body, EntryBody::Outcome { evidence, .. } if !evidence.is_empty());
    let place = bundle.entries()[0].iter().position(is_proof).expect("there is one");
    let mut entry = bundle.entries()[0][place].clone();
    let EntryBody::Outcome { result: Resolution::Ok(came), evidence, .. } = &mut entry.body else {
        unreachable!("found as one")
    };
    let mut proved = Proved::from_json(bundle.payloads()[came].value()).unwrap();
    change(&mut proved);
    let payload = Payload::json(&proved.to_json(), &mut OsSalts::default());
    (*came, *evidence) = (payload.cid(), vec![proved.receipt]);
    let (mut manifest, mut blocks) = relinked(&bundle, &bundle.parts(), place, entry);
    blocks.insert(payload.cid(), payload.block().clone());
    if let Some(bytes) = more {
        let cid = Cid::of(Codec::Raw, &bytes);
        manifest.material.push(cid);
        manifest.material.sort();
        blocks.insert(cid, bytes);
    }
    judged(manifest, blocks)
}

#[test]
fn another_output_of_a_golden_proof_is_rejected() {
    // The last byte says whether the ratio is within its limit.
    let report = changed_proof(|proved| *proved.public_output.last_mut().unwrap() ^= 1, None);
    assert_rejected(&report, &["the receipt proves another output than the outcome has", "of the log: "]);
}

#[test]
fn another_receipt_for_a_golden_proof_is_rejected() {
    let name = "../../loom-risc0-verify/testdata/groth16_3.0.receipt.borsh";
    let other = Bytes::from(read(name));
    let cid = Cid::of(Codec::Raw, &other);
    let report = changed_proof(|proved| proved.receipt = cid, Some(other));
    assert_rejected(&report, &["does not count: it proves a run of", "of the log: "]);
}

/// The value is the one that was given: only its name says that it is not the same answer.
#[test]
fn another_answer_in_a_golden_closure_is_rejected() {
    let is = |entry: &Entry| matches!(entry.body, EntryBody::Outcome { n: 0, .. });
    let change = |body: &mut EntryBody, cid| {
        let EntryBody::Outcome { result, .. } = body else { unreachable!("found as one") };
        *result = Resolution::Ok(cid);
    };
    let report = changed("closure", is, change, r#""from b""#);
    assert_rejected(&report, &["took the message and did not give this answer", "of the log: "]);
}

#[test]
fn another_outcome_in_a_golden_redacted_bundle_is_rejected() {
    let is = |entry: &Entry| matches!(&entry.body, EntryBody::Step { op, .. } if op == "uuid");
    let change = |body: &mut EntryBody, cid| {
        let EntryBody::Step { outcome, .. } = body else { unreachable!("found as one") };
        *outcome = Some(Resolution::Ok(cid));
    };
    let report = changed("redacted", is, change, r#""b699498c-3ff7-4749-be6e-d989578e1652""#);
    assert_rejected(&report, &["run again, turn 2 does something else", "of the log: "]);
}

#[test]
fn another_time_of_a_golden_cosignature_is_rejected() {
    let bundle = Bundle::read(&golden("cosigned")).unwrap();
    let mut manifest = bundle.manifest().clone();
    let log = manifest.log.as_mut().unwrap();
    // The key's id, and behind it the time.
    let later = log.checkpoint.replace(" EdUCUwAAAABrBDjQ", " EdUCUwAAAABrBDjR");
    assert_ne!(log.checkpoint, later);
    log.checkpoint = later;
    assert_rejected(&judged(manifest, bundle.parts()), &["witness.example/golden", "that this key did not make"]);
}

#[test]
fn other_bytes_of_a_golden_bundle_are_rejected() {
    for name in GOLDEN {
        let mut file = golden(name).to_vec();
        *file.last_mut().unwrap() ^= 1;
        let report = verify(&file.into(), &auditor(), &*sandbox()).unwrap();
        assert_rejected(&report, &["are not those that its name names"]);
    }
}

#[test]
fn nobody_else_made_a_golden_bundle() {
    let keys = vec![key("monitor.pub")];
    for name in GOLDEN {
        let report = verify(&golden(name), &Auditor { keys: keys.clone(), ..Auditor::default() }, &*sandbox()).unwrap();
        assert_rejected(&report, &["signed by none of the keys"]);
    }
}
