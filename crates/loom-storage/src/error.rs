//! Errors the ports share.

use std::sync::Arc;

use loom_types::{FencingToken, SequenceNumber};

/// A backend's own error, kept as the source of ours.
pub type BackendError = Arc<dyn std::error::Error + Send + Sync>;

/// Why a read failed, or a write that is not a commit.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The store cannot be reached or refused; trying again may help.
    #[error("the store is unavailable")]
    Unavailable(#[source] BackendError),
    /// Stored bytes are not what was written.
    #[error("stored data is damaged: {what}")]
    Corrupt {
        /// Which data, and what is wrong.
        what: String,
    },
    /// The payload was erased on purpose: by a purge, or because it was old enough.
    #[error("{what} was erased")]
    Erased {
        /// Which payload.
        what: String,
    },
    /// A checkpoint that the log cannot have: what was once signed of it must stay true.
    #[error("a checkpoint of {size} leaves cannot follow one of {newest} in a log of {leaves}")]
    Unsealable {
        /// Leaves of the checkpoint that was refused.
        size: u64,
        /// Leaves of the newest; 0 if there is none.
        newest: u64,
        /// How many there are.
        leaves: u64,
    },
}

impl StoreError {
    /// Whether trying again may help.
    pub fn is_retryable(&self) -> bool {
        matches!(self, StoreError::Unavailable(_))
    }
}

/// Why a commit failed. Nothing was written, except possibly in the `Unknown` case.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CommitError {
    /// Someone else was granted the actor since.
    #[error("fencing token {held} superseded by {current}")]
    Fenced {
        /// The token of this commit.
        held: FencingToken,
        /// The newest one granted.
        current: FencingToken,
    },
    /// The journal is not where the writer thought.
    #[error("expected next sequence number {expected}, journal is at {actual}")]
    Conflict {
        /// What the commit carried.
        expected: SequenceNumber,
        /// Where the journal is.
        actual: SequenceNumber,
    },
    /// A mailbox row that the commit consumes is gone.
    #[error("message or outcome at position {position} is no longer in the mailbox")]
    Taken {
        /// The row.
        position: u64,
    },
    /// The store refused or failed before writing.
    #[error("the store is unavailable")]
    Unavailable(#[source] BackendError),
    /// The store failed so that the commit may or may not have happened. Load the actor before going on.
    #[error("the outcome of the commit is unknown")]
    Unknown(#[source] BackendError),
}
