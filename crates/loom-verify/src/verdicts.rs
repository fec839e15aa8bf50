//! Verdicts in a bundle: what a `verify` step came to is checked here by the auditor's own verifier.
//!
//! Running the module again shows that it says the same of the same bytes, and nothing about the module: the operator chose
//! it. So whatever can be verified natively is, under the policy and the time that the step's request pins. Words in which
//! evidence is refused may change from version to version; whether it is accepted, and what it then shows, may not.

use std::{
    collections::{HashMap, HashSet},
    panic::AssertUnwindSafe,
};

use loom_evidence::Bundle;
use loom_machine::{Deployment, Verdict, Verification, VerifierKind};
use loom_types::{Cid, Entry, EntryBody, Resolution, TurnNumber};
use serde_json::Value;

use crate::{
    Class, Report, Risc0,
    amounts::Held,
    report::{Found, Stronger},
};

/// Verifies one kind of evidence, natively.
pub trait Verifier {
    /// The kind.
    fn kind(&self) -> VerifierKind;

    /// The verdict: JSON text.
    fn verdict(&self, evidence: &[u8], policy: &str, at_ms: u64, args: &str) -> String;

    /// What an accepted verdict rests on: its class, whose word it is, and for people what it shows.
    fn shows(&self, verdict: &Value) -> Found;
}

impl Verifier for Risc0 {
    fn kind(&self) -> VerifierKind {
        VerifierKind::Risc0
    }

    fn verdict(&self, evidence: &[u8], policy: &str, at_ms: u64, args: &str) -> String {
        loom_risc0_verify::activity::verdict(evidence, policy, at_ms, args)
    }

    fn shows(&self, verdict: &Value) -> Found {
        let member = |name: &str| verdict.get(name).and_then(Value::as_str).unwrap_or_default();
        let (image_id, digest) = (member("image_id"), member("public_output_sha256"));
        let detail = format!("a run of program {image_id} gave the output with SHA-256 {digest}");
        Found { class: Class::Proved, by: Vec::new(), detail }
    }
}

/// TLSNotary's presentations.
pub struct Tlsnotary;

impl Verifier for Tlsnotary {
    fn kind(&self) -> VerifierKind {
        VerifierKind::Tlsnotary
    }

    fn verdict(&self, evidence: &[u8], policy: &str, at_ms: u64, args: &str) -> String {
        loom_tlsnotary::activity::verdict(evidence, policy, at_ms, args)
    }

    fn shows(&self, verdict: &Value) -> Found {
        let member = |name: &str| verdict.get(name).and_then(Value::as_str).unwrap_or_default();
        let (key, server) = (member("notary_key"), member("server_name"));
        // How the notary worked, and what else the verifier found, decides what its word is worth.
        let found = verdict.get("findings").and_then(Value::as_array).into_iter().flatten();
        let codes: Vec<_> = found.filter_map(|finding| finding.get("code")?.as_str()).collect();
        let noted = if codes.is_empty() { String::new() } else { format!(" (noted: {})", codes.join(", ")) };
        let detail = format!("notary {key} says that {server} said so{noted}");
        Found { class: Class::Attested, by: vec![key.to_owned()], detail }
    }
}

/// What the auditor can verify.
const VERIFIERS: [&dyn Verifier; 2] = [&Risc0, &Tlsnotary];

/// The verdict on evidence over which a verifier panics: in the sandbox that is a trap, and one as well.
const PANICKED: &str = r#"{"accepted":false,"code":"panicked","reason":"the verifier could not finish over it"}"#;

/// Verdicts that were come to already: many steps may ask for one.
type Known = HashMap<Cid, String>;

/// Checks the verdicts of all histories whose chain holds, and says by subject what they show.
pub(crate) struct Checking<'a> {
    bundle: &'a Bundle,
    /// Whether to give up.
    is_over: &'a dyn Fn() -> bool,
    known: Known,
    stronger: Stronger,
    accepted: Vec<Held>,
}

/// A turn as its first entry has it.
struct Began {
    at_ms: u64,
    /// None where it is not in the file, or a reset may have changed it.
    deployment: Option<Deployment>,
}

impl<'a> Checking<'a> {
    pub(crate) fn new(bundle: &'a Bundle, is_over: &'a dyn Fn() -> bool) -> Self {
        Self { bundle, is_over, known: HashMap::new(), stronger: HashMap::new(), accepted: Vec::new() }
    }

    /// Checks the verdicts of one history.
    pub(crate) fn check(&mut self, entries: &[Entry], repinned: &HashSet<TurnNumber>, report: &mut Report) {
        let mut began = None;
        for entry in entries {
            match &entry.body {
                EntryBody::TurnStarted { deployment, .. } => {
                    let known = self.bundle.material().get(deployment).filter(|_| !repinned.contains(&entry.turn));
                    let deployment = known.and_then(|bytes| Deployment::decode(bytes).ok());
                    began = Some(Began { at_ms: entry.at_ms, deployment });
                }
                EntryBody::Step { n, op, request, outcome: Some(Resolution::Ok(outcome)), .. }
                    if op == Verification::OP =>
                {
                    let found = self.verdict(entry, began.as_ref(), *request, *outcome, report);
                    let subject = format!("{} turn {} step {n} {op}", entry.actor, entry.turn);
                    if found.as_ref().is_some_and(|found| matches!(found.class, Class::Proved | Class::Attested)) {
                        let (request, outcome) = (*request, *outcome);
                        self.accepted.push(Held { subject: subject.clone(), request, outcome });
                    }
                    self.stronger.extend(found.map(|found| (subject, found)));
                }
                _ => {}
            }
        }
    }

    /// Takes over into the report what was found: also of turns that were not run again. Returns the steps whose
    /// evidence is accepted.
    pub(crate) fn conclude(self, report: &mut Report) -> Vec<Held> {
        report.settle(self.stronger);
        self.accepted
    }

    /// What a verdict rests on; nothing if there is nothing to say, or if it contradicts something, which stands in the
    /// report.
    fn verdict(
        &mut self,
        entry: &Entry,
        began: Option<&Began>,
        request: Cid,
        outcome: Cid,
        report: &mut Report,
    ) -> Option<Found> {
        let payload = |cid| self.bundle.payloads().get(&cid).and_then(|payload| payload.text());
        // What was left out is said to be elsewhere.
        let (request, outcome) = (payload(request)?, payload(outcome)?);
        let verification = match Verification::from_json(request) {
            Ok(verification) => verification,
            Err(problem) => {
                report.contradiction(entry, format!("request: it asks for no verdict: {problem}"));
                return None;
            }
        };
        let Some(recorded) = Verdict::read(outcome) else {
            report.contradiction(entry, "ok: not a verdict");
            return None;
        };
        if let Some(problem) = began.and_then(|began| began.problem(&verification)) {
            report.contradiction(entry, problem);
            return None;
        }
        // How far a module gets is a matter of its engine and its limits: that it was run again says all there is.
        if recorded.is_stopped() {
            return None;
        }
        self.natively(entry, &verification, outcome, recorded.accepted, report)
    }

    fn natively(
        &mut self,
        entry: &Entry,
        verification: &Verification,
        recorded: &str,
        is_accepted: bool,
        report: &mut Report,
    ) -> Option<Found> {
        let Verification { verifier: name, evidence: cid, kind, .. } = verification;
        let claimed = |detail: &str| Some(Found { class: Class::Claimed, by: Vec::new(), detail: detail.to_owned() });
        let verifier = VERIFIERS.into_iter().find(|verifier| verifier.kind() == *kind)?;
        let Some(evidence) = self.bundle.material().get(cid) else {
            return claimed("the evidence is not in the file, the node says so");
        };
        let key = Cid::of(loom_types::Codec::Raw, verification.to_json().as_bytes());
        if !self.known.contains_key(&key) {
            if (self.is_over)() {
                return claimed("there was no time to verify the evidence, the node says so");
            }
            let verdict = Verification::refused(evidence).unwrap_or_else(|| verdict(verifier, evidence, verification));
            self.known.insert(key, verdict);
        }
        let native = &self.known[&key];
        if !is_same(native, recorded) {
            let reason = format!("the evidence {cid} does not come to this verdict");
            report.unequal(entry, &reason, recorded, native);
            return None;
        }
        if !is_accepted {
            let detail = format!("verifier '{name}' rejected the evidence {cid}, and so does the one here");
            return Some(Found { class: Class::ReExecuted, by: Vec::new(), detail });
        }
        let shown = verifier.shows(&serde_json::from_str(native).unwrap_or_default());
        let detail =
            format!("{}; verifier '{name}' accepted the evidence {cid}, and so does the one here", shown.detail);
        Some(Found { detail, ..shown })
    }
}

/// The verdict of a verifier, which must not take anybody down with it.
fn verdict(verifier: &dyn Verifier, evidence: &[u8], verification: &Verification) -> String {
    let (policy, at_ms, args) = (&verification.policy, verification.time_ms(), verification.arguments());
    let verdict = AssertUnwindSafe(|| verifier.verdict(evidence, policy, at_ms, args));
    std::panic::catch_unwind(verdict).unwrap_or_else(|_| PANICKED.to_owned())
}

impl Began {
    /// How a verification is not what the turn's deployment and beginning make of it.
    fn problem(&self, verification: &Verification) -> Option<String> {
        let name = &verification.verifier;
        if verification.at_ms != verification.kind.has_time().then_some(self.at_ms) {
            return Some("request: it is pinned to another time than that of the turn's start".to_owned());
        }
        let spec = match &self.deployment {
            None => return None,
            Some(deployment) => deployment.verifiers.get(name),
        };
        let Some(spec) = spec else { return Some(format!("request: the deployment has no verifier '{name}'")) };
        let is_pinned = (spec.kind, spec.module) == (verification.kind, verification.module);
        let is_whole = is_pinned && spec.policy == verification.policy;
        (!is_whole).then(|| format!("request: it is not what the deployment says of verifier '{name}'"))
    }
}

/// Whether two verdicts say the same: both no, or both yes and the same of everything.
fn is_same(one: &str, other: &str) -> bool {
    match (Verdict::read(one), Verdict::read(other)) {
        (Some(Verdict { accepted: false, .. }), Some(Verdict { accepted: false, .. })) => true,
        _ => {
            let value = |text| serde_json::from_str::<Value>(text).ok();
            value(one).is_some_and(|one| Some(one) == value(other))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_are_the_same_if_they_accept_the_same_or_both_reject() {
        let accepted = r#"{"accepted":true,"image_id":"07"}"#;
        let rejected = r#"{"accepted":false,"code":"no-seal"}"#;
        assert!(is_same(accepted, r#"{"image_id":"07","accepted":true}"#));
        assert!(is_same(rejected, r#"{"accepted":false,"code":"unreadable"}"#));
        for other in [rejected, r#"{"accepted":true}"#, r#"{"accepted":true,"image_id":"08"}"#, "true", ""] {
            assert!(!is_same(accepted, other) && !is_same(other, accepted), "{other}");
        }
    }
}
