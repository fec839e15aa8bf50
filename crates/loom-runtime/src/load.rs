//! Loading an actor from the store: its head, its state, and the turn it is in the middle of.

use std::collections::HashMap;

use loom_machine::{CorruptTurn, HostFault, Outstanding, Turn, Work};
use loom_storage::{Arrival, Lane, MessageStatus, Position, Storage, StoreError, TimerRecord};
use loom_types::{ActorAddress, Cid, Entry, FencingToken, Payload, Segment, SequenceNumber, TurnNumber};

use crate::{chain::Chain, deployments::Deployments};

/// Arrivals read at once.
pub(crate) const ARRIVALS_PAGE: usize = 64;

/// An actor as the store has it.
pub(crate) struct LoadedActor {
    pub(crate) token: FencingToken,
    pub(crate) chain: Chain,
    pub(crate) turn: TurnNumber,
    pub(crate) state: Option<Payload>,
    pub(crate) is_paused: bool,
    pub(crate) open: Option<OpenTurn>,
    /// The first page of each lane of the mailbox.
    pub(crate) messages: Vec<Arrival>,
    pub(crate) outcomes: Vec<Arrival>,
}

/// A turn that is not finished.
pub(crate) struct OpenTurn {
    pub(crate) turn: Turn,
    pub(crate) started_seq: SequenceNumber,
    pub(crate) timers: Vec<TimerRecord>,
    /// What its message was known by when it came; a restart gave the turn another body since.
    pub(crate) status: Option<MessageStatus>,
    /// Work was going on when the last commit was made.
    pub(crate) needs_worker: bool,
}

/// Why an actor could not be loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Host(#[from] HostFault),
    #[error(transparent)]
    Corrupt(#[from] CorruptTurn),
}

/// Becomes the actor's writer, then reads where it stands: in this order, so that nobody else appends between.
pub(crate) async fn load(
    storage: &Storage,
    deployments: &Deployments,
    actor: &ActorAddress,
) -> Result<LoadedActor, LoadError> {
    let token = storage.journal.acquire(actor).await?;
    let record = storage.journal.load(actor).await?;
    // In this order: the message that a cancellation is about came before it, and must not be seen without it.
    let messages = storage.mailbox.arrivals(actor, Lane::Messages, Position(0), ARRIVALS_PAGE).await?;
    let outcomes = storage.mailbox.arrivals(actor, Lane::Outcomes, Position(0), ARRIVALS_PAGE).await?;
    let Some(record) = record else {
        let chain = Chain { next_seq: SequenceNumber(0), head: None };
        return Ok(LoadedActor {
            token,
            chain,
            turn: TurnNumber(0),
            state: None,
            is_paused: false,
            open: None,
            messages,
            outcomes,
        });
    };
    let open = match record.open_turn {
        None => None,
        Some(started_seq) => {
            let (entries, payloads) = read_turn(storage, actor, started_seq).await?;
            let find = |cid: &Cid| payloads.get(cid).cloned();
            let Some(deployment) = Turn::deployment_of(&entries, &find) else {
                let what = format!("journal of {actor}: entry {started_seq} does not start a turn");
                return Err(StoreError::Corrupt { what }.into());
            };
            let deployment = deployments.manifest(deployment).await?;
            let turn = Turn::restore(&entries, &find, deployment, record.state.clone())?;
            let lacks_input =
                |it: &Outstanding| matches!(it.work, Work::Proof { .. }) && turn.private_input(it.n).is_none();
            if let Some(step) = turn.outstanding().find(lacks_input) {
                let what = format!("journal of {actor}: the input of step {} of its open turn is missing", step.n);
                return Err(StoreError::Corrupt { what }.into());
            }
            let message = &turn.opening().message;
            let status = match message.sender {
                Some(_) => None,
                None => storage.mailbox.status(actor, &message.id).await?,
            };
            Some(OpenTurn { turn, started_seq, timers: record.timers, status, needs_worker: record.needs_worker })
        }
    };
    let chain = Chain { next_seq: record.next_seq, head: Some(record.head) };
    let (turn, state, is_paused) = (record.turn, record.state, record.is_paused);
    Ok(LoadedActor { token, chain, turn, state, is_paused, open, messages, outcomes })
}

/// The entries from `from` to the end, and their payloads.
pub(crate) async fn read_turn(
    storage: &Storage,
    actor: &ActorAddress,
    from: SequenceNumber,
) -> Result<(Vec<Entry>, HashMap<Cid, Payload>), StoreError> {
    let mut entries = Vec::new();
    let mut payloads = HashMap::new();
    let mut next = from;
    loop {
        let segments = storage.journal.read(actor, next).await?;
        let read_before = next;
        for segment in &segments {
            for entry in decode(actor, segment)? {
                if entry.seq >= next {
                    next = entry.seq.next();
                    entries.push(entry);
                }
            }
            payloads.extend(segment.payloads.iter().map(|payload| (payload.cid(), payload.clone())));
        }
        if next == read_before {
            return Ok((entries, payloads));
        }
    }
}

/// The entries of a segment, checked to be this actor's and linked.
pub(crate) fn decode(actor: &ActorAddress, segment: &Segment) -> Result<Vec<Entry>, StoreError> {
    let mut entries: Vec<Entry> = Vec::with_capacity(segment.entries.len());
    let mut before: Option<Cid> = None;
    for encoded in &segment.entries {
        let corrupt = |what: String| StoreError::Corrupt { what: format!("journal of {actor}: {what}") };
        let entry = Entry::decode(&encoded.bytes).map_err(|error| corrupt(error.to_string()))?;
        let linked = before.is_none() || entry.prev == before;
        if entry.actor != *actor || !linked {
            return Err(corrupt(format!("entry {} does not follow the one before it", entry.seq)));
        }
        before = Some(encoded.cid);
        entries.push(entry);
    }
    Ok(entries)
}
