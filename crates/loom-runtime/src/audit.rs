//! The audit log: who did what to a namespace, as the journal of an actor that nobody can deploy.
//!
//! Each namespace has one, at [`address`]. Its entries are `control {what, by}`, chained like every journal's, and
//! read and verified like every journal. An entry is durable *before* what it names takes effect: nothing happens
//! unaudited, and an entry may name what then failed.
//!
//! No cell writes here. Whoever loads the actor (to follow a message it does not have) takes the right to append
//! away; the log acquires it anew for every entry.

use std::sync::Arc;

use loom_storage::{Commit, CommitError, Storage, StoreError};
use loom_types::{ActorAddress, EntryBody, Namespace, Segment, SequenceNumber, TurnNumber};

use crate::{Clock, chain::Chain};

/// Names that begin so are the node's: no deployment may run such an actor type.
pub(crate) const RESERVED: &str = "loom-";
/// The namespace of what belongs to no namespace. Nothing can be deployed in it.
pub const NODE_NAMESPACE: &str = "loom";
/// The log's address within its namespace.
const LOG: &str = "loom-audit/log";
/// Longest `what`, in bytes; more is cut.
const WHAT_BYTES_MAX: usize = 4096;
/// How often an entry is tried when somebody else was granted the journal in between.
const ATTEMPTS_MAX: u32 = 16;

/// Where the audit log of a namespace is.
pub fn address(namespace: &Namespace) -> ActorAddress {
    ActorAddress::within(namespace.as_str(), LOG).expect("a type and a key that are valid")
}

/// Why an entry was not written.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AuditError {
    /// The journal could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The entry could not be appended.
    #[error("the audit log could not be written")]
    Commit(#[source] CommitError),
}

/// Writes the logs of all namespaces.
pub(crate) struct AuditLog {
    storage: Storage,
    clock: Arc<dyn Clock>,
    /// One entry at a time, so that they do not fence each other.
    writing: tokio::sync::Mutex<()>,
}

impl AuditLog {
    pub(crate) fn new(storage: Storage, clock: Arc<dyn Clock>) -> Self {
        Self { storage, clock, writing: tokio::sync::Mutex::new(()) }
    }

    /// Appends what is about to be done and who does it. Durable when it returns.
    pub(crate) async fn record(&self, namespace: &Namespace, what: &str, by: &str) -> Result<(), AuditError> {
        self.record_at(&address(namespace), what, by).await
    }

    /// The same in another journal that nobody can deploy.
    pub(crate) async fn record_at(&self, actor: &ActorAddress, what: &str, by: &str) -> Result<(), AuditError> {
        let _one_at_a_time = self.writing.lock().await;
        let mut attempt = 1;
        loop {
            match self.append(actor, what, by).await {
                Err(AuditError::Commit(CommitError::Fenced { .. } | CommitError::Conflict { .. }))
                    if attempt < ATTEMPTS_MAX =>
                {
                    attempt += 1;
                }
                done => return done,
            }
        }
    }

    async fn append(&self, actor: &ActorAddress, what: &str, by: &str) -> Result<(), AuditError> {
        let token = self.storage.journal.acquire(actor).await?;
        let record = self.storage.journal.load(actor).await?;
        let mut chain = Chain {
            next_seq: record.as_ref().map_or(SequenceNumber(0), |record| record.next_seq),
            head: record.as_ref().map(|record| record.head),
        };
        let expected_seq = chain.next_seq;
        let at_ms = self.clock.now_ms();
        let opened = record.is_none().then_some((at_ms, EntryBody::Opened {}));
        let control = EntryBody::Control { what: cut(what).to_owned(), by: by.to_owned(), detail: None, state: None };
        let bodies = opened.into_iter().chain([(at_ms, control)]).collect();
        let entries = chain.append(actor, TurnNumber(0), bodies);
        let segment = Segment { entries, payloads: Vec::new() };
        let head = chain.head.expect("an entry was just linked");
        let leaf = chain.leaf();
        let commit = Commit { leaf, ..Commit::of_segment(actor.clone(), token, expected_seq, segment, head, at_ms) };
        self.storage.journal.commit(commit).await.map_err(AuditError::Commit)
    }
}

fn cut(what: &str) -> &str {
    &what[..what.floor_char_boundary(WHAT_BYTES_MAX)]
}
