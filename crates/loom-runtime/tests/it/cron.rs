//! Messages that deployments schedule: each occurrence once, whatever happens to the node.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use loom_machine::{ActorSpec, CatchUp, Deployment, GuestLimits, Schedule};
use loom_runtime::{DeployError, Handle, Runtime, Settings};
use loom_storage::{Storage, memory::MemoryStore};
use loom_types::{EntryBody, Namespace, SequenceNumber};

use crate::{
    manual::{BEGINNING_MS, ManualClock},
    node::{prebuilt, probe, sandbox, settings},
    turns::eventually,
};

const HOUR: Duration = Duration::from_secs(3600);
const HOUR_MS: u64 = 3_600_000;

fn hourly(catch_up: CatchUp) -> Schedule {
    let body = r#"{"do":[{"reply":1}]}"#.to_owned();
    Schedule { cron: "0 * * * *".to_owned(), timezone: None, to: "probe/clerk".to_owned(), body, catch_up }
}

async fn deploy(handle: &Handle, schedule: Schedule) -> Result<(), DeployError> {
    let module = handle.put_blob(prebuilt("probe.wasm").into()).await.unwrap();
    let actor = ActorSpec::new(module, GuestLimits::default());
    let deployment = Deployment::new("app", [("probe".to_owned(), actor)].into(), BTreeMap::new()).unwrap();
    let deployment = deployment.with_schedules([("tick".to_owned(), schedule)].into()).unwrap();
    handle.deploy(&Namespace::default(), deployment).await.map(drop)
}

async fn start(storage: &Storage, clock: &Arc<ManualClock>) -> Runtime {
    Runtime::start(settings(10), storage.clone(), sandbox(), clock.clone()).await.unwrap()
}

/// The hours whose messages the actor has handled, counted from the beginning.
async fn hours(handle: &Handle) -> Vec<u64> {
    let Ok(entries) = handle.journal(&probe("clerk"), SequenceNumber(0)).await else { return Vec::new() };
    let ended = entries.iter().filter(|entry| matches!(entry.entry.body, EntryBody::TurnEnded { .. })).count();
    let message = |entry: &loom_runtime::Journaled| {
        let (_, _, payload) = entry.payloads.iter().find(|(role, ..)| *role == "message")?;
        let text = payload.as_ref()?.text()?.to_owned();
        let message: serde_json::Value = serde_json::from_str(&text).ok()?;
        let ms: u64 = message["id"].as_str()?.strip_prefix("cron-app-tick-")?.parse().ok()?;
        Some((ms - BEGINNING_MS) / HOUR_MS)
    };
    entries.iter().filter_map(message).take(ended).collect()
}

#[tokio::test]
async fn each_occurrence_is_sent_once_and_of_those_missed_the_latest() {
    let (storage, clock) = (MemoryStore::storage(), Arc::new(ManualClock::default()));
    let runtime = start(&storage, &clock).await;
    deploy(&runtime.handle(), hourly(CatchUp::Latest)).await.unwrap();
    let next = runtime.handle().schedules(&Namespace::default())[0].next_ms;
    assert_eq!(next, Some(BEGINNING_MS + HOUR_MS));
    assert_eq!(hours(&runtime.handle()).await, [0; 0], "nothing that was due before it was deployed");
    clock.advance(HOUR);
    eventually(async || hours(&runtime.handle()).await == [1]).await;
    runtime.shutdown().await;

    // Started at the very minute of what was sent already.
    let runtime = start(&storage, &clock).await;
    clock.advance(HOUR);
    eventually(async || hours(&runtime.handle()).await == [1, 2]).await;
    runtime.shutdown().await;

    clock.advance(5 * HOUR + HOUR / 2);
    let runtime = start(&storage, &clock).await;
    eventually(async || hours(&runtime.handle()).await == [1, 2, 7]).await;
    clock.advance(HOUR / 2);
    eventually(async || hours(&runtime.handle()).await == [1, 2, 7, 8]).await;
    runtime.shutdown().await;
}

/// An id that may be forgotten tells nobody whether its message was sent.
#[tokio::test]
async fn what_may_have_been_sent_too_long_ago_is_not_sent_again() {
    let (storage, clock) = (MemoryStore::storage(), Arc::new(ManualClock::default()));
    let start = async || {
        let settings = Settings { message_ids_kept: Some(HOUR / 4), ..settings(10) };
        Runtime::start(settings, storage.clone(), sandbox(), clock.clone()).await.unwrap()
    };
    let runtime = start().await;
    deploy(&runtime.handle(), hourly(CatchUp::Latest)).await.unwrap();
    clock.advance(HOUR);
    eventually(async || hours(&runtime.handle()).await == [1]).await;
    runtime.shutdown().await;
    clock.advance(HOUR / 2);
    let runtime = start().await;
    clock.advance(HOUR / 2);
    eventually(async || hours(&runtime.handle()).await.len() > 1).await;
    assert_eq!(hours(&runtime.handle()).await, [1, 2]);
    runtime.shutdown().await;
}

#[tokio::test]
async fn what_was_missed_is_left_out_on_request() {
    let (storage, clock) = (MemoryStore::storage(), Arc::new(ManualClock::default()));
    let runtime = start(&storage, &clock).await;
    deploy(&runtime.handle(), hourly(CatchUp::None)).await.unwrap();
    runtime.shutdown().await;
    clock.advance(3 * HOUR + HOUR / 2);
    let runtime = start(&storage, &clock).await;
    clock.advance(HOUR / 2);
    eventually(async || hours(&runtime.handle()).await == [4]).await;
    runtime.shutdown().await;
}

#[tokio::test]
async fn a_schedule_that_makes_no_sense_is_not_deployed() {
    let (storage, clock) = (MemoryStore::storage(), Arc::new(ManualClock::default()));
    let runtime = start(&storage, &clock).await;
    for (cron, timezone, problem) in [
        ("0 25 * * *", None, "schedules.tick.cron: "),
        ("0 0 30 2 *", None, "schedules.tick.cron: '0 0 30 2 *' never comes"),
        ("0 2 * * *", Some("Mars/Olympus"), "schedules.tick.timezone: "),
    ] {
        let schedule =
            Schedule { cron: cron.to_owned(), timezone: timezone.map(str::to_owned), ..hourly(CatchUp::None) };
        let error = deploy(&runtime.handle(), schedule).await.unwrap_err().to_string();
        assert!(error.starts_with(problem), "{error}");
    }
    runtime.shutdown().await;
}
