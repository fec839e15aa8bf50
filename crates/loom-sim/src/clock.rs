//! Simulated time. It passes when the executor says so, never by itself.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures::{FutureExt as _, future::BoxFuture};
use loom_runtime::Clock;

/// What the calendar shows when a simulation begins, in milliseconds since the Unix epoch.
const BEGINNING_MS: i64 = 1_700_000_000_000;

/// The simulated clock. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct SimClock {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    elapsed: Duration,
    /// How far the calendar has been moved, as by somebody who sets the clock.
    moved_ms: i64,
    sleeping: BTreeMap<(Duration, u64), Waker>,
    sleeps: u64,
}

impl SimClock {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics under this lock")
    }

    /// Lets time pass, and wakes whoever slept until then.
    pub(crate) fn advance(&self, by: Duration) {
        let mut state = self.lock();
        state.elapsed += by;
        let now = state.elapsed;
        let later = state.sleeping.split_off(&(now + Duration::from_nanos(1), 0));
        let due = std::mem::replace(&mut state.sleeping, later);
        drop(state);
        due.into_values().for_each(Waker::wake);
    }

    /// Lets time pass until somebody wakes; false if nobody sleeps.
    pub(crate) fn advance_to_next(&self) -> bool {
        let (now, next) = {
            let state = self.lock();
            (state.elapsed, state.sleeping.keys().next().map(|(due, _)| *due))
        };
        let Some(next) = next else { return false };
        self.advance(next.saturating_sub(now));
        true
    }

    /// Sets the calendar forward or back.
    pub(crate) fn move_calendar(&self, by_ms: i64) {
        self.lock().moved_ms += by_ms;
    }
}

impl Clock for SimClock {
    fn now_ms(&self) -> u64 {
        let state = self.lock();
        let elapsed = i64::try_from(state.elapsed.as_millis()).expect("simulations are short");
        u64::try_from(BEGINNING_MS + elapsed + state.moved_ms).expect("the calendar is moved by minutes")
    }

    fn elapsed(&self) -> Duration {
        self.lock().elapsed
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Sleep { clock: self.clone(), until: self.elapsed() + duration, place: None }.boxed()
    }
}

struct Sleep {
    clock: SimClock,
    until: Duration,
    place: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let clock = self.clock.clone();
        let mut state = clock.lock();
        if state.elapsed >= self.until {
            return Poll::Ready(());
        }
        let place = *self.place.get_or_insert_with(|| {
            state.sleeps += 1;
            state.sleeps
        });
        state.sleeping.insert((self.until, place), context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.clock.lock().sleeping.remove(&(self.until, place));
        }
    }
}
