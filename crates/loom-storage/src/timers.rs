//! The timers port.

use async_trait::async_trait;
use loom_types::{ActorAddress, StepRef};

use crate::StoreError;

/// A timer whose time has come.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DueTimer {
    /// The actor.
    pub actor: ActorAddress,
    /// Its step.
    pub step: StepRef,
    /// When it was due, in milliseconds since the Unix epoch.
    pub due_ms: u64,
    /// For the retry of an activity, how many attempts were made; else 0.
    pub attempts: u32,
}

/// Timers, set and cleared by commits. A due timer stays until a commit clears or replaces it, so losing a
/// wake-up only delays it.
#[async_trait]
pub trait Timers: Send + Sync {
    /// Timers due at or before `now_ms`, earliest first, at most `limit`.
    async fn due(&self, now_ms: u64, limit: usize) -> Result<Vec<DueTimer>, StoreError>;

    /// Moves delayed messages that are due into their mailboxes and names the receivers.
    async fn release(&self, now_ms: u64, limit: usize) -> Result<Vec<ActorAddress>, StoreError>;

    /// When the next timer after `now_ms`, or the next delayed message, is due.
    async fn next_due(&self, now_ms: u64) -> Result<Option<u64>, StoreError>;
}
