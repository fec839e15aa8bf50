//! The ports, put together.

use std::{
    fs,
    num::NonZeroUsize,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use futures::future::BoxFuture;
use loom_storage::{
    ActiveDeployment, ActorRecord, ActorSummary, Arrival, BackendError, Capabilities, Catalog, Commit, CommitError,
    DeadLetter, DueTimer, EnqueueError, Enqueued, Journal, Lane, Mailbox, MessageStatus, NewMessage, Position,
    PromiseRecord, ResolveError, Storage, StoreError, Timers,
};
use loom_types::{ActorAddress, FencingToken, MessageId, Namespace, Payload, Resolution, Segment, SequenceNumber};
use lru::LruCache;
use tokio::sync::oneshot;

use crate::{
    FileBlobs, OpenError, Settings,
    error::{WriterError, backend},
    lock::FolderLock,
    reader::Readers,
    schema,
    writer::{Operation, Writer},
};

/// Most actors whose grant is remembered. A holder that is forgotten has to acquire again.
const GRANTS_MAX: NonZeroUsize = NonZeroUsize::new(1 << 18).expect("not zero");

/// Opens a data folder, alone. Everything is flushed and closed when the last port is dropped.
pub fn open(settings: &Settings) -> Result<Storage, OpenError> {
    let io = |path: PathBuf| move |source| OpenError::Io { path, source };
    fs::create_dir_all(&settings.folder).map_err(io(settings.folder.clone()))?;
    let lock = FolderLock::acquire(&settings.folder)?;
    let path = settings.folder.join("loom.db");
    let (connection, epoch) = schema::open_writer(&path, settings)?;
    let grants =
        Arc::new(Grants { epoch, state: Mutex::new(GrantState { counter: 0, current: LruCache::new(GRANTS_MAX) }) });
    let writer = Writer::spawn(connection, settings.group_commit_max, grants.clone(), lock)
        .map_err(io(settings.folder.clone()))?;
    let blobs = FileBlobs::open(settings.folder.join("blobs"))?;
    let store = Arc::new(SqliteStore { readers: Readers::new(path), writer, grants });
    Ok(Storage {
        journal: store.clone(),
        mailbox: store.clone(),
        timers: store.clone(),
        catalog: store,
        blobs: Arc::new(blobs),
    })
}

/// Who may append. The epoch is durable and grows with every opening, so tokens of a lost process are stale;
/// within a process the newest grant counts, and a forgotten one counts as stale.
pub(crate) struct Grants {
    epoch: u64,
    state: Mutex<GrantState>,
}

struct GrantState {
    counter: u64,
    current: LruCache<ActorAddress, FencingToken>,
}

impl Grants {
    fn grant(&self, actor: &ActorAddress) -> FencingToken {
        let mut state = self.state.lock().expect("nothing panics under this lock");
        state.counter += 1;
        let token = FencingToken((self.epoch << 40) | state.counter);
        state.current.put(actor.clone(), token);
        token
    }

    pub(crate) fn check(&self, actor: &ActorAddress, held: FencingToken) -> Result<(), CommitError> {
        let mut state = self.state.lock().expect("nothing panics under this lock");
        match state.current.get(actor) {
            Some(current) if *current == held => Ok(()),
            Some(current) => Err(CommitError::Fenced { held, current: *current }),
            None => Err(CommitError::Fenced { held, current: FencingToken((self.epoch << 40) | state.counter) }),
        }
    }
}

struct SqliteStore {
    readers: Readers,
    writer: Writer,
    grants: Arc<Grants>,
}

impl SqliteStore {
    async fn write<T>(&self, operation: impl FnOnce(oneshot::Sender<T>) -> Operation) -> Result<T, BackendError> {
        let (done, result) = oneshot::channel();
        self.writer.submit(operation(done)).map_err(backend)?;
        result.await.map_err(|_| backend(WriterError::Gone))
    }
}

#[async_trait]
impl Journal for SqliteStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities { durable: true }
    }

    async fn acquire(&self, actor: &ActorAddress) -> Result<FencingToken, StoreError> {
        Ok(self.grants.grant(actor))
    }

    async fn load(&self, actor: &ActorAddress) -> Result<Option<ActorRecord>, StoreError> {
        self.readers.read(|reader| reader.load(actor))
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'static, Result<(), CommitError>> {
        assert!(commit.expected_seq.0 > 0 || !commit.segment.entries.is_empty(), "books are kept of existing journals");
        let (done, result) = oneshot::channel();
        if let Err(error) = self.writer.submit(Operation::Commit(Box::new(commit), done)) {
            return Box::pin(std::future::ready(Err(CommitError::Unavailable(backend(error)))));
        }
        Box::pin(async move { result.await.unwrap_or_else(|_| Err(CommitError::Unknown(backend(WriterError::Gone)))) })
    }

    async fn read(&self, actor: &ActorAddress, from: SequenceNumber) -> Result<Vec<Segment>, StoreError> {
        self.readers.read(|reader| reader.segments(actor, from))
    }
}

#[async_trait]
impl Mailbox for SqliteStore {
    async fn enqueue(&self, actor: &ActorAddress, message: NewMessage) -> Result<Enqueued, EnqueueError> {
        let result = self.write(|done| Operation::Enqueue(actor.clone(), message, done)).await;
        result.map_err(|error| EnqueueError::Store(StoreError::Unavailable(error)))?
    }

    async fn arrivals(
        &self,
        actor: &ActorAddress,
        lane: Lane,
        after: Position,
        limit: usize,
    ) -> Result<Vec<Arrival>, StoreError> {
        self.readers.read(|reader| reader.arrivals(actor, lane, after, limit))
    }

    async fn status(&self, actor: &ActorAddress, id: &MessageId) -> Result<Option<MessageStatus>, StoreError> {
        self.readers.read(|reader| reader.status(actor, id))
    }

    async fn resolve(&self, token: &str, result: Resolution, payload: Payload) -> Result<ActorAddress, ResolveError> {
        let token = token.to_owned();
        let resolved = self.write(|done| Operation::Resolve { token, result, payload, done }).await;
        resolved.map_err(ResolveError::Unavailable)?
    }

    async fn ready(&self, after: Option<&ActorAddress>, limit: usize) -> Result<Vec<ActorAddress>, StoreError> {
        self.readers.read(|reader| reader.ready(after, limit))
    }
}

#[async_trait]
impl Timers for SqliteStore {
    async fn due(&self, now_ms: u64, limit: usize) -> Result<Vec<DueTimer>, StoreError> {
        self.readers.read(|reader| reader.due(now_ms, limit))
    }

    async fn release(&self, now_ms: u64, limit: usize) -> Result<Vec<ActorAddress>, StoreError> {
        // Most often nothing is due; looking first keeps the writer out of it.
        if !self.readers.read(|reader| reader.has_delayed(now_ms))? {
            return Ok(Vec::new());
        }
        self.write(|done| Operation::Release { now_ms, limit, done }).await.map_err(StoreError::Unavailable)?
    }

    async fn next_due(&self, now_ms: u64) -> Result<Option<u64>, StoreError> {
        self.readers.read(|reader| reader.next_due(now_ms))
    }
}

#[async_trait]
impl Catalog for SqliteStore {
    async fn activate(&self, deployment: ActiveDeployment) -> Result<(), StoreError> {
        self.write(|done| Operation::Activate(deployment, done)).await.map_err(StoreError::Unavailable)?
    }

    async fn active(&self) -> Result<Vec<ActiveDeployment>, StoreError> {
        self.readers.read(|reader| reader.deployments())
    }

    async fn actors(
        &self,
        namespace: &Namespace,
        actor_type: Option<&str>,
        after: Option<&ActorAddress>,
        limit: usize,
    ) -> Result<Vec<ActorSummary>, StoreError> {
        self.readers.read(|reader| reader.actors(namespace, actor_type, after, limit))
    }

    async fn promises(
        &self,
        namespace: &Namespace,
        actor: Option<&ActorAddress>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<PromiseRecord>, StoreError> {
        self.readers.read(|reader| reader.promises(namespace, actor, after, limit))
    }

    async fn dead_letters(
        &self,
        namespace: &Namespace,
        actor: Option<&ActorAddress>,
        after: u64,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        self.readers.read(|reader| reader.dead_letters(namespace, actor, after, limit))
    }

    async fn forget_dead_letter(&self, namespace: &Namespace, id: u64) -> Result<bool, StoreError> {
        let namespace = namespace.clone();
        let forgotten = self.write(|done| Operation::ForgetDeadLetter { namespace, id, done }).await;
        forgotten.map_err(StoreError::Unavailable)?
    }
}
