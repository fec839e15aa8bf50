//! The upkeep port: erasing payloads, forgetting ids, and finding blobs that nothing names.
//!
//! Entries are never changed or deleted. What can go is what they only name: the chain of a journal verifies
//! without any payload.

use std::collections::HashSet;

use async_trait::async_trait;
use loom_types::{ActorAddress, Cid, Entry, EntryBody, Marker, Segment, SequenceNumber};

use crate::StoreError;

/// An actor with payloads that were not erased yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unerased {
    /// Who.
    pub actor: ActorAddress,
    /// Nothing before this entry is left to erase.
    pub from: SequenceNumber,
}

/// Why payloads were not erased. Some of them may be gone all the same; erasing again goes on.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EraseError {
    /// A turn that still needs them is not finished.
    #[error("the turn that began with entry {started} is not finished")]
    Open {
        /// Its `turn-started`.
        started: SequenceNumber,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What keeps a store from growing for ever. All of it may run beside commits.
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// Erases the payloads of an actor's entries before `before`, and says how many blocks went. Each leaves a
    /// [`Marker::Erased`] in its place, so that a reader tells erased from missing. What stays: every entry, what an
    /// entry from `before` on names, and the state with which those began. A spilled block is let go of; the next
    /// collection of blobs removes it if no other row leads to it. Erasing again changes nothing.
    async fn erase(&self, actor: &ActorAddress, before: SequenceNumber) -> Result<u64, EraseError>;

    /// Actors that have something to erase, in order of address after `after`, at most `limit`.
    async fn unerased(&self, after: Option<&ActorAddress>, limit: usize) -> Result<Vec<Unerased>, StoreError>;

    /// Forgets at most `limit` client ids whose turns ended before `ended_before_ms`, by the clock that made the
    /// commits, and says how many. Sent again, such an id is a new message.
    async fn forget(&self, ended_before_ms: u64, limit: usize) -> Result<usize, StoreError>;

    /// Those of `names` to which no row of the store leads, all rows as of one moment after the call. See
    /// [`references`](crate::references) for what counts.
    async fn unreferenced(&self, names: HashSet<Cid>) -> Result<HashSet<Cid>, StoreError>;
}

/// A `control` entry that says what was erased; what it says stays itself.
const PURGE: &str = "purge";

fn is_purge(entry: &Entry) -> bool {
    matches!(&entry.body, EntryBody::Control { what, .. } if what == PURGE)
}

/// Which blocks go when everything before an entry is erased; for backends.
#[derive(Clone, Copy, Debug)]
pub struct Erasure {
    /// The first entry that keeps its payloads.
    pub before: SequenceNumber,
    /// The state with which it began.
    pub kept_state: Option<Cid>,
}

impl Erasure {
    /// Finds the state to keep. Segments must come newest first, from the one with the entry before `before` on.
    pub fn new(before: SequenceNumber, entry: &Entry) -> Option<Self> {
        match &entry.body {
            EntryBody::TurnEnded { state, .. } if entry.seq < before => Some(Self { before, kept_state: *state }),
            EntryBody::Control { state: Some(state), .. } if entry.seq < before => {
                Some(Self { before, kept_state: Some(*state) })
            }
            // The state ended here.
            EntryBody::Control { .. } if is_purge(entry) && entry.seq < before => {
                Some(Self { before, kept_state: None })
            }
            EntryBody::Opened {} => Some(Self { before, kept_state: None }),
            _ => None,
        }
    }

    /// Puts markers in the place of the blocks of one segment that go. Says how many, and whether it holds the
    /// state that stays.
    pub fn apply(&self, entries: &[Entry], segment: &mut Segment) -> (u64, bool) {
        let names = |keep: bool| {
            let side = entries.iter().filter(move |entry| (entry.seq >= self.before || is_purge(entry)) == keep);
            side.flat_map(|entry| entry.body.payloads()).map(|(_, cid)| cid)
        };
        let mut going: HashSet<Cid> = names(false).collect();
        for cid in names(true).chain(self.kept_state) {
            going.remove(&cid);
        }
        let (mut erased, mut keeps_state) = (0, false);
        for payload in &mut segment.payloads {
            let cid = match payload.marker() {
                Some(Marker::Erased(_)) => continue,
                Some(Marker::Spilled(cid)) => cid,
                None => payload.cid(),
            };
            keeps_state |= Some(cid) == self.kept_state;
            if going.contains(&cid) {
                *payload = Marker::Erased(cid).to_payload();
                erased += 1;
            }
        }
        (erased, keeps_state)
    }
}
