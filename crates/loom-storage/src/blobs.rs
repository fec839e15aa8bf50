//! The blob port: immutable bytes by CID.

use async_trait::async_trait;
use bytes::Bytes;
use loom_types::Cid;

use crate::BackendError;

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

/// Immutable bytes. Durable when `put` returns, if the store is.
#[async_trait]
pub trait Blobs: Send + Sync {
    /// Stores `bytes` under `cid`, which must name them. Storing them again changes nothing.
    async fn put(&self, cid: Cid, bytes: Bytes) -> Result<(), BlobError>;

    /// The bytes, checked against the digest.
    async fn get(&self, cid: Cid) -> Result<Bytes, BlobError>;

    /// Whether the blob is there.
    async fn has(&self, cid: Cid) -> Result<bool, BlobError>;
}
