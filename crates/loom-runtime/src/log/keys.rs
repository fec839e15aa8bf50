//! The log's keys: a journal of its handovers, which is itself in the log.

use std::sync::Arc;

use loom_evidence::{CheckpointError, Handover, PublicKey, SignedCheckpoint, limits::HANDOVERS_MAX};
use loom_storage::{Storage, StoreError};
use loom_types::{ActorAddress, EntryBody, SequenceNumber};

use super::{LogError, NodeLog};
use crate::{
    Clock,
    audit::{AuditError, AuditLog, NODE_NAMESPACE},
    load,
};

/// The journal's address within the node's namespace.
const KEYS: &str = "loom-log/keys";

/// Why a handover was not recorded.
#[derive(Clone, Debug, thiserror::Error)]
pub enum HandoverError {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The entry could not be written.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The key handed the log over before.
    #[error("the log was handed over by this key already, to {to}")]
    HandedOver {
        /// To this key.
        to: String,
    },
    /// It is not this key's to hand over.
    #[error(transparent)]
    Key(#[from] LogKeyError),
    /// Bundles carry all handovers.
    #[error("the log was handed over {HANDOVERS_MAX} times, which is as often as it can be")]
    TooMany,
}

/// A key that is not the log's.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LogKeyError {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The stored checkpoint cannot be read.
    #[error("the stored checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// Another key signed the log, and did not hand it over to this one.
    #[error("the log in the store is '{origin}', and {key} neither signed it nor was it handed over to that key")]
    Other {
        /// The log.
        origin: String,
        /// The key.
        key: String,
    },
}

/// The name of the log in the store, if any of it was signed.
pub async fn signed_log(storage: &Storage) -> Result<Option<String>, LogKeyError> {
    let Some(record) = storage.log.checkpoint().await? else { return Ok(None) };
    Ok(Some(SignedCheckpoint::read(&record.note)?.checkpoint().origin.clone()))
}

/// Checks that this key signed the log in the store, or that it was handed over to it. A log that was never signed is
/// anybody's.
pub async fn check_log_key(storage: &Storage, key: &PublicKey) -> Result<(), LogKeyError> {
    let Some(record) = storage.log.checkpoint().await? else { return Ok(()) };
    let signed = SignedCheckpoint::read(&record.note)?;
    let mut keys = vec![key.clone()];
    // Backwards: from this key to those that handed the log over.
    for handover in recorded(storage).await?.iter().rev().filter_map(|text| Handover::read(text).ok()) {
        if keys.contains(handover.to()) {
            keys.push(handover.from().clone());
        }
    }
    let origin = &signed.checkpoint().origin;
    match key.name() == origin && !signed.signed_by(&keys)?.is_empty() {
        true => Ok(()),
        false => Err(LogKeyError::Other { origin: origin.clone(), key: key.to_string() }),
    }
}

fn address() -> ActorAddress {
    ActorAddress::within(NODE_NAMESPACE, KEYS).expect("a type and a key that are valid")
}

/// Records that a log is handed over, durably: an entry of its own journal, with a leaf in the log. Doing it again
/// changes nothing. No node may run on the store meanwhile.
pub async fn record_handover(
    storage: &Storage,
    clock: Arc<dyn Clock>,
    handover: &Handover,
    by: &str,
) -> Result<(), HandoverError> {
    check_log_key(storage, handover.from()).await?;
    let before = recorded(storage).await?;
    for known in before.iter().filter_map(|text| Handover::read(text).ok()) {
        if known == *handover {
            return Ok(());
        }
        if known.from() == handover.from() {
            return Err(HandoverError::HandedOver { to: known.to().to_string() });
        }
    }
    if before.len() >= HANDOVERS_MAX {
        return Err(HandoverError::TooMany);
    }
    Ok(AuditLog::new(storage.clone(), clock).record_at(&address(), handover.text(), by).await?)
}

/// Everything that was recorded, the oldest first.
async fn recorded(storage: &Storage) -> Result<Vec<String>, StoreError> {
    let (actor, mut next, mut texts) = (address(), SequenceNumber(0), Vec::new());
    loop {
        let segments = storage.journal.read(&actor, next).await?;
        let read_before = next;
        for segment in &segments {
            for entry in load::decode(&actor, segment)? {
                if entry.seq < next {
                    continue;
                }
                next = entry.seq.next();
                if let EntryBody::Control { what, .. } = entry.body {
                    texts.push(what);
                }
            }
        }
        if next == read_before {
            return Ok(texts);
        }
    }
}

impl NodeLog {
    /// How the log came to its key. It cannot change while the node runs.
    pub(super) async fn handovers(&self) -> Result<Vec<String>, LogError> {
        Ok(self.handovers.get_or_try_init(|| recorded(&self.storage)).await?.clone())
    }
}
