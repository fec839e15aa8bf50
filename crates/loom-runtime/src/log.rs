//! The node's log: hashes leaves into a tree, keeps full tiles as blobs, and signs from time to time how far it is.
//!
//! Leaves are in the store already, with the commits they came with; all of this happens beside the turns. In memory is
//! the right edge of the tree alone, the tiles that are not full, and it is made again from the store at every start:
//! if that does not give the root that was signed, nothing is signed any more.

mod asking;
mod edge;
mod keys;
mod published;
mod witness;

use std::{collections::HashMap, sync::Arc, time::Duration};

use loom_evidence::{
    Checkpoint, CheckpointError, Hash, Leaf, SignedCheckpoint, SigningKey, TILE_HASHES, inclusion, root,
};
use loom_storage::{BlobError, CheckpointRecord, Hold, LeafRecord, Storage, StoreError, TileRecord};
use loom_types::{Cid, Codec};
use tokio::sync::{Mutex, OnceCell};
use tokio_util::sync::CancellationToken;

use self::{
    asking::Watching,
    edge::{Edge, FullTile, Missing, TILE_HEIGHT, Tiles, subtree},
};
pub use self::{
    keys::{HandoverError, LogKeyError, check_log_key, record_handover, signed_log},
    published::{LogStatus, SignedSize},
    witness::{Witness, WitnessAnswer, WitnessStatus},
};
use crate::{Clock, Metrics, causes};

/// Leaves read at once, and most leaves between two checkpoints.
const PAGE: usize = 16 * 1024;
/// How long a bundle waits for witnesses. Without them it says what it can prove without them.
const WITNESS_PATIENCE: Duration = Duration::from_secs(3);

/// Why the log cannot be signed, or nothing proved about it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LogError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A tile could not be read or written.
    #[error("a tile of the log")]
    Tile(#[from] BlobError),
    /// What is stored is not the log that was signed: leaves changed, or another store was put in its place.
    #[error("the log in the store is not the one that was signed at {size} leaves; nothing more is signed")]
    NotWhatWasSigned {
        /// The checkpoint's size.
        size: u64,
    },
    /// The stored checkpoint is another log's.
    #[error("the store holds the log '{stored}', and the key signs for '{key}'")]
    OtherLog {
        /// The stored origin.
        stored: String,
        /// The key's name.
        key: String,
    },
    /// The stored checkpoint cannot be read.
    #[error("the stored checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
}

fn complain(about: &str, done: Result<(), LogError>) {
    if let Err(error) = done {
        tracing::error!(error = %causes(&error), "{about}");
    }
}

/// The checkpoint with the cosignatures that were kept of it, if it is the one that they are kept of.
fn with_kept(signed: SignedCheckpoint, kept: Option<&CheckpointRecord>) -> Result<SignedCheckpoint, CheckpointError> {
    let kept = kept.and_then(|kept| SignedCheckpoint::read(&kept.note).ok());
    match kept.filter(|kept| kept.checkpoint() == signed.checkpoint()) {
        Some(kept) => signed.with_signatures_of(&kept),
        None => Ok(signed),
    }
}

/// What proves that leaves are in the log.
#[derive(Clone, Debug)]
pub(crate) struct Proved {
    pub(crate) checkpoint: String,
    /// How the log came to the key that signs it.
    pub(crate) handovers: Vec<String>,
    /// One for each leaf that was asked for.
    pub(crate) proofs: Vec<Vec<Hash>>,
}

/// The log. Cheap to clone.
#[derive(Clone)]
pub(crate) struct NodeLog {
    storage: Storage,
    clock: Arc<dyn Clock>,
    key: SigningKey,
    interval: Duration,
    metrics: Metrics,
    /// Read when the first bundle needs them.
    handovers: Arc<OnceCell<Vec<String>>>,
    witnesses: Arc<[Watching]>,
    /// One cosignature is stored at a time.
    keeping: Arc<Mutex<()>>,
    /// None until it is made from the store, and again after trouble.
    sealed: Arc<Mutex<Option<Sealed>>>,
}

/// The tree as far as it is signed.
struct Sealed {
    edge: Edge,
    note: String,
}

impl NodeLog {
    pub(crate) fn new(
        storage: Storage,
        clock: Arc<dyn Clock>,
        key: SigningKey,
        witnesses: Vec<Arc<dyn Witness>>,
        interval: Duration,
        metrics: Metrics,
    ) -> Self {
        let witnesses = witnesses.into_iter().map(Watching::new).collect();
        Self {
            storage,
            clock,
            key,
            interval,
            metrics,
            handovers: Arc::default(),
            witnesses,
            keeping: Arc::default(),
            sealed: Arc::default(),
        }
    }

    /// Signs from time to time, and has it cosigned, until told to stop. Either may be cut short anywhere; the next
    /// time makes up for it.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let sign = async {
            loop {
                self.clock.sleep(self.interval).await;
                complain("signing the log", self.seal().await);
            }
        };
        // Witnesses may be slow, and signing does not wait for them.
        let cosign = async {
            if !self.witnesses.is_empty() {
                // What they know of this log, an operator should know at once.
                complain("reading the log", self.up_to(&mut *self.sealed.lock().await, 0).await.map(|_| ()));
            }
            loop {
                complain("having the log cosigned", self.ask_witnesses().await);
                self.clock.sleep(self.interval).await;
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = sign => {}
            () = cosign => {}
        }
    }

    /// Signs all leaves that are there, if there are new ones.
    pub(crate) async fn seal(&self) -> Result<(), LogError> {
        let mut place = self.sealed.lock().await;
        self.catch_up(&mut place).await
    }

    /// Proves that leaves are in the log, as it is signed now or will be in a moment.
    pub(crate) async fn prove(&self, indexes: &[u64]) -> Result<Proved, LogError> {
        let newest = indexes.iter().max().copied().unwrap_or_default();
        self.up_to(&mut *self.sealed.lock().await, newest + 1).await?;
        let witnessed = self.witnessed(newest).await?;
        let mut place = self.sealed.lock().await;
        let sealed = self.up_to(&mut place, newest + 1).await?;
        let (mut tiles, mut proofs) = (HashMap::new(), Vec::new());
        let (size, checkpoint) = match witnessed {
            Some(record) => (record.size, self.signed_by_own_key(sealed, &mut tiles, &record.note).await?),
            None => (sealed.edge.size, sealed.note.clone()),
        };
        for index in indexes {
            proofs.push(self.read_tree(sealed, &mut tiles, |tree| inclusion(size, *index, tree)).await?);
        }
        Ok(Proved { checkpoint, handovers: self.handovers().await?, proofs })
    }

    /// A checkpoint from before the log was handed over to this key is signed by it too.
    async fn signed_by_own_key(
        &self,
        sealed: &Sealed,
        tiles: &mut HashMap<(u8, u64), Vec<Hash>>,
        note: &str,
    ) -> Result<String, LogError> {
        let signed = SignedCheckpoint::read(note)?;
        if !signed.signed_by(&[self.key.public()])?.is_empty() {
            return Ok(note.to_owned());
        }
        let Checkpoint { size, root: expected, .. } = *signed.checkpoint();
        if self.read_tree(sealed, tiles, |tree| root(size, tree)).await? != expected {
            return Err(LogError::NotWhatWasSigned { size });
        }
        Ok(signed.checkpoint().sign(&self.key).with_signatures_of(&signed)?.text().to_owned())
    }

    /// The tree, signed at `size` leaves or more. The store must have them.
    async fn up_to<'a>(&self, place: &'a mut Option<Sealed>, size: u64) -> Result<&'a Sealed, LogError> {
        if place.as_ref().is_none_or(|sealed| sealed.edge.size < size) {
            self.catch_up(place).await?;
        }
        let sealed = place.as_ref().filter(|sealed| sealed.edge.size >= size);
        sealed.ok_or_else(|| StoreError::Corrupt { what: format!("the log has lost some of its {size} leaves") }.into())
    }

    /// Computes something about the tree, reading the full tiles that it takes.
    async fn read_tree<T>(
        &self,
        sealed: &Sealed,
        tiles: &mut HashMap<(u8, u64), Vec<Hash>>,
        compute: impl Fn(&Tiles<'_>) -> Result<T, Missing>,
    ) -> Result<T, LogError> {
        loop {
            match compute(&Tiles { edge: &sealed.edge, full: tiles }) {
                Ok(computed) => return Ok(computed),
                Err(missing) => {
                    let tile = self.tile(missing.level, missing.index).await?;
                    tiles.insert((missing.level, missing.index), tile);
                }
            }
        }
    }

    /// Whatever goes wrong, what is believed about the tree is made again from the store.
    async fn catch_up(&self, place: &mut Option<Sealed>) -> Result<(), LogError> {
        let mut sealed = match place.take() {
            Some(sealed) => sealed,
            None => self.load().await?,
        };
        loop {
            let leaves = self.storage.log.leaves(sealed.edge.size, PAGE).await?;
            if leaves.is_empty() {
                *place = Some(sealed);
                return Ok(());
            }
            sealed = self.extended(sealed, &leaves).await?;
        }
    }

    async fn extended(&self, mut sealed: Sealed, leaves: &[LeafRecord]) -> Result<Sealed, LogError> {
        let (mut records, mut holds): (Vec<TileRecord>, Vec<Hold>) = (Vec::new(), Vec::new());
        for LeafRecord { actor, leaf, .. } in leaves {
            let hash = Leaf::of(self.key.name(), actor, leaf.seq, leaf.head).hash();
            for FullTile { level, index, hashes } in sealed.edge.append(hash) {
                let bytes = hashes.concat();
                let cid = Cid::of(Codec::Raw, &bytes);
                holds.push(self.storage.blobs.holds().hold(cid));
                self.storage.blobs.put(cid, bytes.into()).await?;
                records.push(TileRecord { level, index, cid });
            }
        }
        let checkpoint =
            Checkpoint { origin: self.key.name().to_owned(), size: sealed.edge.size, root: sealed.edge.root() };
        let note = checkpoint.sign(&self.key).text().to_owned();
        let record = CheckpointRecord { size: checkpoint.size, at_ms: self.clock.now_ms(), note: note.clone() };
        self.storage.log.seal(record, records).await?;
        self.metrics.log_signed.set(i64::try_from(checkpoint.size).unwrap_or(i64::MAX));
        Ok(Sealed { note, ..sealed })
    }

    /// The tree as it was signed last.
    async fn load(&self) -> Result<Sealed, LogError> {
        let Some(record) = self.storage.log.checkpoint().await? else {
            return Ok(Sealed { edge: Edge::default(), note: String::new() });
        };
        let signed = SignedCheckpoint::read(&record.note)?;
        let Checkpoint { origin, size, root } = signed.checkpoint().clone();
        if origin != self.key.name() {
            return Err(LogError::OtherLog { stored: origin, key: self.key.name().to_owned() });
        }
        let mut edge = Edge { size, levels: Vec::new() };
        let first = size - size % TILE_HASHES;
        let leaves = self.storage.log.leaves(first, (size - first) as usize).await?;
        let hash = |record: &LeafRecord| Leaf::of(&origin, &record.actor, record.leaf.seq, record.leaf.head).hash();
        edge.levels.push(leaves.iter().map(hash).collect());
        for level in 1u8.. {
            let full_below = size.checked_shr(u32::from(level * TILE_HEIGHT)).unwrap_or(0);
            if full_below == 0 {
                break;
            }
            let mut hashes = Vec::new();
            for index in full_below - full_below % TILE_HASHES..full_below {
                hashes.push(subtree(&self.tile(level - 1, index).await?));
            }
            edge.levels.push(hashes);
        }
        if leaves.len() as u64 != size - first || edge.root() != root {
            return Err(LogError::NotWhatWasSigned { size });
        }
        // A key that the log was handed over to signs what the one before signed.
        if signed.signed_by(&[self.key.public()])?.is_empty() {
            let (note, at_ms) = (signed.checkpoint().sign(&self.key).text().to_owned(), self.clock.now_ms());
            self.storage.log.seal(CheckpointRecord { size, at_ms, note: note.clone() }, Vec::new()).await?;
            return Ok(Sealed { edge, note });
        }
        Ok(Sealed { edge, note: record.note })
    }

    /// The hashes of a full tile.
    async fn tile(&self, level: u8, index: u64) -> Result<Vec<Hash>, LogError> {
        let missing = || StoreError::Corrupt { what: format!("tile {level}/{index} of the log is missing") };
        let cid = self.storage.log.tile(level, index).await?.ok_or_else(missing)?;
        let bytes = self.storage.blobs.get(cid).await?;
        let (hashes, rest) = bytes.as_chunks::<32>();
        if hashes.len() as u64 == TILE_HASHES && rest.is_empty() { Ok(hashes.to_vec()) } else { Err(missing().into()) }
    }
}
