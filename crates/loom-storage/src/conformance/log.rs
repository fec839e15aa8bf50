//! The node's log.

use loom_types::{Cid, Codec, SequenceNumber};

use super::{Writer, actor};
use crate::{
    BlobError, CheckpointRecord, Commit, CommitError, Leaf, LeafRecord, Position, Storage, StoreError, TileRecord,
    collect::{self, Spared},
};

/// The leaf that names the entry `back` entries before the commit's newest.
fn leaf(commit: &Commit, back: usize) -> Leaf {
    let at = commit.segment.entries.len() - 1 - back;
    Leaf { seq: SequenceNumber(commit.expected_seq.0 + at as u64), head: commit.segment.entries[at].cid }
}

/// Commits `entries` entries and a leaf that names the last.
async fn rest(writer: &mut Writer, storage: &Storage, entries: usize) -> Leaf {
    let mut commit = writer.commit(entries);
    let leaf = leaf(&commit, 0);
    commit.leaf = Some(leaf);
    storage.journal.commit(commit).await.expect("commit");
    leaf
}

async fn all(storage: &Storage) -> Vec<LeafRecord> {
    storage.log.leaves(0, usize::MAX).await.expect("leaves")
}

/// Every leaf has its place, in the order in which commits were applied, whoever made them.
pub async fn leaves_have_one_order_without_gaps(storage: Storage) {
    assert_eq!(storage.log.size().await.expect("size"), 0);
    assert_eq!(all(&storage).await, []);
    let mut writers = Vec::new();
    for key in ["a", "b", "c"] {
        writers.push(Writer::acquire(&storage, &actor(key)).await);
    }
    let mut expected = Vec::new();
    let mut commits = Vec::new();
    for round in 0..10 {
        for writer in &mut writers {
            let mut commit = writer.commit(1 + round % 3);
            // Commits without a leaf take no place.
            if (round + writer.actor.key().len()) % 3 != 0 {
                let leaf = leaf(&commit, 0);
                expected.push(LeafRecord { index: expected.len() as u64, actor: writer.actor.clone(), leaf });
                commit.leaf = Some(leaf);
            }
            commits.push(storage.journal.commit(commit));
        }
    }
    for result in futures::future::join_all(commits).await {
        result.expect("commit");
    }
    assert_eq!(all(&storage).await, expected);
    assert_eq!(storage.log.size().await.expect("size"), expected.len() as u64);
    assert_eq!(storage.log.leaves(3, 4).await.expect("leaves"), expected[3..7]);
    assert_eq!(storage.log.leaves(expected.len() as u64 - 1, 4).await.expect("leaves"), expected[expected.len() - 1..]);
    assert_eq!(storage.log.leaves(expected.len() as u64, 4).await.expect("leaves"), []);
    assert_eq!(storage.log.leaves(u64::MAX, 4).await.expect("leaves"), []);
}

/// A leaf is in the log if and only if its commit was applied.
pub async fn a_refused_commit_leaves_no_leaf(storage: Storage) {
    let mut first = Writer::acquire(&storage, &actor("a")).await;
    let before = rest(&mut first, &storage, 1).await;
    let refuse = async |mut commit: Commit| {
        commit.leaf = Some(leaf(&commit, 0));
        storage.journal.commit(commit).await.expect_err("refused")
    };
    let stale = first.commit(1);
    let mut second = Writer::acquire(&storage, &actor("a")).await;
    assert!(matches!(refuse(stale).await, CommitError::Fenced { .. }));
    let misplaced = Commit { expected_seq: SequenceNumber(7), ..second.commit(1) };
    assert!(matches!(refuse(misplaced).await, CommitError::Conflict { .. }));
    let mut taking = Writer::acquire(&storage, &actor("a")).await.commit(1);
    taking.taken.push(Position(99));
    assert!(matches!(refuse(taking).await, CommitError::Taken { .. }));
    assert_eq!(storage.log.size().await.expect("size"), 1);
    assert_eq!(storage.log.leaf_of(&actor("a"), SequenceNumber(1)).await.expect("leaf"), None);
    let after = rest(&mut Writer::acquire(&storage, &actor("a")).await, &storage, 1).await;
    let leaves: Vec<_> = all(&storage).await.into_iter().map(|record| (record.index, record.leaf)).collect();
    assert_eq!(leaves, [(0, before), (1, after)]);
}

/// What commits to an entry is the actor's first leaf from there on, be it in the same commit or a later one.
pub async fn an_entry_is_found_in_the_log(storage: Storage) {
    let mut writer = Writer::acquire(&storage, &actor("a")).await;
    let mut other = Writer::acquire(&storage, &actor("b")).await;
    let of = async |key: &str, seq| {
        let found = storage.log.leaf_of(&actor(key), SequenceNumber(seq)).await.expect("leaf");
        found.map(|record| {
            assert_eq!(record.actor, actor(key));
            (record.index, record.leaf.seq.0)
        })
    };
    // Entries 0 and 1, and 2 to 4 in two commits more, the last of them with a leaf.
    rest(&mut writer, &storage, 2).await;
    writer.write(&storage, |_| ()).await;
    rest(&mut other, &storage, 1).await;
    rest(&mut writer, &storage, 2).await;
    // A commit may go on after the entry its leaf names: entry 6, of 5 to 7.
    let mut commit = writer.commit(3);
    commit.leaf = Some(leaf(&commit, 1));
    storage.journal.commit(commit).await.expect("commit");
    assert_eq!(of("a", 7).await, None, "nothing commits to it yet");
    rest(&mut writer, &storage, 1).await;
    writer.write(&storage, |_| ()).await;
    let found = [of("a", 0).await, of("a", 1).await, of("a", 2).await, of("a", 3).await, of("a", 4).await];
    assert_eq!(found, [Some((0, 1)), Some((0, 1)), Some((2, 4)), Some((2, 4)), Some((2, 4))]);
    assert_eq!([of("a", 5).await, of("a", 6).await], [Some((3, 6)); 2]);
    assert_eq!([of("a", 7).await, of("a", 8).await], [Some((4, 8)); 2]);
    assert_eq!([of("a", 9).await, of("a", 10).await, of("a", u64::MAX).await], [None; 3]);
    assert_eq!([of("b", 0).await, of("b", 1).await, of("nobody", 0).await], [Some((1, 0)), None, None]);
}

/// Erasing payloads, which rewrites segments, takes no leaf away.
pub async fn erasing_takes_no_leaf_away(storage: Storage) {
    let mut writer = Writer::acquire(&storage, &actor("a")).await;
    for _ in 0..3 {
        let mut commit = writer.commit(2);
        commit.leaf = Some(leaf(&commit, 0));
        commit.segment.payloads.push(super::payload("\"erased\""));
        storage.journal.commit(commit).await.expect("commit");
    }
    let before = all(&storage).await;
    storage.upkeep.erase(&actor("a"), writer.next_seq).await.expect("erase");
    assert_eq!(all(&storage).await, before);
    for record in before {
        let found = storage.log.leaf_of(&actor("a"), record.leaf.seq).await.expect("leaf");
        assert_eq!(found, Some(record));
    }
}

fn checkpoint(size: u64) -> CheckpointRecord {
    CheckpointRecord { size, at_ms: 10 + size, note: format!("node\n{size}\nroot\n\n— node signature\n") }
}

fn tile(level: u8, index: u64) -> TileRecord {
    TileRecord { level, index, cid: Cid::of(Codec::Raw, format!("tile {level} {index}").as_bytes()) }
}

/// The newest checkpoint is the largest, and what is refused brings no tiles.
pub async fn checkpoints_only_grow(storage: Storage) {
    let mut writer = Writer::acquire(&storage, &actor("a")).await;
    for _ in 0..3 {
        rest(&mut writer, &storage, 1).await;
    }
    let newest = async || storage.log.checkpoint().await.expect("checkpoint");
    let found = async |tile: TileRecord| storage.log.tile(tile.level, tile.index).await.expect("tile");
    assert_eq!((newest().await, found(tile(0, 0)).await), (None, None));
    storage.log.seal(checkpoint(2), vec![tile(0, 0), tile(1, 0)]).await.expect("seal");
    assert_eq!(newest().await, Some(checkpoint(2)));
    let too_small = storage.log.seal(checkpoint(1), vec![tile(0, 1)]).await;
    assert!(matches!(too_small, Err(StoreError::Unsealable { size: 1, newest: 2, leaves: 3 })), "{too_small:?}");
    let too_large = storage.log.seal(checkpoint(4), vec![tile(0, 1)]).await;
    assert!(matches!(too_large, Err(StoreError::Unsealable { size: 4, newest: 2, leaves: 3 })), "{too_large:?}");
    assert_eq!((newest().await, found(tile(0, 1)).await), (Some(checkpoint(2)), None));
    // The same again, as after a lost answer, and a later note about the same leaves.
    storage.log.seal(checkpoint(2), vec![tile(0, 0), tile(1, 0)]).await.expect("seal");
    let later = CheckpointRecord { at_ms: 99, ..checkpoint(2) };
    storage.log.seal(later.clone(), vec![]).await.expect("seal");
    assert_eq!(newest().await, Some(later));
    storage.log.seal(checkpoint(3), vec![tile(0, 1)]).await.expect("seal");
    assert_eq!(newest().await, Some(checkpoint(3)));
    for tile in [tile(0, 0), tile(1, 0), tile(0, 1)] {
        assert_eq!(found(tile).await, Some(tile.cid));
    }
    assert_eq!((found(tile(1, 1)).await, found(tile(0, u64::MAX)).await), (None, None));
}

/// What witnesses cosigned is kept beside the newest checkpoint, is never larger, and only grows.
pub async fn witnesses_follow_the_checkpoints(storage: Storage) {
    let mut writer = Writer::acquire(&storage, &actor("a")).await;
    for _ in 0..3 {
        rest(&mut writer, &storage, 1).await;
    }
    let cosigned = |size| CheckpointRecord { note: format!("cosigned {size}"), ..checkpoint(size) };
    let kept = async || storage.log.witnessed().await.expect("witnessed");
    assert_eq!(kept().await, None);
    let unsigned = storage.log.keep_witnessed(cosigned(1)).await;
    assert!(matches!(unsigned, Err(StoreError::Unsealable { size: 1, newest: 0, leaves: 0 })), "{unsigned:?}");
    storage.log.seal(checkpoint(2), vec![]).await.expect("seal");
    storage.log.keep_witnessed(cosigned(2)).await.expect("keep");
    storage.log.seal(checkpoint(3), vec![]).await.expect("seal");
    assert_eq!(kept().await, Some(cosigned(2)), "the next checkpoint leaves it");
    assert_eq!(storage.log.checkpoint().await.expect("checkpoint"), Some(checkpoint(3)));
    let too_small = storage.log.keep_witnessed(cosigned(1)).await;
    assert!(matches!(too_small, Err(StoreError::Unsealable { size: 1, newest: 2, leaves: 3 })), "{too_small:?}");
    let another = CheckpointRecord { note: "another witness too".into(), ..cosigned(2) };
    storage.log.keep_witnessed(another.clone()).await.expect("keep");
    assert_eq!(kept().await, Some(another));
    storage.log.keep_witnessed(cosigned(3)).await.expect("keep");
    assert_eq!(kept().await, Some(cosigned(3)));
}

/// A tile that a checkpoint came with stays; one that none came with does not.
pub async fn tiles_are_not_collected(storage: Storage) {
    let put = async |content: &'static [u8]| {
        let cid = Cid::of(Codec::Raw, content);
        storage.blobs.put(cid, content.into()).await.expect("put");
        cid
    };
    let (sealed, unsealed) = (put(b"sealed").await, put(b"unsealed").await);
    storage.log.seal(checkpoint(0), vec![TileRecord { level: 0, index: 0, cid: sealed }]).await.expect("seal");
    let spared = || Spared { roots: vec![], put_since_ms: u64::MAX };
    let marked = collect::mark(&storage, spared).await.expect("mark");
    assert_eq!(marked.sweep(&storage).await.expect("sweep").removed, 1);
    storage.blobs.get(sealed).await.expect("is kept");
    assert!(matches!(storage.blobs.get(unsealed).await, Err(BlobError::NotFound(_))));
}
