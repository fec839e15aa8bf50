//! What recorded outcomes rest on. Some are functions of the journal and the modules: whoever re-executes a turn
//! computes them again and compares. The others are the word of the host that wrote them.

use loom_types::{Cid, Codec, Payload};

use super::{Outcome, Turn, Work, live::unknown_activity, wait::unknown_handle};
use crate::{
    Failure, Verification, random,
    request::{self, Request},
};

/// What an outcome rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Basis {
    /// It follows from the journal: it must be this.
    Known(Result<String, Failure>),
    /// It is what a pure activity makes of its input.
    Activity {
        /// Its name in the deployment.
        name: String,
        /// JSON text.
        input: String,
    },
    /// It is what a verifier makes of evidence.
    Verifier(Verification),
    /// The host says so.
    Host,
}

/// A recorded outcome, and what it rests on.
pub(crate) struct Founded<'a> {
    pub(crate) n: u32,
    pub(crate) op: &'a str,
    /// Place of the step's entry among the turn's, where `turn-started` is 0.
    pub(crate) entry: u32,
    pub(crate) outcome: &'a Outcome,
    pub(crate) basis: Basis,
}

impl Turn {
    /// The outcome that the journal has at once for the guest's next request, if that is a step which has one. To be
    /// asked before [`Turn::request`], which tells whether the request is the recorded one.
    pub(crate) fn next_outcome(&self, text: &str) -> Option<Founded<'_>> {
        let record = self.records.get(self.cursor)?;
        let outcome = record.immediate.as_ref()?;
        let op = request::operation(text).ok()?;
        let basis = match request::parse(&op, text) {
            // Neither `context` nor another free operation is the recorded step.
            Ok(request) if request.is_free() => return None,
            Ok(request) => self.basis(request, text, outcome),
            Err(failure) => Basis::Known(Err(failure)),
        };
        Some(Founded { n: self.cursor as u32, op: &record.op, entry: record.entry, outcome, basis })
    }

    /// Outcomes that came later than their steps, in the order of the steps.
    pub(crate) fn later_outcomes(&self) -> impl Iterator<Item = Founded<'_>> {
        self.records.iter().zip(0u32..).filter(|(record, _)| !record.is_discarded).filter_map(|(record, n)| {
            let ((_, outcome), work) = (record.completion.as_ref()?, record.work.as_ref()?);
            let basis = match work {
                // A control ended the wait.
                _ if has_failed_as(outcome, &["cancelled"]) => Basis::Host,
                Work::Activity { name, input, .. } if self.is_pure(name) => {
                    Basis::Activity { name: name.clone(), input: input.clone() }
                }
                Work::Timer { .. } => Basis::Known(Ok("null".to_owned())),
                _ => Basis::Host,
            };
            Some(Founded { n, op: &record.op, entry: record.entry, outcome, basis })
        })
    }

    /// Whether an activity's outcome can be computed again. After a reset to another deployment nobody can tell which
    /// one an outcome that was kept came from.
    fn is_pure(&self, activity: &str) -> bool {
        !self.is_repinned && self.opening.deployment.activities.get(activity).is_some_and(|spec| !spec.is_effectful())
    }

    fn basis(&self, request: Request, text: &str, outcome: &Outcome) -> Basis {
        let n = self.cursor as u32;
        if let Err(failure) = self.journaled_text(&request, text, n) {
            return Basis::Known(Err(failure));
        }
        let seed = self.opening.seed.value();
        match &request {
            Request::Random { bytes } => {
                let bytes = random::bytes(seed, n, *bytes as usize);
                Basis::Known(Ok(format!("\"{}\"", data_encoding::HEXLOWER.encode(&bytes))))
            }
            Request::Uuid => Basis::Known(Ok(format!("\"{}\"", random::uuid(seed, n)))),
            Request::Activity { name, input, start, .. } => match self.opening.deployment.activities.get(name) {
                None if self.is_repinned => Basis::Host,
                None => Basis::Known(Err(Failure::new("unknown-activity", unknown_activity(&self.opening, name)))),
                Some(_) if self.is_repinned => Basis::Host,
                Some(spec) if !start && !spec.is_effectful() => {
                    Basis::Activity { name: name.clone(), input: input.get().to_owned() }
                }
                Some(_) => started(outcome),
            },
            // Whether a node has a prover is its own business.
            Request::Prove(_) if has_failed_as(outcome, &["no-prover"]) => Basis::Host,
            Request::BlobPut { bytes } => Basis::Known(Ok(format!("\"{}\"", Cid::of(Codec::Raw, bytes)))),
            Request::Send { .. } | Request::Spawn { .. } | Request::PromiseCreate { .. } if is_refused(outcome) => {
                Basis::Host
            }
            Request::Send { .. } | Request::Spawn { .. } => {
                let Ok(Some(sending)) = self.sending(&request, n) else { return Basis::Host };
                Basis::Known(Ok(sending.answer(n)))
            }
            Request::Reply { handle, body } => match self.received(*handle) {
                None => Basis::Known(Err(unknown_handle(*handle))),
                // Whether another step answered first depends on what a reset left behind.
                Some(_) if has_failed_as(outcome, &["answered"]) => Basis::Host,
                Some(_) => Basis::Known(Ok(body.get().to_owned())),
            },
            Request::PromiseCreate { .. } => {
                let token = promise_token(outcome.payload()).unwrap_or_default();
                Basis::Known(Ok(super::live::promise_created(n, &token)))
            }
            // That the evidence was not there; or limits that nobody can tell any more.
            Request::Verify(_) if self.is_repinned || has_failed_as(outcome, &["not-found"]) => Basis::Host,
            Request::Verify(verify) => self.verification(verify).map_or(Basis::Host, Basis::Verifier),
            // What a blob holds is read again and never recorded.
            Request::BlobGet { .. } if matches!(outcome, Outcome::Ok(_)) => {
                Basis::Known(Err(Failure::new("not-recorded", "")))
            }
            // Its time, by the node's clock; or that a blob was not there, or is no text.
            Request::Now | Request::BlobGet { .. } => Basis::Host,
            _ => started(outcome),
        }
    }
}

/// What begins and ends later has an outcome at once only if it was refused.
fn started(outcome: &Outcome) -> Basis {
    if is_refused(outcome) { Basis::Host } else { Basis::Known(Err(Failure::new(REFUSALS[0], ""))) }
}

/// Refusals that depend on how much was outstanding, or on what else was deployed.
const REFUSALS: [&str; 2] = ["too-many-outstanding", "unknown-actor-type"];

fn is_refused(outcome: &Outcome) -> bool {
    has_failed_as(outcome, &REFUSALS)
}

fn has_failed_as(outcome: &Outcome, kinds: &[&str]) -> bool {
    matches!(outcome.to_result(), Err(failure) if kinds.contains(&failure.kind.as_str()))
}

/// The token is the host's choice; all around it is not.
fn promise_token(created: &Payload) -> Option<String> {
    let created: serde_json::Value = serde_json::from_slice(created.value()).ok()?;
    Some(created.get("token")?.as_str()?.to_owned())
}
