//! The operator itself is dishonest: it holds the node's key, rewrites the history, and signs a log that says so. What
//! its guests did must come out again all the same.

use std::collections::BTreeMap;

use bytes::Bytes;
use loom_evidence::{Bundle, Checkpoint, History, Inclusion, Leaf, LogEvidence, Manifest};
use loom_machine::{Failure, Message};
use loom_runtime::OsSalts;
use loom_types::{
    ActorAddress, Cid, Codec, Entry, EntryBody, Payload, Resolution, SequenceNumber, TurnNumber, TurnResult, media_type,
};
use loom_verify::Auditor;

use crate::{
    mutations::{all_changes, is_weaker, relinked, strength},
    world::{WIDE, World, verified},
};

/// Members that are the operator's word, as the formats' documents say: it can write there what it likes.
const WORDS: [&str; 5] = [
    "/at ",
    "/body/outcome/worker ",
    "/body/outcome/attempts ",
    "/body/outcome/evidence",
    "/body/turn-started/engine ",
];

/// The bundle with another entry in this place, every later one linked anew, and a log with this one leaf, signed with
/// the node's real key.
pub(crate) fn signed(world: &World, bundle: &Bundle, place: usize, entry: Entry, more: &[Payload]) -> Option<Bundle> {
    let (mut manifest, mut blocks) = relinked(bundle, &bundle.parts(), place, entry);
    blocks.extend(more.iter().map(|payload| (payload.cid(), payload.block().clone())));
    let history = &mut manifest.histories[0];
    let last = bundle.entries()[0].last().unwrap();
    let leaf = Leaf::of(world.key.name(), &history.actor, last.seq, *history.entries.last().unwrap());
    history.inclusion = Some(Inclusion { index: 0, proof: Vec::new() });
    let checkpoint = Checkpoint { origin: world.key.name().to_owned(), size: 1, root: leaf.hash() };
    manifest.log = Some(LogEvidence { checkpoint: checkpoint.sign(&world.key).text().to_owned(), handovers: vec![] });
    Bundle::assemble(manifest, blocks).ok()
}

#[tokio::test]
async fn what_guests_did_cannot_be_rewritten_even_with_the_key() {
    let world = World::new().await;
    world.run(WIDE).await;
    world.run(r#"{"do":[{"op":"state.get"},{"reply":{"$ref":0}}]}"#).await;
    let bundle = world.bundle(None).await;
    let original = bundle.parts();
    let honest = strength(&verified(&bundle, &world.auditor()));
    let mut tried = 0;
    for (place, cid) in bundle.manifest().histories[0].entries.iter().enumerate() {
        for (path, changed) in all_changes(&original[cid]) {
            let Ok(entry) = Entry::decode(&changed) else { continue };
            tried += 1;
            let Some(forged) = signed(&world, &bundle, place, entry, &[]) else { continue };
            let report = verified(&forged, &world.auditor());
            let is_word = WORDS.iter().any(|word| path.starts_with(word));
            assert!(
                !report.ok || is_word || is_weaker(&strength(&report), &honest),
                "entry {place} {path}: {report:#?}"
            );
        }
    }
    assert!(tried > 150, "{tried}");
    world.runtime.shutdown().await;
}

/// A node may end a turn, and then nothing of its end comes out of the guest. But it cannot end it with a state.
#[tokio::test]
async fn a_turn_that_the_node_ended_leaves_the_state_as_it_was() {
    let world = World::new().await;
    world.run(r#"{"do":[{"op":"state.set","value":{"debt":9}},{"reply":1}]}"#).await;
    world.run(r#"{"do":[{"op":"state.get"},{"reply":{"$ref":0}}]}"#).await;
    let bundle = world.bundle(None).await;
    let mut salts = OsSalts::default();
    let failure = Payload::json(&Failure::new("turn-failed", "because I say so").to_json(), &mut salts);
    let state = Payload::json(r#"{"debt":0}"#, &mut salts);
    let place = bundle.entries()[0].len() - 1;
    let mut last = bundle.entries()[0][place].clone();
    let EntryBody::TurnEnded { state: kept, .. } = last.body else { panic!("a turn ends") };
    let end = |state| EntryBody::TurnEnded { result: TurnResult::Failure(failure.cid()), state, fuel: 0 };
    last.body = end(kept);
    let ended = signed(&world, &bundle, place, last.clone(), std::slice::from_ref(&failure)).unwrap();
    let report = verified(&ended, &world.auditor());
    assert!(report.ok && report.turns.re_executed == 1, "{report:#?}");
    last.body = end(Some(state.cid()));
    let rewritten = signed(&world, &bundle, place, last, &[failure, state]).unwrap();
    let report = verified(&rewritten, &world.auditor());
    assert!(!report.ok && report.failures[0].reason.contains("changed the state"), "{report:#?}");
    world.runtime.shutdown().await;
}

/// What a guest is told is put together as text: a value that is none would tell it something else.
#[tokio::test]
async fn values_must_have_the_form_that_their_place_asks_for() {
    let world = World::new().await;
    world.run(r#"{"do":[{"op":"activity","name":"effect","input":2},{"reply":1}]}"#).await;
    let bundle = world.bundle(None).await;
    let is_outcome = |entry: &Entry| matches!(entry.body, EntryBody::Outcome { .. });
    let place = bundle.entries()[0].iter().position(is_outcome).unwrap();
    let mut salts = OsSalts::default();
    for lie in [
        Payload::json(r#"null},"more":{"#, &mut salts),
        Payload::json("", &mut salts),
        Payload::seal("text/plain", b"1", &mut salts),
        Payload::seal(loom_types::media_type::SEED, &[0; 32], &mut salts),
    ] {
        let mut changed = bundle.entries()[0][place].clone();
        let EntryBody::Outcome { result, .. } = &mut changed.body else { unreachable!("found as one") };
        *result = loom_types::Resolution::Ok(lie.cid());
        let forged = signed(&world, &bundle, place, changed, std::slice::from_ref(&lie)).unwrap();
        let report = verified(&forged, &world.auditor());
        assert!(!report.ok && report.failures[0].reason.starts_with("ok: "), "{report:#?}");
    }
    world.runtime.shutdown().await;
}

/// What a blob holds is known by its name: no journal says it, and none may say something else.
#[tokio::test]
async fn what_a_blob_holds_is_not_for_the_journal_to_say() {
    let world = World::new().await;
    world.run(r#"{"do":[{"op":"blob.put","text":"so"},{"op":"blob.get","cid":{"$ref":0}},{"reply":1}]}"#).await;
    let bundle = world.bundle(None).await;
    let is_read = |entry: &Entry| matches!(&entry.body, EntryBody::Step { op, .. } if op == "blob.get");
    let place = bundle.entries()[0].iter().position(is_read).unwrap();
    let lie = Payload::json(r#""otherwise""#, &mut OsSalts::default());
    let mut changed = bundle.entries()[0][place].clone();
    let EntryBody::Step { outcome, .. } = &mut changed.body else { unreachable!("found as one") };
    *outcome = Some(loom_types::Resolution::Ok(lie.cid()));
    let forged = signed(&world, &bundle, place, changed, &[lie]).unwrap();
    let report = verified(&forged, &world.auditor());
    assert!(!report.ok && report.failures[0].reason.contains("does something else"), "{report:#?}");
    world.runtime.shutdown().await;
}

/// Questions and answers as often as somebody likes, each question taken by every turn: no pair is looked for twice.
#[test]
fn a_file_of_one_question_takes_no_longer_than_another() {
    let (actor, mut salts) = ("default/probe/a".parse::<ActorAddress>().unwrap(), OsSalts::default());
    let message = Message::of_client("m".parse().unwrap(), actor.clone(), "1".into());
    let message = Payload::seal(media_type::MESSAGE, message.encode().as_bytes(), &mut salts);
    let seed = Payload::seal(media_type::SEED, &[7; 32], &mut salts);
    let answers: Vec<_> = (0..20_000).map(|n: u32| Payload::json(&n.to_string(), &mut salts)).collect();
    let nowhere = |codec| Cid::of(codec, b"nowhere");
    let mut bodies = vec![(0, EntryBody::Opened {})];
    for (answer, turn) in answers.iter().zip(1..) {
        let started = EntryBody::TurnStarted {
            message: message.cid(),
            deployment: nowhere(Codec::DagCbor),
            module: nowhere(Codec::Raw),
            engine: "none".into(),
            seed: seed.cid(),
        };
        let result = Resolution::Ok(answer.cid());
        let (worker, evidence) = (String::new(), Vec::new());
        let asked = EntryBody::Step { n: 0, op: "call".into(), request: message.cid(), outcome: None, input: None };
        let told = EntryBody::Outcome { n: 0, result, worker, attempts: 1, evidence };
        let ended = EntryBody::TurnEnded { result: TurnResult::Reply(answer.cid()), state: None, fuel: 1 };
        bodies.extend([started, asked, told, ended].map(|body| (turn, body)));
    }
    let payloads = answers.iter().chain([&message, &seed]);
    let mut blocks: BTreeMap<Cid, Bytes> = payloads.map(|payload| (payload.cid(), payload.block().clone())).collect();
    let (mut entries, mut prev) = (Vec::new(), None);
    for ((turn, body), seq) in bodies.into_iter().zip(0..) {
        let (seq, turn) = (SequenceNumber(seq), TurnNumber(turn));
        let encoded = Entry { actor: actor.clone(), seq, prev, turn, at_ms: 1, body }.encode();
        prev = Some(encoded.cid);
        entries.push(encoded.cid);
        blocks.insert(encoded.cid, encoded.bytes);
    }
    let histories = vec![History { actor, entries, inclusion: None }];
    let bundle = Bundle::assemble(Manifest { histories, log: None, material: Vec::new() }, blocks).unwrap();
    let report = verified(&bundle, &Auditor::default());
    // Every answer is given only after it was told.
    assert!(!report.ok && report.failures[0].reason.contains("the cause of itself"), "{:#?}", report.failures);
    assert_eq!(report.turns.all, 20_000);
}
