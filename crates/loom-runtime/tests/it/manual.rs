//! A clock that a test moves by hand.

use std::time::Duration;

use futures::future::BoxFuture;
use loom_runtime::Clock;
use tokio::sync::watch;

/// What it shows at first, in milliseconds since the Unix epoch: 2026-01-01 00:00 UTC.
pub(crate) const BEGINNING_MS: u64 = 1_767_225_600_000;

pub(crate) struct ManualClock {
    elapsed: watch::Sender<Duration>,
}

impl Default for ManualClock {
    fn default() -> Self {
        Self { elapsed: watch::Sender::new(Duration::ZERO) }
    }
}

impl ManualClock {
    /// Lets time pass, and wakes whoever slept until then.
    pub(crate) fn advance(&self, by: Duration) {
        self.elapsed.send_modify(|elapsed| *elapsed += by);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> u64 {
        BEGINNING_MS + u64::try_from(self.elapsed().as_millis()).unwrap()
    }

    fn elapsed(&self) -> Duration {
        *self.elapsed.borrow()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let mut elapsed = self.elapsed.subscribe();
        let until = *elapsed.borrow() + duration;
        Box::pin(async move {
            // A clock that is gone never gets there.
            if elapsed.wait_for(|elapsed| *elapsed >= until).await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }
}
