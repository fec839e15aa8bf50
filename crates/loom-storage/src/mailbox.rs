//! The mailbox port: what waits for an actor.

use async_trait::async_trait;
use loom_types::{ActorAddress, MessageId, Payload, Resolution, SequenceNumber, StepRef, TurnNumber};

use crate::{BackendError, StoreError};

/// Place in a mailbox; grows with every arrival.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

/// Something that waits for an actor.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Its place; a commit that consumes it names it.
    pub position: Position,
    /// What it is.
    pub parcel: Parcel,
}

/// What can wait for an actor.
#[derive(Clone, Debug)]
pub enum Parcel {
    /// A message to be handled by a turn.
    Message {
        /// Its id.
        id: MessageId,
        /// The envelope.
        payload: Payload,
    },
    /// The outcome of a step: a reply or a resolved promise.
    Outcome {
        /// The step.
        step: StepRef,
        /// Names the payload as value or failure.
        result: Resolution,
        /// The payload.
        payload: Payload,
    },
    /// Nobody waits any more for what this message began. It arrived before, if it was not handled by then.
    Cancel {
        /// The message.
        message: MessageId,
    },
}

/// Messages and outcomes wait in lanes of their own: an actor in the middle of a turn takes outcomes, however
/// many messages came before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Messages, taken one per turn.
    Messages,
    /// Outcomes of steps, and cancellations.
    Outcomes,
}

/// A client's message.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// The client's or a generated id.
    pub id: MessageId,
    /// SHA-256 of the body.
    pub body_digest: [u8; 32],
    /// The envelope.
    pub payload: Payload,
}

/// Where a message was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enqueued {
    /// It waits here.
    At(Position),
    /// This id was known already.
    Known(MessageStatus),
}

/// What is known of a client's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageStatus {
    /// SHA-256 of its body.
    pub body_digest: [u8; 32],
    /// The turn that handles it, once one does.
    pub turn: Option<TurnNumber>,
    /// Sequence number of that turn's `turn-ended`, once it is there.
    pub ended: Option<SequenceNumber>,
}

/// Why a message was not taken in.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EnqueueError {
    /// Too many wait already.
    #[error("{waiting} messages wait already, at most {limit} may")]
    Full {
        /// How many wait.
        waiting: u64,
        /// The limit.
        limit: u64,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a promise was not resolved.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ResolveError {
    /// No such token, or its turn is over.
    #[error("no promise has this token; it may be settled already")]
    Unknown,
    /// Someone was faster.
    #[error("the promise is resolved already")]
    Resolved,
    /// The store failed.
    #[error("the store is unavailable")]
    Unavailable(#[source] BackendError),
}

/// Mailboxes, and promises, which lead to them. What is in a mailbox is durable before a method returns.
#[async_trait]
pub trait Mailbox: Send + Sync {
    /// Puts a client's message at the end, unless its id is known or `depth_max` messages wait already. The actor
    /// need not exist yet. An id is known until its turn has ended and [`Upkeep::forget`](crate::Upkeep::forget) lets
    /// go of it.
    async fn enqueue(
        &self,
        actor: &ActorAddress,
        message: NewMessage,
        depth_max: u64,
    ) -> Result<Enqueued, EnqueueError>;

    /// What waits in a lane after `after`, in order, at most `limit`.
    async fn arrivals(
        &self,
        actor: &ActorAddress,
        lane: Lane,
        after: Position,
        limit: usize,
    ) -> Result<Vec<Arrival>, StoreError>;

    /// What is known of a client's message.
    async fn status(&self, actor: &ActorAddress, id: &MessageId) -> Result<Option<MessageStatus>, StoreError>;

    /// Resolves a promise: its outcome is put into the mailbox of the actor that is returned. Once per token.
    async fn resolve(&self, token: &str, result: Resolution, payload: Payload) -> Result<ActorAddress, ResolveError>;

    /// Actors with something to do: a non-empty mailbox, or work that a lost process knew of. In order of
    /// address after `after`, at most `limit`.
    async fn ready(&self, after: Option<&ActorAddress>, limit: usize) -> Result<Vec<ActorAddress>, StoreError>;
}
