//! The journal port.

use async_trait::async_trait;
use futures::future::BoxFuture;
use loom_types::{ActorAddress, Cid, FencingToken, Payload, Segment, SequenceNumber, StepRef, TurnNumber};

use crate::{Capabilities, Commit, CommitError, StoreError, StoreFigures};

/// Where an actor stands.
#[derive(Clone, Debug)]
pub struct ActorRecord {
    /// Sequence number the next entry gets.
    pub next_seq: SequenceNumber,
    /// CID of the newest entry.
    pub head: Cid,
    /// Number of the newest turn; 0 before the first.
    pub turn: TurnNumber,
    /// Sequence number of the newest turn's `turn-started`, if that turn is unfinished.
    pub open_turn: Option<SequenceNumber>,
    /// Whether the last commit said that work was going on beside the journal.
    pub needs_worker: bool,
    /// Whether the actor is paused.
    pub is_paused: bool,
    /// The state after the newest finished turn.
    pub state: Option<Payload>,
    /// Timers of the unfinished turn.
    pub timers: Vec<TimerRecord>,
}

/// A timer that is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerRecord {
    /// The step it belongs to.
    pub step: StepRef,
    /// When it fires, in milliseconds since the Unix epoch.
    pub due_ms: u64,
    /// For the retry of an activity, how many attempts were made; else 0.
    pub attempts: u32,
}

/// Journals of actors, and who may append to them.
#[async_trait]
pub trait Journal: Send + Sync {
    /// What this store can do.
    fn capabilities(&self) -> Capabilities;

    /// What the store counts about itself; none if it counts nothing. Cheap: it is asked with every scrape.
    fn figures(&self) -> Option<StoreFigures> {
        None
    }

    /// Grants the right to append. The token is greater than every one granted for this actor before, by this
    /// or any other process; commits under earlier tokens fail from now on.
    async fn acquire(&self, actor: &ActorAddress) -> Result<FencingToken, StoreError>;

    /// Where the actor stands; none if it has no journal. Sees every commit that has returned.
    async fn load(&self, actor: &ActorAddress) -> Result<Option<ActorRecord>, StoreError>;

    /// Appends and applies, all or nothing; durable when it returns, if the store is. Commits are applied in
    /// the order in which this is called (not polled), so a caller need not wait for one before it hands in the
    /// next of the same actor. If one fails, its token is good for nothing any more: those after it fail with
    /// `Fenced`, with or without entries, until the actor is acquired anew.
    fn commit(&self, commit: Commit) -> BoxFuture<'static, Result<(), CommitError>>;

    /// Segments that hold entries from `from` on, in order; at most about
    /// [`READ_BYTES_MAX`](crate::limits::READ_BYTES_MAX) of them, at least one if there is one. The first may
    /// begin before `from`.
    async fn read(&self, actor: &ActorAddress, from: SequenceNumber) -> Result<Vec<Segment>, StoreError>;
}
