//! How a turn ends: by its guest, by an operator, or by going on as a new turn.

use loom_types::{EntryBody, Payload, TurnResult, limits::PAYLOAD_BYTES_MAX, media_type};

use super::{Ambient, Divergence, Effect, Outcome, Outstanding, Turn, Work, message::reply_to};
use crate::{Failure, Message, MessageKind, state::too_large};

/// A turn that is over.
#[derive(Debug)]
pub struct Ended {
    /// Its result, as the caller gets it.
    pub outcome: Outcome,
    /// The actor's state from now on.
    pub state: Option<Payload>,
}

/// A turn that is over and goes on as another.
#[derive(Debug)]
pub struct Restarted {
    /// The message for the next turn: the same one with another body.
    pub message: Message,
    /// Its payload.
    pub payload: Payload,
    /// The actor's state from now on.
    pub state: Option<Payload>,
}

impl Turn {
    /// Ends the turn with what the guest returned or how it failed.
    pub fn end(
        &mut self,
        result: Result<String, Failure>,
        fuel: u64,
        ambient: &mut Ambient<'_>,
    ) -> Result<Ended, Box<Divergence>> {
        if self.is_replaying() {
            return Err(self.divergence(None));
        }
        let result = result.and_then(|output| match Failure::in_output(&output) {
            Some(failure) => Err(failure),
            None => Ok(output),
        });
        Ok(self.close(result, fuel, ambient))
    }

    /// Ends the turn as failed, wherever its guest is, even if its replay diverged.
    pub fn fail(&mut self, failure: Failure, fuel: u64, ambient: &mut Ambient<'_>) -> Ended {
        self.close(Err(failure), fuel, ambient)
    }

    fn close(&mut self, result: Result<String, Failure>, fuel: u64, ambient: &mut Ambient<'_>) -> Ended {
        let result = result.and_then(|output| self.state_fits().map(|()| output));
        if result.is_err() {
            self.state.roll_back();
        }
        let state = self.state_after(ambient);
        self.abandon_outstanding();
        let outcome = Outcome::seal(result.as_deref(), ambient.salts);
        self.pending.payloads.push(outcome.payload().clone());
        let result = match &outcome {
            Outcome::Ok(reply) => TurnResult::Reply(reply.cid()),
            Outcome::Err(failure) => TurnResult::Failure(failure.cid()),
        };
        self.answer_the_rest(&outcome, self.pending.entries.len());
        let message = &self.opening.message;
        // A client is told by the runtime, which keeps who asked.
        if message.kind == MessageKind::Call && message.id.sender().is_some() {
            self.pending.effects.extend(reply_to(message, &outcome, self.pending.entries.len()));
        }
        let state_cid = state.as_ref().map(Payload::cid);
        self.pending.entry(ambient.now_ms, EntryBody::TurnEnded { result, state: state_cid, fuel });
        Ended { outcome, state }
    }

    /// Ends the turn in favour of one that handles the same message with `body`: its caller goes on waiting, and its
    /// journal begins anew, linked to this one's end like every entry to the one before.
    pub fn restart(
        &mut self,
        body: &str,
        fuel: u64,
        ambient: &mut Ambient<'_>,
    ) -> Result<Result<Restarted, Failure>, Box<Divergence>> {
        if self.is_replaying() {
            return Err(self.divergence(None));
        }
        let message = Message { body: body.to_owned(), ..self.opening.message.clone() };
        let envelope = message.encode();
        if envelope.len() > PAYLOAD_BYTES_MAX {
            return Ok(Err(Failure::new("input-too-large", "the new body has more than 4 MiB with its envelope")));
        }
        if let Err(failure) = self.state_fits() {
            return Ok(Err(failure));
        }
        let state = self.state_after(ambient);
        self.abandon_outstanding();
        self.answer_the_rest(&Outcome::seal(Ok("null"), ambient.salts), self.pending.entries.len());
        let payload = Payload::seal(media_type::MESSAGE, envelope.as_bytes(), ambient.salts);
        let (result, state_cid) = (TurnResult::Restarted(payload.cid()), state.as_ref().map(Payload::cid));
        self.pending.payloads.push(payload.clone());
        self.pending.entry(ambient.now_ms, EntryBody::TurnEnded { result, state: state_cid, fuel });
        Ok(Ok(Restarted { message, payload, state }))
    }

    fn state_fits(&self) -> Result<(), Failure> {
        match self.state.changed() {
            Some(Some(text)) if text.len() > PAYLOAD_BYTES_MAX => Err(too_large(text.len())),
            _ => Ok(()),
        }
    }

    fn state_after(&mut self, ambient: &mut Ambient<'_>) -> Option<Payload> {
        match self.state.changed() {
            None => self.state_before.clone(),
            Some(None) => None,
            Some(Some(text)) => {
                let state = Payload::json(&text, ambient.salts);
                self.pending.payloads.push(state.clone());
                Some(state)
            }
        }
    }

    /// What is still outstanding when a turn ends is given up with it.
    fn abandon_outstanding(&mut self) {
        let outstanding: Vec<_> = self.outstanding().collect();
        for Outstanding { n, work } in outstanding {
            self.pending.effects.extend(abandoned(n, &work));
        }
    }
}

/// The rows that a step's work leaves behind when its outcome is there.
pub(super) fn settled(n: u32, work: &Work) -> Option<Effect> {
    match work {
        Work::Timer { due_ms }
        | Work::Call { due_ms }
        | Work::Receive { due_ms: Some(due_ms), .. }
        | Work::Child { due_ms: Some(due_ms), .. } => Some(Effect::ClearTimer { n, due_ms: *due_ms }),
        Work::Promise { token } => Some(Effect::ClearPromise { token: token.clone() }),
        Work::Receive { due_ms: None, .. }
        | Work::Child { due_ms: None, .. }
        | Work::Activity { .. }
        | Work::Proof { .. } => None,
    }
}

/// What has to happen when nobody waits for a step's work any more.
pub(super) fn abandoned(n: u32, work: &Work) -> Vec<Effect> {
    let more = match work {
        // The row that counts its attempts, if it was tried more than once.
        Work::Activity { .. } => Some(Effect::ClearTimer { n, due_ms: 0 }),
        Work::Child { to, message, is_detached: false, .. } => {
            Some(Effect::Cancel { to: to.clone(), message: message.clone() })
        }
        _ => None,
    };
    settled(n, work).into_iter().chain(more).collect()
}
