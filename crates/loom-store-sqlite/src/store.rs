//! The ports, put together.

use std::{
    collections::HashSet,
    fs,
    num::NonZeroUsize,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use futures::future::BoxFuture;
use loom_storage::{
    ActiveDeployment, ActorRecord, ActorSummary, Arrival, Capabilities, Catalog, CheckpointRecord, Commit, CommitError,
    DeadLetter, DueTimer, EnqueueError, Enqueued, EraseError, Journal, Lane, LeafRecord, Log, Mailbox, MessageStatus,
    NewMessage, Position, PromiseRecord, ResolveError, Storage, StoreError, StoreFigures, TileRecord, Timers, Unerased,
    Upkeep,
};
use loom_types::{ActorAddress, Cid, FencingToken, MessageId, Namespace, Payload, Resolution, Segment, SequenceNumber};
use lru::LruCache;

use crate::{
    FileBlobs, OpenError, Settings,
    error::{GroupError, WriterError, backend},
    lock::FolderLock,
    reader::Readers,
    schema,
    tally::Tally,
    writer::{EraseStep, GroupWriter, Writer},
};

/// Most actors whose grant is remembered. A holder that is forgotten has to acquire again.
const GRANTS_MAX: NonZeroUsize = NonZeroUsize::new(1 << 18).expect("not zero");

/// Opens a data folder, alone. Everything is flushed and closed when the last port is dropped.
pub fn open(settings: &Settings) -> Result<Storage, OpenError> {
    let io = |path: PathBuf| move |source| OpenError::Io { path, source };
    fs::create_dir_all(&settings.folder).map_err(io(settings.folder.clone()))?;
    let lock = FolderLock::acquire(&settings.folder)?;
    let path = settings.folder.join("loom.db");
    let tally_path = settings.folder.join("tally");
    let counted = Tally::read(&tally_path).map_err(io(tally_path.clone()))?;
    let opened = schema::open_writer(&path, settings, counted)?;
    let tally = Tally::open(&tally_path, opened.counted).map_err(io(tally_path.clone()))?;
    let state = GrantState { counter: 0, current: LruCache::new(GRANTS_MAX) };
    let grants = Arc::new(Grants { epoch: opened.epoch, state: Mutex::new(state) });
    let writer = Writer::spawn(opened.connection, settings.group_commit_max, grants.clone(), tally, lock)
        .map_err(io(settings.folder.clone()))?;
    let blobs = FileBlobs::open(settings.folder.join("blobs"))?;
    let store = Arc::new(SqliteStore { readers: Arc::new(Readers::new(path)), writer, grants });
    Ok(Storage {
        journal: store.clone(),
        mailbox: store.clone(),
        timers: store.clone(),
        catalog: store.clone(),
        blobs: Arc::new(blobs),
        upkeep: store.clone(),
        log: store,
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

    /// A commit failed: those of the same writer that are still to come must fail too, even if they would fit.
    pub(crate) fn revoke(&self, actor: &ActorAddress, held: FencingToken) {
        let mut state = self.state.lock().expect("nothing panics under this lock");
        if state.current.peek(actor) == Some(&held) {
            state.current.pop(actor);
        }
    }
}

struct SqliteStore {
    readers: Arc<Readers>,
    writer: Writer,
    grants: Arc<Grants>,
}

impl SqliteStore {
    async fn write<T, E>(
        &self,
        work: impl FnMut(&mut GroupWriter<'_>) -> rusqlite::Result<Result<T, E>> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: Send + for<'e> From<&'e GroupError> + 'static,
    {
        let answer = self.writer.submit(work, None).map_err(|error| E::from(&GroupError::writer(error)))?;
        answer.await.unwrap_or_else(|_| Err(E::from(&GroupError::writer(WriterError::Gone))))
    }
}

#[async_trait]
impl Journal for SqliteStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities { durable: true }
    }

    fn figures(&self) -> Option<StoreFigures> {
        Some(self.writer.figures().read())
    }

    async fn acquire(&self, actor: &ActorAddress) -> Result<FencingToken, StoreError> {
        Ok(self.grants.grant(actor))
    }

    async fn load(&self, actor: &ActorAddress) -> Result<Option<ActorRecord>, StoreError> {
        self.readers.read(format_args!("actor {actor}"), |reader| reader.load(actor))
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'static, Result<(), CommitError>> {
        assert!(commit.is_well_formed(), "the runtime makes no other commits");
        let (grants, actor, token) = (self.grants.clone(), commit.actor.clone(), commit.token);
        let revoke: Box<dyn FnOnce() + Send> = Box::new(move || grants.revoke(&actor, token));
        let (actor, token) = (commit.actor.clone(), commit.token);
        match self.writer.submit(move |group| group.commit(&commit), Some(revoke)) {
            Err(error) => {
                self.grants.revoke(&actor, token);
                Box::pin(std::future::ready(Err(CommitError::Unavailable(backend(error)))))
            }
            Ok(answer) => Box::pin(async move {
                answer.await.unwrap_or_else(|_| Err(CommitError::Unknown(backend(WriterError::Gone))))
            }),
        }
    }

    async fn read(&self, actor: &ActorAddress, from: SequenceNumber) -> Result<Vec<Segment>, StoreError> {
        self.readers.read(format_args!("journal of {actor}"), |reader| reader.segments(actor, from))
    }
}

#[async_trait]
impl Mailbox for SqliteStore {
    async fn enqueue(
        &self,
        actor: &ActorAddress,
        message: NewMessage,
        depth_max: u64,
    ) -> Result<Enqueued, EnqueueError> {
        let actor = actor.clone();
        self.write(move |group| group.enqueue(&actor, &message, depth_max)).await
    }

    async fn arrivals(
        &self,
        actor: &ActorAddress,
        lane: Lane,
        after: Position,
        limit: usize,
    ) -> Result<Vec<Arrival>, StoreError> {
        let what = format_args!("mailbox of {actor}");
        self.readers.read(what, |reader| reader.arrivals(actor, lane, after, limit))
    }

    async fn status(&self, actor: &ActorAddress, id: &MessageId) -> Result<Option<MessageStatus>, StoreError> {
        self.readers.read(format_args!("messages of {actor}"), |reader| reader.status(actor, id))
    }

    async fn resolve(&self, token: &str, result: Resolution, payload: Payload) -> Result<ActorAddress, ResolveError> {
        let token = token.to_owned();
        self.write(move |group| group.resolve(&token, &result, &payload)).await
    }

    async fn ready(&self, after: Option<&ActorAddress>, limit: usize) -> Result<Vec<ActorAddress>, StoreError> {
        self.readers.read("actors with work", |reader| reader.ready(after, limit))
    }
}

#[async_trait]
impl Timers for SqliteStore {
    async fn due(&self, now_ms: u64, limit: usize) -> Result<Vec<DueTimer>, StoreError> {
        self.readers.read("timers", |reader| reader.due(now_ms, limit))
    }

    async fn release(&self, now_ms: u64, limit: usize) -> Result<Vec<ActorAddress>, StoreError> {
        // Most often nothing is due; looking first keeps the writer out of it.
        if !self.readers.read("delayed messages", |reader| reader.has_delayed(now_ms))? {
            return Ok(Vec::new());
        }
        self.write(move |group| group.release(now_ms, limit)).await
    }

    async fn next_due(&self, now_ms: u64) -> Result<Option<u64>, StoreError> {
        self.readers.read("timers", |reader| reader.next_due(now_ms))
    }
}

#[async_trait]
impl Catalog for SqliteStore {
    async fn activate(&self, deployment: ActiveDeployment) -> Result<(), StoreError> {
        self.write(move |group| group.activate(&deployment)).await
    }

    async fn active(&self) -> Result<Vec<ActiveDeployment>, StoreError> {
        self.readers.read("deployments", |reader| reader.deployments())
    }

    async fn probe(&self) -> Result<(), StoreError> {
        // Nothing but what every transaction writes: its number.
        self.write(|_| Ok(Ok(()))).await
    }

    async fn history(
        &self,
        namespace: &Namespace,
        name: &str,
        limit: usize,
    ) -> Result<Vec<ActiveDeployment>, StoreError> {
        self.readers.read("deployments", |reader| reader.history(namespace, name, limit))
    }

    async fn actors(
        &self,
        namespace: &Namespace,
        actor_type: Option<&str>,
        after: Option<&ActorAddress>,
        limit: usize,
    ) -> Result<Vec<ActorSummary>, StoreError> {
        self.readers.read("the list of actors", |reader| reader.actors(namespace, actor_type, after, limit))
    }

    async fn promises(
        &self,
        namespace: &Namespace,
        actor: Option<&ActorAddress>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<PromiseRecord>, StoreError> {
        let what = actor.map_or_else(|| "promises".to_owned(), |actor| format!("promises of {actor}"));
        self.readers.read(what, |reader| reader.promises(namespace, actor, after, limit))
    }

    async fn dead_letters(
        &self,
        namespace: &Namespace,
        actor: Option<&ActorAddress>,
        after: u64,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        self.readers.read("dead letters", |reader| reader.dead_letters(namespace, actor, after, limit))
    }

    async fn forget_dead_letter(&self, namespace: &Namespace, id: u64) -> Result<bool, StoreError> {
        let namespace = namespace.clone();
        self.write(move |group| group.forget_dead_letter(&namespace, id)).await
    }
}

#[async_trait]
impl Upkeep for SqliteStore {
    async fn erase(&self, actor: &ActorAddress, before: SequenceNumber) -> Result<u64, EraseError> {
        let mut step = EraseStep::default();
        loop {
            let actor = actor.clone();
            step = self.write(move |group| group.erase(&actor, before, step)).await?;
            if step.next.is_none() {
                return Ok(step.erased);
            }
        }
    }

    async fn unerased(&self, after: Option<&ActorAddress>, limit: usize) -> Result<Vec<Unerased>, StoreError> {
        self.readers.read("the list of actors", |reader| reader.unerased(after, limit))
    }

    async fn forget(&self, ended_before_ms: u64, limit: usize) -> Result<usize, StoreError> {
        self.write(move |group| group.forget(ended_before_ms, limit)).await
    }

    async fn unreferenced(&self, names: HashSet<Cid>) -> Result<HashSet<Cid>, StoreError> {
        let readers = self.readers.clone();
        // It reads every table to its end.
        let read = move || readers.read("what rows lead to", |reader| reader.unreferenced(names));
        let joined = tokio::task::spawn_blocking(read).await;
        joined.map_err(|error| StoreError::Unavailable(backend(error)))?
    }
}

#[async_trait]
impl Log for SqliteStore {
    async fn size(&self) -> Result<u64, StoreError> {
        self.readers.read("the log's size", |reader| reader.log_size())
    }

    async fn leaves(&self, from: u64, limit: usize) -> Result<Vec<LeafRecord>, StoreError> {
        self.readers.read(format_args!("leaves of the log from {from} on"), |reader| reader.leaves(from, limit))
    }

    async fn leaf_of(&self, actor: &ActorAddress, seq: SequenceNumber) -> Result<Option<LeafRecord>, StoreError> {
        let what = format_args!("the log's leaf of {actor} at entry {seq}");
        self.readers.read(what, |reader| reader.leaf_of(actor, seq))
    }

    async fn tile(&self, level: u8, index: u64) -> Result<Option<Cid>, StoreError> {
        self.readers.read(format_args!("tile {level}/{index} of the log"), |reader| reader.tile(level, index))
    }

    async fn checkpoint(&self) -> Result<Option<CheckpointRecord>, StoreError> {
        self.readers.read("the log's checkpoint", |reader| reader.checkpoint())
    }

    async fn seal(&self, checkpoint: CheckpointRecord, tiles: Vec<TileRecord>) -> Result<(), StoreError> {
        self.write(move |group| group.seal(&checkpoint, &tiles)).await
    }

    async fn witnessed(&self) -> Result<Option<CheckpointRecord>, StoreError> {
        self.readers.read("the log's witnessed checkpoint", |reader| reader.witnessed())
    }

    async fn keep_witnessed(&self, checkpoint: CheckpointRecord) -> Result<(), StoreError> {
        self.write(move |group| group.keep_witnessed(&checkpoint)).await
    }
}
