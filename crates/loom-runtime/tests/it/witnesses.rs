//! Witnesses of the node's log: what they are shown, what is kept of their answers, and what bundles carry.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use futures::{FutureExt as _, future::BoxFuture};
use loom_evidence::{
    Bundle, Hash, Leaf, PublicKey, SignedCheckpoint, SigningKey, TileName, included, is_consistent, leaf_hash,
    tile_path,
};
use loom_runtime::{
    BundleOptions, Clock, Handle, Host, LogStatus, Runtime, SendOptions, SystemClock, Witness, WitnessAnswer,
};
use loom_storage::{Storage, memory::MemoryStore};
use tokio::sync::Notify;

use crate::{
    manual::ManualClock,
    node::{Node, PATIENCE, probe, sandbox, settings},
};

fn log_key() -> SigningKey {
    SigningKey::from_secret("log.example/node", &[7; 32]).unwrap()
}

/// A witness as the protocol has it, with what a test wants to be different.
struct Notebook {
    key: SigningKey,
    public: PublicKey,
    newest: Mutex<(u64, Hash)>,
    /// Answers that come first.
    first: Mutex<Vec<WitnessAnswer>>,
    asked: AtomicUsize,
    /// Never answers.
    is_mute: bool,
    heard: Notify,
}

impl Notebook {
    fn new(seed: u8) -> Self {
        let key = SigningKey::witness_from_secret(&format!("witness.example/{seed}"), &[seed; 32]).unwrap();
        Self {
            public: key.public(),
            key,
            newest: Mutex::new((0, [0; 32])),
            first: Mutex::default(),
            asked: AtomicUsize::new(0),
            is_mute: false,
            heard: Notify::new(),
        }
    }

    fn answering(self, first: impl IntoIterator<Item = WitnessAnswer>) -> Self {
        Self { first: Mutex::new(first.into_iter().collect()), ..self }
    }

    fn answer(&self, old: u64, proof: &[Hash], signed: &SignedCheckpoint) -> WitnessAnswer {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mut first = self.first.lock().unwrap();
        if !first.is_empty() {
            return first.remove(0);
        }
        let mut newest = self.newest.lock().unwrap();
        let (size, root) = *newest;
        let checkpoint = signed.checkpoint();
        if signed.signed_by(&[log_key().public()]).unwrap().is_empty() {
            return WitnessAnswer::Refused("not signed".to_owned());
        }
        if old != size {
            return WitnessAnswer::CountsFrom(size);
        }
        if size > 0 && is_consistent(proof, checkpoint.size, checkpoint.root, size, root).is_err() {
            return WitnessAnswer::Refused("it does not extend what was cosigned".to_owned());
        }
        *newest = (checkpoint.size, checkpoint.root);
        WitnessAnswer::Cosigned(signed.cosign(&self.key, 1_700_000_000))
    }
}

impl Witness for Notebook {
    fn key(&self) -> &PublicKey {
        &self.public
    }

    fn cosign<'a>(
        &'a self,
        old: u64,
        proof: &'a [Hash],
        checkpoint: &'a SignedCheckpoint,
    ) -> BoxFuture<'a, WitnessAnswer> {
        self.heard.notify_one();
        match self.is_mute {
            true => std::future::pending().boxed(),
            false => std::future::ready(self.answer(old, proof, checkpoint)).boxed(),
        }
    }
}

async fn start(storage: &Storage, witnesses: &[&Arc<Notebook>]) -> Node {
    start_by(storage, witnesses, Arc::new(SystemClock::default())).await
}

async fn start_by(storage: &Storage, witnesses: &[&Arc<Notebook>], clock: Arc<dyn Clock>) -> Node {
    let witnesses = witnesses.iter().map(|witness| (*witness).clone() as Arc<dyn Witness>).collect();
    let host = Host { log_key: Some(log_key()), witnesses, ..Host::real(clock) };
    let runtime = Runtime::start_on(settings(100), storage.clone(), sandbox(), host).await.unwrap();
    let handle = runtime.handle();
    let node = Node::of(runtime, handle);
    node.deploy().await;
    node
}

async fn turns(node: &Node, key: &str, count: usize) {
    for _ in 0..count {
        node.run(key, r#"{"do":[{"reply":1}]}"#).await.unwrap();
    }
}

/// The checkpoint of a bundle, whose proof leads to it.
async fn proved(handle: &Handle, key: &str) -> SignedCheckpoint {
    let bundle = handle.bundle(&probe(key), &BundleOptions::default()).await.unwrap();
    let signed = SignedCheckpoint::read(&bundle.manifest().log.as_ref().unwrap().checkpoint).unwrap();
    let history = &bundle.manifest().histories[0];
    let (inclusion, head) = (history.inclusion.as_ref().unwrap(), *history.entries.last().unwrap());
    let seq = loom_types::SequenceNumber(entries(&bundle) - 1);
    let leaf = Leaf::of("log.example/node", &history.actor, seq, head).hash();
    let checkpoint = signed.checkpoint();
    included(&inclusion.proof, checkpoint.size, checkpoint.root, inclusion.index, leaf).unwrap();
    signed
}

fn entries(bundle: &Bundle) -> u64 {
    bundle.manifest().histories[0].entries.len() as u64
}

fn cosigned_by(signed: &SignedCheckpoint, witnesses: &[&Arc<Notebook>]) -> usize {
    let keys: Vec<PublicKey> = witnesses.iter().map(|witness| witness.public.clone()).collect();
    signed.cosigned_by(&keys).unwrap().len()
}

async fn status(node: &Node) -> LogStatus {
    node.handle.log_status().await.unwrap().unwrap()
}

fn problem(status: &LogStatus, n: usize) -> &str {
    status.witnesses[n].problem.as_deref().unwrap_or_else(|| panic!("{status:?}"))
}

#[tokio::test]
async fn a_bundle_carries_what_every_witness_signed() {
    let (storage, one, two) = (MemoryStore::storage(), Arc::new(Notebook::new(1)), Arc::new(Notebook::new(2)));
    let node = start(&storage, &[&one, &two]).await;
    // The second time from where they were, over more than a tile.
    for count in [3, 300] {
        turns(&node, "a", count).await;
        let signed = proved(&node.handle, "a").await;
        assert_eq!(cosigned_by(&signed, &[&one, &two]), 2);
        assert_eq!(signed.signed_by(&[log_key().public()]).unwrap().len(), 1);
    }
    // What is covered already needs nobody.
    let asked = one.asked.load(Ordering::Relaxed);
    proved(&node.handle, "a").await;
    assert_eq!(one.asked.load(Ordering::Relaxed), asked);
    // Several that ask at once are no trouble to each other.
    for _ in 0..5 {
        turns(&node, "a", 1).await;
        for signed in futures::future::join_all((0..4).map(|_| proved(&node.handle, "a"))).await {
            assert_eq!(cosigned_by(&signed, &[&one, &two]), 2);
        }
    }
    let status = status(&node).await;
    assert_eq!(status.witnessed.map(|signed| signed.size), Some(status.size));
    assert!(status.witnesses.iter().all(|witness| witness.cosigned == Some(status.size)), "{status:?}");
    node.runtime.shutdown().await;
}

#[tokio::test]
async fn what_was_cosigned_outlives_the_node_and_its_witness() {
    let (storage, witness) = (MemoryStore::storage(), Arc::new(Notebook::new(1)));
    let node = start(&storage, &[&witness]).await;
    turns(&node, "a", 2).await;
    proved(&node.handle, "a").await;
    node.runtime.shutdown().await;

    let gone = Arc::new(Notebook::new(1).answering(vec![WitnessAnswer::Silent("nobody is there".into()); 9]));
    let node = start(&storage, &[&gone]).await;
    assert_eq!(cosigned_by(&proved(&node.handle, "a").await, &[&witness]), 1);
    // What came after has what can be had.
    turns(&node, "b", 1).await;
    assert_eq!(cosigned_by(&proved(&node.handle, "b").await, &[&witness]), 0);
    assert_eq!(cosigned_by(&proved(&node.handle, "a").await, &[&witness]), 1);
    assert_eq!(problem(&status(&node).await, 0), "nobody is there");
    node.runtime.shutdown().await;

    // It is back, and remembers; the node does not.
    let node = start(&storage, &[&witness]).await;
    assert_eq!(cosigned_by(&proved(&node.handle, "b").await, &[&witness]), 1);
    assert_eq!(status(&node).await.witnesses[0].problem, None);
    node.runtime.shutdown().await;
}

#[tokio::test]
async fn a_log_that_went_back_is_not_cosigned_again() {
    let witness = Arc::new(Notebook::new(1));
    let node = start(&MemoryStore::storage(), &[&witness]).await;
    turns(&node, "a", 5).await;
    proved(&node.handle, "a").await;
    node.runtime.shutdown().await;

    // The same key over another past, which is shorter at first.
    let node = start(&MemoryStore::storage(), &[&witness]).await;
    turns(&node, "a", 1).await;
    assert_eq!(cosigned_by(&proved(&node.handle, "a").await, &[&witness]), 0);
    let shorter = status(&node).await;
    assert!(problem(&shorter, 0).contains("an older copy of the store was put back"), "{shorter:?}");
    turns(&node, "a", 20).await;
    assert_eq!(cosigned_by(&proved(&node.handle, "a").await, &[&witness]), 0);
    let longer = status(&node).await;
    assert!(problem(&longer, 0).contains("it does not extend what was cosigned"), "{longer:?}");
    assert_eq!(longer.witnessed, None);
    node.runtime.shutdown().await;
}

#[tokio::test]
async fn a_witness_that_is_busy_is_asked_again() {
    let (storage, witness) =
        (MemoryStore::storage(), Arc::new(Notebook::new(1).answering([WitnessAnswer::Busy("reading".into())])));
    let node = start(&storage, &[&witness]).await;
    turns(&node, "a", 1).await;
    assert_eq!(cosigned_by(&proved(&node.handle, "a").await, &[&witness]), 1);
    node.runtime.shutdown().await;
}

/// A signature that is none, one of somebody else, and contradictions: none of it is kept, and the others' is.
#[tokio::test]
async fn nonsense_is_not_kept() {
    let log = log_key();
    let other = SigningKey::witness_from_secret("witness.example/9", &[9; 32]).unwrap();
    let checkpoint = loom_evidence::Checkpoint { origin: log.name().into(), size: 1, root: leaf_hash(b"x") };
    let of_another_log = checkpoint.sign(&log).cosign(&other, 1);
    for answer in [
        WitnessAnswer::Cosigned("— witness.example/1 AAAA".into()),
        WitnessAnswer::Cosigned("nothing\nat\n\nall".into()),
        WitnessAnswer::Cosigned(of_another_log.clone()),
        WitnessAnswer::CountsFrom(u64::MAX),
    ] {
        let liar = Arc::new(Notebook::new(1).answering(vec![answer.clone(); 2]));
        let honest = Arc::new(Notebook::new(2));
        let node = start(&MemoryStore::storage(), &[&liar, &honest]).await;
        turns(&node, "a", 1).await;
        let signed = proved(&node.handle, "a").await;
        assert_eq!(cosigned_by(&signed, &[&liar]), 0, "{answer:?}");
        assert_eq!(cosigned_by(&signed, &[&honest]), 1, "{answer:?}");
        assert!(!problem(&status(&node).await, 0).is_empty());
        node.runtime.shutdown().await;
    }
    // One that moves its own beginning forth and back is not asked for ever.
    let restless = (0..100).map(|n| WitnessAnswer::CountsFrom(n % 2));
    let restless = Arc::new(Notebook::new(1).answering(restless));
    let node = start(&MemoryStore::storage(), &[&restless]).await;
    turns(&node, "a", 3).await;
    assert_eq!(cosigned_by(&proved(&node.handle, "a").await, &[&restless]), 0);
    assert!(restless.asked.load(Ordering::Relaxed) < 10);
    node.runtime.shutdown().await;
}

/// A bundle does not wait for somebody who never answers, and has what the others signed.
#[tokio::test]
async fn a_mute_witness_holds_nobody_up() {
    let mute = Arc::new(Notebook { is_mute: true, ..Notebook::new(1) });
    let good = Arc::new(Notebook::new(2));
    let clock = Arc::new(ManualClock::default());
    let node = start_by(&MemoryStore::storage(), &[&mute, &good], clock.clone()).await;
    let mut ticket = node.handle.send(&probe("a"), r#"{"do":[{"reply":1}]}"#, SendOptions::default()).unwrap();
    ticket.settled().await.unwrap();
    let patience = async {
        mute.heard.notified().await;
        // Longer than a bundle waits, and less than until the next checkpoint.
        clock.advance(std::time::Duration::from_secs(4));
    };
    let both = async { tokio::join!(proved(&node.handle, "a"), patience) };
    let (signed, ()) = tokio::time::timeout(PATIENCE, both).await.expect("the bundle comes");
    assert_eq!((cosigned_by(&signed, &[&mute]), cosigned_by(&signed, &[&good])), (0, 1));
    node.runtime.shutdown().await;
}

/// What is published is the tree that is signed: a reader comes to the same root.
#[tokio::test]
async fn tiles_and_leaves_lead_to_the_signed_root() {
    let (storage, witness) = (MemoryStore::storage(), Arc::new(Notebook::new(1)));
    let node = start(&storage, &[&witness]).await;
    assert_eq!(node.handle.log_checkpoint().await.unwrap(), None, "nothing was signed yet");
    assert_eq!(node.handle.log_tile(0, 0, 1).await.unwrap(), None);
    assert_eq!(node.handle.log_entries(0, 1).await.unwrap(), None);
    turns(&node, "a", 280).await;
    proved(&node.handle, "a").await;
    let signed = SignedCheckpoint::read(&node.handle.log_checkpoint().await.unwrap().unwrap()).unwrap();
    assert_eq!(cosigned_by(&signed, &[&witness]), 1);
    let size = signed.checkpoint().size;
    assert!((257..512).contains(&size), "{size}");

    let mut frontier = loom_evidence::Frontier::default();
    for (index, width) in [(0, 256), (1, size - 256)] {
        let leaves = node.handle.log_entries(index, width).await.unwrap().unwrap();
        let hashes = node.handle.log_tile(0, index, width).await.unwrap().unwrap();
        let (mut rest, mut hashes) = (&leaves[..], hashes.chunks(32));
        while let Some((length, after)) = rest.split_first_chunk() {
            let (leaf, after) = after.split_at(u16::from_be_bytes(*length).into());
            frontier.append(leaf_hash(leaf));
            assert_eq!(hashes.next(), Some(&leaf_hash(leaf)[..]));
            rest = after;
        }
        assert_eq!(hashes.next(), None);
    }
    assert_eq!(frontier.root(), signed.checkpoint().root);
    assert_eq!(node.handle.log_tile(1, 0, 1).await.unwrap().unwrap().len(), 32);
    // A part of what is full by now, as who saw an older checkpoint asks for it.
    let part = node.handle.log_tile(0, 0, 17).await.unwrap().unwrap();
    assert_eq!(part, node.handle.log_tile(0, 0, 256).await.unwrap().unwrap()[..17 * 32]);
    let name = TileName::read(&tile_path(0, 0, 17)).unwrap();
    assert_eq!((name.level, name.width), (Some(0), 17));
    let beyond =
        [(0, 1, size - 255), (0, 2, 1), (1, 0, 2), (1, 1, 1), (9, 0, 1), (255, u64::MAX, 1), (0, 0, 0), (0, 0, 257)];
    for (level, index, width) in beyond {
        assert_eq!(node.handle.log_tile(level, index, width).await.unwrap(), None, "{level} {index} {width}");
    }
    for (index, width) in [(1, size - 255), (2, 1), (u64::MAX, 256), (0, 0), (0, 257)] {
        assert_eq!(node.handle.log_entries(index, width).await.unwrap(), None, "{index} {width}");
    }
    node.runtime.shutdown().await;
}

/// A store that was put back has its old cosignature too. That the witness knows more is known before anything new is
/// signed.
#[tokio::test]
async fn witnesses_are_asked_when_a_node_starts() {
    let (storage, witness) = (MemoryStore::storage(), Arc::new(Notebook::new(1)));
    let node = start(&storage, &[&witness]).await;
    turns(&node, "a", 1).await;
    proved(&node.handle, "a").await;
    node.runtime.shutdown().await;
    // Elsewhere the same log went on.
    let size = witness.newest.lock().unwrap().0;
    *witness.newest.lock().unwrap() = (size + 5, [1; 32]);

    let node = start_by(&storage, &[&witness], Arc::new(ManualClock::default())).await;
    tokio::time::timeout(PATIENCE, async {
        while status(&node).await.witnesses[0].problem.is_none() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("it is told");
    assert!(problem(&status(&node).await, 0).contains("an older copy of the store was put back"));
    node.runtime.shutdown().await;
}
