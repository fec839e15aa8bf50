//! One run: a scenario played to its end, then checked.

use std::{
    fmt::Write as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use loom_runtime::Clock as _;
use loom_storage::{Storage, memory::MemoryStore};
use loom_types::Namespace;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use crate::{
    auditor::{Auditor, Desk},
    check::{self, Violation},
    clock::SimClock,
    executor::Executor,
    node::{Door, Lives},
    operator::Operator,
    outside::{Client, OUTSIDE, settle_promises},
    random::Random,
    record::{Dated, Fact, Recorder},
    scenario::Scenario,
    store::Disk,
    world::World,
};

/// Steps after which a run counts as going in circles.
const STEPS_MAX: u64 = 2_000_000;
/// Simulated time after which a run counts as hanging.
const TIME_MAX: Duration = Duration::from_secs(300);
/// How often to look whether everything is done.
const LOOK: Duration = Duration::from_millis(100);

/// What came of a run.
pub struct Report {
    /// The scenario's seed.
    pub seed: u64,
    /// What should not have happened.
    pub violations: Vec<Violation>,
    /// How many commits became durable, or would have.
    pub commits: u64,
    facts: Vec<Dated>,
}

impl Report {
    /// Everything that happened, one line each.
    pub fn trace(&self) -> String {
        self.last(usize::MAX)
    }

    /// The end of the trace.
    pub fn last(&self, lines: usize) -> String {
        let skipped = self.facts.len().saturating_sub(lines);
        let mut text = if skipped > 0 { format!("… {skipped} events before\n") } else { String::new() };
        for fact in &self.facts[skipped..] {
            writeln!(text, "{fact}").expect("writing to a string does not fail");
        }
        text
    }
}

/// Plays a scenario and checks what came of it.
pub fn run(scenario: &Scenario) -> Report {
    let clock = SimClock::default();
    let mut executor = Executor::new(clock.clone(), Random::part(scenario.seed, "scheduler"));
    let disk = Arc::new(Disk {
        durable: MemoryStore::storage(),
        clock: clock.clone(),
        recorder: Recorder::new(clock),
        spawner: executor.spawner(),
        random: Mutex::new(Random::part(scenario.seed, "disk")),
        faults: scenario.faults,
        sabotage: scenario.sabotage,
        crash_at: scenario.crash_at,
        calm: AtomicBool::new(true),
        commits: AtomicU64::new(0),
        crashed: Notify::new(),
    });
    let world = World::new(disk.clone(), scenario.fickle);
    let desk = Desk::default();
    let result = executor.run(play(scenario.clone(), disk.clone(), world, desk.clone()), STEPS_MAX, TIME_MAX);
    executor.stop();
    let facts = disk.recorder.take();
    let mut violations = Vec::new();
    if let Err(stuck) = result {
        violations.push(Violation::new("the run comes to rest", format!("{stuck}; {}", unrest(&disk.durable))));
    }
    let asked = std::mem::take(&mut *desk.lock().expect("nothing panics under this lock"));
    violations.extend(check::check(&disk.durable, &facts, &asked, violations.is_empty()));
    Report { seed: scenario.seed, violations, commits: disk.commits.load(Ordering::Relaxed), facts }
}

async fn play(scenario: Scenario, disk: Arc<Disk>, world: Arc<World>, desk: Desk) {
    let door = Arc::new(Door::default());
    disk.spawner.spawn(OUTSIDE, Lives::new(&scenario, disk.clone(), world, door.clone()).run());
    // The storm begins when the node is up and its actors are deployed.
    door.handle().await;
    disk.spawner.spawn(OUTSIDE, settle_promises(scenario.seed, disk.clone(), door.clone()));
    disk.spawner.spawn(OUTSIDE, Operator::new(scenario.seed, disk.clone(), door.clone()).run());
    let auditor = |name| Auditor::new(scenario.seed, name, disk.clone(), door.clone(), desk.clone());
    let last = auditor("stocktaker");
    disk.spawner.spawn(OUTSIDE, auditor("auditor").visit());
    for (after, by_ms) in scenario.calendar {
        let disk = disk.clone();
        disk.clone().spawner.spawn(OUTSIDE, async move {
            disk.clock.sleep(after).await;
            disk.clock.move_calendar(by_ms);
            disk.recorder.note(Fact::CalendarMoved { by_ms });
        });
    }
    let tasks = TaskTracker::new();
    for (number, sendings) in scenario.clients.into_iter().enumerate() {
        let client = Client { number, disk: disk.clone(), door: door.clone(), tasks: tasks.clone() };
        disk.spawner.spawn(OUTSIDE, tasks.track_future(client.run(sendings)));
    }
    tasks.close();
    disk.clock.sleep(scenario.calm_after).await;
    disk.calm.store(true, Ordering::Relaxed);
    disk.recorder.note(Fact::Calm);
    tasks.wait().await;
    while !unrest(&disk.durable).is_empty() {
        disk.clock.sleep(LOOK).await;
    }
    last.take_stock().await;
}

/// What is left to do, in words; empty when everything is done.
fn unrest(durable: &Storage) -> String {
    use futures::FutureExt as _;
    const NOW: &str = "the reference store answers at once";
    let all = durable.catalog.actors(&Namespace::default(), None, None, usize::MAX).now_or_never();
    let ready = durable.mailbox.ready(None, usize::MAX).now_or_never();
    let due = durable.timers.due(u64::MAX - 1, usize::MAX).now_or_never();
    let next = durable.timers.next_due(0).now_or_never();
    let all = all.expect(NOW).expect(NOW);
    let mut text = String::new();
    for actor in all.iter().filter(|actor| actor.is_open) {
        let _ = write!(text, "{} is in turn {}; ", actor.address.local(), actor.turn);
    }
    for actor in all.iter().filter(|actor| actor.is_paused) {
        let _ = write!(text, "{} is paused; ", actor.address.local());
    }
    for actor in ready.expect(NOW).expect(NOW) {
        let _ = write!(text, "{} has something to do; ", actor.local());
    }
    for timer in due.expect(NOW).expect(NOW) {
        let _ = write!(text, "{} has a timer for {}; ", timer.actor.local(), timer.step);
    }
    if next.expect(NOW).expect(NOW).is_some() {
        text.push_str("a timer or a delayed message is to come; ");
    }
    text
}
