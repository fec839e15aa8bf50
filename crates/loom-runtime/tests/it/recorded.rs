//! Journals recorded by every version replay for ever: `testdata/journals/`.
//!
//! `LOOM_RECORD=NAME cargo test -p loom-runtime --test it recorded` adds one. A recorded file is never changed; if
//! it does not replay any more, the code is wrong.

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use loom_machine::{
    Deployment, Failure, Module, Outcome, Sandbox as _, compute,
    replay::{Agreed, Candidate, Impossible, RecordedTurn, Replayed, RestsOn, Surroundings, replay, turns},
};
use loom_runtime::{OsSalts, SendOptions, Settled};
use loom_storage::{Storage, memory::MemoryStore};
use loom_types::{ActorAddress, Cid, Codec, Entry, EntryBody, Payload, Segment, SequenceNumber};
use serde_json::{Value, json};

use crate::node::{Node, PATIENCE, prebuilt, probe, sandbox, settings};

fn folder() -> PathBuf {
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../../testdata/journals")
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

fn unhex(text: &Value) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(text.as_str().unwrap().as_bytes()).unwrap()
}

/// Every operation once, two of them across an eviction, and turns that fail in different ways.
const PROGRAMS: &[&str] = &[
    r#"{"do":[{"op":"context"},{"op":"now"},{"op":"random","bytes":9},{"op":"uuid"},
        {"op":"state.set","value":{"a":[1.0,"ä😀"]}},{"op":"state.get","pointer":"/a/1"},{"op":"state.delete","pointer":"/a/0"},
        {"op":"activity","name":"echo","input":{"x":1}},{"op":"activity","name":"effect","input":2},
        {"op":"activity.start","name":"echo","input":3},{"op":"activity","name":"nothing","input":4},
        {"op":"blob.put","text":"a blob"},{"op":"blob.get","cid":{"$ref":11}},{"op":"blob.get","cid":"bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4"},
        {"op":"call","to":"other/b","body":{"do":[{"reply":"hello"}]}},{"op":"call.start","to":"other/c","body":{"do":[{"trap":"no"}]}},
        {"op":"send","to":"other/d","body":{"do":[]}},{"op":"send","to":"nobody/d","body":1},
        {"op":"sleep","ms":1},{"op":"timer.start","ms":2},{"op":"await","handles":[{"$ref":9},{"$ref":15},{"$ref":19}],"mode":"all"},
        {"op":"await","handles":[{"$ref":19},{"$ref":9}],"mode":"any"},{"op":"log","level":"info","message":"m"},
        {"op":"teleport"},{"raw":"not json"},{"reply":[{"$ref":2},{"$ref":3},{"$ref":12},{"$ref":20}]}]}"#,
    r#"{"do":[{"op":"promise.create","label":"approval"},{"op":"promise.await","handle":{"$ref":[0,"/handle"]}},{"op":"state.get"},{"reply":[{"$ref":1},{"$ref":2}]}]}"#,
    r#"{"do":[{"op":"state.set","value":1},{"op":"uuid"},{"trap":"on purpose"}]}"#,
    r#"{"do":[{"op":"state.set","value":1},{"fail":{"kind":"my-own","message":"mine","retryable":true}}]}"#,
    r#"{"do":[{"op":"now"},{"spin":true}]}"#,
];

async fn record(name: &str) {
    let storage = MemoryStore::storage();
    let node = Node::start(storage.clone(), settings(0)).await;
    node.deploy_with(|limits| limits.fuel = 20_000_000).await;
    for program in PROGRAMS {
        let options = SendOptions { id: None, until_waiting: true };
        let mut ticket = node.handle.send(&probe("recorded"), program, options).unwrap();
        let settled = tokio::time::timeout(PATIENCE, ticket.settled()).await.unwrap().unwrap();
        if let Settled::Waiting { promises, .. } = settled {
            let mut ticket = node.handle.follow(&probe("recorded"), ticket.id.clone(), false).unwrap();
            node.handle.resolve(&promises[0], Ok(r#"{"yes":true}"#)).await.unwrap();
            tokio::time::timeout(PATIENCE, ticket.settled()).await.unwrap().unwrap();
        }
    }
    let segments = segments(&storage, &probe("recorded")).await;
    node.runtime.shutdown().await;
    let deployment = storage.catalog.active().await.unwrap()[0].cid;
    let blob = async |cid: Cid| hex(&storage.blobs.get(cid).await.unwrap());
    let file = json!({
        "actor": "default/probe/recorded",
        "segments": segments.iter().map(|segment| hex(&segment.encode())).collect::<Vec<_>>(),
        "deployment": blob(deployment).await,
        "module": blob(Cid::of(Codec::Raw, &prebuilt("probe.wasm"))).await,
        "blobs": [hex(b"a blob")],
    });
    std::fs::write(folder().join(format!("{name}.json")), serde_json::to_string_pretty(&file).unwrap()).unwrap();
}

async fn segments(storage: &Storage, actor: &ActorAddress) -> Vec<Segment> {
    let mut all: Vec<Segment> = Vec::new();
    loop {
        let next = all.iter().map(|segment| segment.entries.len() as u64).sum();
        let page = storage.journal.read(actor, SequenceNumber(next)).await.unwrap();
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

#[tokio::test]
async fn recorded_journals_replay() {
    if let Some(name) = std::env::var_os("LOOM_RECORD") {
        record(name.to_str().unwrap()).await;
    }
    let mut replayed = 0;
    for file in std::fs::read_dir(folder()).unwrap() {
        let path = file.unwrap().path();
        let recorded: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        check(&recorded);
        replayed += 1;
    }
    assert!(replayed > 0);
}

fn check(recorded: &Value) {
    let mut entries: Vec<Entry> = Vec::new();
    let mut payloads: HashMap<Cid, Payload> = HashMap::new();
    let mut head = None;
    for segment in recorded["segments"].as_array().unwrap() {
        let (decoded, segment) = Segment::decode(&unhex(segment)).unwrap();
        for (entry, encoded) in decoded.iter().zip(&segment.entries) {
            assert_eq!(entry.prev, head, "the chain holds");
            head = Some(encoded.cid);
        }
        entries.extend(decoded);
        payloads.extend(segment.payloads.into_iter().map(|payload| (payload.cid(), payload)));
    }
    let deployment = Arc::new(Deployment::decode(&unhex(&recorded["deployment"])).unwrap());
    let bytes = unhex(&recorded["module"]);
    let cid = Cid::of(Codec::Raw, &bytes);
    let blobs: HashMap<Cid, Vec<u8>> = recorded["blobs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|blob| (Cid::of(Codec::Raw, &unhex(blob)), unhex(blob)))
        .collect();
    let candidate = Candidate {
        cid,
        module: sandbox().compile(cid, &bytes).unwrap().unwrap(),
        limits: deployment.actors["probe"].limits,
        engine: sandbox().engine().to_owned(),
    };
    let blob = |cid: Cid| blobs.get(&cid).cloned().map(Into::into).ok_or_else(|| "not recorded".to_owned());
    let activities: HashMap<Cid, Arc<dyn Module>> = [compiled("echo.wasm")].into();
    let activity = |name: &str, input: &str| {
        let spec = &deployment.activities[name];
        let module = activities.get(&spec.module).ok_or_else(|| Impossible::Deployment("another echo".into()))?;
        Ok(compute(&**module, &spec.limits, input)?)
    };
    let surroundings = Surroundings { blob: &blob, is_over: &|| false, activity: Some(&activity), verifier: None };
    let recorded = turns(&entries, &Arc::new(payloads), None);
    assert!(!recorded.is_empty());
    let mut founded = 0;
    for turn in recorded {
        assert!(turn.is_over());
        let replayed = replay(&turn, deployment.clone(), &candidate, &surroundings);
        insist(&turn, &replayed);
        if let Replayed::Agreed(agreed) = replayed {
            let again = |turn: &RecordedTurn| replay(turn, deployment.clone(), &candidate, &surroundings);
            founded += made_up_outcomes_are_found(&turn, &agreed, &again);
        }
    }
    assert!(founded > 5, "{founded}");
}

fn compiled(name: &str) -> (Cid, Arc<dyn Module>) {
    let bytes = prebuilt(name);
    let cid = Cid::of(Codec::Raw, &bytes);
    (cid, sandbox().compile(cid, &bytes).unwrap().unwrap())
}

/// Whatever does not rest on the node's word cannot be another value, or a failure, without anybody noticing.
fn made_up_outcomes_are_found(
    turn: &RecordedTurn,
    agreed: &Agreed,
    again: &dyn Fn(&RecordedTurn) -> Replayed,
) -> usize {
    let founded = agreed.outcomes.iter().filter(|met| met.rests_on != RestsOn::Claim);
    for met in founded.clone() {
        let mut salts = OsSalts::default();
        for lie in
            [Outcome::seal(Ok("\"made up\""), &mut salts), Outcome::seal(Err(&Failure::new("made-up", "")), &mut salts)]
        {
            let mut forged = turn.clone();
            Arc::make_mut(&mut forged.payloads).insert(lie.payload().cid(), lie.payload().clone());
            for entry in &mut forged.entries {
                match &mut entry.body {
                    EntryBody::Step { n, outcome: Some(outcome), .. } if *n == met.n => *outcome = lie.resolution(),
                    EntryBody::Outcome { n, result, .. } if *n == met.n => *result = lie.resolution(),
                    _ => {}
                }
            }
            let found = again(&forged);
            let is_found = matches!(&found, Replayed::Diverged(_) | Replayed::Impossible(Impossible::Corrupt(_)));
            assert!(is_found, "step {} ({}): {found:?}", met.n, met.op);
        }
    }
    founded.count()
}

/// The turn came to its recorded end with its recorded fuel, as far as the engine is the one that recorded it.
fn insist(turn: &RecordedTurn, replayed: &Replayed) {
    let EntryBody::TurnStarted { engine, .. } = &turn.entries[0].body else { panic!("it starts with something else") };
    let EntryBody::TurnEnded { fuel, .. } = turn.entries.last().unwrap().body else { panic!("it has no end") };
    match replayed {
        Replayed::Agreed(agreed) => {
            assert!(agreed.to_the_end);
            if engine == sandbox().engine() {
                assert_eq!(agreed.fuel, fuel);
            }
        }
        Replayed::Impossible(Impossible::OtherEngine { recorded }) => assert_eq!(recorded, engine),
        other => panic!("turn {}: {other:?}", turn.entries[0].turn),
    }
}
