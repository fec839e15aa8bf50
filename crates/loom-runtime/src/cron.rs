//! The cron service: sends what deployments scheduled.
//!
//! Each occurrence is a client's message under an id made of deployment, schedule and time, so sending it again, after a
//! restart or from another node, is noticed by the actor: nothing here has to be remembered. What was missed while no
//! node ran is found by asking for the latest occurrence until now.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use loom_machine::{CatchUp, Schedule};
use loom_storage::ActiveDeployment;
use loom_types::{ActorAddress, MessageId, Namespace};
use tokio_util::sync::CancellationToken;

use crate::{Clock, Handle, SendError, SendOptions, deployments::Deployments, schedule::Calendar};

/// Longest sleep while there are schedules: the calendar may be set.
const SLEEP_MAX: Duration = Duration::from_secs(10);
/// How late an occurrence may be without having been missed, in milliseconds.
const LATE_MS_MAX: u64 = 60_000;

/// A schedule as people look at it.
#[derive(Clone, Debug)]
pub struct ScheduleView {
    /// The deployment's name.
    pub deployment: String,
    /// Its own.
    pub name: String,
    /// What is sent when and to whom.
    pub schedule: Schedule,
    /// The next occurrence, in milliseconds since the Unix epoch.
    pub next_ms: Option<u64>,
}

/// The schedules of a namespace.
pub(crate) fn list(deployments: &Deployments, namespace: &Namespace, now_ms: u64) -> Vec<ScheduleView> {
    let mut views = Vec::new();
    for (active, deployment) in deployments.list(namespace) {
        for (name, schedule) in &deployment.schedules {
            let next_ms = Calendar::of(schedule).ok().and_then(|calendar| calendar.next_after(now_ms));
            let (deployment, name, schedule) = (active.name.clone(), name.clone(), schedule.clone());
            views.push(ScheduleView { deployment, name, schedule, next_ms });
        }
    }
    views
}

/// Namespace, deployment and schedule, by name.
type Key = (Namespace, String, String);

/// A schedule of an active deployment.
struct Entry {
    active: ActiveDeployment,
    name: String,
    schedule: Schedule,
    calendar: Calendar,
    /// Occurrences until then are dealt with.
    until_ms: u64,
}

/// The service.
pub(crate) struct CronService {
    handle: Handle,
    deployments: Arc<Deployments>,
    clock: Arc<dyn Clock>,
    /// How long it is known for sure that an occurrence was sent; for ever if nothing is forgotten.
    ids_kept: Option<Duration>,
    entries: BTreeMap<Key, Entry>,
}

impl CronService {
    pub(crate) fn new(
        handle: Handle,
        deployments: Arc<Deployments>,
        clock: Arc<dyn Clock>,
        ids_kept: Option<Duration>,
    ) -> Self {
        Self { handle, deployments, clock, ids_kept, entries: BTreeMap::new() }
    }

    /// Runs until told to stop.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        loop {
            self.refresh();
            self.send_due().await;
            let pause = self.pause();
            let pause = async {
                match pause {
                    Some(pause) => self.clock.sleep(pause).await,
                    // Without schedules only a deployment brings something to do.
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.deployments.changed() => {}
                () = pause => {}
            }
        }
    }

    /// Takes up the schedules of the deployments that are active now.
    fn refresh(&mut self) {
        let mut before = std::mem::take(&mut self.entries);
        for (active, deployment) in self.deployments.all() {
            for (name, schedule) in &deployment.schedules {
                let key = (active.namespace.clone(), active.name.clone(), name.clone());
                match Entry::new(&active, name, schedule, before.remove(&key)) {
                    Ok(entry) => drop(self.entries.insert(key, entry)),
                    // It was checked when it was deployed, by another version perhaps.
                    Err(problem) => tracing::error!(deployment = %active.name, schedule = %name, "{problem}"),
                }
            }
        }
    }

    async fn send_due(&mut self) {
        let now_ms = self.clock.now_ms();
        for entry in self.entries.values_mut() {
            if let Some(due_ms) = entry.due(now_ms, self.ids_kept)
                && let Err(error) = entry.send(&self.handle, due_ms).await
            {
                tracing::warn!(deployment = %entry.active.name, schedule = %entry.name, %error, "a scheduled message waits");
                continue;
            }
            entry.until_ms = entry.until_ms.max(now_ms);
        }
    }

    /// How long nothing more will be due; none if there is nothing scheduled.
    fn pause(&self) -> Option<Duration> {
        let now_ms = self.clock.now_ms();
        let next = self.entries.values().filter_map(|entry| entry.calendar.next_after(entry.until_ms)).min()?;
        let pause = Duration::from_millis(next.saturating_sub(now_ms)).min(SLEEP_MAX);
        // What could not be sent is tried again, but not at once.
        Some(if pause.is_zero() { Duration::from_secs(1) } else { pause })
    }
}

impl Entry {
    /// A schedule with the times it had before goes on where it was; a new one begins with its deployment.
    fn new(active: &ActiveDeployment, name: &str, schedule: &Schedule, before: Option<Self>) -> Result<Self, String> {
        let has_same_times =
            |before: &Self| (&before.schedule.cron, &before.schedule.timezone) == (&schedule.cron, &schedule.timezone);
        let (calendar, until_ms) = match before.filter(has_same_times) {
            Some(before) => (before.calendar, before.until_ms),
            None => (Calendar::of(schedule)?, active.activated_ms),
        };
        let (active, name, schedule) = (active.clone(), name.to_owned(), schedule.clone());
        Ok(Self { active, name, schedule, calendar, until_ms })
    }

    /// The latest occurrence that is not dealt with; those before it are not sent any more.
    fn due(&self, now_ms: u64, ids_kept: Option<Duration>) -> Option<u64> {
        let due_ms = self.calendar.last_until(now_ms).filter(|due_ms| *due_ms > self.until_ms)?;
        let late = Duration::from_millis(now_ms - due_ms);
        let is_missed = late > Duration::from_millis(LATE_MS_MAX);
        // Its id may be forgotten by now: nobody could tell whether it was sent before this process began.
        let may_be_forgotten = ids_kept.is_some_and(|kept| late >= kept);
        (!is_missed || self.schedule.catch_up == CatchUp::Latest && !may_be_forgotten).then_some(due_ms)
    }

    /// Returns when the message is durable, or was sent before.
    async fn send(&self, handle: &Handle, due_ms: u64) -> Result<(), SendError> {
        let to = ActorAddress::within(self.active.namespace.as_str(), &self.schedule.to);
        let to = to.expect("checked when the manifest was read");
        let options = SendOptions { id: Some(self.message_id(due_ms)), ..SendOptions::default() };
        let sent = match handle.send(&to, &self.schedule.body, options) {
            Ok(mut ticket) => ticket.accepted().await,
            Err(error) => Err(error),
        };
        match sent {
            // The body was changed after the message had been sent.
            Err(SendError::IdReused(_)) => Ok(()),
            sent => sent,
        }
    }

    fn message_id(&self, due_ms: u64) -> MessageId {
        let id = format!("cron-{}-{}-{due_ms}", self.active.name, self.name);
        id.parse().expect("names and digits, short enough together")
    }
}
