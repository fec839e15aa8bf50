//! A log to be witnessed, leaves that are served well or badly, and a clock.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use loom_evidence::{Checkpoint, Hash, Leaf, SignedCheckpoint, SigningKey, TreeReader, consistency, node_hash, root};
use loom_types::{Cid, Codec, SequenceNumber};
use loom_witness::{Clock, Leaves, LeavesError, OpenError, Request, Settings, WatchedLog, Witness};
use tempfile::TempDir;

pub(crate) const ORIGIN: &str = "log.example/loans";

/// A log's leaves and key.
#[derive(Clone)]
pub(crate) struct Log {
    pub(crate) key: SigningKey,
    pub(crate) leaves: Vec<Leaf>,
}

impl Log {
    pub(crate) fn new() -> Self {
        Self { key: SigningKey::from_secret(ORIGIN, &[7; 32]).unwrap(), leaves: Vec::new() }
    }

    pub(crate) fn of(size: u64) -> Self {
        let mut log = Self::new();
        log.grow(size, "honest");
        log
    }

    /// Adds leaves of a few actors, whose `seq` grows. `history` tells one line of growth from another.
    pub(crate) fn grow(&mut self, count: u64, history: &str) {
        for _ in 0..count {
            let index = self.leaves.len() as u64;
            self.push((index % 5) as u8, index, history);
        }
    }

    pub(crate) fn push(&mut self, actor: u8, seq: u64, history: &str) {
        let head = Cid::of(Codec::DagCbor, format!("{history} {actor} {seq}").as_bytes());
        self.leaves.push(Leaf { actor: [actor; 32], seq: SequenceNumber(seq), head });
    }

    /// The log as it was when it had this many leaves.
    pub(crate) fn back_to(&self, size: usize) -> Self {
        Self { key: self.key.clone(), leaves: self.leaves[..size].to_vec() }
    }

    pub(crate) fn size(&self) -> u64 {
        self.leaves.len() as u64
    }

    pub(crate) fn checkpoint(&self, size: u64) -> SignedCheckpoint {
        let Ok(root) = root(size, self);
        Checkpoint { origin: self.key.name().to_owned(), size, root }.sign(&self.key)
    }

    pub(crate) fn proof(&self, old: u64, size: u64) -> Vec<Hash> {
        if old == 0 || old >= size {
            return Vec::new();
        }
        let Ok(proof) = consistency(size, old, self);
        proof
    }

    pub(crate) fn request(&self, old: u64, size: u64) -> String {
        Request { old, proof: self.proof(old, size), checkpoint: self.checkpoint(size) }.encode()
    }
}

impl TreeReader for Log {
    type Error = Infallible;

    fn hash(&self, level: u8, index: u64) -> Result<Hash, Infallible> {
        match level {
            0 => Ok(self.leaves[index as usize].hash()),
            _ => Ok(node_hash(self.hash(level - 1, 2 * index)?, self.hash(level - 1, 2 * index + 1)?)),
        }
    }
}

/// What a log serves, and how often it was asked.
#[derive(Default)]
pub(crate) struct Served {
    leaves: Mutex<Vec<Vec<u8>>>,
    /// Changes a bundle on its way.
    pub(crate) damage: Mutex<Option<Damage>>,
    pub(crate) asked: AtomicU64,
}

type Damage = Box<dyn Fn(u64, Vec<u8>) -> Option<Vec<u8>> + Send>;

impl Served {
    pub(crate) fn serve(&self, log: &Log) {
        *self.leaves.lock().unwrap() = log.leaves.iter().map(Leaf::encode).collect();
    }

    /// From now on bundles come like this; none is a log that is down.
    pub(crate) fn damage(&self, damage: impl Fn(u64, Vec<u8>) -> Option<Vec<u8>> + Send + 'static) {
        *self.damage.lock().unwrap() = Some(Box::new(damage));
    }

    pub(crate) fn mend(&self) {
        *self.damage.lock().unwrap() = None;
    }

    pub(crate) fn bytes(&self, index: u64, width: u32) -> Option<Vec<u8>> {
        let leaves = self.leaves.lock().unwrap();
        let leaves = leaves.get(index as usize * 256..)?.get(..width as usize)?;
        let framed = |leaf: &Vec<u8>| [&(leaf.len() as u16).to_be_bytes()[..], leaf].concat();
        Some(leaves.iter().flat_map(framed).collect())
    }
}

#[async_trait]
impl Leaves for Served {
    async fn bundle(&self, index: u64, width: u32) -> Result<Bytes, LeavesError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let bytes = self.bytes(index, width);
        let bytes = bytes.and_then(|bytes| match &*self.damage.lock().unwrap() {
            Some(damage) => damage(index, bytes),
            None => Some(bytes),
        });
        bytes.map(Bytes::from).ok_or(LeavesError::Status(404))
    }
}

/// A clock that is set by hand.
#[derive(Default)]
pub(crate) struct TestClock(pub(crate) AtomicU64);

impl Clock for TestClock {
    fn now_seconds(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// A folder, and what belongs to the witness in it.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) served: Arc<Served>,
    pub(crate) clock: Arc<TestClock>,
}

impl World {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(TestClock(AtomicU64::new(1_700_000_000)));
        Self { folder: tempfile::tempdir().unwrap(), served: Arc::default(), clock }
    }

    pub(crate) fn settings(&self, is_monitored: bool) -> Settings {
        let url = is_monitored.then(|| "https://log.example".to_owned());
        let logs = vec![WatchedLog { key: Log::new().key.public(), url, token: None }];
        Settings {
            data: self.folder.path().to_owned(),
            name: Some("witness.example/w1".to_owned()),
            logs,
            monitor: false,
        }
    }

    /// A witness that looks at checkpoints alone.
    pub(crate) fn witness(&self) -> Witness {
        self.open(&self.settings(false)).unwrap()
    }

    /// One that reads the leaves.
    pub(crate) fn monitor(&self) -> Witness {
        self.open(&self.settings(true)).unwrap()
    }

    pub(crate) fn open(&self, settings: &Settings) -> Result<Witness, OpenError> {
        Witness::open_reading(settings, self.clock.clone(), |_| self.served.clone())
    }
}

/// What a witness answered, in one line.
pub(crate) async fn ask(witness: &Witness, request: &str) -> String {
    match witness.add_checkpoint(request.as_bytes()).await {
        Ok(line) => {
            let note = request.split_once("\n\n").unwrap().1;
            let cosigned = SignedCheckpoint::read(note).unwrap().with_signatures(&[&line]).unwrap();
            let keys = [witness.public_key()];
            let cosigned = cosigned.cosigned_by(&keys).unwrap();
            assert_eq!(cosigned.len(), 1, "the cosignature is this witness's");
            format!("cosigned at {}", cosigned[0].time)
        }
        Err(refusal) => format!("{}: {}", refusal.status(), refusal.body().trim_end()),
    }
}

/// The size and the note of the one log.
pub(crate) async fn known(witness: &Witness) -> u64 {
    let status = witness.status().await.unwrap();
    assert_eq!(status.len(), 1);
    status[0].size
}
