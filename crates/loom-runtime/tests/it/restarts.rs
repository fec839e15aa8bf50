//! What is still there after a restart.

use loom_machine::{ActorSpec, Deployment, GuestLimits};
use loom_runtime::{SendOptions, Settled, Stage};
use loom_types::{Cid, Codec, Namespace};

use crate::{
    node::{Node, PATIENCE, prebuilt, probe, settings},
    turns::eventually,
    upkeep::blob_path,
};

fn open(folder: &std::path::Path) -> loom_storage::Storage {
    loom_store_sqlite::open(&loom_store_sqlite::Settings::new(folder)).unwrap()
}

#[tokio::test]
async fn a_restart_goes_on_where_the_journal_ends() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(open(folder.path()), settings(100)).await;
    node.deploy().await;
    let options = |id: &str| SendOptions { id: Some(id.parse().unwrap()), until_waiting: true };
    let waits = r#"{"do":[{"op":"uuid"},{"op":"now"},{"op":"promise.create"},
        {"op":"promise.await","handle":{"$ref":[2,"/handle"]}},{"reply":[{"$ref":0},{"$ref":3}]}]}"#;
    let Settled::Waiting { promises, .. } = node.send("promise", waits, options("m")).await else { panic!("it waits") };
    let sleeps = r#"{"do":[{"op":"sleep","ms":300},{"op":"state.set","value":"woken"},{"reply":"woken"}]}"#;
    let mut asleep = node.handle.send(&probe("timer"), sleeps, options("m")).unwrap();
    asleep.accepted().await.unwrap();
    let mut queued = node.handle.send(&probe("promise"), r#"{"do":[{"reply":"second"}]}"#, options("n")).unwrap();
    queued.accepted().await.unwrap();
    node.runtime.shutdown().await;
    drop(node.handle);

    let node = Node::start(open(folder.path()), settings(100)).await;
    node.handle.resolve(&promises[0], Ok("\"later\"")).await.unwrap();
    for (key, id, expected) in [("promise", "m", "\"later\""), ("promise", "n", "second"), ("timer", "m", "woken")] {
        let mut ticket = node.handle.follow(&probe(key), id.parse().unwrap(), false).unwrap();
        let settled = tokio::time::timeout(PATIENCE, ticket.settled()).await.expect("settles").unwrap();
        let Settled::Ended { result: Ok(reply), .. } = settled else { panic!("{settled:?}") };
        assert!(reply.contains(expected), "{key} {id}: {reply}");
    }
    node.runtime.shutdown().await;
}

/// A module that is missing is the host's fault: nothing is journaled, and when it is there the turn runs.
#[tokio::test]
async fn a_missing_blob_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(open(folder.path()), settings(0)).await;
    node.deploy().await;
    node.runtime.shutdown().await;
    drop(node.handle);
    let blobs = folder.path().join("blobs");
    let hidden = folder.path().join("hidden");
    let probe_module = loom_types::Cid::of(loom_types::Codec::Raw, &crate::node::prebuilt("probe.wasm")).to_string();
    let path = blobs.join(&probe_module[probe_module.len() - 2..]).join(&probe_module);
    std::fs::rename(&path, &hidden).unwrap();

    let node = Node::start(open(folder.path()), settings(0)).await;
    let mut ticket = node.handle.send(&probe("a"), r#"{"do":[{"reply":"done"}]}"#, SendOptions::default()).unwrap();
    let faults = || node.handle.metrics().host_faults.get();
    let waited = async {
        while faults() < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, waited).await.expect("it is tried again");
    std::fs::rename(&hidden, &path).unwrap();
    let settled = tokio::time::timeout(PATIENCE, ticket.settled()).await.expect("settles").unwrap();
    assert!(matches!(settled, Settled::Ended { result: Ok(reply), .. } if reply == "\"done\""));
    node.runtime.shutdown().await;
}

/// A turn whose guest cannot start says why, and an operator can let the actor go on without it.
#[tokio::test]
async fn a_turn_whose_module_is_gone_can_be_failed() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(open(folder.path()), settings(0)).await;
    node.deploy().await;
    let waits = r#"{"do":[{"op":"promise.create"},{"op":"promise.await","handle":{"$ref":[0,"/handle"]}}]}"#;
    let options = |id: &str| SendOptions { id: Some(id.parse().unwrap()), until_waiting: true };
    let Settled::Waiting { promises, .. } = node.send("a", waits, options("m")).await else { panic!("it waits") };
    node.runtime.shutdown().await;
    drop(node.handle);
    let module = Cid::of(Codec::Raw, &prebuilt("probe.wasm"));
    std::fs::remove_file(blob_path(folder.path(), module)).unwrap();

    let node = Node::start(open(folder.path()), settings(0)).await;
    node.handle.resolve(&promises[0], Ok("1")).await.unwrap();
    let names_it = |stage: Stage| matches!(stage, Stage::Faulted(fault) if fault.contains(&module.to_string()));
    eventually(async || names_it(node.handle.actor(&probe("a")).await.unwrap().stage)).await;
    // The next message runs on a module that is there.
    let echo =
        ActorSpec::new(node.handle.put_blob(prebuilt("echo.wasm").into()).await.unwrap(), GuestLimits::default());
    let deployment = Deployment::new("tests", [("probe".to_owned(), echo)].into(), Default::default()).unwrap();
    node.handle.deploy(&Namespace::default(), deployment).await.unwrap();
    let mut behind = node.handle.send(&probe("a"), "[7]", options("n")).unwrap();
    tokio::time::timeout(PATIENCE, behind.accepted()).await.expect("durable in line").unwrap();
    node.handle.fail_turn(&probe("a"), "its module is lost", "anna").await.unwrap();
    let mut failed = node.handle.follow(&probe("a"), "m".parse().unwrap(), false).unwrap();
    for (ticket, expected) in [(&mut failed, Err("turn-failed".to_owned())), (&mut behind, Ok("[7]".to_owned()))] {
        let settled = tokio::time::timeout(PATIENCE, ticket.settled()).await.expect("settles").unwrap();
        let Settled::Ended { result, .. } = settled else { panic!("{settled:?}") };
        assert_eq!(result.map_err(|failure| failure.kind), expected);
    }
    assert_eq!(node.handle.actor(&probe("a")).await.unwrap().stage, Stage::Idle);
    node.runtime.shutdown().await;
}

/// Attempts that failed before a restart are not made again after it.
#[tokio::test]
async fn attempts_are_counted_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(open(folder.path()), settings(100)).await;
    node.deploy().await;
    let program = r#"{"do":[{"op":"activity","name":"effect","input":{"err":{"kind":"busy","message":"m","retryable":true}},
        "retry":{"attempts_max":3,"backoff_ms_min":400,"backoff_ms_max":400}}]}"#;
    let options = SendOptions { id: Some("m".parse().unwrap()), until_waiting: false };
    node.handle.send(&probe("a"), program, options).unwrap();
    let failed_once = async {
        while node.handle.metrics().activities.get() < 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, failed_once).await.expect("it is tried");
    node.runtime.shutdown().await;
    let before = node.handle.metrics().activities.get();
    drop(node.handle);

    let node = Node::start(open(folder.path()), settings(100)).await;
    let mut ticket = node.handle.follow(&probe("a"), "m".parse().unwrap(), false).unwrap();
    let settled = tokio::time::timeout(PATIENCE, ticket.settled()).await.expect("settles").unwrap();
    assert!(matches!(settled, Settled::Ended { result: Ok(_), .. }), "{settled:?}");
    let entries = node.handle.journal(&probe("a"), loom_types::SequenceNumber(0)).await.unwrap();
    let attempts = entries.iter().find_map(|journaled| match journaled.entry.body {
        loom_types::EntryBody::Outcome { attempts, .. } => Some(attempts),
        _ => None,
    });
    assert_eq!(attempts, Some(3));
    // The first may have been lost between its end and the commit that counts it; then it counts as made.
    assert!((2..=3).contains(&(before + node.handle.metrics().activities.get())));
    node.runtime.shutdown().await;
}
