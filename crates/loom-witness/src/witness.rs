//! The witness itself: from a request to a cosignature, or to the reason why there is none.

use std::{
    collections::BTreeMap,
    fs,
    sync::{Arc, Mutex, PoisonError},
};

use futures::future::try_join_all;
use loom_evidence::{Checkpoint, Leaf, PublicKey, SignedCheckpoint, SigningKey, TILE_HASHES, is_consistent};
use tokio::sync::Semaphore;

use crate::{
    Clock, HttpLeaves, Leaves, LogStatus, OpenError, Reason, Refusal, Request, Settings, StoreError, key,
    leaves::split,
    limits::{LEAVES_PER_REQUEST_MAX, PAGE_BUNDLES, REQUESTS_PER_LOG_MAX},
    lock::FolderLock,
    protocol::FailedError,
    store::{Advance, Advanced, Evidence, FILE, State, Store},
};

/// A witness. Cheap to clone.
#[derive(Clone)]
pub struct Witness {
    inner: Arc<Inner>,
}

struct Inner {
    key: SigningKey,
    logs: BTreeMap<String, Log>,
    store: Arc<Mutex<Store>>,
    clock: Arc<dyn Clock>,
    _lock: FolderLock,
}

/// A log that is watched.
struct Log {
    id: i64,
    origin: String,
    keys: Vec<PublicKey>,
    leaves: Option<Arc<dyn Leaves>>,
    /// Who may wait for their turn.
    queue: Semaphore,
    /// One request at a time: reading leaves takes long, and two readings would only disturb each other.
    turn: tokio::sync::Mutex<()>,
}

impl Witness {
    /// Opens a witness. The first time, its folder, its memory and its key are made.
    pub fn open(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let watched = settings.watched()?;
        let http = |origin: &str| {
            let source = watched.get(origin).and_then(|log| log.source.clone()).expect("asked for logs with a url");
            Arc::new(HttpLeaves::new(source.url, source.token)) as Arc<dyn Leaves>
        };
        Self::open_reading(settings, clock, http)
    }

    /// As [`Witness::open`], with leaves from elsewhere: `leaves` is asked for each log that has a url.
    pub fn open_reading(
        settings: &Settings,
        clock: Arc<dyn Clock>,
        leaves: impl Fn(&str) -> Arc<dyn Leaves>,
    ) -> Result<Self, OpenError> {
        let watched = settings.watched()?;
        let folder = &settings.data;
        fs::create_dir_all(folder).map_err(|source| OpenError::Io { path: folder.clone(), source })?;
        let lock = FolderLock::acquire(folder)?;
        let known_key = key::read(folder)?;
        if known_key.is_some() && !folder.join(FILE).exists() {
            return Err(OpenError::StateLost { folder: folder.clone() });
        }
        let mut store = Store::open(folder)?;
        let key = match known_key {
            Some(key) => key,
            None => key::generate(folder, settings.name.as_deref())?,
        };
        if let Some(wanted) = settings.name.as_ref().filter(|name| *name != key.name()) {
            return Err(OpenError::OtherName { found: key.name().to_owned(), wanted: wanted.clone() });
        }
        let names: Vec<(&str, bool)> =
            watched.iter().map(|(name, log)| (name.as_str(), log.source.is_some())).collect();
        let ids = store.watch(&names)?;
        let mut logs = BTreeMap::new();
        for ((origin, log), id) in watched.into_iter().zip(ids) {
            let leaves = log.source.map(|_| leaves(&origin));
            let (queue, turn) = (Semaphore::new(REQUESTS_PER_LOG_MAX), tokio::sync::Mutex::default());
            logs.insert(origin.clone(), Log { id, origin, keys: log.keys, leaves, queue, turn });
        }
        let store = Arc::new(Mutex::new(store));
        Ok(Self { inner: Arc::new(Inner { key, logs, store, clock, _lock: lock }) })
    }

    /// What its cosignatures are verified with.
    pub fn public_key(&self) -> PublicKey {
        self.inner.key.public()
    }

    /// The logs that it watches, and whether it reads their leaves.
    pub fn logs(&self) -> impl Iterator<Item = (&str, bool)> {
        self.inner.logs.values().map(|log| (log.origin.as_str(), log.leaves.is_some()))
    }

    /// Where each log stands, also those that are not watched any more.
    pub async fn status(&self) -> Result<Vec<LogStatus>, StoreError> {
        self.stored(|store| store.status()).await
    }

    /// Answers `add-checkpoint`: the line of the cosignature, with its line feed.
    ///
    /// When it returns a line, the state that goes with it is durable. It may be dropped anywhere; then the state is
    /// either the old or the new one, and both are good to go on from.
    pub async fn add_checkpoint(&self, body: &[u8]) -> Result<String, Refusal> {
        let request = Request::parse(body)?;
        let log = self.inner.logs.get(&request.checkpoint.checkpoint().origin).ok_or(Refusal::UnknownLog)?;
        let not_signed = || Refusal::NotSigned { origin: log.origin.clone() };
        if request.checkpoint.signed_by(&log.keys).map_err(|_| not_signed())?.is_empty() {
            return Err(not_signed());
        }
        let (old, size) = (request.old, request.checkpoint.checkpoint().size);
        if old > size {
            return Err(Refusal::Backwards { old, size });
        }
        let _place = log.queue.try_acquire().map_err(|_| Refusal::Busy)?;
        let _turn = log.turn.lock().await;
        let now = self.now()?;
        self.check(log, &request, now).await?;
        if let Some(leaves) = &log.leaves {
            self.read_leaves(log, leaves.as_ref(), size).await?;
        }
        self.advance(log, &request, now).await?;
        Ok(request.checkpoint.cosign(&self.inner.key, self.now()?))
    }

    /// Compares a checkpoint that the log signed with what was cosigned last.
    async fn check(&self, log: &Log, request: &Request, now: u64) -> Result<(), Refusal> {
        let id = log.id;
        let state = self.stored(move |store| store.state(id)).await?;
        let Checkpoint { size, root, .. } = *request.checkpoint.checkpoint();
        let State { size: known, root: known_root, note, caught } = state;
        if let Some(violation) = caught {
            return Err(Refusal::TwoHistories(Box::new(violation)));
        }
        let is_fork = size == known && root != known_root;
        if is_fork {
            self.keep(log, Reason::Forked, request, note.clone(), now).await?;
        }
        if request.old != known {
            return Err(Refusal::Conflict { size: known });
        }
        if is_fork {
            return Err(Refusal::Forked { origin: log.origin.clone(), size });
        }
        if is_consistent(&request.proof, size, root, known, known_root).is_err() {
            // A proof from nothing to something is empty, and one from a tree to itself, too: what else came with
            // them says nothing about the log.
            if 0 < known && known < size {
                self.keep(log, Reason::Inconsistent, request, note, now).await?;
            }
            return Err(Refusal::Inconsistent { old: known, size });
        }
        Ok(())
    }

    /// Reads the leaves that are new, page by page. What was read is kept for the next request, whatever happens; it is
    /// believed only once it has led to a signed root.
    async fn read_leaves(&self, log: &Log, leaves: &dyn Leaves, size: u64) -> Result<(), Refusal> {
        let id = log.id;
        let start = self.stored(move |store| store.begin_reading(id, size)).await?;
        let mut read = start;
        while read < size {
            if read - start >= LEAVES_PER_REQUEST_MAX {
                return Err(Refusal::Reading { read, size });
            }
            let page = page(leaves, read, size).await;
            let page: Vec<Leaf> = page.map_err(|problem| {
                tracing::warn!(origin = log.origin, error = ?problem, "cannot read leaves");
                Refusal::Unreadable { origin: log.origin.clone(), problem }
            })?;
            let (first, count) = (read, page.len() as u64);
            // A request whose client went away may still have written.
            if !self.stored(move |store| store.read_on(id, first, &page)).await? {
                return Err(Refusal::Busy);
            }
            read += count;
        }
        Ok(())
    }

    async fn advance(&self, log: &Log, request: &Request, at: u64) -> Result<(), Refusal> {
        let advance = Advance {
            log: log.id,
            old: request.old,
            checkpoint: own(log, &request.checkpoint),
            at,
            is_monitored: log.leaves.is_some(),
        };
        let id = log.id;
        match self.stored(move |store| store.advance(&advance)).await? {
            Advanced::Done => Ok(()),
            Advanced::Stale => {
                let size = self.stored(move |store| store.state(id)).await?.size;
                Err(Refusal::Conflict { size })
            }
            Advanced::OtherLeaves => {
                tracing::warn!(origin = log.origin, "the leaves that are served are not those that were signed");
                Err(Refusal::OtherLeaves { origin: log.origin.clone() })
            }
            Advanced::TwoHistories(violation) => {
                tracing::error!(%violation, "caught a log");
                Err(Refusal::TwoHistories(Box::new(violation)))
            }
        }
    }

    async fn keep(
        &self,
        log: &Log,
        reason: Reason,
        request: &Request,
        known: Option<String>,
        at: u64,
    ) -> Result<(), Refusal> {
        let checkpoint = own(log, &request.checkpoint);
        tracing::warn!(origin = log.origin, reason = reason.as_str(), note = checkpoint.text(), "refused a checkpoint");
        let evidence = Evidence { log: log.id, reason, checkpoint, known, at };
        Ok(self.stored(move |store| store.refuse(&evidence)).await?)
    }

    fn now(&self) -> Result<u64, Refusal> {
        let now = self.inner.clock.now_seconds();
        if 0 < now && i64::try_from(now).is_ok() { Ok(now) } else { Err(Refusal::Failed(FailedError::Clock)) }
    }

    /// Runs a transaction where waiting for the disk holds nobody up. It runs to its end even if nobody waits for it.
    async fn stored<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = self.inner.store.clone();
        let run = move || work(&mut store.lock().unwrap_or_else(PoisonError::into_inner));
        match tokio::task::spawn_blocking(run).await {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is ending, and whoever waits here with it.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

/// The checkpoint without strangers' signatures, which anybody may add at any length.
fn own(log: &Log, checkpoint: &SignedCheckpoint) -> SignedCheckpoint {
    checkpoint.only_of(&log.keys).expect("one of the log's keys signed it")
}

/// The leaves from `first` on, some bundles of them.
async fn page(leaves: &dyn Leaves, first: u64, size: u64) -> Result<Vec<Leaf>, crate::LeavesError> {
    let bundles = first / TILE_HASHES..size.div_ceil(TILE_HASHES);
    let reads = bundles.take(PAGE_BUNDLES).map(async |index| {
        let start = index * TILE_HASHES;
        let width = (size - start).min(TILE_HASHES) as u32;
        let mut leaves = split(&leaves.bundle(index, width).await?, index, width)?;
        Ok(leaves.split_off(first.saturating_sub(start) as usize))
    });
    Ok(try_join_all(reads).await?.concat())
}
