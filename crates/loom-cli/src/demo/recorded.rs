//! What actors' journals say of proofs. The demo reads it there, for a reply is only what an actor says of itself.

use loom_machine::Proved;
use loom_runtime::{Handle, Journaled, causes};
use loom_types::{ActorAddress, EntryBody, Payload, SequenceNumber};
use serde::Deserialize;

use crate::CliError;

/// What one journal says.
#[derive(Default)]
pub(super) struct Recorded {
    /// The ratio that the activity `ratios` computed, if it is one and no range, in basis points.
    pub(super) dti_bps: Option<u64>,
    /// What came of a proof.
    pub(super) proved: Option<Proved>,
    /// What was proved: private.
    pub(super) input: Option<Payload>,
}

#[derive(Deserialize)]
struct Request {
    name: Option<String>,
}

#[derive(Deserialize)]
struct Ratios {
    dti: Option<Range>,
}

#[derive(Deserialize)]
struct Range {
    min_bps: u64,
    max_bps: Option<u64>,
}

impl Recorded {
    /// Reads a journal from its beginning to its end.
    pub(super) async fn read(handle: &Handle, actor: &ActorAddress) -> Result<Self, CliError> {
        let failed = |error| CliError::new("demo", format!("the journal of {}: {}", actor.local(), causes(&error)));
        let (mut recorded, mut from) = (Self::default(), SequenceNumber(0));
        loop {
            let page = handle.journal(actor, from).await.map_err(failed)?;
            let Some(last) = page.last() else { return Ok(recorded) };
            from = last.entry.seq.next();
            page.iter().for_each(|journaled| recorded.take(journaled));
        }
    }

    fn take(&mut self, journaled: &Journaled) {
        let payload = |role| {
            let found = journaled.payloads.iter().find(|(named, ..)| *named == role);
            found.and_then(|(_, _, payload)| payload.as_ref())
        };
        match &journaled.entry.body {
            EntryBody::Step { op, .. } if op == "activity" => {
                let request: Option<Request> = payload("request").and_then(json);
                if request.is_some_and(|request| request.name.as_deref() == Some("ratios")) {
                    let ratios: Option<Ratios> = payload("ok").and_then(json);
                    let exact = |range: Range| (range.max_bps == Some(range.min_bps)).then_some(range.min_bps);
                    self.dti_bps = ratios.and_then(|ratios| ratios.dti).and_then(exact);
                }
            }
            EntryBody::Step { op, .. } if op == "prove.start" => self.input = payload("input").cloned(),
            EntryBody::Outcome { evidence, .. } if !evidence.is_empty() => {
                self.proved = payload("ok").and_then(|payload| Proved::from_json(payload.value()).ok());
            }
            _ => {}
        }
    }
}

fn json<T: for<'a> Deserialize<'a>>(payload: &Payload) -> Option<T> {
    serde_json::from_slice(payload.value()).ok()
}
