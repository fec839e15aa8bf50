//! Evidence that turns have verified: what a module may do over it, what is journaled, and what is not done twice.

use bytes::Bytes;
use loom_machine::{ActorSpec, Deployment, GuestLimits, Verification, VerifierKind, VerifierSpec};
use loom_runtime::{DeployError, SendOptions, Settled};
use loom_storage::{Storage, memory::MemoryStore};
use loom_types::{Cid, Codec, EntryBody, Namespace, SequenceNumber};

use crate::{
    node::{Node, PATIENCE, prebuilt, probe, settings},
    upkeep::blob_path,
};

/// The first six bits of the evidence say what becomes of it: 0 is accepted, 1 traps, 2 never ends, 3 takes memory, 4 is
/// told to the host as a failure, and all else as something that is no verdict.
const VERIFIER: &str = r#"(module
    (memory (export "memory") 16)
    (data (i32.const 16) "{\"accepted\":true}")
    (data (i32.const 64) "{\"err\":{\"kind\":\"odd\",\"message\":\"m\"}}")
    (data (i32.const 128) "[]")
    (func (export "loom_alloc") (param i32) (result i32) (i32.const 65536))
    (func (export "loom_free") (param i32 i32))
    (func (export "execute") (param $at i32) (param i32) (result i64)
        (local $first i32)
        (local.set $first (i32.sub (i32.load8_u offset=13 (local.get $at)) (i32.const 65)))
        (if (i32.eq (local.get $first) (i32.const 0)) (then (return (i64.const 0x1000000011))))
        (if (i32.eq (local.get $first) (i32.const 1)) (then (unreachable)))
        (if (i32.eq (local.get $first) (i32.const 2)) (then (loop (br 0))))
        (if (i32.eq (local.get $first) (i32.const 3))
            (then (if (i32.eq (memory.grow (i32.const 4000)) (i32.const -1)) (then (unreachable)))))
        (if (i32.eq (local.get $first) (i32.const 4)) (then (return (i64.const 0x4000000024))))
        (i64.const 0x8000000002)))"#;

/// Evidence that begins with these six bits.
fn evidence(first: u8) -> Bytes {
    vec![first << 2, 7, 9].into()
}

fn verifier(module: Cid) -> VerifierSpec {
    let limits = GuestLimits { fuel: 1_000_000, ..VerifierSpec::limits_default() };
    VerifierSpec { kind: VerifierKind::Tlsnotary, module, limits, policy: r#"{"keys":["k"]}"#.to_owned() }
}

async fn deployment(node: &Node, module: &[u8]) -> Deployment {
    let limits = GuestLimits { fuel: 200_000_000, ..GuestLimits::default() };
    let actor = node.handle.put_blob(prebuilt("probe.wasm").into()).await.unwrap();
    let module = node.handle.put_blob(module.to_vec().into()).await.unwrap();
    let risc0 = VerifierSpec { kind: VerifierKind::Risc0, ..verifier(module) };
    let verifiers = [("pages".to_owned(), verifier(module)), ("receipts".to_owned(), risc0)];
    let plain = Deployment::new("tests", [("probe".to_owned(), ActorSpec::new(actor, limits))].into(), [].into());
    plain.unwrap().with_verifiers(verifiers.into()).unwrap()
}

async fn started(storage: Storage) -> Node {
    let node = Node::start(storage, settings(100)).await;
    let deployment = deployment(&node, &wat::parse_str(VERIFIER).unwrap()).await;
    node.handle.deploy(&Namespace::default(), deployment).await.unwrap();
    node
}

fn step(verifier: &str, evidence: &Bytes) -> String {
    let cid = Cid::of(Codec::Raw, evidence);
    format!(r#"{{"op":"verify","verifier":"{verifier}","evidence":"{cid}"}}"#)
}

/// The answer to one verification.
async fn asked(node: &Node, key: &str, verifier: &str, evidence: &Bytes) -> serde_json::Value {
    let program = format!(r#"{{"do":[{}]}}"#, step(verifier, evidence));
    let reply: serde_json::Value = serde_json::from_str(&node.run(key, &program).await.unwrap()).unwrap();
    reply["answers"][0].clone()
}

#[tokio::test]
async fn what_a_verifier_does_over_evidence_is_a_verdict_on_it() {
    let node = started(MemoryStore::storage()).await;
    for (first, expected) in [
        (0, r#"{"ok":{"accepted":true}}"#),
        (1, "over it: trap"),
        (2, "over it: out-of-fuel"),
        (3, "over it: memory-limit"),
        (4, r#""kind":"invalid-verdict""#),
        (5, r#""kind":"invalid-verdict""#),
    ] {
        let evidence = evidence(first);
        node.handle.put_blob(evidence.clone()).await.unwrap();
        let answer = asked(&node, "a", "pages", &evidence).await;
        assert!(answer.to_string().contains(expected), "{first}: {answer}");
        if (1..4).contains(&first) {
            assert_eq!((&answer["ok"]["accepted"], &answer["ok"]["code"]), (&false.into(), &"verifier-trapped".into()));
        }
    }
    let answer = asked(&node, "a", "pages", &evidence(9)).await;
    assert_eq!(answer["err"]["kind"], "not-found", "{answer}");
    let answer = asked(&node, "a", "passports", &evidence(0)).await;
    assert_eq!(answer["err"]["kind"], "unknown-verifier", "{answer}");
    assert_eq!(node.handle.metrics().host_faults.get(), 0);
    node.runtime.shutdown().await;
}

#[tokio::test]
async fn evidence_beyond_the_limit_is_rejected_unseen() {
    let node = started(MemoryStore::storage()).await;
    let large = Bytes::from(vec![0; loom_machine::limits::EVIDENCE_BYTES_MAX + 1]);
    node.handle.put_blob(large.clone()).await.unwrap();
    let answer = asked(&node, "a", "pages", &large).await;
    assert_eq!(answer["ok"]["code"], "evidence-too-large", "{answer}");
    node.runtime.shutdown().await;
}

/// A receipt does not age, so whoever asks again gets the verdict from memory. The time of a turn is part of what other
/// verdicts depend on.
#[tokio::test]
async fn equal_questions_are_verified_once() {
    let node = started(MemoryStore::storage()).await;
    let evidence = evidence(0);
    node.handle.put_blob(evidence.clone()).await.unwrap();
    let metrics = || (node.handle.metrics().verifications.get(), node.handle.metrics().verdict_cache_hits.get());
    for (key, expected) in [("a", (1, 0)), ("a", (2, 1)), ("b", (3, 2))] {
        assert_eq!(asked(&node, key, "receipts", &evidence).await["ok"]["accepted"], true);
        assert_eq!(metrics(), expected);
    }
    let twice = format!(r#"{{"do":[{0},{0}]}}"#, step("pages", &evidence));
    node.run("c", &twice).await.unwrap();
    assert_eq!(metrics(), (5, 3), "within a turn there is one time");
    node.runtime.shutdown().await;
}

/// After a restart the guest is run again from the journal. The evidence is gone by then, and nobody asks for it.
#[tokio::test]
async fn a_replay_reads_the_recorded_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let open = || loom_store_sqlite::open(&loom_store_sqlite::Settings::new(folder.path())).unwrap();
    let node = started(open()).await;
    let evidence = evidence(0);
    node.handle.put_blob(evidence.clone()).await.unwrap();
    let program = format!(
        r#"{{"do":[{},{{"op":"promise.create"}},{{"op":"promise.await","handle":{{"$ref":[1,"/handle"]}}}},
            {{"reply":[{{"$ref":0}},{{"$ref":2}}]}}]}}"#,
        step("pages", &evidence)
    );
    let options = SendOptions { id: Some("m".parse().unwrap()), until_waiting: true };
    let Settled::Waiting { promises, .. } = node.send("a", &program, options).await else { panic!("it waits") };
    let journal = node.handle.journal(&probe("a"), SequenceNumber(0)).await.unwrap();
    let started_ms = journal[1].entry.at_ms;
    // Everything that the verdict depends on is there.
    let is_verified = |body: &EntryBody| matches!(body, EntryBody::Step { op, .. } if op == Verification::OP);
    let step = journal.iter().find(|journaled| is_verified(&journaled.entry.body)).unwrap();
    let request = step.payloads.iter().find(|(role, ..)| *role == "request").and_then(|(.., payload)| payload.as_ref());
    let asked = Verification::from_json(request.unwrap().text().unwrap()).unwrap();
    assert_eq!((asked.at_ms, asked.policy.as_str()), (Some(started_ms), r#"{"keys":["k"]}"#));
    node.runtime.shutdown().await;
    drop(node.handle);
    std::fs::remove_file(blob_path(folder.path(), Cid::of(Codec::Raw, &evidence))).unwrap();

    let node = Node::start(open(), settings(100)).await;
    node.handle.resolve(&promises[0], Ok("\"later\"")).await.unwrap();
    let mut ticket = node.handle.follow(&probe("a"), "m".parse().unwrap(), false).unwrap();
    let settled = tokio::time::timeout(PATIENCE, ticket.settled()).await.expect("settles").unwrap();
    let Settled::Ended { result: Ok(reply), .. } = settled else { panic!("{settled:?}") };
    assert_eq!(reply, r#"[{"accepted":true},"later"]"#);
    assert_eq!(node.handle.metrics().verifications.get(), 0);
    assert!(node.handle.metrics().replays.get() > 0);
    node.runtime.shutdown().await;
}

#[tokio::test]
async fn a_verifier_that_calls_the_host_or_is_not_there_is_not_deployed() {
    let node = Node::start(MemoryStore::storage(), settings(100)).await;
    let calls = deployment(&node, &prebuilt("probe.wasm")).await;
    let error = node.handle.deploy(&Namespace::default(), calls).await.unwrap_err();
    assert!(matches!(&error, DeployError::UnusableModule { at, .. } if at == "verifiers.pages"), "{error}");
    let mut missing = deployment(&node, &wat::parse_str(VERIFIER).unwrap()).await;
    missing.verifiers.values_mut().for_each(|spec| spec.module = Cid::of(Codec::Raw, b"nowhere"));
    let error = node.handle.deploy(&Namespace::default(), missing).await.unwrap_err();
    assert!(matches!(&error, DeployError::MissingModule { at, .. } if at == "verifiers.pages"), "{error}");
    node.runtime.shutdown().await;
}
