//! Figures that are read when somebody asks: the store's, and what the node has at the moment.

use std::{fmt, sync::Arc};

use loom_storage::{Distribution, Journal};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _, NoLabelSet},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge, info::Info},
};
use tokio::sync::Semaphore;

use crate::watch::Watchers;

/// Reads them with every scrape.
pub(crate) struct NodeFigures {
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) watchers: Arc<Watchers>,
    pub(crate) requests: Arc<Semaphore>,
    pub(crate) requests_max: usize,
    pub(crate) engine: String,
}

impl fmt::Debug for NodeFigures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeFigures").finish_non_exhaustive()
    }
}

impl Collector for NodeFigures {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let labels = vec![("version", env!("CARGO_PKG_VERSION").to_owned()), ("engine", self.engine.clone())];
        let build = Info::new(labels);
        build.encode(encoder.encode_descriptor("build", "What this node is.", None, MetricType::Info)?)?;
        let in_flight = self.requests_max.saturating_sub(self.requests.available_permits());
        gauge(&mut encoder, "requests_in_flight", "Client messages that are not durable yet.", in_flight as u64)?;
        gauge(&mut encoder, "watchers", "Readers that follow a journal.", self.watchers.count() as u64)?;
        self.encode_store(&mut encoder)
    }
}

impl NodeFigures {
    fn encode_store(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let figures = self.journal.figures().unwrap_or_default();
        let transactions = "Transactions of the store that became durable, one sync each.";
        counter(encoder, "store_transactions", transactions, figures.transactions)?;
        let failed = "Transactions of the store that failed or whose end is unknown.";
        counter(encoder, "store_transactions_failed", failed, figures.transactions_failed)?;
        let seconds = "Seconds a transaction of the store took, its sync included.";
        histogram(encoder, "store_transaction_seconds", seconds, &figures.transaction_seconds)?;
        let group = "Operations that shared a transaction of the store.";
        histogram(encoder, "store_group_operations", group, &figures.group_operations)?;
        let waiting = "Operations that wait for the store's next transaction.";
        gauge(encoder, "store_operations_waiting", waiting, figures.operations_waiting)?;
        let mailbox = "Arrivals that wait in mailboxes, over all actors.";
        gauge(encoder, "mailbox_waiting", mailbox, figures.mailbox_waiting)
    }
}

fn counter(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    ConstCounter::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    let value = i64::try_from(value).unwrap_or(i64::MAX);
    ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
}

fn histogram(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, values: &Distribution) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
    let whole = [(f64::INFINITY, values.count)];
    let buckets = if values.buckets.is_empty() { &whole[..] } else { &values.buckets };
    metric.encode_histogram::<NoLabelSet>(values.sum, values.count, buckets, None)
}
