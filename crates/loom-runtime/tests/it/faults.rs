//! A clock that jumps, a pool with no room, and turns that the host cannot run.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use loom_runtime::{Clock, Runtime, SendOptions, Settings, Settled, SystemClock};
use loom_storage::memory::MemoryStore;
use loom_types::Namespace;

use crate::{
    node::{Node, PATIENCE, probe, sandbox, settings},
    turns::eventually,
};

/// The system's clock, set back by so many milliseconds.
#[derive(Default)]
struct Wrong {
    behind_ms: AtomicU64,
    system: SystemClock,
}

impl Clock for Wrong {
    fn now_ms(&self) -> u64 {
        self.system.now_ms() - self.behind_ms.load(Ordering::SeqCst)
    }

    fn elapsed(&self) -> Duration {
        self.system.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.system.sleep(duration)
    }
}

/// After a jump back, work goes on: what is new is timed by the new time, and what was timed before fires when that
/// time comes again, which here is when the clock is put right.
#[tokio::test]
async fn a_clock_that_jumps_back_stops_nobody() {
    let clock = Arc::new(Wrong::default());
    let runtime = Runtime::start(settings(100), MemoryStore::storage(), sandbox(), clock.clone()).await.unwrap();
    let handle = runtime.handle();
    let node = Node::of(runtime, handle);
    node.deploy().await;
    let sleeps = r#"{"do":[{"op":"now"},{"op":"sleep","ms":50},{"op":"now"},{"reply":"woken"}]}"#;
    let mut before = node.handle.send(&probe("before"), sleeps, SendOptions::default()).unwrap();
    before.accepted().await.unwrap();
    clock.behind_ms.store(3_600_000, Ordering::SeqCst);
    assert_eq!(node.run("after", sleeps).await.unwrap(), "\"woken\"", "timers set after the jump");
    let entries = node.handle.journal(&probe("after"), loom_types::SequenceNumber(0)).await.unwrap();
    assert!(entries.windows(2).all(|pair| pair[0].encoded.cid == pair[1].entry.prev.unwrap()));
    clock.behind_ms.store(0, Ordering::SeqCst);
    // The timer service looks at the clock again within seconds.
    let settled = tokio::time::timeout(PATIENCE, before.settled()).await.expect("it fires").unwrap();
    assert!(matches!(settled, Settled::Ended { result: Ok(reply), .. } if reply == "\"woken\""));
    node.runtime.shutdown().await;
}

/// Every wait drops the guest, and every outcome replays it: as often as anybody likes.
#[tokio::test]
async fn ten_thousand_evictions_change_nothing() {
    const WAITS: usize = 50;
    const ACTORS: usize = 200;
    let node = Node::start(MemoryStore::storage(), settings(0)).await;
    node.deploy().await;
    let waits = r#"{"op":"activity","name":"effect","input":1},"#.repeat(WAITS);
    let program = format!(r#"{{"do":[{waits}{{"op":"state.set","value":{WAITS}}},{{"reply":"done"}}]}}"#);
    let mut tickets: Vec<_> = (0..ACTORS)
        .map(|n| node.handle.send(&probe(&n.to_string()), &program, SendOptions::default()).unwrap())
        .collect();
    for ticket in &mut tickets {
        let settled = tokio::time::timeout(4 * PATIENCE, ticket.settled()).await.expect("settles").unwrap();
        assert!(matches!(settled, Settled::Ended { result: Ok(reply), .. } if reply == "\"done\""));
    }
    let replays = node.handle.metrics().replays.get();
    assert!(replays >= (WAITS * ACTORS) as u64, "{replays}");
    for n in 0..ACTORS {
        assert_eq!(node.handle.state(&probe(&n.to_string())).await.unwrap().unwrap(), WAITS.to_string());
    }
    node.runtime.shutdown().await;
}

/// Its blob is gone, so replay can never get past reading it. The messages behind it must not wait for ever.
#[tokio::test]
async fn a_turn_that_the_host_cannot_run_is_parked() {
    let folder = tempfile::tempdir().unwrap();
    let storage = loom_store_sqlite::open(&loom_store_sqlite::Settings::new(folder.path())).unwrap();
    let settings = Settings { fault_patience: Duration::from_millis(20), ..settings(0) };
    let node = Node::start(storage, settings).await;
    node.deploy().await;
    let blob = node.handle.put_blob("read before".into()).await.unwrap();
    let program = format!(
        r#"{{"do":[{{"op":"blob.get","cid":"{blob}"}},{{"op":"promise.create"}},
            {{"op":"promise.await","handle":{{"$ref":[1,"/handle"]}}}},{{"reply":{{"$ref":2}}}}]}}"#
    );
    let mut poison = node.handle.send(&probe("a"), &program, SendOptions::default()).unwrap();
    poison.accepted().await.unwrap();
    eventually(async || !node.handle.actor(&probe("a")).await.unwrap().promises.is_empty()).await;
    let mut behind = node.handle.send(&probe("a"), r#"{"do":[{"reply":2}]}"#, SendOptions::default()).unwrap();
    let token = node.handle.actor(&probe("a")).await.unwrap().promises[0].token.clone();
    let name = blob.to_string();
    let file = folder.path().join("blobs").join(&name[name.len() - 2..]).join(&name);
    let kept = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    node.handle.resolve(&token, Ok("1")).await.unwrap();

    let settled = tokio::time::timeout(PATIENCE, poison.settled()).await.expect("is given up").unwrap();
    let Settled::Ended { result: Err(failure), .. } = settled else { panic!("{settled:?}") };
    assert_eq!(failure.kind, "parked");
    assert!(failure.message.contains(&name), "{}", failure.message);
    let settled = tokio::time::timeout(PATIENCE, behind.settled()).await.expect("has its turn").unwrap();
    assert!(matches!(settled, Settled::Ended { result: Ok(reply), .. } if reply == "2"));
    let letters = node.handle.dead_letters(&Namespace::default(), None, 0, 10).await.unwrap();
    assert_eq!(letters.len(), 1);

    // When the host is well again, so is the message.
    std::fs::write(&file, kept).unwrap();
    let mut again = node.handle.redeliver(&Namespace::default(), letters[0].id).await.unwrap();
    eventually(async || !node.handle.actor(&probe("a")).await.unwrap().promises.is_empty()).await;
    let token = node.handle.actor(&probe("a")).await.unwrap().promises[0].token.clone();
    node.handle.resolve(&token, Ok("7")).await.unwrap();
    let settled = tokio::time::timeout(PATIENCE, again.settled()).await.expect("goes through").unwrap();
    assert!(matches!(settled, Settled::Ended { result: Ok(reply), .. } if reply == "7"));
    node.runtime.shutdown().await;
}
