//! The embedded store against the shared suite, and what only it promises.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stderr, reason = "a test that cannot run here says why")]

mod damage;
mod disk;
mod support;

use loom_storage::NewMessage;
use loom_store_sqlite::{OpenError, Settings, open};
use loom_types::{Cid, Codec, Payload, SaltSource, media_type};

#[tokio::test]
async fn the_embedded_store_conforms() {
    let folders = tempfile::tempdir().unwrap();
    let count = std::cell::Cell::new(0);
    loom_storage::conformance::run_all(|| {
        count.set(count.get() + 1);
        let settings = Settings::new(folders.path().join(count.get().to_string()));
        async move { open(&settings).unwrap() }
    })
    .await;
}

#[tokio::test]
async fn so_it_does_with_large_payloads_in_blobs() {
    let folders = tempfile::tempdir().unwrap();
    let count = std::cell::Cell::new(0);
    loom_storage::conformance::run_all(|| {
        count.set(count.get() + 1);
        let settings = Settings::new(folders.path().join(count.get().to_string()));
        async move { loom_storage::spilling(open(&settings).unwrap()) }
    })
    .await;
}

#[test]
fn a_folder_has_one_owner() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::new(folder.path());
    let first = open(&settings).unwrap();
    let Err(refused) = open(&settings) else { panic!("opened twice") };
    assert!(matches!(refused, OpenError::InUse { .. }));
    assert!(refused.to_string().contains(&format!("(process id {})", std::process::id())), "{refused}");
    drop(first);
    open(&settings).unwrap();
}

#[tokio::test]
async fn tokens_grow_over_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::new(folder.path());
    let actor = "default/t/a".parse().unwrap();
    let first = open(&settings).unwrap().journal.acquire(&actor).await.unwrap();
    let second = open(&settings).unwrap().journal.acquire(&actor).await.unwrap();
    assert!(second > first);
}

#[tokio::test]
async fn the_log_goes_on_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(&Settings::new(folder.path())).unwrap();
    support::fill(&storage).await;
    let before = support::read_all(&storage).await;
    let leaves = storage.log.leaves(0, 99).await.unwrap();
    drop(storage);
    let storage = open(&Settings::new(folder.path())).unwrap();
    let after = support::read_all(&storage).await;
    for what in ["log", "log's size", "tile", "checkpoint"] {
        assert_eq!(after[what].as_ref().unwrap(), before[what].as_ref().unwrap(), "{what}");
    }
    support::write(&storage, &support::actor(0), |_| ()).await.unwrap();
    let next = storage.log.leaves(leaves.len() as u64, 99).await.unwrap();
    assert_eq!(next.iter().map(|record| record.index).collect::<Vec<_>>(), [leaves.len() as u64]);
}

#[tokio::test]
async fn a_damaged_blob_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(&Settings::new(folder.path())).unwrap();
    let cid = Cid::of(Codec::Raw, b"content");
    storage.blobs.put(cid, "content".into()).await.unwrap();
    let name = cid.to_string();
    let path = folder.path().join("blobs").join(&name[name.len() - 2..]).join(&name);
    std::fs::write(path, "changed").unwrap();
    let error = storage.blobs.get(cid).await.unwrap_err();
    assert!(error.to_string().contains("do not match"), "{error}");
}

/// Salts that nobody has to guess.
struct Zeros;

impl SaltSource for Zeros {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

#[tokio::test]
async fn the_figures_are_what_was_done() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::new(folder.path());
    let actor = "default/t/a".parse().unwrap();
    let new = || NewMessage {
        id: "m".parse().unwrap(),
        body_digest: [0; 32],
        payload: Payload::seal(media_type::MESSAGE, b"1", &mut Zeros),
    };
    let storage = open(&settings).unwrap();
    let before = storage.journal.figures().unwrap();
    assert_eq!((before.transactions, before.mailbox_waiting), (0, 0));
    storage.mailbox.enqueue(&actor, new(), 10).await.unwrap();
    storage.mailbox.enqueue(&actor, new(), 10).await.unwrap();
    storage.catalog.probe().await.unwrap();
    let after = storage.journal.figures().unwrap();
    assert_eq!((after.transactions, after.transactions_failed, after.operations_waiting), (3, 0, 0));
    assert_eq!(after.mailbox_waiting, 1, "the same message again is no second one");
    assert_eq!((after.group_operations.sum, after.transaction_seconds.count), (3.0, 3));
    drop(storage);
    assert_eq!(open(&settings).unwrap().journal.figures().unwrap().mailbox_waiting, 1, "it still waits");
}
