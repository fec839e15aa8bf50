//! Figures of a store: what it counts about itself, for whoever watches the node.
//!
//! A store keeps [`Histogram`]s and plain counters and hands out a [`StoreFigures`] when it is asked; it knows
//! nothing of how they are shown. What a backend cannot tell stays 0.

use std::sync::atomic::{AtomicU64, Ordering};

/// A store's figures at one moment, since it was opened.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoreFigures {
    /// Transactions that became durable. Each is one sync, or one batch of a remote store.
    pub transactions: u64,
    /// Transactions that failed or whose end is unknown.
    pub transactions_failed: u64,
    /// Seconds that transactions took, their sync included.
    pub transaction_seconds: Distribution,
    /// Operations that shared a transaction (group commit).
    pub group_operations: Distribution,
    /// Operations that wait to be put into a transaction.
    pub operations_waiting: u64,
    /// Arrivals that wait in mailboxes, over all actors.
    pub mailbox_waiting: u64,
}

/// How values are distributed: a histogram that was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Distribution {
    /// For each upper bound, how many values are at most that and above the bound before.
    pub buckets: Vec<(f64, u64)>,
    /// Sum of all values.
    pub sum: f64,
    /// How many values there were.
    pub count: u64,
}

/// What a store writes to. Values are counted in whole units, so that it needs no lock.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    buckets: Vec<AtomicU64>,
    sum: AtomicU64,
}

impl Histogram {
    /// An empty one; `bounds` are the buckets' upper bounds, rising. Larger values have a bucket of their own.
    pub fn new(bounds: &'static [u64]) -> Self {
        let buckets = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, buckets, sum: AtomicU64::new(0) }
    }

    /// Counts a value.
    pub fn observe(&self, value: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// What was counted so far, each value divided by `divisor`.
    pub fn read(&self, divisor: f64) -> Distribution {
        let bounds = self.bounds.iter().map(|bound| *bound as f64 / divisor).chain([f64::INFINITY]);
        let counts = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed));
        let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        Distribution { buckets, sum: self.sum.load(Ordering::Relaxed) as f64 / divisor, count }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fall_into_the_first_bucket_that_holds_them() {
        let histogram = Histogram::new(&[1, 10]);
        [1, 2, 10, 11].into_iter().for_each(|value| histogram.observe(value));
        let read = histogram.read(2.0);
        assert_eq!(read.buckets, [(0.5, 1), (5.0, 2), (f64::INFINITY, 1)]);
        assert_eq!((read.sum, read.count), (12.0, 4));
    }
}
