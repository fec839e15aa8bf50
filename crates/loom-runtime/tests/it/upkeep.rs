//! Large values, and letting go of old ones.

use std::{path::Path, time::Duration};

use loom_runtime::{LetGo, SendError, SendOptions, Settings, Settled};
use loom_types::{Cid, SequenceNumber};

use crate::node::{Node, PATIENCE, probe, settings};

/// More than stands in a row.
const LARGE: usize = 200_000;

fn open(folder: &Path) -> loom_storage::Storage {
    loom_store_sqlite::open(&loom_store_sqlite::Settings::new(folder)).unwrap()
}

fn options(id: &str) -> SendOptions {
    SendOptions { id: Some(id.parse().unwrap()), until_waiting: false }
}

pub(crate) fn blob_path(folder: &Path, cid: Cid) -> std::path::PathBuf {
    let name = cid.to_string();
    folder.join("blobs").join(&name[name.len() - 2..]).join(&name)
}

/// Keeps a large value in message, request, outcome, reply and state.
fn large_program() -> String {
    let value = format!("\"{}\"", "x".repeat(LARGE));
    format!(
        r#"{{"do":[{{"op":"activity","name":"effect","input":{value}}},{{"op":"state.set","value":{value}}},
            {{"reply":{{"$ref":0}}}}]}}"#
    )
}

#[tokio::test]
async fn large_values_are_blobs_and_nobody_notices() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(open(folder.path()), settings(0)).await;
    node.deploy().await;
    let reply = node.run("a", &large_program()).await.unwrap();
    assert_eq!(reply.len(), LARGE + 2);
    node.runtime.shutdown().await;
    drop(node.handle);

    let node = Node::start(open(folder.path()), settings(0)).await;
    assert_eq!(node.handle.state(&probe("a")).await.unwrap().unwrap().len(), LARGE + 2);
    let entries = node.handle.journal(&probe("a"), SequenceNumber(0)).await.unwrap();
    let mut large = 0;
    for (_, cid, payload) in entries.iter().flat_map(|journaled| &journaled.payloads) {
        let payload = payload.as_ref().expect("nothing was erased");
        let is_blob = blob_path(folder.path(), *cid).exists();
        assert_eq!(is_blob, payload.value().len() >= LARGE, "{payload:?}");
        large += usize::from(is_blob);
    }
    assert!(large >= 4, "message, request, outcome, reply or state: {large}");
    let database = std::fs::metadata(folder.path().join("loom.db")).unwrap().len();
    assert!(database < LARGE as u64 * 2, "rows stay small: {database} bytes");
    node.runtime.shutdown().await;
}

/// A payload that cannot be read is the host's fault: nothing is journaled, and when it is there again all goes on.
#[tokio::test]
async fn a_missing_large_state_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(open(folder.path()), settings(0)).await;
    node.deploy().await;
    node.run("a", &large_program()).await.unwrap();
    let entries = node.handle.journal(&probe("a"), SequenceNumber(0)).await.unwrap();
    let (_, state, _) = *entries.last().unwrap().payloads.iter().find(|(role, ..)| *role == "state").unwrap();
    node.runtime.shutdown().await;
    drop(node.handle);
    let (path, hidden) = (blob_path(folder.path(), state), folder.path().join("hidden"));
    std::fs::rename(&path, &hidden).unwrap();

    let node = Node::start(open(folder.path()), settings(0)).await;
    let missing = node.handle.state(&probe("a")).await.unwrap_err();
    assert!(loom_runtime::causes(&missing).contains(&format!("no blob {state}")), "{missing:?}");
    assert_eq!(node.run("b", r#"{"do":[{"reply":"others go on"}]}"#).await.unwrap(), "\"others go on\"");
    std::fs::rename(&hidden, &path).unwrap();
    assert_eq!(node.run("a", r#"{"do":[{"reply":"back"}]}"#).await.unwrap(), "\"back\"");
    node.runtime.shutdown().await;
}

/// With nothing kept for any time, values of finished turns go, and the journal stays whole.
#[tokio::test]
async fn old_values_go_and_the_chain_stays() {
    let folder = tempfile::tempdir().unwrap();
    let nothing = Some(Duration::ZERO);
    let settings = Settings { payloads_kept: nothing, message_ids_kept: nothing, blobs_kept: nothing, ..settings(0) };
    let node = Node::start(open(folder.path()), settings).await;
    node.deploy().await;
    node.send("a", &large_program(), options("m")).await;
    let before = node.handle.journal(&probe("a"), SequenceNumber(0)).await.unwrap();
    node.send("a", r#"{"do":[{"op":"state.set","value":"small"}]}"#, options("n")).await;
    let mut let_go = LetGo::default();
    let all_gone = async {
        // The clock must have moved on since the turns ended.
        while let_go.payloads < 7 || let_go.message_ids < 2 || let_go.blobs.removed < 4 {
            let round = node.handle.upkeep().await.unwrap();
            let_go.payloads += round.payloads;
            let_go.message_ids += round.message_ids;
            let_go.blobs.removed += round.blobs.removed;
            tokio::task::yield_now().await;
        }
    };
    if tokio::time::timeout(PATIENCE, all_gone).await.is_err() {
        panic!("not everything went: {let_go:?}");
    }
    let after = node.handle.journal(&probe("a"), SequenceNumber(0)).await.unwrap();
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before.encoded, after.encoded);
        let missing: Vec<Cid> =
            after.payloads.iter().filter(|(.., payload)| payload.is_none()).map(|(_, cid, _)| *cid).collect();
        assert_eq!(missing, after.erased, "what is missing says why");
    }
    let mut ticket = node.handle.follow(&probe("a"), "m".parse().unwrap(), false).unwrap();
    assert!(matches!(ticket.settled().await, Err(SendError::UnknownMessage(_))));
    let again = node.send("a", r#"{"do":[{"op":"state.get"}]}"#, options("m")).await;
    assert!(matches!(again, Settled::Ended { result: Ok(reply), .. } if reply.contains("small")), "a new message");
    node.runtime.shutdown().await;
}

/// A client that asks for a result that was erased is told so.
#[tokio::test]
async fn an_erased_result_says_so() {
    let storage = loom_storage::memory::MemoryStore::storage();
    let node = Node::start(storage.clone(), settings(0)).await;
    node.deploy().await;
    node.send("a", r#"{"do":[{"reply":"secret"}]}"#, options("m")).await;
    let entries = node.handle.actor(&probe("a")).await.unwrap().entries;
    storage.upkeep.erase(&probe("a"), SequenceNumber(entries)).await.unwrap();
    let mut ticket = node.handle.follow(&probe("a"), "m".parse().unwrap(), false).unwrap();
    let told = ticket.settled().await;
    assert!(matches!(&told, Err(SendError::Erased(what)) if what.contains("default/probe/a")), "{told:?}");
    node.runtime.shutdown().await;
}
