//! What happens in a run, as far as it is planned: everything that a seed decides before it begins.

use std::time::Duration;

use loom_runtime::Settings;

use crate::{
    program::{
        ActorName, Program,
        draw::{self, DEPTH_MAX},
    },
    random::Random,
    store::{CrashAt, Faults, Sabotage},
};

/// Types of the simulated actors.
pub(crate) const ACTOR_TYPES: [&str; 2] = ["clerk", "ledger"];

/// How a node's life ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending {
    /// After so much time.
    pub(crate) after: Duration,
    /// It is told to stop; otherwise it is killed.
    pub(crate) is_orderly: bool,
    /// How long until the next one comes up.
    pub(crate) down: Duration,
}

/// A message that a client is going to send.
#[derive(Clone, Debug)]
pub(crate) struct Sending {
    pub(crate) to: ActorName,
    pub(crate) program: Program,
    /// The client's own id; none to have one generated.
    pub(crate) id: Option<String>,
    /// Sent a second time, at once, under the same id.
    pub(crate) is_doubled: bool,
    /// It wants to hear when the turn waits for somebody outside.
    pub(crate) until_waiting: bool,
    /// Wait before it is sent.
    pub(crate) pause: Duration,
}

/// A planned run.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub(crate) seed: u64,
    pub(crate) settings: Settings,
    pub(crate) clients: Vec<Vec<Sending>>,
    pub(crate) faults: Faults,
    pub(crate) endings: Vec<Ending>,
    pub(crate) calendar: Vec<(Duration, i64)>,
    /// When everything is in order again.
    pub(crate) calm_after: Duration,
    pub(crate) crash_at: Option<CrashAt>,
    pub(crate) sabotage: Option<Sabotage>,
    pub(crate) fickle: bool,
}

impl Scenario {
    /// Everything as the seed says.
    pub fn from_seed(seed: u64) -> Self {
        let mut random = Random::part(seed, "scenario");
        let faults = faults(&mut random);
        let endings = (0..random.below(4)).map(|_| ending(&mut random)).collect();
        let calendar = (0..random.below(3)).map(|_| calendar_move(&mut random)).collect();
        Self {
            seed,
            settings: settings(&mut random),
            clients: clients(&mut random, 3),
            faults,
            endings,
            calendar,
            calm_after: Duration::from_millis(random.between(500, 8000)),
            crash_at: None,
            sabotage: None,
            fickle: false,
        }
    }

    /// Few messages and no faults, to which a single crash is added.
    pub fn small(seed: u64) -> Self {
        let mut random = Random::part(seed, "small scenario");
        Self {
            settings: settings(&mut random),
            clients: clients(&mut random, 1),
            faults: Faults::default(),
            endings: Vec::new(),
            calendar: Vec::new(),
            ..Self::from_seed(seed)
        }
    }

    /// The same with the node killed just before or just after its how many-th commit is durable.
    #[must_use]
    pub fn with_crash(mut self, commit: u64, after: bool) -> Self {
        self.crash_at = Some(CrashAt { commit, after });
        self
    }

    /// The same with a store that breaks a promise.
    #[must_use]
    pub fn with_sabotage(mut self, sabotage: Sabotage) -> Self {
        self.sabotage = Some(sabotage);
        self
    }

    /// The same with guests that are not deterministic.
    #[must_use]
    pub fn with_fickle_guests(mut self) -> Self {
        self.fickle = true;
        self
    }
}

fn settings(random: &mut Random) -> Settings {
    Settings {
        worker: "simulated".to_owned(),
        shards: random.between(1, 3) as usize,
        resident_instances_max: *random.pick(&[0, 1, 100]),
        resident_time: Duration::from_secs(1),
        actors_cached_max: *random.pick(&[0, 1, 100]),
        // Each module counts as some 4 KiB: one stays, or all.
        module_cache_bytes: *random.pick(&[1, 1 << 20]),
        mailbox_depth_max: 1000,
        requests_max: 1000,
        queries_max: 2,
        namespace_turns_max: 0,
        namespace_turns_per_second: 0,
        fault_backoff_min: Duration::from_millis(5),
        fault_backoff_max: Duration::from_millis(500),
        // The model knows of no turn that is given up.
        fault_patience: Duration::MAX,
        checkpoint_interval: Duration::from_secs(5),
        // Nothing is old enough to be let go of in the time of a run.
        upkeep_interval: Duration::from_secs(3600),
        payloads_kept: None,
        message_ids_kept: None,
        blobs_kept: None,
    }
}

fn faults(random: &mut Random) -> Faults {
    let mut often = |times: u64| if random.per_mille(400) { 0 } else { random.below(times) };
    Faults { fails_before: often(60), fails_after: often(60), slow: often(150), host: often(80) }
}

fn ending(random: &mut Random) -> Ending {
    Ending {
        after: Duration::from_micros(random.between(1000, 1_500_000)),
        is_orderly: random.per_mille(300),
        down: Duration::from_millis(random.between(1, 300)),
    }
}

fn calendar_move(random: &mut Random) -> (Duration, i64) {
    let by_ms = random.between(0, 6000) as i64 - 4000;
    (Duration::from_millis(random.between(1, 3000)), by_ms)
}

fn clients(random: &mut Random, most: u64) -> Vec<Vec<Sending>> {
    let actors: Vec<_> =
        (0..random.between(2, 5)).map(|n| ActorName(format!("{}/{n}", random.pick(&ACTOR_TYPES)))).collect();
    (0..random.between(1, most))
        .map(|client| (0..random.between(1, 6)).map(|n| sending(random, &actors, client, n)).collect())
        .collect()
}

fn sending(random: &mut Random, actors: &[ActorName], client: u64, n: u64) -> Sending {
    let id = random.per_mille(700).then(|| format!("c{client}-{n}"));
    Sending {
        to: random.pick(actors).clone(),
        program: draw::program(random, actors, DEPTH_MAX),
        is_doubled: id.is_some() && random.per_mille(200),
        id,
        until_waiting: random.per_mille(300),
        pause: Duration::from_millis(if random.per_mille(600) { 0 } else { random.between(0, 400) }),
    }
}
