//! Folders of older formats.

use loom_storage::{Commit, Leaf, Storage};
use loom_types::{ActorAddress, Entry, EntryBody, Segment, SequenceNumber, TurnNumber};

use super::*;
use crate::open;

fn actor(key: &str) -> ActorAddress {
    format!("default/tester/{key}").parse().unwrap()
}

/// Appends one entry in a segment of its own; its leaf, if it is wanted in the log.
async fn append(storage: &Storage, key: &str, change: impl FnOnce(&mut Commit, Leaf)) -> Leaf {
    let token = storage.journal.acquire(&actor(key)).await.unwrap();
    let record = storage.journal.load(&actor(key)).await.unwrap();
    let (seq, prev) = record.map_or((SequenceNumber(0), None), |record| (record.next_seq, Some(record.head)));
    let body = match seq.0 {
        0 => EntryBody::Opened {},
        _ => EntryBody::Control { what: "test".into(), by: "test".into(), detail: None, state: None },
    };
    let encoded = Entry { actor: actor(key), seq, prev, turn: TurnNumber(0), at_ms: 1, body }.encode();
    let leaf = Leaf { seq, head: encoded.cid };
    let segment = Segment { entries: vec![encoded], payloads: vec![] };
    let mut commit = Commit::of_segment(actor(key), token, seq, segment, leaf.head, 1);
    change(&mut commit, leaf);
    storage.journal.commit(commit).await.unwrap();
    leaf
}

/// What format 4 added, taken away.
fn as_format_3(path: &Path) {
    let connection = connect(path, OpenFlags::default()).unwrap();
    connection.execute_batch("DROP TABLE witnessed; PRAGMA user_version = 3;").unwrap();
}

/// What format 3 added, taken away too.
fn as_format_2(path: &Path) {
    as_format_3(path);
    let connection = connect(path, OpenFlags::default()).unwrap();
    connection
        .execute_batch(
            "DROP TABLE leaves; DROP TABLE tiles; DROP TABLE checkpoint; ALTER TABLE segments DROP COLUMN leaf; \
             DELETE FROM meta WHERE key = 'leaves'; PRAGMA user_version = 2;",
        )
        .unwrap();
}

/// Actors at rest get a leaf for what they did, those in a turn when it ends, and everything goes on.
#[tokio::test]
async fn a_folder_without_a_log_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::new(folder.path());
    let storage = open(&settings).unwrap();
    let mut heads = Vec::new();
    for key in ["a", "busy", "b"] {
        append(&storage, key, |_, _| ()).await;
        let is_busy = key == "busy";
        heads.push(append(&storage, key, |commit, _| commit.open_turn = is_busy.then_some(SequenceNumber(1))).await);
    }
    drop(storage);
    as_format_2(&folder.path().join("loom.db"));

    let storage = open(&settings).unwrap();
    let leaves = async || {
        let leaves = storage.log.leaves(0, 99).await.unwrap().into_iter();
        leaves.map(|record| (record.index, record.actor, record.leaf)).collect::<Vec<_>>()
    };
    assert_eq!(leaves().await, [(0, actor("a"), heads[0]), (1, actor("b"), heads[2])]);
    let of_busy = async || storage.log.leaf_of(&actor("busy"), SequenceNumber(0)).await.unwrap();
    assert_eq!(of_busy().await, None);
    let ended = append(&storage, "busy", |commit, leaf| commit.leaf = Some(leaf)).await;
    assert_eq!(of_busy().await.map(|record| (record.index, record.leaf)), Some((2, ended)));
    for (key, index) in [("a", 0), ("b", 1)] {
        let found = storage.log.leaf_of(&actor(key), SequenceNumber(0)).await.unwrap().unwrap();
        assert_eq!((found.index, found.leaf.seq), (index, SequenceNumber(1)));
        assert_eq!(storage.journal.read(&actor(key), SequenceNumber(0)).await.unwrap().len(), 2);
    }
    assert_eq!(leaves().await.len(), 3);
    drop(storage);
    assert_eq!(open(&settings).unwrap().log.size().await.unwrap(), 3, "once");
}

/// The log goes on, and so does what is signed of it.
#[tokio::test]
async fn a_folder_without_witnesses_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::new(folder.path());
    let storage = open(&settings).unwrap();
    let leaf = append(&storage, "a", |commit, leaf| commit.leaf = Some(leaf)).await;
    let checkpoint = loom_storage::CheckpointRecord { size: 1, at_ms: 1, note: "signed".into() };
    storage.log.seal(checkpoint.clone(), vec![]).await.unwrap();
    drop(storage);
    as_format_3(&folder.path().join("loom.db"));

    let storage = open(&settings).unwrap();
    assert_eq!(storage.log.checkpoint().await.unwrap(), Some(checkpoint.clone()));
    assert_eq!(storage.log.leaves(0, 9).await.unwrap()[0].leaf, leaf);
    assert_eq!(storage.log.witnessed().await.unwrap(), None);
    storage.log.keep_witnessed(checkpoint.clone()).await.unwrap();
    drop(storage);
    assert_eq!(open(&settings).unwrap().log.witnessed().await.unwrap(), Some(checkpoint));
}

#[test]
fn a_folder_of_a_newer_format_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::new(folder.path());
    drop(open(&settings).unwrap());
    let path = folder.path().join("loom.db");
    connect(&path, OpenFlags::default()).unwrap().pragma_update(None, "user_version", FORMAT + 1).unwrap();
    let Err(refused) = open(&settings) else { panic!("it opened") };
    assert!(matches!(refused, OpenError::Version { found, known: FORMAT, .. } if found == FORMAT + 1), "{refused}");
}
