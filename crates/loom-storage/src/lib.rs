//! Storage ports: what Loom needs from a store, and nothing about any store.
//!
//! [`Journal`] is the contract everything rests on: one commit appends entries and does everything that takes
//! effect with them, atomically, under a fencing token. [`Mailbox`] and [`Timers`] wake actors; they are never
//! the source of truth. [`Catalog`] lists and finds; [`Blobs`] holds immutable bytes; [`Upkeep`] erases and forgets;
//! [`Log`] has one order over all actors, to which commits add leaves.
//!
//! What works on any store stands here too: [`spilling`] puts large payloads into blobs, [`collect`] removes blobs
//! to which nothing leads, [`retain`] lets go of what is old.
//!
//! A backend implements the ports and passes [`conformance`]. [`memory`] is the reference version.
//!
//! Absent on purpose: reading single entries, changing or deleting any, transactions over two actors'
//! journals, and any notion of who is connected.

mod blobs;
mod catalog;
pub mod collect;
mod commit;
pub mod conformance;
mod error;
mod figures;
mod holds;
mod journal;
pub mod limits;
mod log;
mod mailbox;
pub mod memory;
pub mod references;
pub mod retain;
mod spill;
mod timers;
mod upkeep;

use std::sync::Arc;

pub use self::{
    blobs::{BlobError, BlobRecord, Blobs},
    catalog::{ActiveDeployment, ActorSummary, Catalog, DeadLetter, PromiseRecord},
    commit::{
        Admission, Commit, Leaf, NewDeadLetter, NewPromise, OutgoingCancel, OutgoingMessage, OutgoingOutcome,
        StateWrite, TimerWrite,
    },
    error::{BackendError, CommitError, StoreError},
    figures::{Distribution, Histogram, StoreFigures},
    holds::{Collection, Hold, Holds},
    journal::{ActorRecord, Journal, TimerRecord},
    log::{CheckpointRecord, LeafRecord, Log, TileRecord},
    mailbox::{
        Arrival, EnqueueError, Enqueued, Lane, Mailbox, MessageStatus, NewMessage, Parcel, Position, ResolveError,
    },
    spill::{Unreadable, spilling},
    timers::{DueTimer, Timers},
    upkeep::{EraseError, Erasure, Unerased, Upkeep},
};

/// What a store can do, where stores differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Whether commits survive the process.
    pub durable: bool,
}

/// Every port of one node's store. Cheap to clone.
#[derive(Clone)]
pub struct Storage {
    /// Journals and leases.
    pub journal: Arc<dyn Journal>,
    /// Mailboxes and promises.
    pub mailbox: Arc<dyn Mailbox>,
    /// Timers and delayed messages.
    pub timers: Arc<dyn Timers>,
    /// Deployments and listings.
    pub catalog: Arc<dyn Catalog>,
    /// Immutable bytes.
    pub blobs: Arc<dyn Blobs>,
    /// What keeps it from growing for ever.
    pub upkeep: Arc<dyn Upkeep>,
    /// Leaves of all actors, and what was signed about them.
    pub log: Arc<dyn Log>,
}
