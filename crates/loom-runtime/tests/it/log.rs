//! What the node's log gets of actors, and when.

use loom_runtime::{Handle, audit_address};
use loom_storage::{LeafRecord, Storage, memory::MemoryStore};
use loom_types::{ActorAddress, EntryBody, Namespace, SequenceNumber};

use crate::node::{Node, probe, settings};

/// The entries of an actor that have a leaf, by kind; checks that each leaf names its entry.
async fn logged(handle: &Handle, storage: &Storage, actor: &ActorAddress) -> Vec<(u64, &'static str)> {
    let entries = handle.journal(actor, SequenceNumber(0)).await.unwrap();
    let leaves = storage.log.leaves(0, usize::MAX).await.unwrap().into_iter();
    let own = leaves.filter(|record| record.actor == *actor).map(|LeafRecord { leaf, .. }| {
        let named = &entries[leaf.seq.0 as usize];
        assert_eq!((named.entry.seq, named.encoded.cid), (leaf.seq, leaf.head));
        (leaf.seq.0, named.entry.body.kind())
    });
    own.collect()
}

/// The entries of an actor for which there should be one.
async fn resting(handle: &Handle, actor: &ActorAddress) -> Vec<(u64, &'static str)> {
    let entries = handle.journal(actor, SequenceNumber(0)).await.unwrap();
    let rests = |body: &EntryBody| matches!(body, EntryBody::TurnEnded { .. } | EntryBody::Control { .. });
    let resting = entries.iter().filter(|journaled| rests(&journaled.entry.body));
    resting.map(|journaled| (journaled.entry.seq.0, journaled.entry.body.kind())).collect()
}

#[tokio::test]
async fn every_turn_ends_with_a_leaf() {
    for resident in [100, 0] {
        let storage = MemoryStore::storage();
        let node = Node::start(storage.clone(), settings(resident)).await;
        node.deploy().await;
        // A turn of several commits, one that fails, and one that begins anew in the commit that ends it.
        let last = r#"{"do":[{"reply":"last"}]}"#;
        let programs = [
            r#"{"do":[{"op":"sleep","ms":1},{"op":"sleep","ms":1},{"reply":"slept"}]}"#,
            r#"{"do":7}"#,
            &format!(r#"{{"do":[{{"op":"turn.restart","body":{last}}}]}}"#),
        ];
        for program in programs {
            let _ = node.run("a", program).await;
        }
        let found = logged(&node.handle, &storage, &probe("a")).await;
        assert_eq!(found, resting(&node.handle, &probe("a")).await);
        assert_eq!(found.len(), 4, "{found:?}");
        node.runtime.shutdown().await;
    }
}

#[tokio::test]
async fn what_is_done_to_a_resting_actor_has_a_leaf() {
    let storage = MemoryStore::storage();
    let node = Node::start(storage.clone(), settings(0)).await;
    node.deploy().await;
    node.run("a", r#"{"do":[{"reply":"done"}]}"#).await.unwrap();
    node.handle.pause(&probe("a"), "anna").await.unwrap();
    node.handle.resume(&probe("a"), "anna").await.unwrap();
    let found = logged(&node.handle, &storage, &probe("a")).await;
    assert_eq!(found, resting(&node.handle, &probe("a")).await);
    assert_eq!(found.iter().map(|(_, kind)| *kind).collect::<Vec<_>>(), ["turn-ended", "control", "control"]);
    node.runtime.shutdown().await;
}

#[tokio::test]
async fn every_entry_of_the_audit_log_has_a_leaf() {
    let storage = MemoryStore::storage();
    let node = Node::start(storage.clone(), settings(0)).await;
    let namespace = Namespace::default();
    for act in ["one", "two", "three"] {
        node.handle.audit(&namespace, act, "ada").await.unwrap();
    }
    let audit = audit_address(&namespace);
    let found = logged(&node.handle, &storage, &audit).await;
    assert_eq!(found, [(1, "control"), (2, "control"), (3, "control")]);
    assert_eq!(found, resting(&node.handle, &audit).await);
    node.runtime.shutdown().await;
}
