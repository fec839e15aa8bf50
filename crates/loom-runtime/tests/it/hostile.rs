//! Hostile actors beside a good one on the same shard: each ends in the failure that names its limit, and meanwhile
//! the good one gets on.
//!
//! One turn sends both on their way, so that nothing here depends on how fast the test itself runs: the hostile one
//! first, then the good one, whose turns each send the next. Progress is read from the journals of both.

use std::collections::BTreeMap;

use loom_machine::{ActorSpec, Deployment, GuestLimits};
use loom_runtime::Settings;
use loom_storage::memory::MemoryStore;
use loom_types::{ActorAddress, EntryBody, Namespace, SequenceNumber};
use loom_wasmtime::WasmtimeSandbox;

use crate::node::{Node, PATIENCE, prebuilt, settings};

/// Turns of the good actor, one after the other.
const GOOD_TURNS: usize = 8;
/// Fuel of a turn, and of a slice: a hostile turn is much longer than all of the good actor's.
const FUEL: u64 = 200_000_000;
const SLICE_FUEL: u64 = 100_000;

/// An actor that asks the same for ever; `request` is one line of JSON text.
fn asks_for_ever(request: &str) -> Vec<u8> {
    let escaped = request.replace('"', "\\22");
    let length = request.len();
    let text = format!(
        r#"(module (import "loom" "call" (func $call (param i32 i32) (result i64)))
          (memory (export "memory") 2) (data (i32.const 65536) "{escaped}")
          (func (export "loom_alloc") (param i32) (result i32) (i32.const 1024))
          (func (export "loom_free") (param i32 i32))
          (func (export "execute") (param i32 i32) (result i64)
            (loop $again (drop (call $call (i32.const 65536) (i32.const {length}))) (br $again))
            unreachable))"#
    );
    wat::parse_str(text).unwrap()
}

/// One of the hostile modules that the contract comes with.
fn of_the_contract(name: &str) -> Vec<u8> {
    let folder = std::path::PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    wat::parse_file(folder.join("../../sdk/abi/hostile").join(name)).unwrap()
}

async fn node(hostile: Vec<u8>, fuel: u64) -> Node {
    let sandbox = loom_wasmtime::Settings { slice_fuel: SLICE_FUEL, instances_max: 100, ..Default::default() };
    let sandbox = std::sync::Arc::new(WasmtimeSandbox::new(sandbox).unwrap());
    let node = Node::start_on(MemoryStore::storage(), Settings { shards: 1, ..settings(100) }, sandbox).await;
    let limits = GuestLimits { fuel, ..GuestLimits::default() };
    let probe = ActorSpec::new(node.handle.put_blob(prebuilt("probe.wasm").into()).await.unwrap(), limits);
    let hostile = ActorSpec::new(node.handle.put_blob(hostile.into()).await.unwrap(), limits);
    let actors: BTreeMap<_, _> =
        [("probe".to_owned(), probe.clone()), ("good".to_owned(), probe), ("hostile".to_owned(), hostile)].into();
    let deployment = Deployment::new("tests", actors, BTreeMap::new()).unwrap();
    node.handle.deploy(&Namespace::default(), deployment).await.unwrap();
    node
}

/// A message to the good actor that makes it send itself the next.
fn good_turns(left: usize) -> String {
    match left {
        1 => r#"{"do":[]}"#.to_owned(),
        _ => format!(r#"{{"do":[{{"op":"send","to":"good/a","body":{}}}]}}"#, good_turns(left - 1)),
    }
}

/// When each turn of the actor ended, in order, and how.
async fn ends(node: &Node, actor: &str) -> Vec<(u64, String)> {
    let address: ActorAddress = format!("default/{actor}").parse().unwrap();
    let mut ends = Vec::new();
    let mut next = SequenceNumber(0);
    loop {
        let page = node.handle.journal(&address, next).await.unwrap();
        let Some(last) = page.last() else { return ends };
        next = last.entry.seq.next();
        for journaled in page {
            if matches!(journaled.entry.body, EntryBody::TurnEnded { .. }) {
                let result = journaled.payloads.iter().find(|(role, ..)| ["reply", "failure"].contains(role));
                let text = result.and_then(|(.., payload)| payload.as_ref()?.text()).unwrap_or_default();
                ends.push((journaled.entry.at_ms, text.to_owned()));
            }
        }
    }
}

/// Waits until so many turns have ended.
async fn settled(node: &Node, turns: u64) {
    let all = async {
        while node.handle.metrics().turns_ended.get() < turns {
            tokio::task::yield_now().await;
        }
    };
    let in_time = tokio::time::timeout(8 * PATIENCE, all).await;
    assert!(in_time.is_ok(), "{} of {turns} turns ended", node.handle.metrics().turns_ended.get());
}

/// Lets `hostile` loose beside the good actor, whose turns all end. Gives the text of its failure, and how many of
/// those turns ended before it.
async fn beside_a_good_actor(hostile: Vec<u8>, body: &str, fuel: u64) -> (String, usize) {
    let node = node(hostile, fuel).await;
    let both = format!(
        r#"{{"do":[{{"op":"send","to":"hostile/a","body":{body}}},{{"op":"send","to":"good/a","body":{}}}]}}"#,
        good_turns(GOOD_TURNS)
    );
    node.run("starter", &both).await.unwrap();
    settled(&node, 2 + GOOD_TURNS as u64).await;
    let (hostile_at, failure) = ends(&node, "hostile/a").await.remove(0);
    let good = ends(&node, "good/a").await;
    assert!(good.iter().all(|(_, reply)| reply.contains("answers")), "{good:?}");
    node.runtime.shutdown().await;
    (failure, good.iter().filter(|(at, _)| *at <= hostile_at).count())
}

fn check_failure(failure: &str, kind: &str, names: &str) {
    assert!(failure.contains(&format!("\"kind\":\"{kind}\"")) && failure.contains(names), "{failure}");
}

/// What goes on and on ends by a limit, and lets the good actor finish first.
async fn check_endless(hostile: Vec<u8>, body: &str) {
    let (failure, before) = beside_a_good_actor(hostile, body, FUEL).await;
    check_failure(&failure, "out-of-fuel", "limits.fuel");
    assert_eq!(before, GOOD_TURNS, "turns of the good actor while the hostile one ran");
}

#[tokio::test]
async fn a_loop_without_end() {
    check_endless(prebuilt("probe.wasm"), r#"{"do":[{"spin":true}]}"#).await;
}

#[tokio::test]
async fn a_flood_of_logs() {
    let line = format!(r#"{{"op":"log","level":"debug","message":"{}"}}"#, "x".repeat(2000));
    check_endless(asks_for_ever(&line), "null").await;
}

#[tokio::test]
async fn a_flood_of_requests_that_leave_no_entry() {
    check_endless(asks_for_ever(r#"{"op":"context"}"#), "null").await;
}

#[tokio::test]
async fn a_million_steps() {
    // Fuel for more steps than a turn may have.
    let (failure, before) = beside_a_good_actor(asks_for_ever(r#"{"op":"now"}"#), "null", 5 * FUEL).await;
    check_failure(&failure, "too-many-steps", "");
    assert_eq!(before, GOOD_TURNS, "turns of the good actor while the hostile one ran");
}

#[tokio::test]
async fn large_states_over_and_over() {
    let set = format!(r#"{{"op":"state.set","value":"{}"}}"#, "x".repeat(60_000));
    check_endless(asks_for_ever(&set), "null").await;
}

#[tokio::test]
async fn what_ends_at_once() {
    let probe = || prebuilt("probe.wasm");
    for (hostile, body, kind, names) in [
        (probe(), r#"{"do":[{"allocate":100000000}]}"#, "memory-limit", "limits.memory_bytes"),
        (of_the_contract("deep-recursion.wat"), "null", "stack-overflow", "limits.stack_bytes"),
        (probe(), r#"{"do":[{"reply_bytes":2000000}]}"#, "output-too-large", "limits.output_bytes"),
        (of_the_contract("output-ends-past-memory.wat"), "null", "bad-pointer", ""),
    ] {
        let (failure, _) = beside_a_good_actor(hostile, body, FUEL).await;
        check_failure(&failure, kind, names);
    }
}
