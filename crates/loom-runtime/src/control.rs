//! What operators can ask of an actor, and why it may not be done.

use std::sync::Arc;

use loom_machine::{Control, Deployment, ResetError};
use loom_storage::StoreError;
use loom_types::{ActorAddress, Cid, Payload, SequenceNumber, TurnNumber};

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) enum ControlRequest {
    Pause,
    Resume,
    Cancel { reason: String },
    FailTurn { reason: String },
    Reset { to: SequenceNumber, deployment: Option<(Cid, Arc<Deployment>)> },
    Fork { origin: Control, state: Option<Payload> },
    Purge,
}

/// Why it was not done. Nothing changed, except possibly after `Store`.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ControlError {
    /// There is no such actor.
    #[error("there is no actor {0}")]
    UnknownActor(ActorAddress),
    /// The actor is one of the node's own, such as an audit log.
    #[error("actor {0} is the node's own")]
    Reserved(ActorAddress),
    /// No turn is open.
    #[error("actor {0} is not in the middle of a turn")]
    NoOpenTurn(ActorAddress),
    /// The guest cannot be told, because its replay diverged.
    #[error("actor {0} diverged, so its guest cannot be told; reset or fail its turn instead")]
    Diverged(ActorAddress),
    /// Somebody asked for the same before, and the guest has not been reached yet.
    #[error("the turn is being cancelled already")]
    Stopping,
    /// The turn cannot be reset to there.
    #[error(transparent)]
    Reset(#[from] ResetError),
    /// The deployment to continue with cannot be had.
    #[error("deployment {cid} cannot be used: {problem}")]
    Deployment {
        /// Its id.
        cid: Cid,
        /// Why.
        problem: String,
    },
    /// What a turn still needs cannot be erased.
    #[error("actor {0} is in the middle of a turn; let it end, or fail it, first")]
    Busy(ActorAddress),
    /// A fork needs a key that was never used.
    #[error("actor {0} exists already")]
    Exists(ActorAddress),
    /// No such turn has ended.
    #[error("turn {turn} of {actor} has not ended, or never was")]
    NoSuchTurn {
        /// The actor.
        actor: ActorAddress,
        /// The turn.
        turn: TurnNumber,
    },
    /// What is needed of the journal was erased.
    #[error("the state after turn {turn} of {actor} was erased")]
    Erased {
        /// The actor.
        actor: ActorAddress,
        /// The turn.
        turn: TurnNumber,
    },
    /// Another type, or another namespace.
    #[error("a fork stays in its namespace and has its origin's type: {0} does not")]
    OtherType(ActorAddress),
    /// The store failed; it may have been done all the same.
    #[error("the store failed: {0}")]
    Store(String),
    /// The node is stopping, or had to read the actor again.
    #[error("the node dropped the request, because it is stopping or could not read the actor")]
    Dropped,
}

impl From<StoreError> for ControlError {
    fn from(error: StoreError) -> Self {
        ControlError::Store(error.to_string())
    }
}
