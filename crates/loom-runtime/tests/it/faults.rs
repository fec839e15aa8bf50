//! A clock that jumps, and a pool with no room.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use loom_runtime::{Clock, Runtime, SendOptions, Settled, SystemClock};
use loom_storage::memory::MemoryStore;

use crate::node::{Node, PATIENCE, probe, sandbox, settings};

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
