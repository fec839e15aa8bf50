//! What of the log anybody may read who may read the node: how far it is, checkpoints, tiles and leaves.

use bytes::Bytes;
use loom_evidence::{Leaf, PublicKey, SignedCheckpoint, TILE_HASHES};

use super::{LogError, NodeLog, WitnessStatus, with_kept};
use crate::Handle;

/// How far a checkpoint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedSize {
    /// How many leaves it commits to.
    pub size: u64,
    /// When it was kept, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// How the log stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogStatus {
    /// The key that signs it; its name is the log's origin.
    pub key: PublicKey,
    /// How many leaves there are.
    pub size: u64,
    /// What was signed last.
    pub signed: Option<SignedSize>,
    /// What any witness cosigned last.
    pub witnessed: Option<SignedSize>,
    /// Those that are asked.
    pub witnesses: Vec<WitnessStatus>,
}

impl NodeLog {
    async fn status(&self) -> Result<LogStatus, LogError> {
        let log = &self.storage.log;
        let size = |record: loom_storage::CheckpointRecord| SignedSize { size: record.size, at_ms: record.at_ms };
        Ok(LogStatus {
            key: self.key.public(),
            size: log.size().await?,
            signed: log.checkpoint().await?.map(size),
            witnessed: log.witnessed().await?.map(size),
            witnesses: self.witnesses.iter().map(super::Watching::status).collect(),
        })
    }

    /// The newest checkpoint, with the cosignatures that it has.
    async fn checkpoint(&self) -> Result<Option<String>, LogError> {
        let (Some(newest), kept) = (self.storage.log.checkpoint().await?, self.storage.log.witnessed().await?) else {
            return Ok(None);
        };
        let cosigned = with_kept(SignedCheckpoint::read(&newest.note)?, kept.as_ref())?;
        Ok(Some(cosigned.text().to_owned()))
    }

    /// The first `width` hashes of a tile, if so many are signed.
    async fn hashes(&self, level: u8, index: u64, width: u64) -> Result<Option<Bytes>, LogError> {
        let mut place = self.sealed.lock().await;
        let sealed = self.up_to(&mut place, 0).await?;
        // Of this level, the tile that is not full.
        let full = sealed.edge.size.checked_shr((u32::from(level) + 1) * u32::from(super::TILE_HEIGHT)).unwrap_or(0);
        let hashes = match index.cmp(&full) {
            std::cmp::Ordering::Less => self.tile(level, index).await?,
            std::cmp::Ordering::Equal => sealed.edge.levels.get(usize::from(level)).cloned().unwrap_or_default(),
            std::cmp::Ordering::Greater => Vec::new(),
        };
        let asked = usize::try_from(width).ok().and_then(|width| hashes.get(..width));
        Ok(asked.map(|hashes| hashes.concat().into()))
    }

    /// The first `width` leaves of a bundle of 256, if so many are signed; each with its length before it, in two
    /// bytes.
    async fn entries(&self, index: u64, width: u64) -> Result<Option<Bytes>, LogError> {
        let signed = self.storage.log.checkpoint().await?.map_or(0, |record| record.size);
        let first = index.checked_mul(TILE_HASHES).filter(|first| first.saturating_add(width) <= signed);
        let Some(first) = first else { return Ok(None) };
        let leaves = self.storage.log.leaves(first, width as usize).await?;
        if leaves.len() as u64 != width {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        for record in leaves {
            let leaf = Leaf::of(self.key.name(), &record.actor, record.leaf.seq, record.leaf.head).encode();
            bytes.extend((leaf.len() as u16).to_be_bytes());
            bytes.extend(leaf);
        }
        Ok(Some(bytes.into()))
    }
}

/// Reading the log. A node without a key has none, and everything is nothing.
impl Handle {
    /// How it stands.
    pub async fn log_status(&self) -> Result<Option<LogStatus>, LogError> {
        match &self.inner.log {
            Some(log) => log.status().await.map(Some),
            None => Ok(None),
        }
    }

    /// The newest checkpoint, with the cosignatures that it has: a signed note. None if nothing was signed yet.
    pub async fn log_checkpoint(&self) -> Result<Option<String>, LogError> {
        match &self.inner.log {
            Some(log) => log.checkpoint().await,
            None => Ok(None),
        }
    }

    /// The first `width` hashes of a tile, of 1 to 256. None if the newest checkpoint does not cover so many.
    pub async fn log_tile(&self, level: u8, index: u64, width: u64) -> Result<Option<Bytes>, LogError> {
        match &self.inner.log {
            Some(log) if (1..=TILE_HASHES).contains(&width) => log.hashes(level, index, width).await,
            _ => Ok(None),
        }
    }

    /// The first `width` leaves of those that a tile of level 0 has the hashes of, each behind its length in two
    /// bytes, big-endian. None if the newest checkpoint does not cover so many.
    pub async fn log_entries(&self, index: u64, width: u64) -> Result<Option<Bytes>, LogError> {
        match &self.inner.log {
            Some(log) if (1..=TILE_HASHES).contains(&width) => log.entries(index, width).await,
            _ => Ok(None),
        }
    }
}
