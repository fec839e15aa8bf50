//! Blobs in memory. Their age is unknown.

use std::ops::Bound;

use async_trait::async_trait;
use bytes::Bytes;
use loom_types::{Cid, limits::BLOB_BYTES_MAX};

use super::MemoryStore;
use crate::{BlobError, BlobRecord, Blobs, Collection, Holds};

#[async_trait]
impl Blobs for MemoryStore {
    async fn put(&self, cid: Cid, bytes: Bytes) -> Result<(), BlobError> {
        if bytes.len() > BLOB_BYTES_MAX {
            return Err(BlobError::TooLarge { bytes: bytes.len(), limit: BLOB_BYTES_MAX });
        }
        if !cid.names(&bytes) {
            return Err(BlobError::Damaged(cid));
        }
        let _hold = self.holds.hold(cid);
        self.lock().blobs.insert(cid, bytes);
        Ok(())
    }

    async fn get(&self, cid: Cid) -> Result<Bytes, BlobError> {
        self.lock().blobs.get(&cid).cloned().ok_or(BlobError::NotFound(cid))
    }

    async fn has(&self, cid: Cid) -> Result<bool, BlobError> {
        Ok(self.lock().blobs.contains_key(&cid))
    }

    fn holds(&self) -> &Holds {
        &self.holds
    }

    async fn list(&self, after: Option<Cid>, limit: usize) -> Result<Vec<BlobRecord>, BlobError> {
        let state = self.lock();
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let records = state.blobs.range((start, Bound::Unbounded)).map(|(cid, bytes)| BlobRecord {
            cid: *cid,
            bytes: bytes.len() as u64,
            put_ms: None,
        });
        Ok(records.take(limit).collect())
    }

    async fn remove(&self, cid: Cid, collection: &Collection) -> Result<bool, BlobError> {
        Ok(collection.unless_kept(cid, || drop(self.lock().blobs.remove(&cid))).is_some())
    }
}
