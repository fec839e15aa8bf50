//! Hostile actors beside a good one on the same shard: each ends in the failure that names its limit, and meanwhile
//! the good one gets on.
//!
//! One turn sends both on their way, so that nothing here depends on how fast the test itself runs: the hostile one
//! first, then the good one, whose turns each send the next. Progress is read from the journals of both.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use loom_machine::{ActivitySpec, ActorSpec, Deployment, GuestLimits, Retry};
use loom_runtime::{Host, Outside, Runtime, SecretString, Secrets, SendOptions, Settings, Settled, Ticket};
use loom_storage::memory::MemoryStore;
use loom_types::{ActorAddress, EntryBody, Namespace, SequenceNumber};
use loom_wasmtime::WasmtimeSandbox;

use crate::{
    manual::ManualClock,
    node::{Node, PATIENCE, prebuilt, probe, sandbox, settings},
    turns::eventually,
};

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

/// Knows one secret, and how often it was asked for it.
#[derive(Default)]
struct Asked(AtomicU64);

impl Secrets for Asked {
    fn get(&self, _namespace: &str, _name: &str) -> Option<SecretString> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Some("s3cr3t-value".into())
    }
}

/// How long an attempt of the activity that only asks may take.
const DEADLINE: Duration = Duration::from_secs(1);

/// A turn that waits for an activity that asks for ever, with so much fuel, under a clock that only the test moves.
/// The activity runs when this returns.
async fn beside_an_activity_that_only_asks(clock: &Arc<ManualClock>, fuel: u64) -> (Node, Ticket) {
    let asked = Arc::new(Asked::default());
    let outside = Outside { secrets: asked.clone(), ..Outside::none() };
    let host = Host { outside, ..Host::real(clock.clone()) };
    let settings = Settings { shards: 1, ..settings(100) };
    let runtime = Runtime::start_on(settings, MemoryStore::storage(), sandbox(), host).await.unwrap();
    let handle = runtime.handle();
    let node = Node::of(runtime, handle);
    let limits = GuestLimits { fuel, ..GuestLimits::default() };
    let asks = asks_for_ever(r#"{"op":"secret","name":"API_KEY"}"#);
    let asks = ActivitySpec {
        capabilities: ["secret".to_owned()].into(),
        secrets: ["API_KEY".to_owned()].into(),
        retry: Retry { attempts_max: 1, ..Retry::default() },
        deadline_ms: Some(u64::try_from(DEADLINE.as_millis()).unwrap()),
        ..ActivitySpec::pure(node.handle.put_blob(asks.into()).await.unwrap(), limits)
    };
    let probe_module = node.handle.put_blob(prebuilt("probe.wasm").into()).await.unwrap();
    let actors = [("probe".to_owned(), ActorSpec::new(probe_module, GuestLimits::default()))].into();
    let deployment = Deployment::new("tests", actors, [("asks".to_owned(), asks)].into()).unwrap();
    node.handle.deploy(&Namespace::default(), deployment).await.unwrap();
    let before = asked.0.load(Ordering::SeqCst);
    let program = r#"{"do":[{"op":"activity","name":"asks","input":null}]}"#;
    let ticket = node.handle.send(&probe("asks"), program, SendOptions::default()).unwrap();
    eventually(async || asked.0.load(Ordering::SeqCst) > before).await;
    (node, ticket)
}

async fn check_end(mut ticket: Ticket, kind: &str, names: &str) {
    let settled = tokio::time::timeout(PATIENCE, ticket.settled()).await.expect("it ends").unwrap();
    let Settled::Ended { result: Ok(answer), .. } = settled else { panic!("{settled:?}") };
    check_failure(&answer, kind, names);
}

#[tokio::test]
async fn an_activity_that_only_asks_lets_others_run_and_meets_its_deadline() {
    let clock = Arc::new(ManualClock::default());
    // More than it uses while the others have their turns.
    let (node, ticket) = beside_an_activity_that_only_asks(&clock, 500 * FUEL).await;
    for _ in 0..GOOD_TURNS {
        node.run("good", r#"{"do":[]}"#).await.unwrap();
    }
    assert_eq!(node.handle.actor(&probe("asks")).await.unwrap().waiting_on.len(), 1, "it still asks");
    clock.advance(DEADLINE);
    check_end(ticket, "deadline", "deadline_ms").await;
    node.runtime.shutdown().await;
}

#[tokio::test]
async fn an_activity_that_only_asks_runs_out_of_fuel() {
    let clock = Arc::new(ManualClock::default());
    let (node, ticket) = beside_an_activity_that_only_asks(&clock, FUEL / 10).await;
    check_end(ticket, "out-of-fuel", "limits.fuel").await;
    node.runtime.shutdown().await;
}
