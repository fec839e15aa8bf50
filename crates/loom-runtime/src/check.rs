//! Trying a deployment on recorded turns before it is activated.
//!
//! Open turns come first, then finished ones, those of the actors that changed last. Each is replayed on a thread for
//! blocking work, one after the other; shards, cells and journals are not touched. How much is looked at is bounded,
//! and the report says if that left something out.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use loom_machine::{
    Deployment,
    replay::{Candidate, Impossible, RecordedTurn, Replayed, Surroundings, replay, turns},
};
use loom_storage::{ActorSummary, StoreError};
use loom_types::{ActorAddress, Cid, EntryBody, Namespace, SequenceNumber, TurnNumber};

use crate::{DeployError, causes, handle::Inner, load};

/// Open turns that one check replays.
pub const CHECK_OPEN_TURNS_MAX: usize = 1_000;
/// Finished turns that one check replays, however many were asked for.
pub const CHECK_TURNS_MAX: usize = 10_000;
/// Actors of each type that one check looks at.
pub const CHECK_ACTORS_MAX: usize = 10_000;
/// Entries, from the end of an actor's journal back, in which its finished turns are looked for.
pub const CHECK_ENTRIES_MAX: u64 = 2_000;
/// Actors listed at once.
const PAGE: usize = 500;

/// How much a check looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckOptions {
    /// Finished turns that are replayed besides the open ones, at most [`CHECK_TURNS_MAX`].
    pub turns: usize,
    /// No turn is begun, and none goes on, after this time.
    pub time: Duration,
}

/// What a check found.
#[derive(Clone, Debug)]
pub struct CheckReport {
    /// The deployment's id.
    pub deployment: Cid,
    /// Every turn that was looked at.
    pub turns: Vec<Checked>,
    /// A limit or the time left out turns that were to be looked at.
    pub left_out: bool,
}

impl CheckReport {
    /// How many turns diverged.
    pub fn diverged(&self) -> usize {
        self.turns.iter().filter(|checked| matches!(checked.replayed, Replayed::Diverged(_))).count()
    }
}

/// A turn that was looked at.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The actor.
    pub actor: ActorAddress,
    /// The turn.
    pub turn: TurnNumber,
    /// It is not over.
    pub is_open: bool,
    /// The deployment it is pinned to.
    pub deployment: Cid,
    /// What came of it.
    pub replayed: Replayed,
}

/// A check under way.
pub(crate) struct Check {
    inner: Arc<Inner>,
    namespace: Namespace,
    turns_max: usize,
    ends_at: Duration,
    turns: Vec<Checked>,
    left_out: bool,
}

impl Check {
    pub(crate) fn new(inner: Arc<Inner>, namespace: Namespace, options: CheckOptions) -> Self {
        let ends_at = inner.clock.elapsed().saturating_add(options.time);
        let turns_max = options.turns.min(CHECK_TURNS_MAX);
        Self { inner, namespace, turns_max, ends_at, turns: Vec::new(), left_out: false }
    }

    pub(crate) async fn run(mut self, deployment: &Deployment) -> Result<CheckReport, DeployError> {
        let candidates = self.candidates(deployment).await?;
        let mut actors = Vec::new();
        for actor_type in candidates.keys() {
            actors.extend(self.actors(actor_type).await?);
        }
        let open: Vec<_> = actors.iter().filter(|actor| actor.is_open).collect();
        self.left_out |= open.len() > CHECK_OPEN_TURNS_MAX;
        for actor in open.into_iter().take(CHECK_OPEN_TURNS_MAX) {
            self.open_turn(&actor.address, &candidates[actor.address.actor_type()]).await?;
        }
        if self.turns_max > 0 {
            actors.sort_by_key(|actor| std::cmp::Reverse(actor.changed_ms));
            self.finished_turns(&actors, &candidates).await?;
        }
        Ok(CheckReport { deployment: deployment.cid(), turns: self.turns, left_out: self.left_out })
    }

    /// What each actor type would run.
    async fn candidates(&self, deployment: &Deployment) -> Result<BTreeMap<String, Candidate>, DeployError> {
        let modules = &self.inner.modules;
        let mut candidates = BTreeMap::new();
        for (actor_type, spec) in &deployment.actors {
            let (at, module) = (format!("actors.{actor_type}"), spec.module);
            let loaded = modules.load(module).await?;
            let compiled = loaded.map_err(|failure| DeployError::UnusableModule { at, module, failure })?;
            let engine = modules.sandbox().engine().to_owned();
            let candidate = Candidate { cid: module, module: compiled, limits: spec.limits, engine };
            candidates.insert(actor_type.clone(), candidate);
        }
        Ok(candidates)
    }

    async fn actors(&mut self, actor_type: &str) -> Result<Vec<ActorSummary>, StoreError> {
        let mut actors: Vec<ActorSummary> = Vec::new();
        loop {
            let after = actors.last().map(|last| last.address.clone());
            let catalog = &self.inner.storage.catalog;
            let page = catalog.actors(&self.namespace, Some(actor_type), after.as_ref(), PAGE).await?;
            let is_last = page.len() < PAGE;
            actors.extend(page);
            if is_last {
                return Ok(actors);
            }
            if actors.len() >= CHECK_ACTORS_MAX || self.is_over() {
                self.left_out = true;
                return Ok(actors);
            }
        }
    }

    async fn open_turn(&mut self, actor: &ActorAddress, candidate: &Candidate) -> Result<(), DeployError> {
        let Some(record) = self.inner.storage.journal.load(actor).await? else { return Ok(()) };
        let Some(started) = record.open_turn else { return Ok(()) };
        let (entries, payloads) = load::read_turn(&self.inner.storage, actor, started).await?;
        // It may have ended between the two reads.
        let turn = turns(&entries, &Arc::new(payloads), record.state.as_ref()).into_iter().next();
        match turn {
            Some(turn) if !turn.is_over() => self.look_at(turn, candidate).await,
            _ => Ok(()),
        }
    }

    /// As many of each actor as it takes to come to the number asked for.
    async fn finished_turns(
        &mut self,
        actors: &[ActorSummary],
        candidates: &BTreeMap<String, Candidate>,
    ) -> Result<(), DeployError> {
        let mut left = self.turns_max;
        for (place, actor) in actors.iter().enumerate() {
            if left == 0 || self.is_over() {
                self.left_out |= left > 0;
                return Ok(());
            }
            let share = left.div_ceil(actors.len() - place);
            let recent = self.recent_turns(&actor.address, share).await?;
            left -= recent.len();
            for turn in recent {
                self.look_at(turn, &candidates[actor.address.actor_type()]).await?;
            }
        }
        Ok(())
    }

    /// The newest finished turns of an actor, as far as its journal is read back.
    async fn recent_turns(&self, actor: &ActorAddress, count: usize) -> Result<Vec<RecordedTurn>, StoreError> {
        let storage = &self.inner.storage;
        let Some(record) = storage.journal.load(actor).await? else { return Ok(Vec::new()) };
        let from = SequenceNumber(record.next_seq.0.saturating_sub(CHECK_ENTRIES_MAX));
        let (entries, payloads) = load::read_turn(storage, actor, from).await?;
        let found = turns(&entries, &Arc::new(payloads), record.state.as_ref());
        Ok(found.into_iter().rev().filter(RecordedTurn::is_over).take(count).collect())
    }

    async fn look_at(&mut self, turn: RecordedTurn, candidate: &Candidate) -> Result<(), DeployError> {
        let first = &turn.entries[0];
        let EntryBody::TurnStarted { deployment, .. } = first.body else { return Ok(()) };
        let (actor, number, is_open) = (first.actor.clone(), first.turn, !turn.is_over());
        let deployment = turn.deployment().unwrap_or(deployment);
        let replayed = match self.inner.deployments.manifest(deployment).await {
            Ok(manifest) => self.replayed(turn, manifest, candidate.clone()).await,
            Err(fault) => Replayed::Impossible(Impossible::Deployment(fault.to_string())),
        };
        self.left_out |= matches!(replayed, Replayed::Impossible(Impossible::OutOfTime));
        self.turns.push(Checked { actor, turn: number, is_open, deployment, replayed });
        Ok(())
    }

    /// Runs the guest off the shards.
    async fn replayed(&self, turn: RecordedTurn, deployment: Arc<Deployment>, candidate: Candidate) -> Replayed {
        let (inner, ends_at) = (self.inner.clone(), self.ends_at);
        let here = tokio::runtime::Handle::current();
        let run = move || {
            let blobs = &inner.storage.blobs;
            let blob = |cid| here.block_on(blobs.get(cid)).map_err(|error| causes(&error));
            let is_over = || inner.clock.elapsed() >= ends_at;
            let surroundings = Surroundings { blob: &blob, is_over: &is_over, activity: None, verifier: None };
            replay(&turn, deployment, &candidate, &surroundings)
        };
        let joined = tokio::task::spawn_blocking(run).await;
        joined.unwrap_or_else(|error| Replayed::Impossible(loom_machine::HostFault::Host(error.to_string()).into()))
    }

    fn is_over(&self) -> bool {
        self.inner.clock.elapsed() >= self.ends_at
    }
}
