//! Commits: in line, one after the other, lost with the process if it dies first.

use std::sync::{Arc, atomic::Ordering};

use futures::future::BoxFuture;
use loom_runtime::{Clock as _, causes};
use loom_storage::{Commit, CommitError, TimerWrite};
use loom_types::Entry;
use tokio::sync::oneshot;

use super::{CrashAt, FaultyStore, Sabotage, Waiting, trouble};
use crate::record::Fact;

/// How often a sabotaged store does what it must not, in a thousand commits or receipts.
const SABOTAGE_PER_MILLE: u64 = 250;

/// What becomes of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It is applied, and its writer told.
    Applied,
    /// It is refused before anything is written.
    Refused,
    /// It is torn by the fault and therefore not applied; the writer is told that nobody knows.
    Dropped,
    /// It is applied, and the writer told that nobody knows.
    Unacknowledged,
    /// The writer is told that nobody knows, and only then it is applied.
    Late,
}

impl FaultyStore {
    /// Takes its place in line at once; commits of one actor are applied in the order in which they came.
    pub(super) fn hand_in(self: &Arc<Self>, commit: Commit) -> BoxFuture<'static, Result<(), CommitError>> {
        let (told, result) = oneshot::channel();
        let (actor, seq, entries) = (commit.actor.clone(), commit.expected_seq, commit.segment.entries.len());
        self.disk.recorder.note(Fact::HandedIn { actor: actor.clone(), seq, entries });
        let mut queues = self.queues.lock().expect("nothing panics under this lock");
        let queue = queues.entry(actor.clone()).or_default();
        queue.push_back(Waiting { commit, told });
        if queue.len() == 1 {
            let store = self.clone();
            self.disk.spawner.spawn(self.group, async move { store.work_off(actor).await });
        }
        drop(queues);
        let store = self.clone();
        Box::pin(async move {
            let result = result.await;
            store.take_time().await;
            result.unwrap_or_else(|_| unreachable!("a process that lives is told"))
        })
    }

    async fn work_off(&self, actor: loom_types::ActorAddress) {
        loop {
            self.take_time().await;
            let next = {
                let mut queues = self.queues.lock().expect("nothing panics under this lock");
                // It stays first in line until it is done, so that nobody else begins to work.
                let first = queues.get_mut(&actor).and_then(|queue| queue.front_mut());
                first.map(|waiting| {
                    let (nobody, _) = oneshot::channel();
                    (waiting.commit.clone(), std::mem::replace(&mut waiting.told, nobody))
                })
            };
            let Some((commit, told)) = next else { return };
            self.settle(commit, told).await;
            let mut queues = self.queues.lock().expect("nothing panics under this lock");
            let queue = queues.get_mut(&actor).expect("it was in line");
            queue.pop_front();
            if queue.is_empty() {
                queues.remove(&actor);
                return;
            }
        }
    }

    fn fate(&self) -> Fate {
        let faults = self.disk.faults;
        if self.disk.per_mille(faults.fails_before) {
            return if self.disk.draw(|random| random.per_mille(500)) { Fate::Refused } else { Fate::Dropped };
        }
        if self.disk.per_mille(faults.fails_after) {
            return if self.disk.draw(|random| random.per_mille(700)) { Fate::Unacknowledged } else { Fate::Late };
        }
        Fate::Applied
    }

    async fn settle(&self, commit: Commit, told: oneshot::Sender<Result<(), CommitError>>) {
        let (actor, seq) = (commit.actor.clone(), commit.expected_seq);
        let tell = |told: oneshot::Sender<Result<(), CommitError>>, result: Result<(), CommitError>| {
            let text = result.as_ref().map_or_else(|error| causes(error), |()| "durable".to_owned());
            self.disk.recorder.note(Fact::Told { actor: actor.clone(), seq, result: text });
            // The cell that handed it in may be gone.
            let _ = told.send(result);
        };
        let unknown = || CommitError::Unknown(trouble("the answer is lost"));
        match self.fate() {
            Fate::Refused => {
                self.fail_those_after(&actor).await;
                tell(told, Err(CommitError::Unavailable(trouble("refused"))));
            }
            Fate::Dropped => {
                self.fail_those_after(&actor).await;
                tell(told, Err(unknown()));
            }
            Fate::Late => {
                tell(told, Err(unknown()));
                self.disk.clock.sleep(self.disk.delay() * 4).await;
                // Whoever was granted the actor in between has fenced it off.
                let _ = self.apply(commit).await;
            }
            Fate::Unacknowledged => {
                let result = self.apply(commit).await;
                tell(told, result.and_then(|()| Err(unknown())));
            }
            Fate::Applied if self.sabotages(Sabotage::LosesAcknowledged) => tell(told, Ok(())),
            Fate::Applied if self.sabotages(Sabotage::AcknowledgesEarly) => {
                tell(told, Ok(()));
                self.disk.clock.sleep(self.disk.delay() * 40).await;
                let _ = self.apply(commit).await;
            }
            Fate::Applied => tell(told, self.apply(commit).await),
        }
    }

    /// If one commit fails, so do those after it, even those without entries.
    async fn fail_those_after(&self, actor: &loom_types::ActorAddress) {
        let fenced = self.disk.durable.journal.acquire(actor).await;
        fenced.expect("the reference store does not fail");
    }

    /// Makes a commit durable, unless the process dies at this very point.
    async fn apply(&self, commit: Commit) -> Result<(), CommitError> {
        let number = self.disk.commits.fetch_add(1, Ordering::Relaxed) + 1;
        let crash = self.disk.crash_at.filter(|crash| crash.commit == number);
        if let Some(CrashAt { after: false, .. }) = crash {
            self.crash(format!("before commit {number} was durable"));
            futures::future::pending::<()>().await;
        }
        let decode = |encoded: &loom_types::EncodedEntry| Entry::decode(&encoded.bytes).expect("the runtime made it");
        let entries: Vec<_> = commit.segment.entries.iter().map(decode).collect();
        let (actor, messages, outcomes) = (commit.actor.clone(), commit.messages.len(), commit.outcomes.len());
        let letters = commit.dead_letters.iter().map(|letter| letter.message.to_string()).collect();
        let result = self.disk.durable.journal.commit(self.tampered(commit)).await;
        if result.is_ok() {
            self.disk.recorder.note(Fact::Applied { actor, entries, messages, outcomes, letters });
        }
        if crash.is_some() {
            self.crash(format!("after commit {number} was durable"));
            futures::future::pending::<()>().await;
        }
        result
    }

    pub(super) fn sabotages(&self, kind: Sabotage) -> bool {
        self.disk.sabotage == Some(kind) && self.disk.per_mille(SABOTAGE_PER_MILLE)
    }

    /// The commit as a sabotaged store applies it.
    fn tampered(&self, mut commit: Commit) -> Commit {
        if self.sabotages(Sabotage::DeliversTwice) {
            commit.messages.extend(commit.messages.clone());
        }
        if self.sabotages(Sabotage::SwapsMessages) {
            commit.messages.reverse();
        }
        if self.sabotages(Sabotage::TearsCommits) {
            commit.messages.clear();
        }
        if self.sabotages(Sabotage::KeepsTaken) {
            commit.taken.clear();
        }
        if self.sabotages(Sabotage::ForgetsTimers) {
            commit.timers.retain(|write| matches!(write, TimerWrite::Clear { .. }));
        }
        if self.sabotages(Sabotage::LosesLeaves) {
            commit.leaf = None;
        }
        commit
    }
}
