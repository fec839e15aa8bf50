//! A store that keeps its word and nothing more.
//!
//! Behind it stands the reference store, which holds what is durable; here is everything that can happen on the
//! way there and back. Operations take time before and after they take effect, so that answers may be out of
//! date when they arrive. They fail before or after taking effect. Commits wait in line and are lost with the
//! process. What the ports promise always holds; a simulation that wants to see the checker at work breaks it
//! with a [`Sabotage`].

mod commits;
mod ports;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use loom_runtime::Clock as _;
use loom_storage::{BackendError, Commit, CommitError, Storage};
use loom_types::ActorAddress;
use tokio::sync::{Notify, oneshot};

use crate::{
    clock::SimClock,
    executor::{Group, Spawner},
    random::Random,
    record::{Fact, Recorder},
};

/// How often things go wrong, each in a thousand times.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    /// An operation fails and did not happen.
    pub(crate) fails_before: u64,
    /// An operation fails though it happened, or may yet happen.
    pub(crate) fails_after: u64,
    /// An operation takes up to half a second.
    pub(crate) slow: u64,
    /// A module cannot be read, or no instance is free.
    pub(crate) host: u64,
}

/// Kill the node at one of its commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CrashAt {
    /// The how many-th commit, from 1.
    pub(crate) commit: u64,
    /// Whether it is durable already; nobody is told either way.
    pub(crate) after: bool,
}

/// A promise of the store's that is broken on purpose, to see that the checker notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// Says of a commit that it is durable, and forgets it.
    LosesAcknowledged,
    /// Says so before it is true.
    AcknowledgesEarly,
    /// Delivers messages of a commit twice.
    DeliversTwice,
    /// Delivers messages of a commit in the wrong order.
    SwapsMessages,
    /// Applies a commit's entries without its messages.
    TearsCommits,
    /// Leaves a consumed message in the mailbox.
    KeepsTaken,
    /// Forgets timers that a commit sets.
    ForgetsTimers,
    /// Applies a commit without its leaf.
    LosesLeaves,
    /// Says of a receipt that it is durable, and forgets it.
    LosesReceipts,
}

/// What all incarnations of a node share: the disk and what happens to it.
pub(crate) struct Disk {
    /// What is durable.
    pub(crate) durable: Storage,
    pub(crate) clock: SimClock,
    pub(crate) recorder: Recorder,
    pub(crate) spawner: Spawner,
    pub(crate) random: Mutex<Random>,
    pub(crate) faults: Faults,
    pub(crate) sabotage: Option<Sabotage>,
    pub(crate) crash_at: Option<CrashAt>,
    /// Nothing goes wrong any more.
    pub(crate) calm: AtomicBool,
    /// Commits that became durable, or would have.
    pub(crate) commits: AtomicU64,
    /// Told when the node was killed.
    pub(crate) crashed: Notify,
}

impl Disk {
    pub(crate) fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    fn per_mille(&self, times: u64) -> bool {
        !self.is_calm() && self.draw(|random| random.per_mille(times))
    }

    pub(crate) fn draw<T>(&self, draw: impl FnOnce(&mut Random) -> T) -> T {
        draw(&mut self.random.lock().expect("nothing panics under this lock"))
    }

    /// How long something takes: mostly nothing much, sometimes long.
    fn delay(&self) -> Duration {
        let slow = if self.is_calm() { 0 } else { self.faults.slow };
        self.draw(|random| {
            let micros = match random.below(1000) {
                shape if shape < slow => random.between(20_000, 500_000),
                shape if shape < 400 => 0,
                shape if shape < 800 => random.between(10, 500),
                _ => random.between(500, 8000),
            };
            Duration::from_micros(micros)
        })
    }
}

/// One incarnation's way to the disk. When the process dies, what it asked for and did not get is lost.
pub(crate) struct FaultyStore {
    pub(crate) disk: Arc<Disk>,
    pub(crate) group: Group,
    alive: AtomicBool,
    /// Commits under way, in the order in which they were handed in.
    queues: Mutex<BTreeMap<ActorAddress, VecDeque<Waiting>>>,
}

struct Waiting {
    commit: Commit,
    told: oneshot::Sender<Result<(), CommitError>>,
}

/// When an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failing {
    No,
    Before,
    After,
}

impl FaultyStore {
    pub(crate) fn new(disk: Arc<Disk>, group: Group) -> Arc<Self> {
        Arc::new(Self { disk, group, alive: AtomicBool::new(true), queues: Mutex::default() })
    }

    /// The ports of this incarnation.
    pub(crate) fn ports(self: &Arc<Self>) -> Storage {
        Storage {
            journal: Arc::new(ports::JournalPort(self.clone())),
            mailbox: self.clone(),
            timers: self.clone(),
            catalog: self.clone(),
            blobs: self.clone(),
            upkeep: self.disk.durable.upkeep.clone(),
            log: self.clone(),
        }
    }

    fn is_alive(&self) -> bool {
        self.alive.load(Ordering::Relaxed)
    }

    /// Kills the process: none of its tasks goes on, nothing it had in memory is left.
    pub(crate) fn crash(&self, why: impl Into<String>) {
        if self.alive.swap(false, Ordering::Relaxed) {
            self.disk.recorder.note(Fact::Crashed { why: why.into() });
            self.disk.spawner.kill(self.group);
            self.disk.crashed.notify_one();
        }
    }

    /// The process ends by itself. What it handed in is durable; nothing more is taken.
    pub(crate) fn close(&self) {
        self.alive.store(false, Ordering::Relaxed);
        self.disk.spawner.kill(self.group);
    }

    /// A dead process gets no answers.
    async fn while_alive(&self) {
        if !self.is_alive() {
            futures::future::pending::<()>().await;
        }
    }

    async fn take_time(&self) {
        let delay = self.disk.delay();
        if !delay.is_zero() {
            self.disk.clock.sleep(delay).await;
        }
        self.while_alive().await;
    }

    fn failing(&self) -> Failing {
        let Faults { fails_before, fails_after, .. } = self.disk.faults;
        if self.disk.per_mille(fails_before) {
            Failing::Before
        } else if self.disk.per_mille(fails_after) {
            Failing::After
        } else {
            Failing::No
        }
    }

    /// Does something to the disk, with everything that may happen before and after.
    async fn through<T>(&self, what: &str, work: impl Future<Output = T> + Send) -> Result<T, BackendError> {
        let failing = self.failing();
        self.take_time().await;
        if failing == Failing::Before {
            self.disk.recorder.fault(format!("{what} fails"));
            return Err(trouble("it did not happen"));
        }
        let result = work.await;
        self.take_time().await;
        if failing == Failing::After {
            self.disk.recorder.fault(format!("{what} happens, but its answer is lost"));
            return Err(trouble("it may have happened"));
        }
        Ok(result)
    }
}

/// An error of the simulated backend.
#[derive(Debug, thiserror::Error)]
#[error("simulated fault: {0}")]
struct Trouble(&'static str);

fn trouble(what: &'static str) -> BackendError {
    Arc::new(Trouble(what))
}
