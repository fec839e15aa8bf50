//! Erasing, forgetting and collecting.

use std::collections::HashSet;

use loom_types::{
    Cid, Codec, Entry, EntryBody, Marker, Payload, Segment, SequenceNumber, TurnNumber, TurnResult, limits,
};

use super::{Writer, actor, id, payload};
use crate::{
    ActiveDeployment, Admission, BlobError, EraseError, NewPromise, OutgoingMessage, StateWrite, Storage,
    collect::{self, Spared},
    retain,
};

/// Commits a whole turn with a message, a reply and a state, and says which payloads it named.
async fn turn(writer: &mut Writer, storage: &Storage, number: u64, at_ms: u64, state: &Payload) -> [Payload; 2] {
    if writer.next_seq.0 == 0 {
        writer.write(storage, |_| ()).await;
    }
    let (message, reply) = (payload(&format!("\"message {number}\"")), payload(&format!("\"the reply {number}\"")));
    let cid = Cid::of(Codec::Raw, b"module");
    let started = EntryBody::TurnStarted {
        message: message.cid(),
        deployment: cid,
        module: cid,
        engine: "e".into(),
        seed: message.cid(),
    };
    let ended = EntryBody::TurnEnded { result: TurnResult::Reply(reply.cid()), state: Some(state.cid()), fuel: 1 };
    let mut commit = writer.commit(0);
    commit.expected_seq = writer.next_seq;
    for body in [started, ended] {
        let (actor, seq, prev) = (writer.actor.clone(), writer.next_seq, writer.head);
        let encoded = Entry { actor, seq, prev, turn: TurnNumber(number), at_ms, body }.encode();
        writer.head = Some(encoded.cid);
        writer.next_seq = seq.next();
        commit.segment.entries.push(encoded);
    }
    commit.head = writer.head.expect("just set");
    commit.segment.payloads = vec![message.clone(), reply.clone()];
    if number == 1 {
        commit.segment.payloads.push(state.clone());
        commit.state = StateWrite::Set(state.clone());
    }
    storage.journal.commit(commit).await.expect("commit");
    [message, reply]
}

async fn read(storage: &Storage) -> Vec<Segment> {
    storage.journal.read(&actor("a"), SequenceNumber(0)).await.expect("read")
}

fn gone(segments: &[Segment]) -> Vec<Cid> {
    let payloads = segments.iter().flat_map(|segment| &segment.payloads);
    let erased = payloads.filter_map(|payload| match payload.marker() {
        Some(Marker::Erased(cid)) => Some(cid),
        _ => None,
    });
    erased.collect()
}

/// Erasing leaves entries, head, state and what later entries need; markers tell what went.
pub async fn erased_payloads_leave_markers(storage: Storage) {
    let mut writer = Writer::acquire(&storage, &actor("a")).await;
    let state = payload("\"state\"");
    let [message, reply] = turn(&mut writer, &storage, 1, 10, &state).await;
    let later = turn(&mut writer, &storage, 2, 20, &state).await;
    let before = read(&storage).await;
    // Turn 1 ends with entry 2; its state is the one with which turn 2 began.
    assert_eq!(storage.upkeep.erase(&actor("a"), SequenceNumber(3)).await.expect("erase"), 2);
    assert_eq!(storage.upkeep.erase(&actor("a"), SequenceNumber(3)).await.expect("erase"), 0, "once");
    let after = read(&storage).await;
    assert_eq!(gone(&after), [message.cid(), reply.cid()]);
    assert_eq!(after[1].payloads[2], state);
    assert_eq!(after[2].payloads, later);
    let entries = |segments: &[Segment]| segments.iter().flat_map(|it| it.entries.clone()).collect::<Vec<_>>();
    assert_eq!(entries(&after), entries(&before));
    let record = storage.journal.load(&actor("a")).await.expect("load").expect("exists");
    assert_eq!((Some(record.head), record.state), (writer.head, Some(state)));
    // With everything erased, the state of the newest turn stays, and the journal goes on.
    assert_eq!(storage.upkeep.erase(&actor("a"), writer.next_seq).await.expect("erase"), 2);
    turn(&mut writer, &storage, 3, 30, &payload("\"other\"")).await;
    assert_eq!(storage.upkeep.erase(&actor("a"), writer.next_seq).await.expect("erase"), 3, "the old state too");
    assert_eq!(storage.upkeep.erase(&actor("nobody"), SequenceNumber(9)).await.expect("erase"), 0);
}

/// What an unfinished turn needs is not erased.
pub async fn an_open_turn_keeps_its_payloads(storage: Storage) {
    let mut writer = Writer::acquire(&storage, &actor("a")).await;
    writer.write(&storage, |commit| commit.open_turn = Some(SequenceNumber(1))).await;
    writer.write(&storage, |commit| commit.open_turn = Some(SequenceNumber(1))).await;
    let refused = storage.upkeep.erase(&actor("a"), SequenceNumber(2)).await;
    assert!(matches!(refused, Err(EraseError::Open { started: SequenceNumber(1) })), "{refused:?}");
    storage.upkeep.erase(&actor("a"), SequenceNumber(1)).await.expect("erase");
}

/// Retention erases the turns that ended before a time, of every actor, and no other.
pub async fn old_turns_are_erased(storage: Storage) {
    let state = payload("1");
    for key in ["a", "b", "c"] {
        let mut writer = Writer::acquire(&storage, &actor(key)).await;
        for number in 1..=3 {
            turn(&mut writer, &storage, number, number * 10, &state).await;
        }
    }
    assert_eq!(retain::erase_old_payloads(&storage, 30).await.expect("retain"), 3 * 4);
    assert_eq!(retain::erase_old_payloads(&storage, 30).await.expect("retain"), 0);
    assert_eq!(gone(&read(&storage).await[3..]), []);
    assert_eq!(retain::erase_old_payloads(&storage, 31).await.expect("retain"), 3 * 2);
}

/// A client's id is forgotten when its turn ended long enough ago, never before the turn ended.
pub async fn old_ids_are_forgotten(storage: Storage) {
    let mut writer = Writer::acquire(&storage, &actor("a")).await;
    for (name, at_ms, ended) in [("old", 10, true), ("new", 20, true), ("open", 5, false)] {
        let ended = ended.then_some(SequenceNumber(0));
        let admission = Admission { id: id(name), body_digest: [1; 32], turn: TurnNumber(1), ended };
        writer
            .write(&storage, |commit| {
                commit.admissions.push(admission);
                commit.at_ms = at_ms;
            })
            .await;
    }
    assert_eq!(retain::forget_old_ids(&storage, 20).await.expect("forget"), 1);
    let known = async |name: &str| storage.mailbox.status(&actor("a"), &id(name)).await.expect("status").is_some();
    assert!(!known("old").await && known("new").await && known("open").await);
}

async fn put(storage: &Storage, bytes: &'static [u8]) -> Cid {
    let cid = Cid::of(Codec::Raw, bytes);
    storage.blobs.put(cid, bytes.into()).await.expect("put");
    cid
}

/// Whatever a row leads to is kept, directly or through a manifest; the rest goes, unless it is held.
pub async fn blobs_that_nothing_names_are_collected(storage: Storage) {
    let named = |cid: Cid| payload(&format!("{{\"blob\":\"{cid}\"}}"));
    let [in_journal, in_state, in_mailbox, in_delayed, in_promise, module, root, held, garbage] = [
        put(&storage, b"journal").await,
        put(&storage, b"state").await,
        put(&storage, b"mailbox").await,
        put(&storage, b"delayed").await,
        put(&storage, b"promise").await,
        put(&storage, b"module").await,
        put(&storage, b"root").await,
        put(&storage, b"held").await,
        put(&storage, b"garbage").await,
    ];
    let mut manifest = vec![0xd8, 0x2a, 0x58, 0x25, 0, 1, 0x55, 0x12, 32];
    manifest.extend(module.digest());
    let deployment = Cid::of(Codec::DagCbor, &manifest);
    storage.blobs.put(deployment, manifest.into()).await.expect("put");
    let active = ActiveDeployment {
        namespace: Default::default(),
        name: "d".into(),
        cid: deployment,
        activated_ms: 1,
        by: None,
    };
    storage.catalog.activate(active).await.expect("activate");
    let message = |name: &str, cid, not_before_ms| OutgoingMessage {
        to: actor("b"),
        id: id(name),
        payload: named(cid),
        not_before_ms,
    };
    let mut writer = Writer::acquire(&storage, &actor("a")).await;
    let promise = NewPromise {
        token: "prm-1".into(),
        step: super::step(1),
        label: None,
        data: Some(format!("[\"{in_promise}\"]")),
    };
    writer
        .write(&storage, |commit| {
            commit.segment.payloads.push(named(in_journal));
            commit.state = StateWrite::Set(named(in_state));
            commit.messages.extend([message("m", in_mailbox, None), message("d", in_delayed, Some(9))]);
            commit.promises_created.push(promise);
        })
        .await;
    let _hold = storage.blobs.holds().hold(held);
    let spared = || Spared { roots: vec![root], put_since_ms: u64::MAX };
    let marked = collect::mark(&storage, spared).await.expect("mark");
    let preview = marked.preview();
    assert_eq!(marked.sweep(&storage).await.expect("sweep").removed, 1);
    assert!(preview.removed >= 1, "what is held shows in a preview");
    assert!(matches!(storage.blobs.get(garbage).await, Err(BlobError::NotFound(_))));
    for kept in [in_journal, in_state, in_mailbox, in_delayed, in_promise, deployment, module, root, held] {
        storage.blobs.get(kept).await.expect("is kept");
    }
}

/// What was put a short time ago stays, where the store knows the time.
pub async fn young_blobs_are_spared(storage: Storage) {
    let young = put(&storage, b"young").await;
    let records = storage.blobs.list(None, 9).await.expect("list");
    assert!(records.iter().any(|record| record.cid == young && record.bytes == 5));
    let knows_age = records[0].put_ms.is_some();
    let marked = collect::mark(&storage, || Spared { roots: vec![], put_since_ms: 1 }).await.expect("mark");
    assert_eq!(marked.sweep(&storage).await.expect("sweep").removed, u64::from(!knows_age));
}

/// A spilled payload goes with the last journal that lets go of it, and its names in entries do not keep it.
pub async fn erased_large_payloads_are_collected(storage: Storage) {
    let large = payload(&format!("\"{}\"", "x".repeat(2 * limits::PAYLOAD_INLINE_BYTES_MAX)));
    for key in ["a", "b"] {
        let mut writer = Writer::acquire(&storage, &actor(key)).await;
        turn(&mut writer, &storage, 1, 1, &large).await;
        turn(&mut writer, &storage, 2, 2, &payload("2")).await;
        writer.write(&storage, |commit| commit.state = StateWrite::Clear).await;
    }
    let collect = async || {
        let spared = || Spared { roots: vec![], put_since_ms: u64::MAX };
        collect::mark(&storage, spared).await.expect("mark").sweep(&storage).await.expect("sweep").removed
    };
    let names: HashSet<Cid> = [large.cid()].into();
    let is_spilled = storage.blobs.has(large.cid()).await.expect("has");
    for (key, rows_left) in [("a", true), ("b", false)] {
        assert_eq!(collect().await, 0);
        storage.upkeep.erase(&actor(key), SequenceNumber(5)).await.expect("erase");
        let unreferenced = storage.upkeep.unreferenced(names.clone()).await.expect("unreferenced");
        assert!(unreferenced.is_empty() == rows_left || !is_spilled);
    }
    assert_eq!(collect().await, u64::from(is_spilled));
}
