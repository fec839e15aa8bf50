//! Journals recorded by every version replay for ever: `testdata/journals/`.
//!
//! `LOOM_RECORD=NAME cargo test -p loom-runtime --test it recorded` adds one. A recorded file is never changed; if
//! it does not replay any more, the code is wrong.

use std::{collections::HashMap, path::PathBuf, sync::Arc};

use loom_machine::{Ambient, Deployment, Directory, Progress, Reaction, Sandbox as _, Task, Turn};
use loom_runtime::{OsSalts, SendOptions, Settled};
use loom_storage::{Storage, memory::MemoryStore};
use loom_types::{ActorAddress, Cid, Codec, Entry, EntryBody, Payload, Segment, SequenceNumber, TurnResult};
use serde_json::{Value, json};

use crate::node::{Node, PATIENCE, prebuilt, probe, sandbox, settings};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata/journals")
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

struct Everyone;

impl Directory for Everyone {
    fn has_actor_type(&self, _: &str, _: &str) -> bool {
        panic!("a replay asks nobody")
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
        replay(&recorded);
        replayed += 1;
    }
    assert!(replayed > 0);
}

fn replay(recorded: &Value) {
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
    let module = unhex(&recorded["module"]);
    let blobs: HashMap<Cid, Vec<u8>> = recorded["blobs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|blob| (Cid::of(Codec::Raw, &unhex(blob)), unhex(blob)))
        .collect();
    let mut state: Option<Payload> = None;
    let starts = entries.iter().enumerate().filter(|(_, entry)| matches!(entry.body, EntryBody::TurnStarted { .. }));
    for (start, _) in starts {
        let length =
            entries[start..].iter().position(|entry| matches!(entry.body, EntryBody::TurnEnded { .. })).unwrap();
        let turn = &entries[start..start + length];
        let ended = &entries[start + length].body;
        state = replay_turn(turn, ended, &payloads, &deployment, &module, &blobs, state);
    }
}

/// Runs the turn again and insists on the recorded end; gives the state after it.
fn replay_turn(
    entries: &[Entry],
    ended: &EntryBody,
    payloads: &HashMap<Cid, Payload>,
    deployment: &Arc<Deployment>,
    module: &[u8],
    blobs: &HashMap<Cid, Vec<u8>>,
    state: Option<Payload>,
) -> Option<Payload> {
    let EntryBody::TurnEnded { result, state: state_after, fuel } = ended else { panic!("{ended:?}") };
    let find = |cid: &Cid| payloads.get(cid).cloned();
    let mut turn = Turn::restore(entries, &find, deployment.clone(), state).unwrap();
    let compiled = sandbox().compile(turn.opening().module, module).unwrap().unwrap();
    let limits = deployment.actors["probe"].limits;
    let mut guest = compiled.start(&limits, &turn.opening().message.body.clone()).unwrap();
    let mut salts = OsSalts::default();
    let mut ambient = Ambient { now_ms: 0, salts: &mut salts, directory: &Everyone };
    let mut answer: Option<String> = None;
    let output = loop {
        match guest.resume(answer.take().as_deref()).unwrap() {
            Progress::Yielded => {}
            Progress::Returned(output) => break Ok(output),
            Progress::Failed(failure) => break Err(failure),
            Progress::Called(request) => {
                answer = Some(match turn.request(&request, &mut ambient).unwrap() {
                    Reaction::Answer(answer) => answer,
                    Reaction::Run(Task::BlobGet { cid, .. }) => {
                        let text = serde_json::to_string(std::str::from_utf8(&blobs[&cid]).unwrap()).unwrap();
                        turn.finish(Ok(&text), &mut ambient)
                    }
                    other => panic!("the journal does not know {other:?}"),
                });
            }
        }
    };
    let same_engine = turn.opening().engine == sandbox().engine();
    let loom_machine::Ended { outcome, state } = turn.end(output, guest.fuel_used(), &mut ambient).unwrap();
    let cid = result.cid();
    let recorded = &payloads[&cid];
    // What a trap says, and how much fuel a turn takes, is the engine's.
    if same_engine || matches!(result, TurnResult::Reply(_)) {
        assert_eq!(outcome.payload().text(), recorded.text());
    }
    if same_engine {
        assert_eq!(guest.fuel_used(), *fuel);
    }
    let after = state_after.map(|cid| payloads[&cid].clone());
    assert_eq!(state.as_ref().map(|state| state.value()), after.as_ref().map(|after| after.value()));
    after
}
