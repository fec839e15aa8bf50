//! Settings of the runtime.

use std::time::Duration;

use loom_machine::TurnLimits;

/// How a node runs its actors.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name of this worker, as outcomes record it (`runtime.worker`).
    pub worker: String,
    /// Shards, one thread each (`runtime.shards`).
    pub shards: usize,
    /// Instances of waiting guests kept in memory, over all shards (`runtime.resident_instances_max`). With 0
    /// every waiting guest is dropped at once and replayed.
    pub resident_instances_max: usize,
    /// How long a waiting instance is kept (`runtime.resident_time`).
    pub resident_time: Duration,
    /// Actors kept in memory between turns, over all shards (`runtime.actors_cached_max`).
    pub actors_cached_max: usize,
    /// Compiled code kept in memory, in bytes (`runtime.module_cache_bytes`).
    pub module_cache_bytes: u64,
    /// Messages that may wait for one actor before its clients are refused (`runtime.mailbox_depth_max`). Messages of
    /// actors are never refused: they were committed with what sent them.
    pub mailbox_depth_max: u64,
    /// Client requests that may be in flight at once (`runtime.requests_max`).
    pub requests_max: usize,
    /// Queries that may run at once, on threads of their own (`runtime.queries_max`).
    pub queries_max: usize,
    /// Turns of one namespace under way at once; 0 for no limit (`runtime.namespace_turns_max`).
    pub namespace_turns_max: u32,
    /// Turns of one namespace that begin in a second; 0 for no limit (`runtime.namespace_turns_per_second`).
    pub namespace_turns_per_second: u32,
    /// Wait after the first host fault; doubles up to `fault_backoff_max` (`runtime.fault_backoff_min`).
    pub fault_backoff_min: Duration,
    /// Longest wait after a host fault (`runtime.fault_backoff_max`).
    pub fault_backoff_max: Duration,
    /// How long a turn may meet nothing but host faults before it is parked: it ends as failed and its message
    /// becomes a dead letter (`runtime.fault_patience`).
    pub fault_patience: Duration,
    /// How often the log is signed, if it has grown (`log.checkpoint_interval`).
    pub checkpoint_interval: Duration,
    /// How often old things are let go of (`runtime.upkeep_interval`).
    pub upkeep_interval: Duration,
    /// How long payloads of finished turns are kept; for ever if not set (`runtime.payloads_kept`).
    pub payloads_kept: Option<Duration>,
    /// How long a client's message id is known after its turn has ended; for ever if not set
    /// (`runtime.message_ids_kept`).
    pub message_ids_kept: Option<Duration>,
    /// How long a blob to which nothing leads is kept; until it is collected by hand if not set
    /// (`runtime.blobs_kept`).
    pub blobs_kept: Option<Duration>,
}

impl Settings {
    /// What bounds the turns of each namespace.
    pub(crate) fn turns_of_namespace(&self) -> TurnLimits {
        let some = |limit: u32| (limit > 0).then_some(limit);
        TurnLimits {
            concurrency_max: some(self.namespace_turns_max),
            rate_per_second: some(self.namespace_turns_per_second),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            worker: "local".into(),
            shards: std::thread::available_parallelism().map_or(2, |cores| cores.get().min(16)),
            resident_instances_max: 1000,
            resident_time: Duration::from_secs(60),
            actors_cached_max: 2_000,
            module_cache_bytes: 256 * 1024 * 1024,
            mailbox_depth_max: 10_000,
            requests_max: 10_000,
            queries_max: 64,
            namespace_turns_max: 0,
            namespace_turns_per_second: 0,
            fault_backoff_min: Duration::from_millis(50),
            fault_backoff_max: Duration::from_secs(10),
            fault_patience: Duration::from_secs(3600),
            checkpoint_interval: Duration::from_secs(5),
            upkeep_interval: Duration::from_secs(3600),
            payloads_kept: None,
            message_ids_kept: Some(Duration::from_secs(7 * 24 * 3600)),
            blobs_kept: None,
        }
    }
}
