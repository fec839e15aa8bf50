//! The ports that carry payloads, around another store's.

use std::sync::Arc;

use async_trait::async_trait;
use futures::future::BoxFuture;
use loom_types::{ActorAddress, FencingToken, MessageId, Namespace, Payload, Resolution, Segment, SequenceNumber};

use super::{Order, Spill, whole, whole_parcel, whole_segments};
use crate::{
    ActiveDeployment, ActorRecord, ActorSummary, Arrival, Blobs, Capabilities, Catalog, Commit, CommitError,
    DeadLetter, EnqueueError, Enqueued, Journal, Lane, Mailbox, MessageStatus, NewMessage, Position, PromiseRecord,
    ResolveError, StoreError, StoreFigures,
};

/// A store whose large payloads are blobs.
pub(super) struct Spilling {
    pub(super) journal: Arc<dyn Journal>,
    pub(super) mailbox: Arc<dyn Mailbox>,
    pub(super) catalog: Arc<dyn Catalog>,
    pub(super) blobs: Arc<dyn Blobs>,
    pub(super) order: Order,
}

#[async_trait]
impl Journal for Spilling {
    fn capabilities(&self) -> Capabilities {
        self.journal.capabilities()
    }

    fn figures(&self) -> Option<StoreFigures> {
        self.journal.figures()
    }

    async fn acquire(&self, actor: &ActorAddress) -> Result<FencingToken, StoreError> {
        self.journal.acquire(actor).await
    }

    async fn load(&self, actor: &ActorAddress) -> Result<Option<ActorRecord>, StoreError> {
        let Some(mut record) = self.journal.load(actor).await? else { return Ok(None) };
        if let Some(state) = record.state.take() {
            record.state = Some(whole(&*self.blobs, state, actor).await?);
        }
        Ok(Some(record))
    }

    /// A commit that spills goes on only while its future is polled, and those of the same actor after it wait.
    fn commit(&self, mut commit: Commit) -> BoxFuture<'static, Result<(), CommitError>> {
        let mut spill = Spill::default();
        spill.take_all(&mut commit);
        let Some(mut place) = self.order.enter(&commit.actor, !spill.blocks.is_empty()) else {
            return self.journal.commit(commit);
        };
        let (journal, blobs) = (self.journal.clone(), self.blobs.clone());
        Box::pin(async move {
            let written = spill.write(&*blobs).await;
            place.reached().await;
            // Held until the commit has returned.
            let _holds = written.map_err(CommitError::Unavailable)?;
            let committed = journal.commit(commit);
            drop(place);
            committed.await
        })
    }

    async fn read(&self, actor: &ActorAddress, from: SequenceNumber) -> Result<Vec<Segment>, StoreError> {
        let segments = self.journal.read(actor, from).await?;
        whole_segments(&*self.blobs, segments, actor).await
    }
}

#[async_trait]
impl Mailbox for Spilling {
    async fn enqueue(
        &self,
        actor: &ActorAddress,
        mut message: NewMessage,
        depth_max: u64,
    ) -> Result<Enqueued, EnqueueError> {
        let mut spill = Spill::default();
        spill.take(&mut message.payload);
        let written = spill.write(&*self.blobs).await;
        let _holds = written.map_err(|error| EnqueueError::Store(StoreError::Unavailable(error)))?;
        self.mailbox.enqueue(actor, message, depth_max).await
    }

    async fn arrivals(
        &self,
        actor: &ActorAddress,
        lane: Lane,
        after: Position,
        limit: usize,
    ) -> Result<Vec<Arrival>, StoreError> {
        let mut arrivals = self.mailbox.arrivals(actor, lane, after, limit).await?;
        for arrival in &mut arrivals {
            arrival.parcel = whole_parcel(&*self.blobs, arrival.parcel.clone(), actor).await?;
        }
        Ok(arrivals)
    }

    async fn status(&self, actor: &ActorAddress, id: &MessageId) -> Result<Option<MessageStatus>, StoreError> {
        self.mailbox.status(actor, id).await
    }

    async fn resolve(
        &self,
        token: &str,
        result: Resolution,
        mut payload: Payload,
    ) -> Result<ActorAddress, ResolveError> {
        let mut spill = Spill::default();
        spill.take(&mut payload);
        let _holds = spill.write(&*self.blobs).await.map_err(ResolveError::Unavailable)?;
        self.mailbox.resolve(token, result, payload).await
    }

    async fn ready(&self, after: Option<&ActorAddress>, limit: usize) -> Result<Vec<ActorAddress>, StoreError> {
        self.mailbox.ready(after, limit).await
    }
}

#[async_trait]
impl Catalog for Spilling {
    async fn activate(&self, deployment: ActiveDeployment) -> Result<(), StoreError> {
        self.catalog.activate(deployment).await
    }

    async fn active(&self) -> Result<Vec<ActiveDeployment>, StoreError> {
        self.catalog.active().await
    }

    async fn probe(&self) -> Result<(), StoreError> {
        self.catalog.probe().await
    }

    async fn history(
        &self,
        namespace: &Namespace,
        name: &str,
        limit: usize,
    ) -> Result<Vec<ActiveDeployment>, StoreError> {
        self.catalog.history(namespace, name, limit).await
    }

    async fn actors(
        &self,
        namespace: &Namespace,
        actor_type: Option<&str>,
        after: Option<&ActorAddress>,
        limit: usize,
    ) -> Result<Vec<ActorSummary>, StoreError> {
        self.catalog.actors(namespace, actor_type, after, limit).await
    }

    async fn promises(
        &self,
        namespace: &Namespace,
        actor: Option<&ActorAddress>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<PromiseRecord>, StoreError> {
        self.catalog.promises(namespace, actor, after, limit).await
    }

    async fn dead_letters(
        &self,
        namespace: &Namespace,
        actor: Option<&ActorAddress>,
        after: u64,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let mut letters = self.catalog.dead_letters(namespace, actor, after, limit).await?;
        for letter in &mut letters {
            letter.payload = whole(&*self.blobs, letter.payload.clone(), &letter.actor).await?;
        }
        Ok(letters)
    }

    async fn forget_dead_letter(&self, namespace: &Namespace, id: u64) -> Result<bool, StoreError> {
        self.catalog.forget_dead_letter(namespace, id).await
    }
}
