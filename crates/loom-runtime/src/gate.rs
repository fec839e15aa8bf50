//! Gates: how many turns of an actor type, and of a namespace, may be under way, and how many may begin in a second.
//!
//! A turn takes a place before its guest runs and gives it up when it ends, or when it waits for something that may
//! never come: it would keep others out for days, or wait for an actor that stands in line behind it. Whoever finds no
//! place stands in line, first come, first served, and is let in by whoever leaves: nobody polls.
//!
//! Gates bound what a node does at once. They are no part of any journal, and start empty with the node: turns that it
//! takes up again go on without a place.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use loom_machine::TurnLimits;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Clock, Metrics};

/// What bounds the turns of an actor type or of a namespace.
#[derive(Debug)]
pub(crate) struct Gate {
    limits: TurnLimits,
    places: Option<Arc<Semaphore>>,
    rate: Option<Rate>,
}

/// A place inside every gate that a turn has to pass. Dropping it lets the next in line in.
#[derive(Debug, Default)]
pub(crate) struct Place {
    _permits: Vec<OwnedSemaphorePermit>,
}

impl Gate {
    /// A gate, if the limits ask for one.
    pub(crate) fn new(limits: TurnLimits) -> Option<Arc<Self>> {
        if limits == TurnLimits::default() {
            return None;
        }
        let places = limits.concurrency_max.map(|places| Arc::new(Semaphore::new(places as usize)));
        let rate = limits.rate_per_second.map(Rate::new);
        Some(Arc::new(Self { limits, places, rate }))
    }

    pub(crate) fn limits(&self) -> TurnLimits {
        self.limits
    }
}

/// A place in every gate, if nobody has to wait for one.
pub(crate) fn try_enter(gates: &[Arc<Gate>], now: Duration) -> Option<Place> {
    let places = gates.iter().filter_map(|gate| gate.places.clone());
    let permits = places.map(Semaphore::try_acquire_owned).collect::<Result<_, _>>().ok()?;
    let rates: Vec<_> = gates.iter().filter_map(|gate| gate.rate.as_ref()).collect();
    for (n, rate) in rates.iter().enumerate() {
        if !rate.try_take(now) {
            rates[..n].iter().for_each(|taken| taken.give_back());
            return None;
        }
    }
    Some(Place { _permits: permits })
}

/// Stands in line at one gate after the other.
pub(crate) async fn enter(gates: Vec<Arc<Gate>>, clock: Arc<dyn Clock>, metrics: Metrics) -> Place {
    let _counted = InLine::new(metrics);
    let mut permits = Vec::new();
    for gate in &gates {
        if let Some(places) = gate.places.clone() {
            permits.push(places.acquire_owned().await.expect("gates are never closed"));
        }
        // Whoever waits for a type's rate takes no place of the namespace yet.
        let wait = gate.rate.as_ref().map_or(Duration::ZERO, |rate| rate.take(clock.elapsed()));
        if !wait.is_zero() {
            clock.sleep(wait).await;
        }
    }
    Place { _permits: permits }
}

/// Counts one actor in line, for as long as it lives.
struct InLine(Metrics);

impl InLine {
    fn new(metrics: Metrics) -> Self {
        metrics.turns_in_line.inc();
        Self(metrics)
    }
}

impl Drop for InLine {
    fn drop(&mut self) {
        self.0.turns_in_line.dec();
    }
}

/// A token bucket that holds a second's worth, kept as the time when it will be full again.
#[derive(Debug)]
struct Rate {
    interval: Duration,
    full_at: Mutex<Duration>,
}

impl Rate {
    fn new(per_second: u32) -> Self {
        let interval = Duration::from_secs(1) / per_second.max(1);
        Self { interval, full_at: Mutex::new(Duration::ZERO) }
    }

    /// Takes a token that is there or will be; says how long until it is.
    fn take(&self, now: Duration) -> Duration {
        let mut full_at = self.full_at.lock().expect("nothing panics under this lock");
        *full_at = (*full_at).max(now) + self.interval;
        full_at.saturating_sub(now + Duration::from_secs(1))
    }

    fn try_take(&self, now: Duration) -> bool {
        let is_there = self.take(now).is_zero();
        if !is_there {
            self.give_back();
        }
        is_there
    }

    fn give_back(&self) {
        let mut full_at = self.full_at.lock().expect("nothing panics under this lock");
        *full_at = full_at.saturating_sub(self.interval);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;
    use crate::SystemClock;

    fn gate(concurrency_max: Option<u32>, rate_per_second: Option<u32>) -> Arc<Gate> {
        Gate::new(TurnLimits { concurrency_max, rate_per_second }).unwrap()
    }

    #[test]
    fn without_limits_there_is_no_gate() {
        assert!(Gate::new(TurnLimits::default()).is_none());
    }

    #[test]
    fn who_stands_in_line_is_let_in_first() {
        let gates = vec![gate(Some(1), None)];
        let first = try_enter(&gates, Duration::ZERO).unwrap();
        let metrics = Metrics::default();
        let line = || enter(gates.clone(), Arc::new(SystemClock::default()), metrics.clone()).boxed();
        let (mut second, mut third) = (line(), line());
        assert!(second.as_mut().now_or_never().is_none() && third.as_mut().now_or_never().is_none());
        assert_eq!(metrics.turns_in_line.get(), 2);
        drop(first);
        assert!(try_enter(&gates, Duration::ZERO).is_none(), "the place is the second's");
        assert!(third.as_mut().now_or_never().is_none());
        let place = second.as_mut().now_or_never().unwrap();
        assert!(third.as_mut().now_or_never().is_none());
        drop(place);
        assert!(third.now_or_never().is_some());
        assert_eq!(metrics.turns_in_line.get(), 0);
    }

    #[test]
    fn a_bucket_holds_a_second_and_fills_evenly() {
        let gates = vec![gate(None, Some(4))];
        let at = Duration::from_millis;
        let taken =
            |now: Duration| std::iter::repeat_with(|| try_enter(&gates, now)).take_while(Option::is_some).count();
        assert_eq!(taken(at(0)), 4);
        assert_eq!(taken(at(249)), 0);
        assert_eq!(taken(at(500)), 2);
        assert_eq!(taken(at(90_000)), 4);
        let rate = gates[0].rate.as_ref().unwrap();
        assert_eq!([rate.take(at(90_000)), rate.take(at(90_000))], [at(250), at(500)], "one after the other");
    }

    #[test]
    fn a_token_is_not_lost_at_another_gate() {
        let (wide, narrow) = (gate(None, Some(2)), gate(None, Some(1)));
        let both = [wide.clone(), narrow];
        assert!(try_enter(&both, Duration::ZERO).is_some());
        assert!(try_enter(&both, Duration::ZERO).is_none());
        assert!(try_enter(&[wide], Duration::ZERO).is_some());
    }
}
