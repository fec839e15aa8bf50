//! What an outsider checks: the node's transparency log, its signed checkpoints, and the bundle, the one file that
//! carries a piece of history with everything that is needed to run it again.
//!
//! Everything here is a function from bytes to bytes. There is no I/O, no clock and no randomness; whoever signs brings
//! the key, whoever verifies names the keys it trusts.
//!
//! Deliberately absent: running anything again (`loom-verify` does, with `loom-machine`), gathering what goes into a
//! bundle (`loom-runtime`), storing the log (`loom-storage`).
//!
//! Start at [`Bundle`] for the file, at [`Leaf`] for the log. Formats: `docs/formats/bundle.md`, `docs/formats/log.md`.

mod bundle;
mod car;
mod checkpoint;
mod dsse;
mod handover;
mod key;
mod leaf;
pub mod limits;
mod tree;

pub use self::{
    bundle::{Bundle, BundleError, History, Inclusion, LogEvidence, Manifest},
    checkpoint::{Checkpoint, CheckpointError, Cosigned, SignedCheckpoint},
    dsse::Envelope,
    handover::{Handover, InvalidHandover},
    key::{InvalidKey, KeyKind, PublicKey, SigningKey},
    leaf::{Leaf, actor_id},
    tree::{
        Frontier, Hash, InvalidFrontier, InvalidProof, TILE_HASHES, TileName, TreeReader, consistency, included,
        inclusion, is_consistent, leaf_hash, node_hash, root, tile_path,
    },
};
