//! Collecting blobs: removing those to which nothing leads any more.
//!
//! What leads to a blob: rows of the store (deployments, journals, states, mailboxes, promises), roots that the
//! caller names, and blobs that are kept themselves. What nothing leads to goes, unless it is young or
//! [held](crate::Holds). The holds alone make it impossible that a commit's blob goes while the commit is under
//! way; the age is a courtesy to clients who upload first and send the name later.

use std::collections::HashSet;

use loom_types::Cid;

use crate::{BlobError, BlobRecord, Collection, Storage, StoreError, references};

/// Blobs listed at once.
const PAGE: usize = 1000;

/// What a collection spares.
#[derive(Clone, Debug, Default)]
pub struct Spared {
    /// Kept, with everything they lead to.
    pub roots: Vec<Cid>,
    /// Blobs put at this time (milliseconds since the Unix epoch) or later stay.
    pub put_since_ms: u64,
}

/// What came of a collection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Blobs that stay.
    pub kept: u64,
    /// Blobs that went, or would go.
    pub removed: u64,
    /// Their bytes.
    pub removed_bytes: u64,
}

/// Why a collection ended early. What it removed until then was named by nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CollectError {
    /// There is one already.
    #[error("a collection of blobs is under way already")]
    UnderWay,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The blob store failed.
    #[error(transparent)]
    Blob(#[from] BlobError),
}

/// A collection whose garbage is known. Nothing of it is removed yet.
#[derive(Debug)]
pub struct Marked {
    collection: Collection,
    garbage: Vec<BlobRecord>,
    kept: u64,
}

/// Finds out what can go. `spared` is asked when the collection has begun: what is not a root by then is held, or
/// committed where marking finds it.
pub async fn mark(storage: &Storage, spared: impl FnOnce() -> Spared) -> Result<Marked, CollectError> {
    let collection = storage.blobs.holds().begin().ok_or(CollectError::UnderWay)?;
    let spared = spared();
    let all = list(storage).await?;
    let names = all.iter().map(|blob| blob.cid).collect();
    let mut garbage = storage.upkeep.unreferenced(names).await?;
    for blob in &all {
        if blob.put_ms.is_some_and(|put_ms| put_ms >= spared.put_since_ms) {
            garbage.remove(&blob.cid);
        }
    }
    for root in &spared.roots {
        garbage.remove(root);
    }
    let kept = all.iter().map(|blob| blob.cid).filter(|cid| !garbage.contains(cid)).collect();
    follow(storage, kept, &mut garbage).await?;
    let total = all.len() as u64;
    let garbage: Vec<_> = all.into_iter().filter(|blob| garbage.contains(&blob.cid)).collect();
    Ok(Marked { collection, kept: total - garbage.len() as u64, garbage })
}

impl Marked {
    /// What removing it all would come to.
    pub fn preview(&self) -> Collected {
        let removed_bytes = self.garbage.iter().map(|blob| blob.bytes).sum();
        Collected { kept: self.kept, removed: self.garbage.len() as u64, removed_bytes }
    }

    /// Removes it.
    pub async fn sweep(mut self, storage: &Storage) -> Result<Collected, CollectError> {
        let mut collected = Collected { kept: self.kept, ..Collected::default() };
        while let Some(removed_bytes) = self.remove_next(storage).await? {
            match removed_bytes {
                Some(bytes) => {
                    collected.removed += 1;
                    collected.removed_bytes += bytes;
                }
                None => collected.kept += 1,
            }
        }
        Ok(collected)
    }

    /// Removes one blob and says its size; none inside if somebody holds it. None at the end.
    pub async fn remove_next(&mut self, storage: &Storage) -> Result<Option<Option<u64>>, CollectError> {
        let Some(blob) = self.garbage.pop() else { return Ok(None) };
        let is_gone = storage.blobs.remove(blob.cid, &self.collection).await?;
        Ok(Some(is_gone.then_some(blob.bytes)))
    }
}

async fn list(storage: &Storage) -> Result<Vec<BlobRecord>, BlobError> {
    let mut all: Vec<BlobRecord> = Vec::new();
    loop {
        let page = storage.blobs.list(all.last().map(|blob| blob.cid), PAGE).await?;
        let is_last = page.len() < PAGE;
        all.extend(page);
        if is_last {
            return Ok(all);
        }
    }
}

/// Takes from `garbage` what kept blobs lead to.
async fn follow(storage: &Storage, mut kept: Vec<Cid>, garbage: &mut HashSet<Cid>) -> Result<(), BlobError> {
    while let Some(cid) = kept.pop() {
        if cid.codec() != loom_types::Codec::DagCbor || garbage.is_empty() {
            continue;
        }
        match storage.blobs.get(cid).await {
            Ok(bytes) => kept.extend(references::in_blob(cid, &bytes).into_iter().filter(|cid| garbage.remove(cid))),
            // A damaged blob leads nowhere that anybody could follow.
            Err(BlobError::Damaged(_) | BlobError::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
