//! A single-threaded executor that chooses by its seed which of the ready tasks goes on.
//!
//! Every step takes a little simulated time, so that whoever polls in circles is seen doing it; when nothing is
//! ready, time jumps to the next sleeper. Tasks belong to groups, and a group can be killed: its futures are
//! dropped before anything else runs, as a process's are when it dies.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use futures::{FutureExt as _, future::BoxFuture};
use loom_runtime::Clock as _;

use crate::{clock::SimClock, random::Random};

/// Longest time one step takes.
const STEP_MICROS_MAX: u64 = 20;

/// Tasks that live and die together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Group(pub(crate) u64);

/// Why a simulation did not come to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stuck {
    #[error("nothing is ready and nobody sleeps")]
    Silence,
    #[error("{0} steps were not enough")]
    Steps(u64),
    #[error("simulated time is over after {0:?}")]
    Time(Duration),
}

/// Starts and kills tasks, from anywhere in the simulation. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Spawner {
    orders: Arc<Mutex<Orders>>,
}

#[derive(Default)]
struct Orders {
    new: Vec<(Group, BoxFuture<'static, ()>)>,
    killed: Vec<Group>,
}

impl Spawner {
    pub(crate) fn spawn(&self, group: Group, future: impl Future<Output = ()> + Send + 'static) {
        self.orders.lock().expect("nothing panics under this lock").new.push((group, future.boxed()));
    }

    /// Drops every task of the group before any other task goes on.
    pub(crate) fn kill(&self, group: Group) {
        self.orders.lock().expect("nothing panics under this lock").killed.push(group);
    }
}

struct Task {
    group: Group,
    future: BoxFuture<'static, ()>,
    waker: Waker,
}

#[derive(Default)]
struct Ready {
    tasks: Mutex<BTreeSet<u64>>,
}

struct Readying {
    task: u64,
    ready: Arc<Ready>,
}

impl Wake for Readying {
    fn wake(self: Arc<Self>) {
        self.ready.tasks.lock().expect("nothing panics under this lock").insert(self.task);
    }
}

/// The executor.
pub(crate) struct Executor {
    clock: SimClock,
    random: Random,
    spawner: Spawner,
    tasks: BTreeMap<u64, Task>,
    ready: Arc<Ready>,
    spawned: u64,
    steps: u64,
}

impl Executor {
    pub(crate) fn new(clock: SimClock, random: Random) -> Self {
        let (spawner, ready) = (Spawner::default(), Arc::default());
        Self { clock, random, spawner, tasks: BTreeMap::new(), ready, spawned: 0, steps: 0 }
    }

    pub(crate) fn spawner(&self) -> Spawner {
        self.spawner.clone()
    }

    /// Runs everything until `main` is done.
    pub(crate) fn run<T: Send + 'static>(
        &mut self,
        main: impl Future<Output = T> + Send + 'static,
        steps_max: u64,
        time_max: Duration,
    ) -> Result<T, Stuck> {
        let result = Arc::new(Mutex::new(None));
        let slot = result.clone();
        self.spawner.spawn(Group(0), async move {
            let done = main.await;
            *slot.lock().expect("nothing panics under this lock") = Some(done);
        });
        loop {
            self.carry_out_orders();
            if let Some(done) = result.lock().expect("nothing panics under this lock").take() {
                return Ok(done);
            }
            if self.steps >= steps_max {
                return Err(Stuck::Steps(self.steps));
            }
            if self.clock.elapsed() >= time_max {
                return Err(Stuck::Time(time_max));
            }
            self.step()?;
        }
    }

    /// Drops every task.
    pub(crate) fn stop(&mut self) {
        self.tasks.clear();
    }

    fn carry_out_orders(&mut self) {
        loop {
            let orders = std::mem::take(&mut *self.spawner.orders.lock().expect("nothing panics under this lock"));
            if orders.new.is_empty() && orders.killed.is_empty() {
                return;
            }
            for (group, future) in orders.new {
                self.spawned += 1;
                let waker = Waker::from(Arc::new(Readying { task: self.spawned, ready: self.ready.clone() }));
                waker.wake_by_ref();
                self.tasks.insert(self.spawned, Task { group, future, waker });
            }
            for group in orders.killed {
                let dead: Vec<_> =
                    self.tasks.iter().filter(|(_, task)| task.group == group).map(|(id, _)| *id).collect();
                for id in dead {
                    self.tasks.remove(&id);
                }
            }
        }
    }

    fn step(&mut self) -> Result<(), Stuck> {
        let Some(id) = self.choose() else {
            return if self.clock.advance_to_next() { Ok(()) } else { Err(Stuck::Silence) };
        };
        if let Some(task) = self.tasks.get_mut(&id) {
            self.steps += 1;
            if let Poll::Ready(()) = task.future.poll_unpin(&mut Context::from_waker(&task.waker)) {
                self.tasks.remove(&id);
            }
            self.clock.advance(Duration::from_micros(self.random.between(1, STEP_MICROS_MAX)));
        }
        Ok(())
    }

    fn choose(&mut self) -> Option<u64> {
        let mut ready = self.ready.tasks.lock().expect("nothing panics under this lock");
        if ready.is_empty() {
            return None;
        }
        let place = self.random.below(ready.len() as u64) as usize;
        let chosen = ready.iter().nth(place).copied()?;
        ready.remove(&chosen);
        Some(chosen)
    }
}
