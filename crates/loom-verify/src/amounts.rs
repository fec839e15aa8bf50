//! Amounts that nobody was shown: a notary says where they stand, a receipt proves what they reach.
//!
//! The two meet in a commitment. The program `committed-amount` opens one and puts it out; the notary's presentation has
//! it among its own, and says of which bytes of which session it is. Together they are worth the notary's word, so that
//! is what such a claim rests on; of the receipt alone nobody knows whose bytes it is about.

use std::collections::HashSet;

use loom_evidence::Bundle;
use loom_machine::{Proved as Outcome, Verification, VerifierKind};
use loom_programs::{committed_amount::Output, registry};
use loom_tlsnotary::{
    Verified, activity,
    committed::{Member, NotCommitted, Placed, Proved, place},
};
use loom_types::{Cid, Payload};
use serde::Deserialize;

use crate::{Class, Report};

/// The program, by the name of its builds.
const PROGRAM: &str = "committed-amount";

/// What a receipt of this program says; nothing if it is of another program.
pub fn committed_amount(image_id: &[u8; 32], public_output: &[u8]) -> Option<Output> {
    registry::identified(image_id).filter(|build| build.name == PROGRAM)?;
    Output::decode(public_output).ok()
}

/// An amount that a notary says a server named, and a receipt proves to reach a threshold, or not to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttestedAmount {
    /// The notary's key, in hex.
    pub notary_key: String,
    /// Who the server was, if that is disclosed.
    pub server_name: Option<String>,
    /// Where the amount stands.
    pub placed: Placed,
    /// What is proved of it.
    pub output: Output,
}

impl AttestedAmount {
    /// Puts a receipt's output and a presentation together, if the one is about a commitment of the other's.
    pub fn of(verified: &Verified, output: &Output) -> Result<Self, NotCommitted> {
        let [start, end] = output.range;
        let proved = Proved {
            attestation_id: output.attestation_id,
            range: start..end,
            commitment: output.commitment.0,
            is_quoted: output.quoted,
        };
        let placed = place(verified, &proved)?;
        let (notary_key, server_name) = (verified.notary_key.to_string(), verified.server_name.clone());
        Ok(Self { notary_key, server_name, placed, output: output.clone() })
    }

    /// For people, in one line.
    pub fn describe(&self) -> String {
        let Self { notary_key, server_name, output, .. } = self;
        let server = server_name.as_deref().unwrap_or("a server that is not disclosed");
        let attestation = data_encoding::HEXLOWER.encode(&output.attestation_id);
        let ([start, end], place) = (output.range, self.place());
        let (reached, threshold) =
            (if output.reached { "at least" } else { "less than" }, decimal(output.threshold_cents));
        let shown = if self.placed.is_disclosed { "; the presentation shows it" } else { ", and it is not shown" };
        format!(
            "notary {notary_key} says that {server} named an amount {place} (bytes {start} to {end} of attestation \
             {attestation}); it is proved to be {reached} {threshold}{shown}"
        )
    }

    fn place(&self) -> String {
        match &self.placed.member {
            Ok(Member { pointer, assumes, hidden_after }) => {
                let pointer =
                    if pointer.is_empty() { "as its whole answer".to_owned() } else { format!("at {pointer:?}") };
                let before = match assumes.len() {
                    0 => String::new(),
                    holes => format!(", if {holes} hidden parts before it hide no more than one value each"),
                };
                let after = match hidden_after.len() {
                    0 => String::new(),
                    holes => format!(", if {holes} hidden parts after it do not hold the same key once more"),
                };
                format!("{pointer}{before}{after}")
            }
            Err(problem) => format!("in its answer, of which member is not known: {problem}"),
        }
    }

    /// How sure the place is: whether its member is known, and without an assumption.
    fn certainty(&self) -> (bool, bool) {
        let member = self.placed.member.as_ref();
        (member.is_ok(), member.is_ok_and(|member| member.assumes.is_empty()))
    }
}

/// Cents as people write amounts.
fn decimal(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// A step whose outcome holds: what was asked, and what came of it.
pub(crate) struct Held {
    /// What the report calls it.
    pub(crate) subject: String,
    pub(crate) request: Cid,
    pub(crate) outcome: Cid,
}

/// Puts together what proofs and verdicts show, each on its own, and says what they show together.
pub(crate) fn conclude(
    bundle: &Bundle,
    proofs: &[Held],
    verdicts: &[Held],
    is_over: &dyn Fn() -> bool,
    report: &mut Report,
) {
    let outcome = |held: &Held| bundle.payloads().get(&held.outcome).map(Payload::value);
    let of_proofs = proofs.iter().filter_map(|held| Some((held, of_proof(outcome(held)?)?)));
    let of_verdicts = verdicts.iter().filter_map(|held| Some((held, of_verdict(outcome(held)?)?)));
    let amounts: Vec<_> = of_proofs.chain(of_verdicts).collect();
    if amounts.is_empty() {
        return;
    }
    let mut seen = HashSet::new();
    let others = verdicts.iter().filter(|held| seen.insert(held.request)).take_while(|_| !is_over());
    let presentations: Vec<_> = others.filter_map(|held| presentation(bundle, held)).collect();
    for (held, output) in amounts {
        let together = presentations.iter().filter_map(|verified| AttestedAmount::of(verified, &output).ok());
        match together.max_by_key(AttestedAmount::certainty) {
            Some(amount) => {
                let shown = if is_in(bundle, &output) { "; this file shows it" } else { "" };
                let subject = format!("{} amount", held.subject);
                let detail = amount.describe() + shown;
                report.claimed(subject, Class::Attested, detail).by = vec![amount.notary_key];
            }
            None => report.add(
                &held.subject,
                "; whose amount it is, nobody says: no presentation that was verified here has its commitment",
            ),
        }
    }
}

/// The output of a run that the file proves, if it is of this program.
fn of_proof(outcome: &[u8]) -> Option<Output> {
    let outcome = Outcome::from_json(outcome).ok()?;
    committed_amount(&outcome.image_id.0, &outcome.public_output)
}

/// The same of a receipt that came from elsewhere, out of the verdict on it.
fn of_verdict(outcome: &[u8]) -> Option<Output> {
    #[derive(Deserialize)]
    struct Verdict {
        image_id: String,
        public_output: String,
    }
    let verdict: Verdict = serde_json::from_slice(outcome).ok()?;
    let image_id: loom_machine::ImageId = verdict.image_id.parse().ok()?;
    let public_output = data_encoding::BASE64.decode(verdict.public_output.as_bytes()).ok()?;
    committed_amount(&image_id.0, &public_output)
}

/// What a presentation shows whose verdict holds.
fn presentation(bundle: &Bundle, held: &Held) -> Option<Verified> {
    let request = bundle.payloads().get(&held.request)?.text()?;
    let verification = Verification::from_json(request).ok()?;
    let evidence = bundle.material().get(&verification.evidence)?;
    let is_presentation = verification.kind == VerifierKind::Tlsnotary;
    let (policy, at_ms, args) = (&verification.policy, verification.time_ms(), verification.arguments());
    is_presentation.then(|| activity::accepted(evidence, policy, at_ms, args)).flatten()
}

/// Whether the file has the private input of the proof.
fn is_in(bundle: &Bundle, output: &Output) -> bool {
    bundle.payloads().keys().any(|cid| *cid.digest() == output.payload_sha256.0)
}

#[cfg(test)]
mod tests {
    use loom_types::Codec;
    use serde_json::json;

    use super::*;

    /// A step that asked for the proof and one that verified somebody's receipt say the same.
    #[test]
    fn outcomes_of_both_kinds_of_steps_are_read() {
        let build = registry::named(PROGRAM).unwrap();
        let output = [&[1; 48][..], &[5, 0, 0, 0, 0, 0, 0, 0, 9], &[0; 7], &[2; 32], &[0; 8], &[1, 0]].concat();
        let expected = Output::decode(&output).unwrap();
        let verdict = |image_id: &str, output: &[u8]| {
            let public_output = data_encoding::BASE64.encode(output);
            json!({"accepted": true, "kind": "groth16", "image_id": image_id, "public_output": public_output})
                .to_string()
        };
        let image_id = build.image_id.to_string();
        assert_eq!(of_verdict(verdict(&image_id, &output).as_bytes()), Some(expected.clone()));
        assert_eq!(of_verdict(verdict(&image_id, &output[1..]).as_bytes()), None);
        assert_eq!(of_verdict(verdict(&"07".repeat(32), &output).as_bytes()), None);
        assert_eq!(of_verdict(br#"{"accepted":true,"image_id":"07"}"#), None);
        let outcome = |image_id| {
            let receipt = Cid::of(Codec::Raw, b"receipt");
            Outcome { image_id: loom_machine::ImageId(image_id), public_output: output.clone(), receipt }.to_json()
        };
        assert_eq!(of_proof(outcome(build.image_id.0).as_bytes()), Some(expected));
        assert_eq!(of_proof(outcome([7; 32]).as_bytes()), None);
    }

    #[test]
    fn cents_are_written_as_amounts() {
        for (cents, text) in [(0, "0.00"), (7, "0.07"), (500_000, "5000.00"), (u64::MAX, "184467440737095516.15")] {
            assert_eq!(decimal(cents), text);
        }
    }
}
