//! What the runtime counts. Names follow Prometheus conventions; the server exposes them.

mod node;

use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

pub(crate) use self::node::NodeFigures;

/// Counters of one runtime. Cheap to update.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each is described where it is registered")]
pub struct Metrics {
    pub messages: Counter,
    pub turns_ended: Counter,
    pub turns_failed: Counter,
    pub turns_parked: Counter,
    pub turn_seconds: Histogram,
    pub steps: Counter,
    pub entries: Counter,
    pub commits: Counter,
    pub commits_failed: Counter,
    pub activities: Counter,
    pub activity_retries: Counter,
    pub activity_requests: Counter,
    pub verifications: Counter,
    pub verdict_cache_hits: Counter,
    pub proofs_running: Gauge,
    pub proofs_finished: Counter,
    pub proof_segments: Counter,
    pub queries: Counter,
    pub queries_failed: Counter,
    pub replays: Counter,
    pub evictions: Counter,
    pub resident: Gauge,
    pub turns_in_line: Gauge,
    pub actors_cached: Gauge,
    pub host_faults: Counter,
    pub divergences: Counter,
    pub timers_fired: Counter,
    pub module_loads: Counter,
    pub module_cache_hits: Counter,
    pub module_cache_misses: Counter,
    pub module_evictions: Counter,
    pub module_cache_bytes: Gauge,
    pub log_signed: Gauge,
    pub log_witnessed: Gauge,
    pub log_witness_problems: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        // 100 µs to about 26 s, then days would be all alike.
        let latency = prometheus_client::metrics::histogram::exponential_buckets(0.0001, 4.0, 10);
        Self {
            messages: Counter::default(),
            turns_ended: Counter::default(),
            turns_failed: Counter::default(),
            turns_parked: Counter::default(),
            turn_seconds: Histogram::new(latency),
            steps: Counter::default(),
            entries: Counter::default(),
            commits: Counter::default(),
            commits_failed: Counter::default(),
            activities: Counter::default(),
            activity_retries: Counter::default(),
            activity_requests: Counter::default(),
            verifications: Counter::default(),
            verdict_cache_hits: Counter::default(),
            proofs_running: Gauge::default(),
            proofs_finished: Counter::default(),
            proof_segments: Counter::default(),
            queries: Counter::default(),
            queries_failed: Counter::default(),
            replays: Counter::default(),
            evictions: Counter::default(),
            resident: Gauge::default(),
            turns_in_line: Gauge::default(),
            actors_cached: Gauge::default(),
            host_faults: Counter::default(),
            divergences: Counter::default(),
            timers_fired: Counter::default(),
            module_loads: Counter::default(),
            module_cache_hits: Counter::default(),
            module_cache_misses: Counter::default(),
            module_evictions: Counter::default(),
            module_cache_bytes: Gauge::default(),
            log_signed: Gauge::default(),
            log_witnessed: Gauge::default(),
            log_witness_problems: Gauge::default(),
        }
    }
}

impl Metrics {
    /// Registers everything under the prefix `loom`.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("loom");
        registry.register("messages", "Messages taken in from clients", self.messages.clone());
        registry.register("turns_ended", "Turns that ended, failed ones included", self.turns_ended.clone());
        registry.register("turns_failed", "Turns that ended in a failure", self.turns_failed.clone());
        registry.register(
            "turns_parked",
            "Turns given up because the host could not run them",
            self.turns_parked.clone(),
        );
        registry.register("turn_seconds", "Seconds from a turn's start to its durable end", self.turn_seconds.clone());
        registry.register("steps", "Steps journaled", self.steps.clone());
        registry.register("entries", "Journal entries committed", self.entries.clone());
        registry.register("commits", "Commits that became durable", self.commits.clone());
        registry.register("commits_failed", "Commits that failed", self.commits_failed.clone());
        registry.register("activities", "Activities run to their end", self.activities.clone());
        registry.register("activity_retries", "Attempts after the first", self.activity_retries.clone());
        registry.register(
            "activity_requests",
            "Requests of activities to other systems",
            self.activity_requests.clone(),
        );
        registry.register("verifications", "Verdicts on evidence that steps asked for", self.verifications.clone());
        registry.register("verdict_cache_hits", "Times a verdict was in memory", self.verdict_cache_hits.clone());
        registry.register("proofs_running", "Runs of programs that are being proved", self.proofs_running.clone());
        registry.register("proofs_finished", "Runs of programs that were proved", self.proofs_finished.clone());
        registry.register("proof_segments", "Segments of runs that were proved", self.proof_segments.clone());
        registry.register("queries", "Queries answered, failed ones included", self.queries.clone());
        registry.register("queries_failed", "Queries whose guest failed", self.queries_failed.clone());
        registry.register("replays", "Guests replayed from the journal", self.replays.clone());
        registry.register("evictions", "Waiting instances dropped to make room", self.evictions.clone());
        registry.register("resident_instances", "Waiting instances in memory", self.resident.clone());
        registry.register("turns_in_line", "Actors whose next turn waits for a place", self.turns_in_line.clone());
        registry.register("actors_cached", "Actors in memory", self.actors_cached.clone());
        registry.register("host_faults", "Attempts abandoned for the host's own faults", self.host_faults.clone());
        registry.register("divergences", "Turns stopped because replay diverged", self.divergences.clone());
        registry.register("timers_fired", "Timers fired", self.timers_fired.clone());
        registry.register("module_loads", "Modules loaded into memory", self.module_loads.clone());
        registry.register("module_cache_hits", "Times a module was in memory", self.module_cache_hits.clone());
        registry.register("module_cache_misses", "Times a module was not in memory", self.module_cache_misses.clone());
        registry.register("module_evictions", "Modules dropped to make room", self.module_evictions.clone());
        registry.register("module_cache_bytes", "Compiled code in memory, in bytes", self.module_cache_bytes.clone());
        registry.register("log_signed_leaves", "Leaves of the log that were signed", self.log_signed.clone());
        registry.register("log_witnessed_leaves", "Leaves that any witness cosigned", self.log_witnessed.clone());
        registry.register(
            "log_witness_problems",
            "Witnesses that did not cosign when asked last",
            self.log_witness_problems.clone(),
        );
    }
}
