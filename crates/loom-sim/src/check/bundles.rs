//! Bundles verify: whatever went wrong in the run, what is handed out contradicts nothing, and all of it that a guest
//! did comes out again.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use loom_evidence::Bundle;
use loom_runtime::redact;
use loom_types::{ActorAddress, EntryBody, TurnResult};
use loom_verify::{Class, Report, verify_both_with, verify_with};

use super::{Findings, journals::Histories};
use crate::{auditor::Asked, guest::NativeSandbox, node, prover::SimReceipts, world::World};

const GIVEN: &str = "there is a bundle of every turn that is over";
const HOLDS: &str = "what a bundle says comes out again";
const CONTINUES: &str = "a later bundle goes on where an earlier one ended";
const LESS: &str = "a redacted bundle says less";

pub(super) fn check(asked: &[Asked], histories: &Histories, findings: &mut Findings) {
    let verifier = Verifier::new();
    let mut newest: BTreeMap<&ActorAddress, Bytes> = BTreeMap::new();
    for (place, one) in asked.iter().enumerate() {
        match &one.answer {
            Ok(bundle) => {
                let file = written(bundle);
                let report = verifier.check(one, bundle, &file, findings);
                verifier.check_redacted(one, bundle, &report, place, findings);
                if one.turn.is_none() {
                    if let Some(earlier) = newest.get(&one.actor) {
                        verifier.check_both(one, earlier, &file, findings);
                    }
                    newest.insert(&one.actor, file);
                }
            }
            Err(error) if one.at_rest => {
                let has_ended = histories.actors.get(&one.actor).is_some_and(|history| {
                    let ended = |entry: &loom_types::Entry| matches!(entry.body, EntryBody::TurnEnded { .. });
                    history.entries.iter().any(ended)
                });
                findings.expect(!has_ended, GIVEN, || format!("{}: {error}", name(one)));
            }
            // In the storm the store may fail, and a turn may not be over.
            Err(_) => {}
        }
    }
}

/// Somebody with the node's key who runs turns again.
struct Verifier {
    auditor: loom_verify::Auditor,
    sandbox: NativeSandbox,
}

impl Verifier {
    fn new() -> Self {
        let keys = vec![node::log_key().public()];
        let auditor = loom_verify::Auditor { keys, ..loom_verify::Auditor::default() };
        Self { auditor, sandbox: NativeSandbox { world: World::for_replay() } }
    }

    fn verify(&self, file: &Bytes) -> Report {
        verify_with(file, &self.auditor, &self.sandbox, &SimReceipts).expect("what was written is read")
    }

    fn check(&self, one: &Asked, bundle: &Bundle, file: &Bytes, findings: &mut Findings) -> Report {
        let report = self.verify(file);
        findings.expect(report.ok, HOLDS, || format!("{}: {:#?}", name(one), report.failures));
        for (history, entries) in bundle.manifest().histories.iter().zip(bundle.entries()) {
            let class = |subject: &str| {
                let claim = report.claims.iter().find(|claim| claim.subject == subject);
                claim.map(|claim| (claim.class, claim.detail.as_str()))
            };
            let stands = class(history.actor.as_str());
            findings.expect(stands.is_some_and(|(class, _)| class == Class::Attested), HOLDS, || {
                format!("{}: {} is in no log: {stands:?}", name(one), history.actor)
            });
            let is_context = |place: usize| place == 0 && entries[0].seq.0 > 0;
            for (_, entry) in entries.iter().enumerate().filter(|(place, _)| !is_context(*place)) {
                let EntryBody::TurnEnded { result, fuel, .. } = &entry.body else { continue };
                // A guest that ran used fuel; without it, the node ended the turn.
                let by_node = matches!(result, TurnResult::Failure(_)) && *fuel == 0;
                let expected = if by_node { Class::Attested } else { Class::ReExecuted };
                let turn = class(&format!("{} turn {}", entry.actor, entry.turn));
                findings.expect(turn.is_some_and(|(class, _)| class == expected), HOLDS, || {
                    format!("{}: {} turn {} is {turn:?}", name(one), entry.actor, entry.turn)
                });
            }
        }
        report
    }

    fn check_both(&self, one: &Asked, earlier: &Bytes, later: &Bytes, findings: &mut Findings) {
        let report = verify_both_with(earlier, later, &self.auditor, &self.sandbox, &SimReceipts);
        let report = report.expect("what was written is read");
        findings.expect(report.ok, CONTINUES, || format!("{}: {:#?}", name(one), report.failures));
    }

    /// Leaves one payload out, and all that gives it away.
    fn check_redacted(&self, one: &Asked, bundle: &Bundle, whole: &Report, place: usize, findings: &mut Findings) {
        let named = bundle.entries()[0].iter().filter(|entry| {
            let mut payloads = entry.body.payloads().into_iter();
            payloads.any(|(_, cid)| bundle.payloads().contains_key(&cid))
        });
        let entries: Vec<_> = named.collect();
        // Any will do; of the first few bundles each leaves out another.
        let Some(entry) = entries.get(place % entries.len().max(1)) else { return };
        let redaction = entry.seq.to_string().parse().expect("a number names all of an entry");
        let redacted = match redact(bundle.clone(), &[redaction], true, &BTreeSet::new()) {
            Ok(redacted) => redacted,
            Err(error) => {
                return findings.expect(false, LESS, || format!("{} without {}: {error}", name(one), entry.seq));
            }
        };
        let report = self.verify(&written(&redacted));
        findings.expect(report.ok, LESS, || format!("{} without {}: {:#?}", name(one), entry.seq, report.failures));
        let stronger = report.claims.iter().find(|claim| {
            let mut was = whole.claims.iter().filter(|was| was.subject == claim.subject);
            claim.class < Class::Claimed && !was.any(|was| was.class <= claim.class)
        });
        findings.expect(stronger.is_none(), LESS, || format!("{} without {}: {stronger:?}", name(one), entry.seq));
        let counts = (whole.turns.re_executed, report.turns.re_executed);
        findings.expect(counts.1 <= counts.0, LESS, || format!("{} without {}: {counts:?}", name(one), entry.seq));
    }
}

fn written(bundle: &Bundle) -> Bytes {
    let mut file = Vec::new();
    bundle.write(&mut file).expect("memory takes everything");
    file.into()
}

fn name(one: &Asked) -> String {
    let turn = one.turn.map_or_else(String::new, |turn| format!(" turn {turn}"));
    let closure = if one.closure { " with closure" } else { "" };
    let when = if one.at_rest { "" } else { ", in the storm" };
    format!("the bundle of {}{turn}{closure}{when}", one.actor)
}
