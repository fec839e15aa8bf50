//! The timer service: reads what is due and tells the shards.
//!
//! A timer's row stays until a commit clears it, so telling a shard is only a hint: whatever got lost is told
//! again after a while, and a shard ignores what it already dealt with.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use loom_storage::{DueTimer, Lane, Storage, StoreError};
use tokio::sync::{Notify, mpsc::UnboundedSender};
use tokio_util::sync::CancellationToken;

use crate::{
    Clock, Metrics,
    lookout::Doubts,
    shard::{Event, shard_of},
};

/// Due timers read at once.
const BATCH: usize = 1000;
/// How long a shard may take before it is told again.
const TELL_AGAIN: Duration = Duration::from_secs(10);
/// Longest sleep: the store may be shared, or a clock may jump.
const SLEEP_MAX: Duration = Duration::from_secs(5);

/// Tells the service about new timers. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Alarm {
    earliest_ms: Arc<AtomicU64>,
    notify: Arc<Notify>,
}

impl Default for Alarm {
    fn default() -> Self {
        Self { earliest_ms: Arc::new(AtomicU64::new(u64::MAX)), notify: Arc::default() }
    }
}

impl Alarm {
    /// A timer that is durable now falls due at `due_ms`.
    pub(crate) fn set(&self, due_ms: u64) {
        if self.earliest_ms.fetch_min(due_ms, Ordering::Relaxed) > due_ms {
            self.notify.notify_one();
        }
    }
}

/// The service.
pub(crate) struct TimerService {
    pub(crate) storage: Storage,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) shards: Vec<UnboundedSender<Event>>,
    pub(crate) alarm: Alarm,
    pub(crate) doubts: Doubts,
    pub(crate) metrics: Metrics,
    pub(crate) told: HashMap<DueTimer, Duration>,
}

impl TimerService {
    /// Runs until told to stop.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        loop {
            let pause = match self.tick().await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::warn!(%error, "reading timers");
                    // Delayed messages may have been moved into mailboxes.
                    self.doubts.raise();
                    Duration::from_secs(1)
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.alarm.notify.notified() => {}
                () = self.clock.sleep(pause) => {}
            }
        }
    }

    /// Tells shards about everything due; says how long nothing more will be.
    async fn tick(&mut self) -> Result<Duration, StoreError> {
        let now_ms = self.clock.now_ms();
        // Reset first: an alarm that comes while the store is read leads to another tick.
        self.alarm.earliest_ms.store(u64::MAX, Ordering::Relaxed);
        let elapsed = self.clock.elapsed();
        self.told.retain(|_, told| elapsed < *told + TELL_AGAIN);
        // What was told and is not dealt with yet comes first; it must not hide what is due besides.
        let limit = BATCH + self.told.len();
        let due = self.storage.timers.due(now_ms, limit).await?;
        let full = due.len() == limit;
        let mut news = false;
        for timer in due {
            // The time of the first telling stays, or it would never be told again.
            if let Entry::Vacant(told) = self.told.entry(timer.clone()) {
                told.insert(elapsed);
                news = true;
                self.metrics.timers_fired.inc();
                self.tell(Event::Timer(timer));
            }
        }
        for receiver in self.storage.timers.release(now_ms, BATCH).await? {
            news = true;
            self.tell(Event::Arrived(receiver, Lane::Messages));
        }
        if full && news {
            return Ok(Duration::ZERO);
        }
        let next = self.storage.timers.next_due(now_ms).await?.unwrap_or(u64::MAX);
        self.alarm.earliest_ms.fetch_min(next, Ordering::Relaxed);
        Ok(Duration::from_millis(next.saturating_sub(self.clock.now_ms())).min(SLEEP_MAX))
    }

    fn tell(&self, event: Event) {
        let actor = match &event {
            Event::Timer(timer) => &timer.actor,
            Event::Arrived(actor, _) => actor,
            _ => unreachable!("only these are told"),
        };
        // A shard that has stopped finds the row when the node starts again.
        let _ = self.shards[shard_of(actor, self.shards.len())].send(event);
    }
}
