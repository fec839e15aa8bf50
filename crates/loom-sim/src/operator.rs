//! An operator who intervenes at the wrong moments.

use std::{sync::Arc, time::Duration};

use loom_runtime::{Clock as _, Handle};
use loom_storage::ActorSummary;
use loom_types::{ActorAddress, Namespace, SequenceNumber};

use crate::{node::Door, random::Random, record::Fact, store::Disk};

const STEADY: &str = "the reference store does not fail";
/// Most operations in a run.
const OPERATIONS_MAX: u64 = 12;

/// Somebody who pauses, cancels, resets and forks. When everything is in order again, nothing stays paused.
pub(crate) struct Operator {
    random: Random,
    disk: Arc<Disk>,
    door: Arc<Door>,
    forks: u64,
}

impl Operator {
    pub(crate) fn new(seed: u64, disk: Arc<Disk>, door: Arc<Door>) -> Self {
        Self { random: Random::part(seed, "operator"), disk, door, forks: 0 }
    }

    pub(crate) async fn run(mut self) {
        let operations = self.random.below(OPERATIONS_MAX + 1);
        for _ in 0..operations {
            self.disk.clock.sleep(Duration::from_millis(self.random.between(1, 400))).await;
            if self.disk.is_calm() {
                break;
            }
            self.operate().await;
        }
        loop {
            let paused = self.actors().await.into_iter().filter(|actor| actor.is_paused);
            for actor in paused.map(|actor| actor.address) {
                self.ask("resume", &actor, async |handle| handle.resume(&actor, "operator").await).await;
            }
            self.disk.clock.sleep(Duration::from_millis(200)).await;
        }
    }

    async fn actors(&self) -> Vec<ActorSummary> {
        let all = self.disk.durable.catalog.actors(&Namespace::default(), None, None, usize::MAX).await;
        all.expect(STEADY)
    }

    async fn operate(&mut self) {
        let actors = self.actors().await;
        if actors.is_empty() {
            return;
        }
        let actor = self.random.pick(&actors).address.clone();
        match self.random.below(12) {
            0..=2 => self.ask("pause", &actor, async |handle| handle.pause(&actor, "operator").await).await,
            3..=4 => self.ask("resume", &actor, async |handle| handle.resume(&actor, "operator").await).await,
            5..=6 => {
                self.ask("cancel", &actor, async |handle| handle.cancel(&actor, "by chance", "operator").await).await;
            }
            7 => {
                let fail = async |handle: Handle| handle.fail_turn(&actor, "by chance", "operator").await;
                self.ask("fail the turn of", &actor, fail).await;
            }
            8..=9 => self.reset(&actor).await,
            10 => self.fork(&actor).await,
            _ => self.redeliver(&actor).await,
        }
    }

    /// To any entry of the open turn; there may be none, or another by the time that it is asked for.
    async fn reset(&mut self, actor: &ActorAddress) {
        let record = self.disk.durable.journal.load(actor).await.expect(STEADY).expect("it is listed");
        let Some(first) = record.open_turn else { return };
        let to = SequenceNumber(self.random.between(first.0, record.next_seq.0 - 1));
        let reset = async |handle: Handle| handle.reset(actor, to, None, "operator").await;
        self.ask(&format!("reset to {to}"), actor, reset).await;
    }

    async fn fork(&mut self, actor: &ActorAddress) {
        self.forks += 1;
        let to = format!("default/{}/fork-{}", actor.actor_type(), self.forks).parse().expect("well-formed");
        let fork = async |handle: Handle| handle.fork(actor, None, &to, "operator").await;
        self.ask("fork", actor, fork).await;
    }

    async fn redeliver(&mut self, actor: &ActorAddress) {
        let letters = self.disk.durable.catalog.dead_letters(&Namespace::default(), None, 0, 100).await.expect(STEADY);
        if letters.is_empty() {
            return;
        }
        let id = self.random.pick(&letters).id;
        let redeliver = async |handle: Handle| {
            handle.redeliver(&Namespace::default(), id).await.map(|ticket| ticket.id.to_string())
        };
        self.ask("redeliver to", actor, redeliver).await;
    }

    async fn ask<T: std::fmt::Debug, E: std::fmt::Display>(
        &self,
        what: &str,
        actor: &ActorAddress,
        operation: impl AsyncFnOnce(Handle) -> Result<T, E>,
    ) {
        // A guest that is to be cancelled may not wait for long, or a node be down; others cannot wait for that.
        let patience = self.disk.clock.sleep(Duration::from_millis(1500));
        let answer = tokio::select! {
            biased;
            answer = self.door.ask(operation) => match answer {
                Some(Ok(done)) => format!("{done:?}"),
                Some(Err(error)) => error.to_string(),
                None => "the node went down".to_owned(),
            },
            () = patience => "no answer".to_owned(),
        };
        self.disk.recorder.note(Fact::Operated { what: what.to_owned(), actor: actor.clone(), answer });
    }
}
