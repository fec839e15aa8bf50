//! The reference store: everything in memory, nothing durable. For tests, simulation and scratch runs.

mod blobs;
mod log;
mod upkeep;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use loom_types::{
    ActorAddress, Cid, FencingToken, MessageId, Namespace, Payload, Resolution, Segment, SequenceNumber, StepRef,
};

use crate::{
    ActiveDeployment, ActorRecord, ActorSummary, Arrival, Capabilities, Catalog, CheckpointRecord, Commit, CommitError,
    DeadLetter, DueTimer, EnqueueError, Enqueued, Holds, Journal, Lane, LeafRecord, Mailbox, MessageStatus,
    NewDeadLetter, NewMessage, OutgoingCancel, Parcel, Position, PromiseRecord, ResolveError, StateWrite, Storage,
    StoreError, TimerRecord, TimerWrite, Timers,
    limits::{DEPLOYMENTS_KEPT_MAX, READ_BYTES_MAX},
};

/// All ports in memory.
#[derive(Default)]
pub struct MemoryStore {
    state: Mutex<State>,
    holds: Holds,
}

#[derive(Default)]
struct State {
    actors: BTreeMap<ActorAddress, Actor>,
    tokens: HashMap<ActorAddress, FencingToken>,
    /// With the time of the commit that recorded the end.
    statuses: HashMap<(ActorAddress, MessageId), (MessageStatus, Option<u64>)>,
    mailboxes: BTreeMap<ActorAddress, BTreeMap<Position, Parcel>>,
    next_position: u64,
    timers: BTreeMap<(ActorAddress, StepRef), TimerRecord>,
    delayed: BTreeMap<(u64, u64), (ActorAddress, Parcel)>,
    promises: BTreeMap<String, (PromiseRecord, bool)>,
    /// The active one last.
    deployments: BTreeMap<(Namespace, String), Vec<ActiveDeployment>>,
    dead_letters: BTreeMap<u64, DeadLetter>,
    next_dead_letter: u64,
    blobs: BTreeMap<Cid, Bytes>,
    leaves: Vec<LeafRecord>,
    tiles: BTreeMap<(u8, u64), Cid>,
    checkpoint: Option<CheckpointRecord>,
    witnessed: Option<CheckpointRecord>,
}

struct Actor {
    record: ActorRecord,
    segments: BTreeMap<SequenceNumber, Segment>,
    /// Where its leaves are in the log, by the entries they name.
    leaves: BTreeMap<SequenceNumber, usize>,
    changed_ms: u64,
    /// Nothing before it is left to erase.
    erased_to: SequenceNumber,
}

impl MemoryStore {
    /// An empty store behind every port.
    pub fn storage() -> Storage {
        Self::ports(Arc::new(Self::default()))
    }

    /// The ports of an existing store.
    pub fn ports(store: Arc<Self>) -> Storage {
        Storage {
            journal: store.clone(),
            mailbox: store.clone(),
            timers: store.clone(),
            catalog: store.clone(),
            blobs: store.clone(),
            upkeep: store.clone(),
            log: store,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic happens while the lock is held")
    }
}

impl State {
    fn deliver(&mut self, to: ActorAddress, parcel: Parcel) -> Position {
        self.next_position += 1;
        let position = Position(self.next_position);
        self.mailboxes.entry(to).or_default().insert(position, parcel);
        position
    }

    fn check(&self, commit: &Commit) -> Result<(), CommitError> {
        let current = self.tokens.get(&commit.actor).copied().unwrap_or_default();
        if commit.token != current {
            return Err(CommitError::Fenced { held: commit.token, current });
        }
        let actual = self.actors.get(&commit.actor).map_or(SequenceNumber(0), |actor| actor.record.next_seq);
        if commit.expected_seq != actual {
            return Err(CommitError::Conflict { expected: commit.expected_seq, actual });
        }
        let mailbox = self.mailboxes.get(&commit.actor);
        for position in &commit.taken {
            if !mailbox.is_some_and(|mailbox| mailbox.contains_key(position)) {
                return Err(CommitError::Taken { position: position.0 });
            }
        }
        Ok(())
    }

    /// A commit failed: those of the same writer that are still to come must fail too, wherever the journal stands.
    fn revoke(&mut self, failed: &Commit) {
        let current = self.tokens.entry(failed.actor.clone()).or_default();
        if *current == failed.token {
            *current = current.next();
        }
    }

    fn apply(&mut self, commit: Commit) {
        let Commit { actor, segment, at_ms, .. } = commit;
        if let Some(mailbox) = self.mailboxes.get_mut(&actor) {
            commit.taken.iter().for_each(|position| {
                mailbox.remove(position);
            });
        }
        for admission in commit.admissions {
            let status = MessageStatus {
                body_digest: admission.body_digest,
                turn: Some(admission.turn),
                ended: admission.ended,
            };
            let ended_ms = status.ended.map(|_| at_ms);
            self.statuses.insert((actor.clone(), admission.id), (status, ended_ms));
        }
        for write in commit.timers {
            match write {
                TimerWrite::Set { step, due_ms, attempts } => {
                    self.timers.insert((actor.clone(), step), TimerRecord { step, due_ms, attempts });
                }
                TimerWrite::Clear { step } => {
                    self.timers.remove(&(actor.clone(), step));
                }
            }
        }
        for promise in commit.promises_created {
            let record = PromiseRecord {
                token: promise.token.clone(),
                actor: actor.clone(),
                step: promise.step,
                label: promise.label,
                data: promise.data,
                created_ms: at_ms,
            };
            self.promises.insert(promise.token, (record, false));
        }
        for token in commit.promises_cleared {
            self.promises.remove(&token);
        }
        for message in commit.messages {
            let parcel = Parcel::Message { id: message.id, payload: message.payload };
            match message.not_before_ms {
                Some(due_ms) => {
                    self.next_position += 1;
                    self.delayed.insert((due_ms, self.next_position), (message.to, parcel));
                }
                None => {
                    self.deliver(message.to, parcel);
                }
            }
        }
        for outcome in commit.outcomes {
            let parcel = Parcel::Outcome { step: outcome.step, result: outcome.result, payload: outcome.payload };
            self.deliver(outcome.to, parcel);
        }
        for OutgoingCancel { to, message } in commit.cancels {
            self.deliver(to, Parcel::Cancel { message });
        }
        for NewDeadLetter { message, payload, reason } in commit.dead_letters {
            self.next_dead_letter += 1;
            let (id, turn) = (self.next_dead_letter, commit.turn);
            let letter = DeadLetter { id, actor: actor.clone(), turn, message, payload, reason, at_ms };
            self.dead_letters.insert(id, letter);
        }
        let state = match (commit.state, self.actors.get_mut(&actor)) {
            (StateWrite::Set(state), _) => Some(state),
            (StateWrite::Keep, Some(actor)) => actor.record.state.take(),
            _ => None,
        };
        let record = ActorRecord {
            next_seq: SequenceNumber(commit.expected_seq.0 + segment.entries.len() as u64),
            head: commit.head,
            turn: commit.turn,
            open_turn: commit.open_turn,
            needs_worker: commit.needs_worker,
            is_paused: commit.is_paused,
            state,
            timers: Vec::new(),
        };
        let before = self.actors.remove(&actor).map(|actor| (actor.segments, actor.leaves, actor.erased_to));
        let (mut segments, mut leaves, erased_to) = before.unwrap_or_default();
        if !segment.entries.is_empty() {
            segments.insert(commit.expected_seq, segment);
        }
        if let Some(leaf) = commit.leaf {
            leaves.insert(leaf.seq, self.leaves.len());
            self.leaves.push(LeafRecord { index: self.leaves.len() as u64, actor: actor.clone(), leaf });
        }
        self.actors.insert(actor, Actor { record, segments, leaves, changed_ms: at_ms, erased_to });
    }
}

#[async_trait]
impl Journal for MemoryStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities { durable: false }
    }

    async fn acquire(&self, actor: &ActorAddress) -> Result<FencingToken, StoreError> {
        let mut state = self.lock();
        let token = state.tokens.entry(actor.clone()).or_default();
        *token = token.next();
        Ok(*token)
    }

    async fn load(&self, actor: &ActorAddress) -> Result<Option<ActorRecord>, StoreError> {
        let state = self.lock();
        let Some(found) = state.actors.get(actor) else { return Ok(None) };
        let mut record = found.record.clone();
        let timers = state
            .timers
            .iter()
            .filter(|((owner, step), _)| owner == actor && step.turn == record.turn && record.open_turn.is_some());
        record.timers = timers.map(|(_, timer)| *timer).collect();
        Ok(Some(record))
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'static, Result<(), CommitError>> {
        assert!(commit.is_well_formed(), "the runtime makes no other commits");
        let mut state = self.lock();
        let checked = state.check(&commit);
        match &checked {
            Ok(()) => state.apply(commit),
            Err(_) => state.revoke(&commit),
        }
        Box::pin(std::future::ready(checked))
    }

    async fn read(&self, actor: &ActorAddress, from: SequenceNumber) -> Result<Vec<Segment>, StoreError> {
        let state = self.lock();
        let Some(found) = state.actors.get(actor) else { return Ok(Vec::new()) };
        let start = found.segments.range(..=from).next_back().map_or(SequenceNumber(0), |(seq, _)| *seq);
        let mut bytes = 0;
        let mut segments = Vec::new();
        for (first, segment) in found.segments.range(start..) {
            // The one found first may end before `from`.
            if first.0 + segment.entries.len() as u64 <= from.0 {
                continue;
            }
            bytes += segment.encode().len();
            if bytes > READ_BYTES_MAX && !segments.is_empty() {
                break;
            }
            segments.push(segment.clone());
        }
        Ok(segments)
    }
}

#[async_trait]
impl Mailbox for MemoryStore {
    async fn enqueue(
        &self,
        actor: &ActorAddress,
        message: NewMessage,
        depth_max: u64,
    ) -> Result<Enqueued, EnqueueError> {
        let mut state = self.lock();
        let key = (actor.clone(), message.id.clone());
        if let Some((status, _)) = state.statuses.get(&key) {
            return Ok(Enqueued::Known(*status));
        }
        let waiting = state.mailboxes.get(actor).map_or(0, |mailbox| mailbox.len() as u64);
        if waiting >= depth_max {
            return Err(EnqueueError::Full { waiting, limit: depth_max });
        }
        let status = MessageStatus { body_digest: message.body_digest, turn: None, ended: None };
        state.statuses.insert(key, (status, None));
        let parcel = Parcel::Message { id: message.id, payload: message.payload };
        Ok(Enqueued::At(state.deliver(actor.clone(), parcel)))
    }

    async fn arrivals(
        &self,
        actor: &ActorAddress,
        lane: Lane,
        after: Position,
        limit: usize,
    ) -> Result<Vec<Arrival>, StoreError> {
        let state = self.lock();
        let Some(mailbox) = state.mailboxes.get(actor) else { return Ok(Vec::new()) };
        let rest = mailbox
            .range((std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded))
            .filter(|(_, parcel)| matches!(parcel, Parcel::Message { .. }) == (lane == Lane::Messages));
        Ok(rest.take(limit).map(|(position, parcel)| Arrival { position: *position, parcel: parcel.clone() }).collect())
    }

    async fn status(&self, actor: &ActorAddress, id: &MessageId) -> Result<Option<MessageStatus>, StoreError> {
        Ok(self.lock().statuses.get(&(actor.clone(), id.clone())).map(|(status, _)| *status))
    }

    async fn resolve(&self, token: &str, result: Resolution, payload: Payload) -> Result<ActorAddress, ResolveError> {
        let mut state = self.lock();
        let (promise, resolved) = state.promises.get_mut(token).ok_or(ResolveError::Unknown)?;
        if std::mem::replace(resolved, true) {
            return Err(ResolveError::Resolved);
        }
        let (actor, step) = (promise.actor.clone(), promise.step);
        state.deliver(actor.clone(), Parcel::Outcome { step, result, payload });
        Ok(actor)
    }

    async fn ready(&self, after: Option<&ActorAddress>, limit: usize) -> Result<Vec<ActorAddress>, StoreError> {
        let state = self.lock();
        let filled = state.mailboxes.iter().filter(|(_, mailbox)| !mailbox.is_empty()).map(|(address, _)| address);
        let working = state.actors.iter().filter(|(_, actor)| actor.record.needs_worker).map(|(address, _)| address);
        let mut ready: Vec<_> =
            filled.chain(working).filter(|address| after.is_none_or(|after| *address > after)).collect();
        ready.sort();
        ready.dedup();
        Ok(ready.into_iter().take(limit).cloned().collect())
    }
}

#[async_trait]
impl Timers for MemoryStore {
    async fn due(&self, now_ms: u64, limit: usize) -> Result<Vec<DueTimer>, StoreError> {
        let state = self.lock();
        let mut due: Vec<_> = state
            .timers
            .iter()
            .filter(|(_, timer)| timer.due_ms <= now_ms)
            .map(|((actor, step), timer)| DueTimer {
                actor: actor.clone(),
                step: *step,
                due_ms: timer.due_ms,
                attempts: timer.attempts,
            })
            .collect();
        due.sort_by_key(|timer| timer.due_ms);
        due.truncate(limit);
        Ok(due)
    }

    async fn release(&self, now_ms: u64, limit: usize) -> Result<Vec<ActorAddress>, StoreError> {
        let mut state = self.lock();
        let due: Vec<_> = state.delayed.range(..(now_ms + 1, 0)).map(|(key, _)| *key).take(limit).collect();
        let mut receivers = Vec::new();
        for key in due {
            let (to, parcel) = state.delayed.remove(&key).expect("just listed");
            receivers.push(to.clone());
            state.deliver(to, parcel);
        }
        Ok(receivers)
    }

    async fn next_due(&self, now_ms: u64) -> Result<Option<u64>, StoreError> {
        let state = self.lock();
        let timer = state.timers.values().map(|timer| timer.due_ms).filter(|due_ms| *due_ms > now_ms).min();
        let message = state.delayed.keys().map(|(due_ms, _)| *due_ms).next();
        Ok([timer, message].into_iter().flatten().min())
    }
}

#[async_trait]
impl Catalog for MemoryStore {
    async fn activate(&self, deployment: ActiveDeployment) -> Result<(), StoreError> {
        let key = (deployment.namespace.clone(), deployment.name.clone());
        let mut state = self.lock();
        let history = state.deployments.entry(key).or_default();
        history.push(deployment);
        let forgotten = history.len().saturating_sub(DEPLOYMENTS_KEPT_MAX);
        history.drain(..forgotten);
        Ok(())
    }

    async fn active(&self) -> Result<Vec<ActiveDeployment>, StoreError> {
        Ok(self.lock().deployments.values().filter_map(|history| history.last()).cloned().collect())
    }

    async fn history(
        &self,
        namespace: &Namespace,
        name: &str,
        limit: usize,
    ) -> Result<Vec<ActiveDeployment>, StoreError> {
        let state = self.lock();
        let history = state.deployments.get(&(namespace.clone(), name.to_owned()));
        Ok(history.into_iter().flat_map(|history| history.iter().rev()).take(limit).cloned().collect())
    }

    async fn actors(
        &self,
        namespace: &Namespace,
        actor_type: Option<&str>,
        after: Option<&ActorAddress>,
        limit: usize,
    ) -> Result<Vec<ActorSummary>, StoreError> {
        let state = self.lock();
        let wanted = |address: &ActorAddress| {
            address.namespace() == namespace.as_str()
                && actor_type.is_none_or(|actor_type| address.actor_type() == actor_type)
                && after.is_none_or(|after| address > after)
        };
        let summaries =
            state.actors.iter().filter(|(address, _)| wanted(address)).map(|(address, actor)| ActorSummary {
                address: address.clone(),
                next_seq: actor.record.next_seq,
                turn: actor.record.turn,
                is_open: actor.record.open_turn.is_some(),
                is_paused: actor.record.is_paused,
                waiting: state.mailboxes.get(address).map_or(0, |mailbox| mailbox.len() as u64),
                changed_ms: actor.changed_ms,
            });
        Ok(summaries.take(limit).collect())
    }

    async fn promises(
        &self,
        namespace: &Namespace,
        actor: Option<&ActorAddress>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<PromiseRecord>, StoreError> {
        let state = self.lock();
        let open = state.promises.values().filter(|(_, resolved)| !resolved).map(|(record, _)| record);
        let wanted = open.filter(|record| {
            record.actor.namespace() == namespace.as_str()
                && actor.is_none_or(|actor| record.actor == *actor)
                && after.is_none_or(|after| record.token.as_str() > after)
        });
        Ok(wanted.take(limit).cloned().collect())
    }

    async fn dead_letters(
        &self,
        namespace: &Namespace,
        actor: Option<&ActorAddress>,
        after: u64,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let state = self.lock();
        let wanted = |letter: &&DeadLetter| {
            letter.actor.namespace() == namespace.as_str() && actor.is_none_or(|actor| letter.actor == *actor)
        };
        let rest = state
            .dead_letters
            .range((std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded))
            .map(|(_, letter)| letter);
        Ok(rest.filter(wanted).take(limit).cloned().collect())
    }

    async fn forget_dead_letter(&self, namespace: &Namespace, id: u64) -> Result<bool, StoreError> {
        let mut state = self.lock();
        let found = state.dead_letters.get(&id).is_some_and(|letter| letter.actor.namespace() == namespace.as_str());
        Ok(found && state.dead_letters.remove(&id).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::MemoryStore;

    #[tokio::test]
    async fn the_reference_store_conforms() {
        crate::conformance::run_all(|| async { MemoryStore::storage() }).await;
    }

    #[tokio::test]
    async fn so_it_does_with_large_payloads_in_blobs() {
        crate::conformance::run_all(|| async { crate::spilling(MemoryStore::storage()) }).await;
    }
}
