//! What operators ask of an actor. Each is an entry before it is done.

use loom_machine::{Ambient, Control, Failure, Pending};
use loom_storage::StateWrite;
use loom_types::EntryBody;

use super::{Live, Phase, running::Stopping};
use crate::{
    ControlError, ControlRequest,
    gate::Place,
    shard::{ControlDelivery, ControlResponder, Io},
};

/// Who parks turns, as the entry has it.
const NODE: &str = "loom";

impl Live {
    pub(super) fn control(&mut self, io: &mut Io, delivery: ControlDelivery) {
        let ControlDelivery { request, by, responder, .. } = delivery;
        if self.chain.head.is_none() && !matches!(request, ControlRequest::Fork { .. }) {
            return responder.fail(ControlError::UnknownActor(self.address.clone()));
        }
        match request {
            ControlRequest::Pause => self.pause(io, true, &by, responder),
            ControlRequest::Resume => self.pause(io, false, &by, responder),
            ControlRequest::Cancel { reason } => self.cancel(io, reason, by, responder),
            ControlRequest::FailTurn { reason } => self.fail_turn(io, reason, &by, responder),
            ControlRequest::Reset { to, deployment } => {
                let control = |turn: &mut loom_machine::Turn, first, ambient: &mut Ambient<'_>| {
                    turn.reset(to, first, deployment, &by, ambient)
                };
                self.reset(io, control, responder);
            }
            ControlRequest::Purge => self.purge(io, &by, responder),
            ControlRequest::Fork { origin, state } => self.become_fork(io, &origin, state, &by, responder),
        }
    }

    /// Stops or starts everything. Asking for what is so already changes nothing.
    fn pause(&mut self, io: &mut Io, is_paused: bool, by: &str, responder: ControlResponder) {
        if self.is_paused == is_paused {
            return self.when_controlled(responder);
        }
        self.is_paused = is_paused;
        let control = if is_paused { Control::Pause } else { Control::Resume };
        let mut ambient = io.ambient();
        match self.running.as_mut() {
            Some(running) => {
                if is_paused {
                    running.interrupt();
                    // Nobody knows for how long.
                    running.place = Place::default();
                }
                running.turn.note(&control, by, &mut ambient);
                self.flush_now(io);
                self.when_controlled(responder);
            }
            None => {
                let pending = entry(&control, by, None, &mut ambient);
                self.commit_control(io, pending, StateWrite::Keep, responder);
            }
        }
        self.go_on(io);
    }

    /// The guest is told as soon as it waits.
    fn cancel(&mut self, io: &mut Io, reason: String, by: String, responder: ControlResponder) {
        let Some(running) = self.running.as_mut() else {
            return responder.fail(ControlError::NoOpenTurn(self.address.clone()));
        };
        if let Phase::Diverged(_) = running.phase {
            return responder.fail(ControlError::Diverged(self.address.clone()));
        }
        if running.stopping.is_some() {
            return responder.fail(ControlError::Stopping);
        }
        running.stopping = Some(Stopping { reason, by, responder: Some(responder) });
        self.stop_if_asked(io);
    }

    /// The turn ends as failed, wherever its guest is.
    fn fail_turn(&mut self, io: &mut Io, reason: String, by: &str, responder: ControlResponder) {
        if self.running.is_none() {
            return responder.fail(ControlError::NoOpenTurn(self.address.clone()));
        }
        self.end_turn(io, &Control::FailTurn { reason: reason.clone() }, by, Failure::new("turn-failed", reason));
        self.when_controlled(responder);
        self.go_on(io);
    }

    /// The host could not run the turn for too long. Its message is put aside, and those behind it have their turn.
    pub(super) fn park(&mut self, io: &mut Io, reason: String) {
        let running = self.running.as_mut().expect("a turn is parked");
        running.is_parked = true;
        let message = running.message_id().to_string();
        tracing::error!(actor = %self.address, %message, %reason, "the turn is parked");
        io.context.metrics.turns_parked.inc();
        let control = Control::Park { message, reason: reason.clone() };
        self.end_turn(io, &control, NODE, Failure::new("parked", reason));
        self.go_on(io);
    }

    fn end_turn(&mut self, io: &mut Io, control: &Control, by: &str, failure: Failure) {
        let running = self.running.as_mut().expect("the caller looked");
        let mut ambient = io.ambient();
        running.turn.note(control, by, &mut ambient);
        let ended = running.turn.fail(failure, 0, &mut ambient);
        self.commit_end(io, ended);
    }

    /// Forgets steps of the open turn and runs its guest again.
    fn reset(
        &mut self,
        io: &mut Io,
        control: impl FnOnce(
            &mut loom_machine::Turn,
            loom_types::SequenceNumber,
            &mut Ambient<'_>,
        ) -> Result<(), loom_machine::ResetError>,
        responder: ControlResponder,
    ) {
        let Some(running) = self.running.as_mut() else {
            return responder.fail(ControlError::NoOpenTurn(self.address.clone()));
        };
        let mut ambient = io.ambient();
        if let Err(error) = control(&mut running.turn, running.started_seq, &mut ambient) {
            return responder.fail(ControlError::Reset(error));
        }
        running.interrupt();
        // Activities of forgotten steps go on, and their results are ignored.
        let turn = &running.turn;
        running.jobs.retain(|n, _| turn.outstanding_work(*n).is_some());
        running.let_go_of_proofs();
        running.phase = Phase::Ready;
        self.flush_now(io);
        self.when_controlled(responder);
        self.go_on(io);
    }

    /// Clears the state and says in the journal what is to be erased; the erasing follows.
    fn purge(&mut self, io: &mut Io, by: &str, responder: ControlResponder) {
        if self.running.is_some() {
            return responder.fail(ControlError::Busy(self.address.clone()));
        }
        let mut ambient = io.ambient();
        let pending = entry(&Control::Purge { before: self.chain.next_seq.0 }, by, None, &mut ambient);
        let state = self.state_write(None);
        self.commit_control(io, pending, state, responder);
        self.go_on(io);
    }

    /// A new actor that begins with another's state.
    fn become_fork(
        &mut self,
        io: &mut Io,
        origin: &Control,
        state: Option<loom_types::Payload>,
        by: &str,
        responder: ControlResponder,
    ) {
        if self.chain.head.is_some() || self.running.is_some() || !self.commits.is_empty() {
            return responder.fail(ControlError::Exists(self.address.clone()));
        }
        let mut ambient = io.ambient();
        let now_ms = ambient.now_ms;
        let cid = state.as_ref().map(loom_types::Payload::cid);
        let mut pending = entry(origin, by, cid, &mut ambient);
        pending.entries.insert(0, (now_ms, EntryBody::Opened {}));
        pending.payloads.extend(state.clone());
        self.state = state.clone();
        self.commit_control(io, pending, state.map_or(StateWrite::Keep, StateWrite::Set), responder);
        self.go_on(io);
    }
}

fn entry(control: &Control, by: &str, state: Option<loom_types::Cid>, ambient: &mut Ambient<'_>) -> Pending {
    let (body, detail) = control.entry(by, state, ambient);
    Pending { entries: vec![(ambient.now_ms, body)], payloads: vec![detail], effects: Vec::new() }
}
