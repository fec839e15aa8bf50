//! The ports of one incarnation: each operation of the reference store, taken the long way.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use loom_storage::{
    ActiveDeployment, ActorRecord, ActorSummary, Arrival, BlobError, BlobRecord, Blobs, Capabilities, Catalog,
    CheckpointRecord, Collection, Commit, CommitError, DeadLetter, DueTimer, EnqueueError, Enqueued, Holds, Journal,
    Lane, LeafRecord, Log, Mailbox, MessageStatus, NewMessage, Position, PromiseRecord, ResolveError, StoreError,
    TileRecord, Timers,
};
use loom_types::{ActorAddress, Cid, FencingToken, MessageId, Namespace, Payload, Resolution, Segment, SequenceNumber};

use super::{FaultyStore, Sabotage};
use crate::prover::RECEIPT;

/// The journal port, which needs the store itself to line commits up.
pub(super) struct JournalPort(pub(super) Arc<FaultyStore>);

#[async_trait]
impl Journal for JournalPort {
    fn capabilities(&self) -> Capabilities {
        Capabilities { durable: true }
    }

    async fn acquire(&self, actor: &ActorAddress) -> Result<FencingToken, StoreError> {
        let journal = &self.0.disk.durable.journal;
        self.0.through("acquire", journal.acquire(actor)).await.map_err(StoreError::Unavailable)?
    }

    async fn load(&self, actor: &ActorAddress) -> Result<Option<ActorRecord>, StoreError> {
        let journal = &self.0.disk.durable.journal;
        self.0.through("load", journal.load(actor)).await.map_err(StoreError::Unavailable)?
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'static, Result<(), CommitError>> {
        self.0.hand_in(commit)
    }

    async fn read(&self, actor: &ActorAddress, from: SequenceNumber) -> Result<Vec<Segment>, StoreError> {
        let journal = &self.0.disk.durable.journal;
        self.0.through("read", journal.read(actor, from)).await.map_err(StoreError::Unavailable)?
    }
}

#[async_trait]
impl Mailbox for FaultyStore {
    async fn enqueue(
        &self,
        actor: &ActorAddress,
        message: NewMessage,
        depth_max: u64,
    ) -> Result<Enqueued, EnqueueError> {
        let enqueued = self.through("enqueue", self.disk.durable.mailbox.enqueue(actor, message, depth_max)).await;
        enqueued.map_err(|error| EnqueueError::Store(StoreError::Unavailable(error)))?
    }

    async fn arrivals(
        &self,
        actor: &ActorAddress,
        lane: Lane,
        after: Position,
        limit: usize,
    ) -> Result<Vec<Arrival>, StoreError> {
        let arrivals = self.disk.durable.mailbox.arrivals(actor, lane, after, limit);
        self.through("arrivals", arrivals).await.map_err(StoreError::Unavailable)?
    }

    async fn status(&self, actor: &ActorAddress, id: &MessageId) -> Result<Option<MessageStatus>, StoreError> {
        let status = self.disk.durable.mailbox.status(actor, id);
        self.through("status", status).await.map_err(StoreError::Unavailable)?
    }

    async fn resolve(&self, token: &str, result: Resolution, payload: Payload) -> Result<ActorAddress, ResolveError> {
        let resolved = self.disk.durable.mailbox.resolve(token, result, payload);
        self.through("resolve", resolved).await.map_err(ResolveError::Unavailable)?
    }

    async fn ready(&self, after: Option<&ActorAddress>, limit: usize) -> Result<Vec<ActorAddress>, StoreError> {
        let ready = self.disk.durable.mailbox.ready(after, limit);
        self.through("ready", ready).await.map_err(StoreError::Unavailable)?
    }
}

#[async_trait]
impl Timers for FaultyStore {
    async fn due(&self, now_ms: u64, limit: usize) -> Result<Vec<DueTimer>, StoreError> {
        self.through("due", self.disk.durable.timers.due(now_ms, limit)).await.map_err(StoreError::Unavailable)?
    }

    async fn release(&self, now_ms: u64, limit: usize) -> Result<Vec<ActorAddress>, StoreError> {
        let released = self.disk.durable.timers.release(now_ms, limit);
        self.through("release", released).await.map_err(StoreError::Unavailable)?
    }

    async fn next_due(&self, now_ms: u64) -> Result<Option<u64>, StoreError> {
        self.through("next_due", self.disk.durable.timers.next_due(now_ms)).await.map_err(StoreError::Unavailable)?
    }
}

#[async_trait]
impl Catalog for FaultyStore {
    async fn activate(&self, deployment: ActiveDeployment) -> Result<(), StoreError> {
        let activated = self.disk.durable.catalog.activate(deployment);
        self.through("activate", activated).await.map_err(StoreError::Unavailable)?
    }

    async fn active(&self) -> Result<Vec<ActiveDeployment>, StoreError> {
        self.through("active", self.disk.durable.catalog.active()).await.map_err(StoreError::Unavailable)?
    }

    async fn history(
        &self,
        namespace: &Namespace,
        name: &str,
        limit: usize,
    ) -> Result<Vec<ActiveDeployment>, StoreError> {
        let history = self.disk.durable.catalog.history(namespace, name, limit);
        self.through("history", history).await.map_err(StoreError::Unavailable)?
    }

    async fn actors(
        &self,
        namespace: &Namespace,
        actor_type: Option<&str>,
        after: Option<&ActorAddress>,
        limit: usize,
    ) -> Result<Vec<ActorSummary>, StoreError> {
        let actors = self.disk.durable.catalog.actors(namespace, actor_type, after, limit);
        self.through("actors", actors).await.map_err(StoreError::Unavailable)?
    }

    async fn promises(
        &self,
        namespace: &Namespace,
        actor: Option<&ActorAddress>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<PromiseRecord>, StoreError> {
        let promises = self.disk.durable.catalog.promises(namespace, actor, after, limit);
        self.through("promises", promises).await.map_err(StoreError::Unavailable)?
    }

    async fn dead_letters(
        &self,
        namespace: &Namespace,
        actor: Option<&ActorAddress>,
        after: u64,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let letters = self.disk.durable.catalog.dead_letters(namespace, actor, after, limit);
        self.through("dead_letters", letters).await.map_err(StoreError::Unavailable)?
    }

    async fn forget_dead_letter(&self, namespace: &Namespace, id: u64) -> Result<bool, StoreError> {
        let forgotten = self.disk.durable.catalog.forget_dead_letter(namespace, id);
        self.through("forget_dead_letter", forgotten).await.map_err(StoreError::Unavailable)?
    }
}

#[async_trait]
impl Blobs for FaultyStore {
    async fn put(&self, cid: Cid, bytes: Bytes) -> Result<(), BlobError> {
        if bytes.starts_with(RECEIPT) && self.sabotages(Sabotage::LosesReceipts) {
            return Ok(());
        }
        self.through("blob put", self.disk.durable.blobs.put(cid, bytes)).await.map_err(BlobError::Unavailable)?
    }

    async fn get(&self, cid: Cid) -> Result<Bytes, BlobError> {
        self.through("blob get", self.disk.durable.blobs.get(cid)).await.map_err(BlobError::Unavailable)?
    }

    async fn has(&self, cid: Cid) -> Result<bool, BlobError> {
        self.through("blob has", self.disk.durable.blobs.has(cid)).await.map_err(BlobError::Unavailable)?
    }

    fn holds(&self) -> &Holds {
        self.disk.durable.blobs.holds()
    }

    async fn list(&self, after: Option<Cid>, limit: usize) -> Result<Vec<BlobRecord>, BlobError> {
        self.through("blob list", self.disk.durable.blobs.list(after, limit)).await.map_err(BlobError::Unavailable)?
    }

    async fn remove(&self, cid: Cid, collection: &Collection) -> Result<bool, BlobError> {
        let removed = self.disk.durable.blobs.remove(cid, collection);
        self.through("blob remove", removed).await.map_err(BlobError::Unavailable)?
    }
}

#[async_trait]
impl Log for FaultyStore {
    async fn size(&self) -> Result<u64, StoreError> {
        self.through("log size", self.disk.durable.log.size()).await.map_err(StoreError::Unavailable)?
    }

    async fn leaves(&self, from: u64, limit: usize) -> Result<Vec<LeafRecord>, StoreError> {
        self.through("leaves", self.disk.durable.log.leaves(from, limit)).await.map_err(StoreError::Unavailable)?
    }

    async fn leaf_of(&self, actor: &ActorAddress, seq: SequenceNumber) -> Result<Option<LeafRecord>, StoreError> {
        let found = self.disk.durable.log.leaf_of(actor, seq);
        self.through("leaf_of", found).await.map_err(StoreError::Unavailable)?
    }

    async fn tile(&self, level: u8, index: u64) -> Result<Option<Cid>, StoreError> {
        self.through("tile", self.disk.durable.log.tile(level, index)).await.map_err(StoreError::Unavailable)?
    }

    async fn checkpoint(&self) -> Result<Option<CheckpointRecord>, StoreError> {
        self.through("checkpoint", self.disk.durable.log.checkpoint()).await.map_err(StoreError::Unavailable)?
    }

    async fn seal(&self, checkpoint: CheckpointRecord, tiles: Vec<TileRecord>) -> Result<(), StoreError> {
        let sealed = self.disk.durable.log.seal(checkpoint, tiles);
        self.through("seal", sealed).await.map_err(StoreError::Unavailable)?
    }

    async fn witnessed(&self) -> Result<Option<CheckpointRecord>, StoreError> {
        self.through("witnessed", self.disk.durable.log.witnessed()).await.map_err(StoreError::Unavailable)?
    }

    async fn keep_witnessed(&self, checkpoint: CheckpointRecord) -> Result<(), StoreError> {
        let kept = self.disk.durable.log.keep_witnessed(checkpoint);
        self.through("keep_witnessed", kept).await.map_err(StoreError::Unavailable)?
    }
}
