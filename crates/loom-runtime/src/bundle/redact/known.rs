//! What can be computed again from what is left of a bundle.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use loom_evidence::Bundle;
use loom_machine::Deployment;
use loom_types::{Cid, Entry, EntryBody};

/// A bundle without some payloads, and which of them come out again.
pub(super) struct Known<'a> {
    bundle: &'a Bundle,
    hidden: &'a BTreeSet<Cid>,
    /// What comes out again, and the payload that would have to be hidden too so that it does not.
    again: BTreeMap<Cid, Cid>,
}

impl<'a> Known<'a> {
    pub(super) fn without(bundle: &'a Bundle, hidden: &'a BTreeSet<Cid>) -> Self {
        let deployments: HashMap<Cid, Deployment> =
            bundle.material().iter().filter_map(|(cid, bytes)| Some((*cid, Deployment::decode(bytes).ok()?))).collect();
        let mut known = Self { bundle, hidden, again: BTreeMap::new() };
        // A message that comes out of one turn may make another turn run.
        loop {
            let before = known.again.len();
            for entries in bundle.entries() {
                known.run(entries, &deployments);
            }
            if known.again.len() == before {
                return known;
            }
        }
    }

    /// What is hidden and comes out again, each with what to hide against it.
    pub(super) fn given_away(self) -> impl Iterator<Item = (Cid, Cid)> {
        self.again.into_iter()
    }

    fn knows(&self, cid: &Cid) -> bool {
        let is_there = self.bundle.payloads().contains_key(cid) && !self.hidden.contains(cid);
        is_there || self.again.contains_key(cid)
    }

    fn comes_from(&mut self, cid: Cid, source: Cid) {
        // Only what is shown can be hidden; what came out again itself has its own source.
        let source = self.again.get(&source).copied().unwrap_or(source);
        if self.hidden.contains(&cid) && cid != source {
            self.again.entry(cid).or_insert(source);
        }
    }

    /// Runs the turns of a history in thought, as far as what is known goes.
    fn run(&mut self, entries: &[Entry], deployments: &HashMap<Cid, Deployment>) {
        let mut turn: Option<Thought<'_>> = None;
        let mut state: Option<Cid> = None;
        for (place, entry) in entries.iter().enumerate() {
            match &entry.body {
                EntryBody::TurnStarted { message, deployment, seed, .. } => {
                    let runs = self.knows(message) && state.as_ref().is_none_or(|state| self.knows(state));
                    let deployment = deployments.get(deployment);
                    turn = Some(Thought { runs, message: *message, seed: *seed, deployment, steps: HashMap::new() });
                }
                EntryBody::Step { n, op, request, outcome, input } => {
                    let Some(turn) = &mut turn else { continue };
                    if turn.runs {
                        self.comes_from(*request, turn.message);
                        input.iter().for_each(|input| self.comes_from(*input, turn.message));
                    }
                    turn.steps.insert(*n, (op, *request));
                    if let Some(outcome) = outcome {
                        self.outcome(turn, *n, outcome.cid());
                    }
                }
                EntryBody::Outcome { n, result, .. } => {
                    if let Some(turn) = &mut turn {
                        self.outcome(turn, *n, result.cid());
                    }
                }
                EntryBody::TurnEnded { result, state: after, .. } => {
                    if let Some(turn) = turn.take().filter(|turn| turn.runs) {
                        self.comes_from(result.cid(), turn.message);
                        after.iter().for_each(|after| self.comes_from(*after, turn.message));
                    }
                    state = *after;
                }
                EntryBody::Control { what, state: after, .. } => match after {
                    Some(after) => state = Some(*after),
                    None if what == "purge" => state = None,
                    None => {}
                },
                EntryBody::Opened {} => debug_assert_eq!(place, 0),
            }
        }
    }

    fn outcome(&mut self, turn: &mut Thought<'_>, n: u32, outcome: Cid) {
        if let Some((op, request)) = turn.steps.get(&n).copied() {
            let source = match op {
                "random" | "uuid" => Some(turn.seed),
                "reply" | "blob.put" => Some(request),
                "activity" | "activity.start" if turn.is_pure(self.bundle, request) => Some(request),
                _ => None,
            };
            if let Some(source) = source.filter(|source| self.knows(source)) {
                self.comes_from(outcome, source);
            }
        }
        // Nobody knows how the guest went on with what it was told.
        turn.runs &= self.knows(&outcome);
    }
}

/// A turn that is run in thought.
struct Thought<'a> {
    /// Whether everything that the guest was told so far is known.
    runs: bool,
    message: Cid,
    seed: Cid,
    deployment: Option<&'a Deployment>,
    steps: HashMap<u32, (&'a str, Cid)>,
}

impl Thought<'_> {
    fn is_pure(&self, bundle: &Bundle, request: Cid) -> bool {
        let name = || {
            let request: serde_json::Value = serde_json::from_str(bundle.payloads().get(&request)?.text()?).ok()?;
            Some(request.get("name")?.as_str()?.to_owned())
        };
        // A deployment that is not in the file may be known all the same.
        let is_effectful = |name: String| Some(self.deployment?.activities.get(&name)?.is_effectful());
        name().and_then(is_effectful) != Some(true)
    }
}
