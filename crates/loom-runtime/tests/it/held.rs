//! A blob store that answers when a test says so.

use std::{collections::HashSet, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use loom_storage::{BlobError, BlobRecord, Blobs, Collection, Holds, Storage};
use loom_types::Cid;
use tokio::sync::{mpsc, oneshot};

use crate::node::PATIENCE;

/// A read or a write of a held blob. Dropping it lets the store answer.
pub(crate) struct Asked {
    pub(crate) cid: Cid,
    _until: oneshot::Sender<()>,
}

/// What the store was asked, in order.
pub(crate) struct Questions(mpsc::UnboundedReceiver<Asked>);

impl Questions {
    pub(crate) async fn next(&mut self) -> Asked {
        tokio::time::timeout(PATIENCE, self.0.recv()).await.expect("somebody asks").expect("the store is there")
    }

    /// Whether nothing was asked that the test has not seen.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The same store, whose answers about some blobs are held back.
pub(crate) fn held(storage: Storage, names: impl IntoIterator<Item = Cid>) -> (Storage, Questions) {
    let (asked, questions) = mpsc::unbounded_channel();
    let blobs = Arc::new(Held { blobs: storage.blobs, names: names.into_iter().collect(), asked });
    (Storage { blobs, ..storage }, Questions(questions))
}

struct Held {
    blobs: Arc<dyn Blobs>,
    names: HashSet<Cid>,
    asked: mpsc::UnboundedSender<Asked>,
}

impl Held {
    async fn hold(&self, cid: Cid) {
        if self.names.contains(&cid) {
            let (_until, answer) = oneshot::channel();
            // Without a test to decide, it answers at once.
            let _ = self.asked.send(Asked { cid, _until });
            let _ = answer.await;
        }
    }
}

#[async_trait]
impl Blobs for Held {
    async fn put(&self, cid: Cid, bytes: Bytes) -> Result<(), BlobError> {
        self.hold(cid).await;
        self.blobs.put(cid, bytes).await
    }

    async fn get(&self, cid: Cid) -> Result<Bytes, BlobError> {
        self.hold(cid).await;
        self.blobs.get(cid).await
    }

    async fn has(&self, cid: Cid) -> Result<bool, BlobError> {
        self.blobs.has(cid).await
    }

    fn holds(&self) -> &Holds {
        self.blobs.holds()
    }

    async fn list(&self, after: Option<Cid>, limit: usize) -> Result<Vec<BlobRecord>, BlobError> {
        self.blobs.list(after, limit).await
    }

    async fn remove(&self, cid: Cid, collection: &Collection) -> Result<bool, BlobError> {
        self.blobs.remove(cid, collection).await
    }
}
