//! Messages that the running turn takes in, and cancellations of messages.

use loom_machine::{Control, Failure};
use loom_storage::{Arrival, Parcel, Position};
use loom_types::MessageId;

use super::{Live, Phase, Queued, client_admission, running::Stopping};
use crate::shard::Io;

/// Messages that are looked at for one that the turn wants. Those behind come into view as these are handled.
const LOOK_AHEAD_MAX: usize = 1000;

impl Live {
    /// Whether the next page of messages is of use.
    pub(super) fn wants_messages(&self) -> bool {
        match &self.running {
            None => self.inbox.is_empty(),
            Some(running) => self.inbox.len() < LOOK_AHEAD_MAX && running.turn.receiving().next().is_some(),
        }
    }

    /// Gives the waiting turn a message that it wants to receive, if there is one.
    pub(super) fn offer(&mut self, io: &mut Io) -> bool {
        let Some(running) = self.running.as_mut() else { return false };
        let wanted = running.turn.receiving().find_map(|(n, message_type)| {
            let place = self.inbox.iter().position(|queued| queued.message.has_type(message_type))?;
            Some((n, place))
        });
        let Some((n, place)) = wanted else { return false };
        let Some(queued) = self.inbox.remove(place) else { return false };
        let Queued { message, payload, position, responders } = queued;
        let cancel = position.and_then(|position| self.take_cancel(&message.id, Some(position)));
        let running = self.running.as_mut().expect("just looked");
        running.taken.extend(position);
        running.taken.extend(cancel);
        running.admitted.extend(client_admission(running.turn.opening().turn, &message));
        let completion = running.turn.receive(n, payload, io.context.clock.now_ms());
        if !responders.is_empty() {
            self.received.entry(message.id).or_default().extend(responders);
        }
        self.completed(io, completion);
        true
    }

    /// Nobody waits any more for what these messages began. Each arrived before this word of it did, but may not have
    /// been read yet.
    pub(super) fn cancels_arrived(&mut self, arrivals: &[Arrival]) {
        for Arrival { position, parcel } in arrivals {
            if let Parcel::Cancel { message } = parcel {
                self.cancels.insert(*position, message.clone());
                self.messages.more = true;
            }
        }
    }

    /// Tells the guest to stop, if it waits and somebody wants that.
    pub(super) fn stop_if_asked(&mut self, io: &mut Io) {
        let Some(running) = self.running.as_mut().filter(|running| running.phase == Phase::Waiting) else { return };
        let stopping = running.stopping.take().or_else(|| {
            let id = running.message_id();
            let position = *self.cancels.iter().find(|(_, message)| *message == id)?.0;
            let by = id.sender().map_or_else(String::new, |(sender, _)| sender.to_string());
            self.cancels.remove(&position);
            running.taken.push(position);
            let reason = "the turn that asked for this is over, or waits no more".to_owned();
            Some(Stopping { reason, by, responder: None })
        });
        let Some(Stopping { reason, by, responder }) = stopping else { return };
        let mut ambient = io.ambient();
        let completion = running.turn.cancel(&reason, &by, &mut ambient);
        running.let_go_of_proofs();
        self.completed(io, completion);
        if let Some(responder) = responder {
            self.when_controlled(responder);
        }
    }

    /// The cancellation of a message that is about to be handled. Those of messages before it are moot.
    pub(super) fn take_cancel(&mut self, id: &MessageId, position: Option<Position>) -> Option<Position> {
        position?;
        let found = *self.cancels.iter().find(|(_, message)| *message == id)?.0;
        self.cancels.remove(&found);
        Some(found)
    }

    /// Ends a turn whose message was cancelled before its guest ran.
    pub(super) fn cancel_unrun(&mut self, io: &mut Io) {
        let running = self.running.as_mut().expect("just begun");
        let by = running.message_id().sender().map_or_else(String::new, |(sender, _)| sender.to_string());
        let reason = "the turn that asked for this was over before it began".to_owned();
        let mut ambient = io.ambient();
        running.turn.note(&Control::Cancel { reason: reason.clone() }, &by, &mut ambient);
        let ended = running.turn.fail(Failure::new("cancelled", reason), 0, &mut ambient);
        self.commit_end(io, ended);
    }

    /// Cancellations that the end of the running turn settles.
    pub(super) fn cancels_of_running(&mut self) -> Vec<Position> {
        let Some(running) = &self.running else { return Vec::new() };
        let id = running.message_id();
        let positions: Vec<_> =
            self.cancels.iter().filter(|(_, message)| *message == id).map(|(position, _)| *position).collect();
        positions.iter().for_each(|position| {
            self.cancels.remove(position);
        });
        positions
    }

    /// When nothing waits any more, cancellations that are left are of messages that were handled before.
    pub(super) fn forget_cancels(&mut self, io: &mut Io) {
        if self.cancels.is_empty() || self.messages.more || self.messages.reading || !self.inbox.is_empty() {
            return;
        }
        let moot: Vec<_> = std::mem::take(&mut self.cancels).into_keys().collect();
        self.keep_books(io, moot, Vec::new());
    }
}
