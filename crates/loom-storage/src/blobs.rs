//! The blob port: immutable bytes by CID.

use async_trait::async_trait;
use bytes::Bytes;
use loom_types::Cid;

use crate::{BackendError, Collection, Holds};

/// Why a blob could not be read or written.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BlobError {
    /// It is not there.
    #[error("no blob {0}")]
    NotFound(Cid),
    /// The stored bytes are not the ones the CID names.
    #[error("the stored bytes of blob {0} do not match its digest")]
    Damaged(Cid),
    /// Larger than any blob may be.
    #[error("a blob has {bytes} bytes, at most {limit} are kept")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The store failed.
    #[error("the blob store is unavailable")]
    Unavailable(#[source] BackendError),
}

/// A blob in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobRecord {
    /// Its name.
    pub cid: Cid,
    /// Its size.
    pub bytes: u64,
    /// When it was last put, in milliseconds since the Unix epoch, where the store knows.
    pub put_ms: Option<u64>,
}

/// Immutable bytes. Durable when `put` returns, if the store is.
#[async_trait]
pub trait Blobs: Send + Sync {
    /// Stores `bytes` under `cid`, which must name them. Storing them again changes nothing but the time it was
    /// put. Holds the name meanwhile; whoever commits the name afterwards holds it longer (see [`Holds`]).
    async fn put(&self, cid: Cid, bytes: Bytes) -> Result<(), BlobError>;

    /// The bytes, checked against the digest.
    async fn get(&self, cid: Cid) -> Result<Bytes, BlobError>;

    /// Whether the blob is there.
    async fn has(&self, cid: Cid) -> Result<bool, BlobError>;

    /// What must not be removed now.
    fn holds(&self) -> &Holds;

    /// Blobs in an order of the store's own after `after`, at most `limit`. One that is put meanwhile may be left out.
    async fn list(&self, after: Option<Cid>, limit: usize) -> Result<Vec<BlobRecord>, BlobError>;

    /// Removes a blob, unless the collection keeps it; says whether it is gone. See
    /// [`Collection::unless_kept`](crate::Collection::unless_kept).
    async fn remove(&self, cid: Cid, collection: &Collection) -> Result<bool, BlobError>;
}
