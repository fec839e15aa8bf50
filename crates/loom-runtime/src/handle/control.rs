//! What operators can ask of a node. `by` names who asked, and stands in the actor's journal.

use loom_machine::{CidText, Control};
use loom_storage::{DeadLetter, StoreError};
use loom_types::{ActorAddress, Cid, EntryBody, Namespace, Payload, SequenceNumber, TurnNumber};
use tokio::sync::oneshot;

use super::{Handle, SendError, SendOptions, Ticket};
use crate::{
    ControlError, ControlRequest,
    audit::RESERVED,
    causes, load,
    shard::{ControlDelivery, ControlResponder, Event},
};

/// Why a dead letter was not sent again. It stays in the list.
#[derive(Debug, thiserror::Error)]
pub enum RedeliverError {
    /// There is none of this id.
    #[error("there is no dead letter {0}")]
    Unknown(u64),
    /// Its envelope cannot be read.
    #[error("dead letter {id} cannot be read: {problem}")]
    Unreadable {
        /// Its id.
        id: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// The actor did not take it.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An entry that names a state.
struct Named {
    seq: SequenceNumber,
    head: Cid,
    turn: TurnNumber,
    state: Option<Cid>,
    payload: Option<Payload>,
}

impl Handle {
    /// Stops an actor: it takes no message, and its guest does not run, until it is resumed. What was begun outside goes
    /// on, and its outcomes are kept.
    pub async fn pause(&self, actor: &ActorAddress, by: &str) -> Result<(), ControlError> {
        self.control(actor, ControlRequest::Pause, by).await
    }

    /// Lets a paused actor go on.
    pub async fn resume(&self, actor: &ActorAddress, by: &str) -> Result<(), ControlError> {
        self.control(actor, ControlRequest::Resume, by).await
    }

    /// Tells the guest of the open turn to stop: every step it waits for fails with `cancelled`. Returns when the guest
    /// was told, durably; what it does then is its own business.
    pub async fn cancel(&self, actor: &ActorAddress, reason: &str, by: &str) -> Result<(), ControlError> {
        self.control(actor, ControlRequest::Cancel { reason: reason.to_owned() }, by).await
    }

    /// Ends the open turn as failed, wherever its guest is.
    pub async fn fail_turn(&self, actor: &ActorAddress, reason: &str, by: &str) -> Result<(), ControlError> {
        self.control(actor, ControlRequest::FailTurn { reason: reason.to_owned() }, by).await
    }

    /// Forgets the steps of the open turn after entry `to` and runs its guest again from there, on another deployment if
    /// one is named. The entries stay; outcomes of the steps that are kept stay as well.
    pub async fn reset(
        &self,
        actor: &ActorAddress,
        to: SequenceNumber,
        deployment: Option<Cid>,
        by: &str,
    ) -> Result<(), ControlError> {
        let deployment = match deployment {
            None => None,
            Some(cid) => {
                let manifest = self.inner.deployments.manifest(cid).await;
                let unusable = |problem: String| ControlError::Deployment { cid, problem };
                Some((cid, manifest.map_err(|fault| unusable(fault.to_string()))?))
            }
        };
        self.control(actor, ControlRequest::Reset { to, deployment }, by).await
    }

    /// Erases everything an actor ever was told, said and knew: payloads and state. Its entries stay, so that its chain
    /// can be verified, and it can be used again. Messages that wait are not touched. Gives the number of payloads.
    pub async fn purge(&self, actor: &ActorAddress, by: &str) -> Result<u64, ControlError> {
        let record = self.inner.storage.journal.load(actor).await?;
        let next = record.ok_or_else(|| ControlError::UnknownActor(actor.clone()))?.next_seq;
        self.control(actor, ControlRequest::Purge, by).await?;
        let purged = self.purged(actor, next).await?.next();
        self.inner.storage.upkeep.erase(actor, purged).await.map_err(|error| ControlError::Store(causes(&error)))
    }

    /// The first `purge` among the entries from `from` on.
    async fn purged(&self, actor: &ActorAddress, from: SequenceNumber) -> Result<SequenceNumber, ControlError> {
        let mut next = from;
        loop {
            let segments = self.inner.storage.journal.read(actor, next).await?;
            let mut entries = Vec::new();
            for segment in &segments {
                entries.extend(load::decode(actor, segment)?);
            }
            let is_purge = |entry: &&loom_types::Entry| {
                entry.seq >= from && matches!(&entry.body, EntryBody::Control { what, .. } if what == "purge")
            };
            if let Some(purge) = entries.iter().find(is_purge) {
                return Ok(purge.seq);
            }
            next = entries.last().ok_or(ControlError::Dropped)?.seq.next();
        }
    }

    /// Makes a new actor of the same type that begins with the state of another after one of its turns, the newest that
    /// has ended if none is named.
    pub async fn fork(
        &self,
        from: &ActorAddress,
        turn: Option<TurnNumber>,
        to: &ActorAddress,
        by: &str,
    ) -> Result<(), ControlError> {
        if (from.namespace(), from.actor_type()) != (to.namespace(), to.actor_type()) {
            return Err(ControlError::OtherType(to.clone()));
        }
        let (origin, state) = self.state_after(from, turn).await?;
        self.control(to, ControlRequest::Fork { origin, state }, by).await
    }

    /// The entry that names an actor's state after a turn, and the state.
    async fn state_after(
        &self,
        actor: &ActorAddress,
        turn: Option<TurnNumber>,
    ) -> Result<(Control, Option<Payload>), ControlError> {
        let record = self.inner.storage.journal.load(actor).await?;
        let record = record.ok_or_else(|| ControlError::UnknownActor(actor.clone()))?;
        let mut next = SequenceNumber(0);
        let (mut standing, mut found) = (None, None);
        while next < record.next_seq {
            let read_before = next;
            for segment in self.inner.storage.journal.read(actor, next).await? {
                for (entry, encoded) in load::decode(actor, &segment)?.into_iter().zip(&segment.entries) {
                    next = entry.seq.next();
                    let state = match &entry.body {
                        EntryBody::TurnEnded { state, .. } => *state,
                        EntryBody::Control { state: Some(state), .. } => Some(*state),
                        _ => continue,
                    };
                    // A turn that leaves the state as it was names the payload of one before it.
                    let here = segment.payloads.iter().find(|payload| Some(payload.cid()) == state);
                    standing = here.cloned().or(standing).filter(|payload| Some(payload.cid()) == state);
                    if turn.is_none_or(|turn| turn == entry.turn) {
                        let payload = standing.clone();
                        found = Some(Named { seq: entry.seq, head: encoded.cid, turn: entry.turn, state, payload });
                    }
                }
            }
            if next == read_before {
                break;
            }
        }
        let wanted = turn.unwrap_or(record.turn);
        let Named { seq, head, turn, state, payload } =
            found.ok_or_else(|| ControlError::NoSuchTurn { actor: actor.clone(), turn: wanted })?;
        // The newest state stands in the record, whatever became of older ones.
        let payload = payload.or_else(|| record.state.filter(|newest| Some(newest.cid()) == state));
        if state.is_some() && payload.is_none() {
            return Err(ControlError::Erased { actor: actor.clone(), turn });
        }
        Ok((Control::Fork { from: actor.to_string(), head: CidText(head), seq: seq.0 }, payload))
    }

    async fn control(&self, actor: &ActorAddress, request: ControlRequest, by: &str) -> Result<(), ControlError> {
        if actor.actor_type().starts_with(RESERVED) {
            return Err(ControlError::Reserved(actor.clone()));
        }
        let (sender, done) = oneshot::channel();
        let responder = ControlResponder::new(sender);
        let delivery = ControlDelivery { address: actor.clone(), request, by: by.to_owned(), responder };
        self.tell(actor, Event::Control(Box::new(delivery))).map_err(|()| ControlError::Dropped)?;
        done.await.unwrap_or(Err(ControlError::Dropped))
    }

    /// Messages that could not be handled: one-way messages whose turn failed, and those that were put aside.
    pub async fn dead_letters(
        &self,
        namespace: &Namespace,
        actor: Option<&ActorAddress>,
        after: u64,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        self.inner.storage.catalog.dead_letters(namespace, actor, after, limit).await
    }

    /// Sends a dead letter's body to its actor again, under an id of its own, and forgets the letter when that is durable.
    pub async fn redeliver(&self, namespace: &Namespace, id: u64) -> Result<Ticket, RedeliverError> {
        let letters = self.dead_letters(namespace, None, id.saturating_sub(1), 1).await?;
        let letter = letters.into_iter().find(|letter| letter.id == id).ok_or(RedeliverError::Unknown(id))?;
        let message = loom_machine::Message::decode(letter.payload.value())
            .map_err(|problem| RedeliverError::Unreadable { id, problem })?;
        // Sending it twice, because forgetting it failed, is noticed by this id.
        let again = format!("dead-letter-{id}").parse().expect("letters and digits");
        let options = SendOptions { id: Some(again), ..SendOptions::default() };
        let mut ticket = self.send(&letter.actor, &message.body, options)?;
        ticket.accepted().await?;
        self.inner.storage.catalog.forget_dead_letter(namespace, id).await?;
        Ok(ticket)
    }

    /// Forgets a dead letter; false if there is none of this id.
    pub async fn forget_dead_letter(&self, namespace: &Namespace, id: u64) -> Result<bool, StoreError> {
        self.inner.storage.catalog.forget_dead_letter(namespace, id).await
    }
}
