//! The log's keys: a journal of its handovers, which is itself in the log.

use std::sync::Arc;

use loom_evidence::{Handover, limits::HANDOVERS_MAX};
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
    /// Bundles carry all handovers.
    #[error("the log was handed over {HANDOVERS_MAX} times, which is as often as it can be")]
    TooMany,
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
