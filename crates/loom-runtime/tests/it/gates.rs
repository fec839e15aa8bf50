//! Gates: how many turns of a type and of a namespace are under way.

use std::{sync::Arc, time::Duration};

use loom_machine::{ActivitySpec, ActorSpec, Deployment, GuestLimits, Retry, TurnLimits};
use loom_runtime::{Handle, Runtime, SendOptions, Settings, Stage};
use loom_storage::memory::MemoryStore;
use loom_types::Namespace;

use crate::{
    manual::ManualClock,
    node::{PATIENCE, prebuilt, probe, sandbox, settings},
    turns::eventually,
};

const REPLY: &str = r#"{"do":[{"reply":1}]}"#;

async fn node(clock: &Arc<ManualClock>, settings: Settings, turns: TurnLimits) -> Runtime {
    let runtime = Runtime::start(settings, MemoryStore::storage(), sandbox(), clock.clone()).await.unwrap();
    let handle = runtime.handle();
    let module = handle.put_blob(prebuilt("probe.wasm").into()).await.unwrap();
    let echo = handle.put_blob(prebuilt("echo.wasm").into()).await.unwrap();
    let actor = ActorSpec { module, limits: GuestLimits::default(), turns };
    let echo = ActivitySpec {
        capabilities: ["http".to_owned()].into(),
        retry: Retry { attempts_max: u32::MAX, backoff_ms_min: 1, backoff_ms_max: 1 },
        ..ActivitySpec::pure(echo, GuestLimits::default())
    };
    let activities = [("echo".to_owned(), echo)].into();
    // The same actor without limits of its own.
    let other = ActorSpec { turns: TurnLimits::default(), ..actor.clone() };
    let actors = [("probe".to_owned(), actor), ("other".to_owned(), other)].into();
    let deployment = Deployment::new("app", actors, activities).unwrap();
    handle.deploy(&Namespace::default(), deployment).await.unwrap();
    runtime
}

/// Sends to actors `a0`, `a1`, … and gives how many were answered when nothing more happens without time passing.
async fn send_to(handle: &Handle, count: usize) {
    for n in 0..count {
        let mut ticket = handle.send(&probe(&format!("a{n}")), REPLY, SendOptions::default()).unwrap();
        tokio::time::timeout(PATIENCE, ticket.accepted()).await.expect("durable at once, in line or not").unwrap();
    }
}

async fn answered(handle: &Handle, count: usize) -> usize {
    let mut answered = 0;
    for n in 0..count {
        let view = handle.actor(&probe(&format!("a{n}"))).await;
        answered += usize::from(view.is_ok_and(|view| view.turn.0 == 1 && view.stage == Stage::Idle));
    }
    answered
}

async fn a_rate_holds_turns_back(settings: Settings, turns: TurnLimits) {
    let clock = Arc::new(ManualClock::default());
    let runtime = node(&clock, settings, turns).await;
    let handle = runtime.handle();
    send_to(&handle, 5).await;
    eventually(async || answered(&handle, 5).await == 2).await;
    assert_eq!(handle.metrics().turns_in_line.get(), 3);
    clock.advance(Duration::from_millis(500));
    eventually(async || answered(&handle, 5).await == 3).await;
    clock.advance(Duration::from_secs(1));
    eventually(async || answered(&handle, 5).await == 5).await;
    assert_eq!(handle.metrics().turns_in_line.get(), 0);
    runtime.shutdown().await;
}

#[tokio::test]
async fn turns_of_a_type_begin_at_its_rate() {
    let turns = TurnLimits { rate_per_second: Some(2), ..TurnLimits::default() };
    a_rate_holds_turns_back(settings(10), turns).await;
}

#[tokio::test]
async fn turns_of_a_namespace_begin_at_the_rate_of_the_settings() {
    let settings = Settings { namespace_turns_per_second: 2, ..settings(10) };
    a_rate_holds_turns_back(settings, TurnLimits::default()).await;
}

/// Who waits for the rate of its type has taken nothing of what all types share.
#[tokio::test]
async fn a_type_that_used_up_its_rate_leaves_the_rest_of_the_namespaces_to_others() {
    let clock = Arc::new(ManualClock::default());
    let settings = Settings { namespace_turns_per_second: 3, ..settings(10) };
    let turns = TurnLimits { rate_per_second: Some(1), ..TurnLimits::default() };
    let runtime = node(&clock, settings, turns).await;
    let handle = runtime.handle();
    send_to(&handle, 5).await;
    eventually(async || answered(&handle, 5).await == 1 && handle.metrics().turns_in_line.get() == 4).await;
    let send = |key: &str| handle.send(&format!("default/other/{key}").parse().unwrap(), REPLY, SendOptions::default());
    for key in ["a", "b"] {
        let settled = tokio::time::timeout(PATIENCE, send(key).unwrap().settled()).await;
        settled.expect("it begins without time passing").unwrap();
    }
    let mut beyond = send("c").unwrap();
    tokio::time::timeout(PATIENCE, beyond.accepted()).await.expect("durable in line").unwrap();
    eventually(async || handle.metrics().turns_in_line.get() == 5).await;
    runtime.shutdown().await;
}

/// A turn that waits for people keeps nobody out, and neither does one that waits for an actor of its own type.
#[tokio::test]
async fn one_place_is_enough_for_actors_that_wait_for_each_other() {
    let clock = Arc::new(ManualClock::default());
    let turns = TurnLimits { concurrency_max: Some(1), ..TurnLimits::default() };
    let runtime = node(&clock, settings(10), turns).await;
    let handle = runtime.handle();
    let calls = r#"{"do":[{"op":"call","to":"probe/b","body":{"do":[{"reply":"from b"}]}},{"reply":{"$ref":0}}]}"#;
    let mut ticket = handle.send(&probe("caller"), calls, SendOptions::default()).unwrap();
    let settled = tokio::time::timeout(PATIENCE, ticket.settled()).await.expect("settles").unwrap();
    assert!(format!("{settled:?}").contains("from b"), "{settled:?}");
    send_to(&handle, 20).await;
    eventually(async || answered(&handle, 20).await == 20).await;
    runtime.shutdown().await;
}

/// An activity beside a call: its end does not make the call come back.
#[tokio::test]
async fn a_place_is_given_back_by_whoever_waits_for_more_than_activities() {
    let clock = Arc::new(ManualClock::default());
    let turns = TurnLimits { concurrency_max: Some(1), ..TurnLimits::default() };
    let runtime = node(&clock, settings(10), turns).await;
    let handle = runtime.handle();
    let both = r#"{"do":[{"op":"activity.start","name":"echo","input":1},
        {"op":"call.start","to":"probe/b","body":{"do":[{"reply":"from b"}]}},
        {"op":"await","handles":[{"$ref":0},{"$ref":1}],"mode":"all"},{"reply":{"$ref":2}}]}"#;
    let mut ticket = handle.send(&probe("caller"), both, SendOptions::default()).unwrap();
    let settled = tokio::time::timeout(PATIENCE, ticket.settled()).await.expect("settles").unwrap();
    assert!(format!("{settled:?}").contains("from b"), "{settled:?}");
    runtime.shutdown().await;
}

/// What is paused keeps nobody out, for who knows how long it is paused.
#[tokio::test]
async fn a_paused_turn_gives_its_place_back() {
    let clock = Arc::new(ManualClock::default());
    let turns = TurnLimits { concurrency_max: Some(1), ..TurnLimits::default() };
    let runtime = node(&clock, settings(10), turns).await;
    let handle = runtime.handle();
    // It fails for as long as anybody tries, with pauses that only this clock can end.
    let tries =
        r#"{"do":[{"op":"activity","name":"echo","input":{"err":{"kind":"busy","message":"m","retryable":true}}}]}"#;
    let mut ticket = handle.send(&probe("busy"), tries, SendOptions::default()).unwrap();
    tokio::time::timeout(PATIENCE, ticket.accepted()).await.expect("durable").unwrap();
    send_to(&handle, 1).await;
    assert_eq!(answered(&handle, 1).await, 0);
    handle.pause(&probe("busy"), "anna").await.unwrap();
    eventually(async || answered(&handle, 1).await == 1).await;
    runtime.shutdown().await;
}
