//! The log port: one gapless order over what all actors of a node have done.
//!
//! A commit may bring a [`Leaf`], which is appended to the log in the same transaction. What the leaves are hashed to,
//! and who signs it, is for others: a store keeps leaves, the names of full tiles of hashes, and the newest
//! checkpoints. Nothing of it is ever changed or removed but the checkpoints, which the next ones replace.

use async_trait::async_trait;
use loom_types::{ActorAddress, Cid, SequenceNumber};

use crate::{Leaf, StoreError};

/// A leaf in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafRecord {
    /// Its place; the first is 0.
    pub index: u64,
    /// Whose history it commits to.
    pub actor: ActorAddress,
    /// Where that history stood.
    pub leaf: Leaf,
}

/// A full tile, 256 hashes of one level, whose bytes are a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TileRecord {
    /// 0 for tiles of leaf hashes; each hash of the next level stands for a whole tile of this one.
    pub level: u8,
    /// Its place within the level; the first is 0.
    pub index: u64,
    /// The blob.
    pub cid: Cid,
}

/// What somebody signed about the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointRecord {
    /// How many leaves it commits to.
    pub size: u64,
    /// When it was made, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The signed note's text.
    pub note: String,
}

/// The node's log. Leaves enter it with [`Journal::commit`](crate::Journal::commit), in the order in which commits are
/// applied and without a gap: a commit that is refused or rolled back takes no place.
#[async_trait]
pub trait Log: Send + Sync {
    /// How many leaves there are. Sees every commit that has returned.
    async fn size(&self) -> Result<u64, StoreError>;

    /// Leaves from `from` on, in order, at most `limit`. Fewer only where the log ends.
    async fn leaves(&self, from: u64, limit: usize) -> Result<Vec<LeafRecord>, StoreError>;

    /// The actor's first leaf at or after entry `seq`: the one that commits to that entry. None as long as there is
    /// none.
    async fn leaf_of(&self, actor: &ActorAddress, seq: SequenceNumber) -> Result<Option<LeafRecord>, StoreError>;

    /// The name of a full tile, if it was stored.
    async fn tile(&self, level: u8, index: u64) -> Result<Option<Cid>, StoreError>;

    /// The newest checkpoint.
    async fn checkpoint(&self) -> Result<Option<CheckpointRecord>, StoreError>;

    /// Stores a checkpoint as the newest, and the tiles that are full since the one before; all or nothing, durable
    /// when it returns, if the store is. The tiles' blobs are there already, and whoever put them holds them until
    /// this has returned (see [`Holds`](crate::Holds)); from then on the store leads to them. A checkpoint of fewer
    /// leaves than the newest, or of more than there are, is refused as [`StoreError::Unsealable`]. Storing the same
    /// again changes nothing.
    async fn seal(&self, checkpoint: CheckpointRecord, tiles: Vec<TileRecord>) -> Result<(), StoreError>;

    /// The newest checkpoint that witnesses cosigned, with what they signed.
    async fn witnessed(&self) -> Result<Option<CheckpointRecord>, StoreError>;

    /// Stores a checkpoint that witnesses cosigned in place of the one before. One of fewer leaves than that, or of
    /// more than the newest checkpoint, is refused as [`StoreError::Unsealable`], which then counts the leaves of that
    /// one.
    async fn keep_witnessed(&self, checkpoint: CheckpointRecord) -> Result<(), StoreError>;
}
