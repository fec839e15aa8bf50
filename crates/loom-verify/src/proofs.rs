//! Proofs in a bundle: a receipt for a step that asked for one needs nobody's word, and nobody's machine.
//!
//! What a proof says is put together from three places that the entry chain pins: the program's image id, in the step's
//! request; the private input, by the name of its payload, which may be left out; and the outcome. The receipt says that
//! the program ran and put out these bytes, and these begin with the digest in the input's name. So a receipt for another
//! program, another input or another output is a contradiction.

use std::collections::{HashMap, HashSet};

use loom_evidence::Bundle;
use loom_machine::{Deployment, ImageId, ProgramSpec, Proved};
use loom_types::{Cid, Entry, EntryBody, Resolution, TurnNumber};
use serde::Deserialize;

use crate::{Class, Report, amounts::Held};

/// Verifies receipts.
pub trait Receipts {
    /// The public output of the run that the receipt proves, or why it proves none of this program.
    fn verify(&self, receipt: &[u8], image_id: ImageId) -> Result<Vec<u8>, String>;
}

/// RISC Zero's proof system.
pub struct Risc0;

impl Receipts for Risc0 {
    fn verify(&self, receipt: &[u8], image_id: ImageId) -> Result<Vec<u8>, String> {
        let verified = loom_risc0_verify::verify(receipt, loom_risc0_verify::ImageId(image_id.0));
        verified.map(|verified| verified.journal).map_err(|rejected| rejected.to_string())
    }
}

/// What a step that asked for a proof says of itself.
struct Asked<'a> {
    entry: &'a Entry,
    request: Cid,
    input: Option<Cid>,
}

/// As much of the request as is needed; the rest is compared when the turn is run again.
#[derive(Deserialize)]
struct Request {
    program: String,
    image_id: ImageId,
}

/// Receipts that were verified already: many steps may rest on one.
type Known = HashMap<(Cid, ImageId), Result<Vec<u8>, String>>;

/// Verifies the proofs of all histories whose chain holds, and says by subject what they show.
pub(crate) struct Checking<'a> {
    bundle: &'a Bundle,
    receipts: &'a dyn Receipts,
    /// Whether to give up.
    is_over: &'a dyn Fn() -> bool,
    known: Known,
    stronger: HashMap<String, (Class, String)>,
    proved: Vec<Held>,
}

impl<'a> Checking<'a> {
    pub(crate) fn new(bundle: &'a Bundle, receipts: &'a dyn Receipts, is_over: &'a dyn Fn() -> bool) -> Self {
        Self { bundle, receipts, is_over, known: HashMap::new(), stronger: HashMap::new(), proved: Vec::new() }
    }

    /// Verifies the proofs of one history.
    pub(crate) fn check(&mut self, entries: &'a [Entry], report: &mut Report) {
        let mut asked: HashMap<u32, Asked<'a>> = HashMap::new();
        let repinned = repinned(entries);
        let mut deployment = None;
        for entry in entries {
            match &entry.body {
                EntryBody::TurnStarted { deployment: pinned, .. } => {
                    asked.clear();
                    // Which deployment a step was asked under is open where a reset may have changed it.
                    let known = self.bundle.material().get(pinned).filter(|_| !repinned.contains(&entry.turn));
                    deployment = known.and_then(|bytes| Deployment::decode(bytes).ok());
                }
                EntryBody::Step { n, op, request, input, outcome: None } if op == "prove.start" => {
                    asked.insert(*n, Asked { entry, request: *request, input: *input });
                }
                EntryBody::Outcome { n, result: Resolution::Ok(outcome), evidence, .. } => {
                    let Some(asked) = asked.get(n) else { continue };
                    let subject = format!("{} turn {} step {n} prove.start", entry.actor, entry.turn);
                    if let Some(found) = self.proof(asked, deployment.as_ref(), entry, (*outcome, evidence), report) {
                        if found.0 == Class::Proved {
                            let (request, outcome) = (asked.request, *outcome);
                            self.proved.push(Held { subject: subject.clone(), request, outcome });
                        }
                        self.stronger.insert(subject, found);
                    }
                }
                _ => {}
            }
        }
    }

    /// Takes over into the report what was found: also of turns that were not run again. Returns the steps whose outcome
    /// is proved.
    pub(crate) fn conclude(self, report: &mut Report) -> Vec<Held> {
        report.strengthen(&self.stronger);
        for (subject, (class, detail)) in sorted(self.stronger) {
            // Of a turn that was not run again, nothing else is said of its steps.
            if class == Class::Proved && !report.claims.iter().any(|claim| claim.subject == subject) {
                report.claim(subject, class, detail);
            }
        }
        self.proved
    }

    /// What the outcome of a proof rests on; nothing if it contradicts something, which stands in the report.
    fn proof(
        &mut self,
        asked: &Asked<'_>,
        deployment: Option<&Deployment>,
        entry: &Entry,
        (outcome, evidence): (Cid, &[Cid]),
        report: &mut Report,
    ) -> Option<(Class, String)> {
        let Some(input) = asked.input else {
            report.contradiction(asked.entry, "it asks for a proof over no input");
            return None;
        };
        let Some(outcome) = self.bundle.payloads().get(&outcome) else {
            let detail = "what came of it was left out, so its proof was not looked at; the node says so";
            return Some((Class::Claimed, detail.to_owned()));
        };
        let proved = match Proved::from_json(outcome.value()) {
            Ok(proved) => proved,
            Err(problem) => {
                report.contradiction(entry, format!("ok: not what comes of a proof: {problem}"));
                return None;
            }
        };
        let program = self.program(asked, deployment, &proved, entry, report)?;
        if evidence != [proved.receipt] {
            let named: Vec<_> = evidence.iter().map(Cid::to_string).collect();
            report.unequal(entry, "the entry names other evidence than its outcome", named.join(", "), proved.receipt);
            return None;
        }
        if !proved.is_over(input) {
            let begins = hex(&proved.public_output[..proved.public_output.len().min(32)]);
            report.unequal(entry, "the proof is over another input than the step's", hex(input.digest()), begins);
            return None;
        }
        let (class, how) = self.receipt(&proved, entry, report)?;
        let left_out = if self.bundle.payloads().contains_key(&input) { "" } else { ", which was left out" };
        Some((class, format!("{program} put this out over the input {input}{left_out}; {how}")))
    }

    /// The program, for people, if all that the file says of it agrees.
    fn program(
        &self,
        asked: &Asked<'_>,
        deployment: Option<&Deployment>,
        proved: &Proved,
        entry: &Entry,
        report: &mut Report,
    ) -> Option<String> {
        let image_id = proved.image_id;
        let request = match self.bundle.payloads().get(&asked.request) {
            None => None,
            Some(request) => match serde_json::from_slice::<Request>(request.value()) {
                Ok(request) => Some(request),
                Err(error) => {
                    report.contradiction(asked.entry, format!("request: it asks for no proof: {error}"));
                    return None;
                }
            },
        };
        if let Some(request) = request.as_ref().filter(|request| request.image_id != image_id) {
            let reason = "the outcome is of another program than was asked for";
            report.unequal(entry, reason, request.image_id, image_id);
            return None;
        }
        let asked_for = |name: &String| request.as_ref().is_none_or(|request| request.program == *name);
        let named = deployment.map(|deployment| {
            let is_this = |(name, spec): &(&String, &ProgramSpec)| spec.image_id == image_id && asked_for(name);
            deployment.programs.iter().find(is_this).map(|(name, _)| name.clone())
        });
        let name = match (named, request) {
            (Some(None), _) => {
                report
                    .contradiction(asked.entry, format!("the deployment has no such program with image id {image_id}"));
                return None;
            }
            (Some(name), _) => name,
            (None, request) => request.map(|request| request.program),
        };
        let name = name.map_or_else(|| "the program".to_owned(), |name| format!("program '{name}'"));
        Some(format!("{name} with image id {image_id}"))
    }

    /// What the receipt shows, if it is in the file.
    fn receipt(&mut self, proved: &Proved, entry: &Entry, report: &mut Report) -> Option<(Class, String)> {
        let Proved { receipt: cid, image_id, .. } = proved;
        let Some(receipt) = self.bundle.material().get(cid) else {
            return Some((Class::Claimed, "the receipt is not in the file, the node says so".to_owned()));
        };
        let key = (*cid, *image_id);
        if !self.known.contains_key(&key) {
            if (self.is_over)() {
                let detail = "there was no time to verify the receipt, the node says so";
                return Some((Class::Claimed, detail.to_owned()));
            }
            self.known.insert(key, self.receipts.verify(receipt, *image_id));
        }
        match &self.known[&key] {
            Err(problem) => {
                report.contradiction(entry, format!("its receipt {cid} does not count: {problem}"));
                None
            }
            Ok(output) if *output != proved.public_output => {
                let (told, actual) = (hex(&proved.public_output), hex(output));
                report.unequal(entry, "the receipt proves another output than the outcome has", told, actual);
                None
            }
            Ok(_) => Some((Class::Proved, format!("the receipt {cid} proves it"))),
        }
    }
}

/// Turns that a reset went back in.
pub(crate) fn repinned(entries: &[Entry]) -> HashSet<TurnNumber> {
    let reset = |entry: &Entry| matches!(&entry.body, EntryBody::Control { what, .. } if what == "reset");
    entries.iter().filter(|entry| reset(entry)).map(|entry| entry.turn).collect()
}

fn hex(bytes: &[u8]) -> String {
    /// As much as anybody compares by eye.
    const SHOWN_BYTES_MAX: usize = 80;
    let shown = data_encoding::HEXLOWER.encode(&bytes[..bytes.len().min(SHOWN_BYTES_MAX)]);
    if bytes.len() > SHOWN_BYTES_MAX { format!("{shown}… ({} bytes)", bytes.len()) } else { shown }
}

fn sorted(stronger: HashMap<String, (Class, String)>) -> Vec<(String, (Class, String))> {
    let mut sorted: Vec<_> = stronger.into_iter().collect();
    sorted.sort();
    sorted
}
