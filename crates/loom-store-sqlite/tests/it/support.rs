//! A store with something of everything in it, and everything that can be read of it.

use std::{collections::BTreeMap, path::Path};

use loom_storage::{
    ActiveDeployment, Admission, CheckpointRecord, Commit, CommitError, Lane, Leaf, NewMessage, NewPromise,
    OutgoingMessage, Position, StateWrite, Storage, StoreError, TileRecord, TimerWrite,
};
use loom_store_sqlite::{Settings, open};
use loom_types::{
    ActorAddress, Cid, Codec, Entry, EntryBody, Namespace, Payload, SaltSource, Segment, SequenceNumber, StepRef,
    TurnNumber,
};

/// A folder in memory where there is one: what is tested is reading, not the disk.
pub(crate) fn fast_folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

pub(crate) const ACTORS: usize = 6;

pub(crate) fn actor(n: usize) -> ActorAddress {
    format!("default/tester/a{n}").parse().unwrap()
}

struct Salts;

impl SaltSource for Salts {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

pub(crate) fn payload(text: &str) -> Payload {
    Payload::json(text, &mut Salts)
}

/// Appends one entry to an actor's journal, with whatever `change` adds.
pub(crate) async fn write(
    storage: &Storage,
    address: &ActorAddress,
    change: impl FnOnce(&mut Commit),
) -> Result<(), CommitError> {
    let token = storage.journal.acquire(address).await.unwrap();
    let record = storage.journal.load(address).await.unwrap();
    let (seq, prev) = record.map_or((SequenceNumber(0), None), |record| (record.next_seq, Some(record.head)));
    let body = match seq.0 {
        0 => EntryBody::Opened {},
        _ => EntryBody::Control { what: "test".into(), by: "test".into(), detail: None, state: None },
    };
    let encoded = Entry { actor: address.clone(), seq, prev, turn: TurnNumber(0), at_ms: 1, body }.encode();
    let leaf = Leaf { seq, head: encoded.cid };
    let mut commit = Commit {
        actor: address.clone(),
        token,
        expected_seq: seq,
        head: encoded.cid,
        segment: Segment { entries: vec![encoded], payloads: vec![payload(&"\"value\"".repeat(40))] },
        turn: TurnNumber(1),
        open_turn: None,
        needs_worker: false,
        is_paused: false,
        state: StateWrite::Set(payload(&format!("\"{}\"", "s".repeat(300 + seq.0 as usize)))),
        taken: vec![],
        admissions: vec![],
        messages: vec![],
        outcomes: vec![],
        cancels: vec![],
        dead_letters: vec![],
        timers: vec![],
        promises_created: vec![],
        promises_cleared: vec![],
        leaf: Some(leaf),
        at_ms: 1,
    };
    change(&mut commit);
    storage.journal.commit(commit).await
}

/// Fills a store with journals, states, messages, timers, promises, ids, a deployment and a blob.
pub(crate) async fn fill(storage: &Storage) {
    for round in 0..4 {
        for n in 0..ACTORS {
            let (id, to) = (format!("m{round}-{n}"), actor((n + 1) % ACTORS));
            write(storage, &actor(n), |commit| {
                if (round, n) == (2, 0) {
                    // More than one page.
                    commit.segment.payloads.push(payload(&"y".repeat(9_000)));
                }
                let (id, payload) = (id.parse().unwrap(), payload(&format!("\"{id}\"")));
                let not_before_ms = (round == 3).then_some(1_000_000);
                commit.messages.push(OutgoingMessage { to, id, payload, not_before_ms });
                let admission = Admission {
                    id: format!("c{round}").parse().unwrap(),
                    body_digest: [round; 32],
                    turn: TurnNumber(1),
                    ended: Some(SequenceNumber(0)),
                };
                commit.admissions.push(admission);
                let step = StepRef { turn: TurnNumber(1), n: u32::from(round) };
                commit.timers.push(TimerWrite::Set { step, due_ms: 500 + u64::from(round), attempts: 0 });
                let token = format!("prm-{round}-{n}");
                commit.promises_created.push(NewPromise { token, step, label: Some("l".into()), data: None });
            })
            .await
            .unwrap();
        }
    }
    let new = NewMessage { id: "client".parse().unwrap(), body_digest: [9; 32], payload: payload("1") };
    storage.mailbox.enqueue(&actor(0), new, 10).await.unwrap();
    let cid = Cid::of(Codec::Raw, b"blob");
    storage.blobs.put(cid, "blob".into()).await.unwrap();
    let active =
        ActiveDeployment { namespace: Namespace::default(), name: "app".into(), cid, activated_ms: 1, by: None };
    storage.catalog.activate(active).await.unwrap();
    let checkpoint = CheckpointRecord { size: 4, at_ms: 1, note: "note".into() };
    storage.log.seal(checkpoint, vec![TileRecord { level: 0, index: 0, cid }]).await.unwrap();
}

/// Everything a reader can ask for, by what it is about.
pub(crate) async fn read_all(storage: &Storage) -> BTreeMap<String, Result<String, StoreError>> {
    fn shown<T: std::fmt::Debug>(result: Result<T, StoreError>) -> Result<String, StoreError> {
        result.map(|value| format!("{value:?}"))
    }
    let mut read = BTreeMap::new();
    let namespace = Namespace::default();
    for n in 0..ACTORS {
        let actor = actor(n);
        let mut add = |what: &str, result| drop(read.insert(format!("{what} of {actor}"), result));
        add("record", shown(storage.journal.load(&actor).await));
        add("journal", shown(storage.journal.read(&actor, SequenceNumber(0)).await));
        add("journal's end", shown(storage.journal.read(&actor, SequenceNumber(2)).await));
        for lane in [Lane::Messages, Lane::Outcomes] {
            add(&format!("{lane:?}"), shown(storage.mailbox.arrivals(&actor, lane, Position(0), 99).await));
        }
        for id in ["c0", "c3", "client"] {
            add(id, shown(storage.mailbox.status(&actor, &id.parse().unwrap()).await));
        }
        add("promises", shown(storage.catalog.promises(&namespace, Some(&actor), None, 99).await));
        add("first leaf", shown(storage.log.leaf_of(&actor, SequenceNumber(0)).await));
        add("last leaf", shown(storage.log.leaf_of(&actor, SequenceNumber(3)).await));
    }
    let mut add = |what: &str, result| drop(read.insert(what.to_owned(), result));
    add("timers", shown(storage.timers.due(9_999, 99).await));
    add("next", shown(storage.timers.next_due(0).await));
    add("ready", shown(storage.mailbox.ready(None, 99).await));
    add("deployments", shown(storage.catalog.active().await));
    add("actors", shown(storage.catalog.actors(&namespace, None, None, 99).await));
    add("promises", shown(storage.catalog.promises(&namespace, None, None, 99).await));
    add("log's size", shown(storage.log.size().await));
    add("log", shown(storage.log.leaves(0, 99).await));
    add("tile", shown(storage.log.tile(0, 0).await));
    add("checkpoint", shown(storage.log.checkpoint().await));
    read
}

/// The files of a data folder, byte for byte.
pub(crate) type Image = BTreeMap<String, Vec<u8>>;

pub(crate) fn image_of(folder: &Path) -> Image {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    // The lock and the shared memory belong to a process, not to the data.
    let data = files.filter(|path| !path.ends_with("lock") && !path.ends_with("loom.db-shm"));
    data.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(&path).unwrap())).collect()
}

/// A folder with these files, opened; or why not.
pub(crate) fn open_image(image: &Image) -> (tempfile::TempDir, Result<Storage, loom_store_sqlite::OpenError>) {
    let folder = fast_folder();
    for (name, bytes) in image {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let opened = open(&Settings::new(folder.path()));
    (folder, opened)
}
