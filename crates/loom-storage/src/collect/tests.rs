//! Puts, commits and collections, interleaved in every way that can be drawn.

use std::collections::{BTreeMap, BTreeSet};

use futures::FutureExt as _;
use loom_types::{Codec, Entry, EntryBody, Payload, SaltSource, Segment, SequenceNumber, TurnNumber};
use proptest::prelude::*;

use super::*;
use crate::{Commit, Hold, StateWrite, memory::MemoryStore};

/// What happens next, of turn `0..TURNS` or of the collection.
#[derive(Clone, Debug)]
enum Event {
    /// The turn takes a hold and puts its blob.
    Put(u8),
    /// It commits an entry that names it, then lets go.
    Commit(u8),
    /// It is abandoned.
    Abandon(u8),
    Mark,
    RemoveNext,
    EndCollection,
}

const TURNS: u8 = 4;

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => (0..TURNS).prop_map(Event::Put),
        3 => (0..TURNS).prop_map(Event::Commit),
        1 => (0..TURNS).prop_map(Event::Abandon),
        2 => Just(Event::Mark),
        4 => Just(Event::RemoveNext),
        1 => Just(Event::EndCollection),
    ];
    prop::collection::vec(event, 1..60)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("nothing waits in memory")
}

struct Zero;

impl SaltSource for Zero {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

/// Two turns share each blob, so that one may put again what another's end lets go.
fn bytes(turn: u8) -> Vec<u8> {
    vec![turn / 2]
}

fn blob(turn: u8) -> Cid {
    Cid::of(Codec::Raw, &bytes(turn))
}

fn commit(storage: &Storage, turn: u8) {
    let actor: loom_types::ActorAddress = format!("default/turn/{turn}").parse().expect("well-formed");
    let token = block_on(storage.journal.acquire(&actor)).expect("acquire");
    let record = block_on(storage.journal.load(&actor)).expect("load");
    let (seq, prev) = record.map_or((SequenceNumber(0), None), |record| (record.next_seq, Some(record.head)));
    let body = if seq.0 == 0 {
        EntryBody::Opened {}
    } else {
        EntryBody::Control { what: "t".into(), by: "t".into(), detail: None, state: None }
    };
    let encoded = Entry { actor: actor.clone(), seq, prev, turn: TurnNumber(0), at_ms: 0, body }.encode();
    let head = encoded.cid;
    let payload = Payload::json(&format!("\"{}\"", blob(turn)), &mut Zero);
    block_on(storage.journal.commit(Commit {
        actor,
        token,
        expected_seq: seq,
        segment: Segment { entries: vec![encoded], payloads: vec![payload] },
        head,
        turn: TurnNumber(0),
        open_turn: None,
        needs_worker: false,
        is_paused: false,
        state: StateWrite::Keep,
        taken: vec![],
        admissions: vec![],
        messages: vec![],
        outcomes: vec![],
        cancels: vec![],
        dead_letters: vec![],
        timers: vec![],
        promises_created: vec![],
        promises_cleared: vec![],
        leaf: None,
        at_ms: 0,
    }))
    .expect("commit");
}

proptest! {
    /// Whatever a commit has named is there, at every moment; when all is quiet, the rest goes.
    #[test]
    fn what_is_named_stays_and_the_rest_goes(events in events()) {
        let storage = MemoryStore::storage();
        let mut held: BTreeMap<u8, Hold> = BTreeMap::new();
        let mut named: BTreeSet<Cid> = BTreeSet::new();
        let mut collection: Option<Marked> = None;
        for event in events {
            match event {
                Event::Put(turn) => {
                    held.insert(turn, storage.blobs.holds().hold(blob(turn)));
                    block_on(storage.blobs.put(blob(turn), bytes(turn).into())).expect("put");
                }
                Event::Commit(turn) => {
                    if let Some(hold) = held.remove(&turn) {
                        commit(&storage, turn);
                        named.insert(blob(turn));
                        drop(hold);
                    }
                }
                Event::Abandon(turn) => drop(held.remove(&turn)),
                Event::Mark if collection.is_none() => {
                    collection = Some(block_on(mark(&storage, Spared::default)).expect("mark"));
                }
                Event::Mark => {
                    let second = block_on(mark(&storage, Spared::default));
                    prop_assert!(matches!(second, Err(CollectError::UnderWay)));
                }
                Event::RemoveNext => {
                    if let Some(collection) = &mut collection {
                        block_on(collection.remove_next(&storage)).expect("remove");
                    }
                }
                Event::EndCollection => collection = None,
            }
            for cid in named.iter().copied().chain(held.keys().map(|turn| blob(*turn))) {
                prop_assert!(block_on(storage.blobs.has(cid)).expect("has"), "{cid} is gone");
            }
        }
        drop((held, collection));
        let marked = block_on(mark(&storage, Spared::default)).expect("mark");
        block_on(marked.sweep(&storage)).expect("sweep");
        let left: BTreeSet<_> = block_on(storage.blobs.list(None, 99)).expect("list").into_iter().map(|it| it.cid).collect();
        prop_assert_eq!(left, named);
    }
}
