//! What the writer counts about itself.

use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    time::Duration,
};

use loom_storage::{Histogram, StoreFigures};

/// Upper bounds of the buckets for transactions, in microseconds: 100 µs to 10 s.
const MICROSECONDS: &[u64] =
    &[100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 10_000_000];
/// Upper bounds of the buckets for operations of one transaction.
const OPERATIONS: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

/// The figures of one open store. Written by the writer thread and by whoever submits to it.
pub(crate) struct Figures {
    failed: AtomicU64,
    microseconds: Histogram,
    operations: Histogram,
    submitted: AtomicI64,
    mailbox: AtomicI64,
}

impl Figures {
    /// `mailbox` is how many arrivals were found waiting.
    pub(crate) fn new(mailbox: i64) -> Self {
        Self {
            failed: AtomicU64::new(0),
            microseconds: Histogram::new(MICROSECONDS),
            operations: Histogram::new(OPERATIONS),
            submitted: AtomicI64::new(0),
            mailbox: AtomicI64::new(mailbox),
        }
    }

    pub(crate) fn submitted(&self) {
        self.submitted.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn taken(&self, operations: usize) {
        self.submitted.fetch_sub(operations as i64, Ordering::Relaxed);
    }

    pub(crate) fn durable(&self, operations: usize, took: Duration, mailbox: i64) {
        self.microseconds.observe(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        self.operations.observe(operations as u64);
        self.mailbox.fetch_add(mailbox, Ordering::Relaxed);
    }

    pub(crate) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> StoreFigures {
        let positive = |number: &AtomicI64| u64::try_from(number.load(Ordering::Relaxed)).unwrap_or(0);
        let transaction_seconds = self.microseconds.read(1e6);
        StoreFigures {
            transactions: transaction_seconds.count,
            transactions_failed: self.failed.load(Ordering::Relaxed),
            transaction_seconds,
            group_operations: self.operations.read(1.0),
            operations_waiting: positive(&self.submitted),
            mailbox_waiting: positive(&self.mailbox),
        }
    }
}
