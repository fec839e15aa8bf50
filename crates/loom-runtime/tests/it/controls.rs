//! What operators do, and what it leaves in the journal.

use loom_runtime::{ControlError, OsSalts, SendError, SendOptions, Settings, Settled, Stage, Ticket};
use loom_storage::{NewMessage, memory::MemoryStore};
use loom_types::{Cid, Codec, EntryBody, Namespace, Payload, SequenceNumber, TurnNumber, media_type};

use crate::{
    held::{Asked, Questions, held},
    node::{Node, PATIENCE, everywhere, probe, settings},
    turns::{eventually, journal},
};

const WAITS: &str = r#"{"do":[{"op":"state.set","value":"changed"},{"op":"sleep","ms":3600000},{"reply":{"$ref":1}}]}"#;

async fn begin(node: &Node, key: &str, id: &str, program: &str) -> Ticket {
    let options = SendOptions { id: Some(id.parse().unwrap()), until_waiting: false };
    let mut ticket = node.handle.send(&probe(key), program, options).unwrap();
    tokio::time::timeout(PATIENCE, ticket.accepted()).await.expect("accepts").unwrap();
    ticket
}

async fn result(mut ticket: Ticket) -> Result<String, loom_machine::Failure> {
    match tokio::time::timeout(PATIENCE, ticket.settled()).await.expect("settles").unwrap() {
        Settled::Ended { result, .. } => result,
        other => panic!("{other:?}"),
    }
}

fn controls(bodies: &[EntryBody]) -> Vec<(&str, &str)> {
    let controls = bodies.iter().filter_map(|body| match body {
        EntryBody::Control { what, by, .. } => Some((what.as_str(), by.as_str())),
        _ => None,
    });
    controls.collect()
}

#[tokio::test]
async fn a_cancelled_turn_is_told_and_ends_as_it_likes() {
    everywhere(async |node| {
        let ticket = begin(node, "a", "m", WAITS).await;
        node.handle.cancel(&probe("a"), "not needed", "anna").await.unwrap();
        // The probe answers with the first error it met.
        let answer = result(ticket).await;
        let text = answer.unwrap_or_else(|failure| failure.to_string());
        assert!(text.contains("leads nowhere") || text.contains("cancelled"), "{text}");
        assert_eq!(controls(&journal(node, "default/probe/a").await), [("cancel", "anna")]);
        let idle = node.handle.cancel(&probe("a"), "again", "anna").await;
        assert!(matches!(idle, Err(ControlError::NoOpenTurn(_))), "{idle:?}");
        let nobody = node.handle.cancel(&probe("nobody"), "x", "anna").await;
        assert!(matches!(nobody, Err(ControlError::UnknownActor(_))), "{nobody:?}");
    })
    .await;
}

#[tokio::test]
async fn a_failed_turn_gives_its_caller_the_reason_and_the_key_back() {
    everywhere(async |node| {
        let ticket = begin(node, "a", "m", WAITS).await;
        node.handle.fail_turn(&probe("a"), "it hangs", "anna").await.unwrap();
        let failure = result(ticket).await.unwrap_err();
        assert_eq!((failure.kind.as_str(), failure.message.as_str()), ("turn-failed", "it hangs"));
        assert_eq!(node.handle.state(&probe("a")).await.unwrap(), None, "rolled back");
        assert_eq!(node.run("a", r#"{"do":[{"reply":"next"}]}"#).await.unwrap(), "\"next\"");
    })
    .await;
}

#[tokio::test]
async fn a_paused_actor_rests_until_it_is_resumed() {
    everywhere(async |node| {
        node.run("a", r#"{"do":[{"reply":0}]}"#).await.unwrap();
        node.handle.pause(&probe("a"), "anna").await.unwrap();
        node.handle.pause(&probe("a"), "anna").await.unwrap();
        let ticket = begin(node, "a", "m", r#"{"do":[{"reply":"ran"}]}"#).await;
        assert_eq!(node.handle.actor(&probe("a")).await.unwrap().stage, Stage::Paused);
        assert_eq!(node.handle.actor(&probe("a")).await.unwrap().turn, TurnNumber(1));
        node.handle.resume(&probe("a"), "bert").await.unwrap();
        assert_eq!(result(ticket).await.unwrap(), "\"ran\"");
        assert_eq!(controls(&journal(node, "default/probe/a").await), [("pause", "anna"), ("resume", "bert")]);
    })
    .await;
}

/// What comes back while an actor is paused is kept, and its guest meets it when it is resumed.
#[tokio::test]
async fn outcomes_wait_for_a_paused_turn() {
    everywhere(async |node| {
        let program = r#"{"do":[{"op":"promise.create"},{"op":"promise.await","handle":{"$ref":[0,"/handle"]}},{"reply":{"$ref":1}}]}"#;
        let ticket = begin(node, "a", "m", program).await;
        eventually(async || !node.handle.actor(&probe("a")).await.unwrap().promises.is_empty()).await;
        let token = node.handle.actor(&probe("a")).await.unwrap().promises[0].token.clone();
        node.handle.pause(&probe("a"), "anna").await.unwrap();
        node.handle.resolve(&token, Ok("7")).await.unwrap();
        eventually(async || journal(node, "default/probe/a").await.iter().any(|body| body.kind() == "outcome")).await;
        assert_eq!(node.handle.actor(&probe("a")).await.unwrap().stage, Stage::Paused);
        node.handle.resume(&probe("a"), "anna").await.unwrap();
        assert_eq!(result(ticket).await.unwrap(), "7");
    })
    .await;
}

#[tokio::test]
async fn a_reset_turn_runs_again_from_an_entry_and_nothing_is_rewritten() {
    everywhere(async |node| {
        let program = r#"{"do":[{"op":"uuid"},{"op":"uuid"},{"op":"promise.create"},
            {"op":"promise.await","handle":{"$ref":[2,"/handle"]}},{"reply":[{"$ref":0},{"$ref":1}]}]}"#;
        let ticket = begin(node, "a", "m", program).await;
        eventually(async || !node.handle.actor(&probe("a")).await.unwrap().promises.is_empty()).await;
        let before = node.handle.journal(&probe("a"), SequenceNumber(0)).await.unwrap();
        let bad = node.handle.reset(&probe("a"), SequenceNumber(0), None, "anna").await;
        assert!(matches!(bad, Err(ControlError::Reset(_))), "{bad:?}");
        let nowhere = Some(loom_types::Cid::of(loom_types::Codec::DagCbor, b"nowhere"));
        let bad = node.handle.reset(&probe("a"), SequenceNumber(2), nowhere, "anna").await;
        assert!(matches!(bad, Err(ControlError::Deployment { .. })), "{bad:?}");
        // Entry 2 is the first step.
        node.handle.reset(&probe("a"), SequenceNumber(2), None, "anna").await.unwrap();
        let fresh = async || {
            let promises = node.handle.actor(&probe("a")).await.unwrap().promises;
            promises.len() == 1 && promises[0].step.n == 4
        };
        eventually(fresh).await;
        let token = node.handle.actor(&probe("a")).await.unwrap().promises[0].token.clone();
        node.handle.resolve(&token, Ok("1")).await.unwrap();
        let reply = result(ticket).await.unwrap();
        let after = node.handle.journal(&probe("a"), SequenceNumber(0)).await.unwrap();
        assert!(before.iter().zip(&after).all(|(before, after)| before.encoded == after.encoded));
        let ids: Vec<String> = serde_json::from_str(&reply).unwrap();
        let recorded = |at: usize| after[at].payloads.last().unwrap().2.as_ref().unwrap().text().unwrap().to_owned();
        assert_eq!(format!("{:?}", ids[0]), recorded(2), "the step that was kept");
        assert_ne!(format!("{:?}", ids[1]), recorded(3), "the one that was not is a new one");
    })
    .await;
}

/// Resets an open turn and keeps every step, on a deployment without the activity `effect`.
async fn reset_without_effect(node: &Node, key: &str) {
    let (_, with) = node.handle.deployments(&Namespace::default()).remove(0);
    let mut without = (*with).clone();
    without.activities.remove("effect");
    let without = node.handle.deploy(&Namespace::default(), without).await.unwrap().cid;
    let entries = node.handle.actor(&probe(key)).await.unwrap().entries;
    node.handle.reset(&probe(key), SequenceNumber(entries - 1), Some(without), "anna").await.unwrap();
}

/// Runs an activity, waits, and wants to run it again.
const DONE: &str = r#"{"do":[{"op":"activity","name":"effect","input":"done"},{"op":"promise.create"},
    {"op":"promise.await","handle":{"$ref":[1,"/handle"]}},{"op":"activity","name":"effect","input":2}]}"#;

/// Runs an activity that is tried again and again, with so long a pause.
fn tries(backoff_ms: u64) -> String {
    format!(
        r#"{{"do":[{{"op":"activity","name":"effect","input":{{"err":{{"kind":"busy","message":"m","retryable":true}}}},
        "retry":{{"attempts_max":1000000,"backoff_ms_min":{backoff_ms},"backoff_ms_max":{backoff_ms}}}}}]}}"#
    )
}

/// What an activity said before stays, and asking for it again is the guest's failure.
#[tokio::test]
async fn a_turn_keeps_outcomes_of_an_activity_that_its_new_deployment_lacks() {
    everywhere(async |node| {
        let ticket = begin(node, "a", "m", DONE).await;
        eventually(async || !node.handle.actor(&probe("a")).await.unwrap().promises.is_empty()).await;
        reset_without_effect(node, "a").await;
        let token = node.handle.actor(&probe("a")).await.unwrap().promises[0].token.clone();
        node.handle.resolve(&token, Ok("1")).await.unwrap();
        let answer = result(ticket).await.unwrap();
        assert!(answer.contains(r#"{"ok":"done"}"#) && answer.contains(r#""kind":"unknown-activity""#), "{answer}");
    })
    .await;
}

/// There is nothing to make the next attempt with, and nobody may wait for it for ever.
#[tokio::test]
async fn a_step_fails_whose_activity_the_new_deployment_lacks() {
    everywhere(async |node| {
        let ticket = begin(node, "a", "m", &tries(1)).await;
        reset_without_effect(node, "a").await;
        let answer = result(ticket).await.unwrap();
        assert!(answer.contains(r#""kind":"unknown-activity""#) && answer.contains("'effect'"), "{answer}");
        let outcomes = journal(node, "default/probe/a").await;
        assert_eq!(outcomes.iter().filter(|body| body.kind() == "outcome").count(), 1, "so it replays");
    })
    .await;
}

#[tokio::test]
async fn a_restart_takes_up_turns_whose_deployment_lacks_their_activities() {
    let storage = MemoryStore::storage();
    let node = Node::start(storage.clone(), settings(10)).await;
    node.deploy().await;
    begin(&node, "a", "m", &tries(3_600_000)).await;
    begin(&node, "b", "m", DONE).await;
    eventually(async || !node.handle.actor(&probe("b")).await.unwrap().promises.is_empty()).await;
    let token = node.handle.actor(&probe("b")).await.unwrap().promises[0].token.clone();
    for key in ["a", "b"] {
        reset_without_effect(&node, key).await;
    }
    node.runtime.shutdown().await;

    let node = Node::start(storage, settings(10)).await;
    node.handle.resolve(&token, Ok("1")).await.unwrap();
    for (key, part) in [("a", r#"[{"err":{"kind":"unknown-activity""#), ("b", r#"[{"ok":"done"}"#)] {
        let again = node.handle.follow(&probe(key), "m".parse().unwrap(), false).unwrap();
        let answer = result(again).await.unwrap();
        assert!(answer.contains(part), "{answer}");
    }
    node.runtime.shutdown().await;
}

/// A turn that writes blob `a` and reads blob `b`, from a store that answers when it is told to.
struct Stuck {
    node: Node,
    ticket: Ticket,
    store: Questions,
    blobs: [Cid; 2],
}

impl Stuck {
    async fn begin() -> Self {
        let blobs = [b"a", b"b"].map(|bytes| Cid::of(Codec::Raw, bytes));
        let storage = MemoryStore::storage();
        storage.blobs.put(blobs[1], "b".into()).await.unwrap();
        let (storage, store) = held(storage, blobs);
        let node = Node::start(storage, Settings { shards: 1, ..settings(10) }).await;
        node.deploy().await;
        node.run("a", r#"{"do":[]}"#).await.unwrap();
        let program = format!(
            r#"{{"do":[{{"op":"blob.put","text":"a"}},{{"op":"blob.get","cid":"{}"}},{{"reply":[{{"$ref":0}},{{"$ref":1}}]}}]}}"#,
            blobs[1]
        );
        let ticket = node.handle.send(&probe("a"), &program, SendOptions::default()).unwrap();
        Self { node, ticket, store, blobs }
    }

    /// Lets a late answer come, and insists that the guest does not go on with it.
    async fn ignores(&self, late: Asked) {
        drop(late);
        // The shard handles what it already has first.
        self.node.run("b", r#"{"do":[]}"#).await.unwrap();
        assert!(self.store.is_empty(), "the guest went on");
    }

    /// Lets the turn go on to its end, from the first question of the guest that runs now.
    async fn ends_as_ever(mut self, first: Asked) {
        drop(first);
        let second = self.store.next().await;
        assert_eq!(second.cid, self.blobs[1]);
        drop(second);
        assert_eq!(result(self.ticket).await.unwrap(), format!(r#"["{}","b"]"#, self.blobs[0]));
        self.node.runtime.shutdown().await;
    }
}

#[tokio::test]
async fn a_blob_that_comes_while_its_actor_is_paused_is_asked_for_again() {
    let mut stuck = Stuck::begin().await;
    let late = stuck.store.next().await;
    stuck.node.handle.pause(&probe("a"), "anna").await.unwrap();
    stuck.ignores(late).await;
    assert_eq!(stuck.node.handle.actor(&probe("a")).await.unwrap().stage, Stage::Paused);
    stuck.node.handle.resume(&probe("a"), "anna").await.unwrap();
    let again = stuck.store.next().await;
    assert_eq!(again.cid, stuck.blobs[0]);
    stuck.ends_as_ever(again).await;
}

#[tokio::test]
async fn a_blob_that_was_asked_for_before_a_pause_is_not_for_the_guest_after_it() {
    let mut stuck = Stuck::begin().await;
    let late = stuck.store.next().await;
    stuck.node.handle.pause(&probe("a"), "anna").await.unwrap();
    stuck.node.handle.resume(&probe("a"), "anna").await.unwrap();
    let again = stuck.store.next().await;
    stuck.ignores(late).await;
    stuck.ends_as_ever(again).await;
}

#[tokio::test]
async fn a_blob_that_was_asked_for_before_a_reset_is_not_for_the_guest_after_it() {
    let mut stuck = Stuck::begin().await;
    let late = stuck.store.next().await;
    // The turn's first entry, which is not durable yet.
    let entries = stuck.node.handle.actor(&probe("a")).await.unwrap().entries;
    stuck.node.handle.reset(&probe("a"), SequenceNumber(entries), None, "anna").await.unwrap();
    let again = stuck.store.next().await;
    stuck.ignores(late).await;
    stuck.ends_as_ever(again).await;
}

#[tokio::test]
async fn a_fork_begins_with_the_state_of_any_turn() {
    everywhere(async |node| {
        for n in 1..=3 {
            node.run("a", &format!(r#"{{"do":[{{"op":"state.set","value":{n}}}]}}"#)).await.unwrap();
        }
        node.run("a", r#"{"do":[{"reply":"state as it was"}]}"#).await.unwrap();
        node.handle.fork(&probe("a"), None, &probe("newest"), "anna").await.unwrap();
        node.handle.fork(&probe("a"), Some(TurnNumber(2)), &probe("second"), "anna").await.unwrap();
        node.handle.fork(&probe("a"), Some(TurnNumber(4)), &probe("fourth"), "anna").await.unwrap();
        for (key, expected) in [("newest", "3"), ("second", "2"), ("fourth", "3")] {
            assert_eq!(node.handle.state(&probe(key)).await.unwrap().as_deref(), Some(expected));
            let read = node.run(key, r#"{"do":[{"op":"state.get"},{"reply":{"$ref":0}}]}"#).await.unwrap();
            assert_eq!(read, expected);
        }
        let head = node.handle.journal(&probe("a"), SequenceNumber(0)).await.unwrap().last().unwrap().encoded.cid;
        let fork = node.handle.journal(&probe("newest"), SequenceNumber(1)).await.unwrap();
        let detail = fork[0].payloads[0].2.as_ref().unwrap().text().unwrap().to_owned();
        assert!(detail.contains(&head.to_string()), "{detail}");
        for (to, turn) in [("newest", None), ("other", Some(TurnNumber(9)))] {
            assert!(node.handle.fork(&probe("a"), turn, &probe(to), "anna").await.is_err());
        }
        let elsewhere = "default/other/x".parse().unwrap();
        assert!(matches!(
            node.handle.fork(&probe("a"), None, &elsewhere, "anna").await,
            Err(ControlError::OtherType(_))
        ));
    })
    .await;
}

#[tokio::test]
async fn a_purged_actor_knows_nothing_and_its_chain_still_verifies() {
    everywhere(async |node| {
        let secret = r#"{"do":[{"op":"state.set","value":"secret"},{"op":"uuid"},{"reply":"secret"}]}"#;
        node.run("a", secret).await.unwrap();
        node.run("a", secret).await.unwrap();
        let before = node.handle.journal(&probe("a"), SequenceNumber(0)).await.unwrap();
        assert!(node.handle.purge(&probe("a"), "anna").await.unwrap() > 0);
        assert_eq!(node.handle.state(&probe("a")).await.unwrap(), None);
        let after = node.handle.journal(&probe("a"), SequenceNumber(0)).await.unwrap();
        assert_eq!(after.len(), before.len() + 1);
        let detail = after.last().unwrap().payloads[0].2.as_ref().unwrap();
        assert_eq!(detail.text().unwrap(), format!(r#"{{"what":"purge","before":{}}}"#, before.len()));
        for (before, after) in before.iter().zip(&after) {
            assert_eq!(before.encoded, after.encoded);
            assert!(after.payloads.iter().all(|(_, _, payload)| payload.is_none()), "{:?}", after.entry.body.kind());
        }
        assert_eq!(controls(&journal(node, "default/probe/a").await), [("purge", "anna")]);
        let ticket = begin(node, "a", "m", WAITS).await;
        let busy = node.handle.purge(&probe("a"), "anna").await;
        assert!(matches!(busy, Err(ControlError::Busy(_))), "{busy:?}");
        node.handle.fail_turn(&probe("a"), "enough", "anna").await.unwrap();
        result(ticket).await.unwrap_err();
        assert_eq!(node.run("a", r#"{"do":[{"op":"state.get"},{"reply":{"$ref":0}}]}"#).await.unwrap(), "null");
    })
    .await;
}

/// Clients are told to come back, and nothing of the message is kept.
#[tokio::test]
async fn a_full_mailbox_refuses_clients_until_there_is_room() {
    let settings = Settings { mailbox_depth_max: 2, ..settings(10) };
    let node = Node::start(MemoryStore::storage(), settings).await;
    node.deploy().await;
    node.run("a", r#"{"do":[{"reply":0}]}"#).await.unwrap();
    node.handle.pause(&probe("a"), "anna").await.unwrap();
    let first = begin(&node, "a", "m1", r#"{"do":[{"reply":1}]}"#).await;
    let second = begin(&node, "a", "m2", r#"{"do":[{"reply":2}]}"#).await;
    let options = SendOptions { id: Some("m3".parse().unwrap()), until_waiting: false };
    let mut third = node.handle.send(&probe("a"), r#"{"do":[{"reply":3}]}"#, options).unwrap();
    let refused = tokio::time::timeout(PATIENCE, third.accepted()).await.expect("answers");
    assert!(matches!(refused, Err(SendError::MailboxFull { waiting: 2, limit: 2 })), "{refused:?}");
    node.handle.resume(&probe("a"), "anna").await.unwrap();
    assert_eq!((result(first).await.unwrap(), result(second).await.unwrap()), ("1".to_owned(), "2".to_owned()));
    let again = begin(&node, "a", "m3", r#"{"do":[{"reply":4}]}"#).await;
    assert_eq!(result(again).await.unwrap(), "4", "what was refused is not remembered");
    node.runtime.shutdown().await;
}

/// Damage to one row keeps nobody from what stands behind it, and people learn of it.
#[tokio::test]
async fn a_message_that_cannot_be_read_is_a_dead_letter() {
    let storage = MemoryStore::storage();
    let node = Node::start(storage.clone(), settings(10)).await;
    node.deploy().await;
    node.run("a", r#"{"do":[{"reply":1}]}"#).await.unwrap();
    let payload = Payload::seal(media_type::MESSAGE, b"no envelope", &mut OsSalts::default());
    let damaged = NewMessage { id: "m".parse().unwrap(), body_digest: [0; 32], payload };
    storage.mailbox.enqueue(&probe("a"), damaged, 10).await.unwrap();
    node.handle.pause(&probe("a"), "anna").await.unwrap();
    let behind = begin(&node, "a", "behind", r#"{"do":[{"reply":2}]}"#).await;
    node.handle.resume(&probe("a"), "anna").await.unwrap();
    assert_eq!(result(behind).await.unwrap(), "2");
    let namespace = Namespace::default();
    let letters = async || node.handle.dead_letters(&namespace, None, 0, 10).await.unwrap();
    eventually(async || letters().await.len() == 1).await;
    let letter = letters().await.remove(0);
    assert_eq!(letter.message.as_str(), "m");
    assert!(letter.reason.contains("cannot be read"), "{}", letter.reason);
    assert!(matches!(
        node.handle.redeliver(&namespace, letter.id).await,
        Err(loom_runtime::RedeliverError::Unreadable { .. })
    ));
    let waiting = node.handle.actors(&namespace, None, None, 10).await.unwrap()[0].waiting;
    assert_eq!(waiting, 0, "its row is gone");
    node.runtime.shutdown().await;
}

/// Nobody waits for a one-way message, so its failure is put where people look.
#[tokio::test]
async fn a_failed_one_way_message_is_a_dead_letter_and_can_be_sent_again() {
    everywhere(async |node| {
        let sender = r#"{"do":[{"op":"send","to":"other/b","body":{"do":[{"fail":{"kind":"no","message":"not today"}}]}},{"reply":1}]}"#;
        node.run("a", sender).await.unwrap();
        let namespace = Namespace::default();
        let letters = async || node.handle.dead_letters(&namespace, None, 0, 10).await.unwrap();
        eventually(async || letters().await.len() == 1).await;
        let letter = letters().await.remove(0);
        assert!(letter.reason.contains("not today"), "{}", letter.reason);
        assert_eq!(letter.actor.to_string(), "default/other/b");
        let again = node.handle.redeliver(&namespace, letter.id).await.unwrap();
        assert_eq!(result(again).await.unwrap_err().kind, "no");
        assert!(letters().await.is_empty(), "whoever sent it again waits for it");
        assert!(node.handle.redeliver(&namespace, letter.id).await.is_err());
    })
    .await;
}
