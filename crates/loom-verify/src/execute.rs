//! Running turns again, with what the journal says came from outside.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use bytes::Bytes;
use loom_evidence::Bundle;
use loom_machine::{
    Control, Deployment, Failure, GuestLimits, HostFault, Message, Module, Sandbox, Verification, computed,
    replay::{Agreed, Candidate, Impossible, RecordedTurn, Replayed, RestsOn, Surroundings, replay, turns},
};
use loom_types::{Cid, Entry, EntryBody, Payload, TurnNumber, TurnResult};

use crate::{Class, Code, Report, links::Ran};

/// Runs every turn of a history again, and says how far each came out. `anchors`: trusted keys that vouch for the
/// history.
pub(crate) fn check(
    workshop: &Workshop<'_>,
    entries: &[Entry],
    anchors: &[String],
    report: &mut Report,
) -> BTreeMap<TurnNumber, Ran> {
    let recorded = turns(entries, &workshop.payloads, None);
    let mut recorded = recorded.iter();
    let mut runs = BTreeMap::new();
    for (place, entry) in entries.iter().enumerate() {
        let is_context = place == 0 && entry.seq.0 > 0;
        if is_context {
            continue;
        }
        match &entry.body {
            EntryBody::TurnStarted { .. } => {
                let turn = recorded.next().expect("every start begins a turn");
                let ran = Verified { workshop, anchors, turn, report: &mut *report }.run();
                runs.insert(entry.turn, ran);
            }
            EntryBody::Control { what, by, state, .. } => control(entry, what, by, state.is_some(), report),
            _ => {}
        }
        for (role, cid) in entry.body.payloads() {
            if !workshop.payloads.contains_key(&cid) {
                let subject = format!("{}#{} {role}", entry.actor, entry.seq);
                report.claim(subject, Class::Redacted, format!("the value behind {cid} was left out"));
            }
        }
    }
    runs
}

fn control(entry: &Entry, what: &str, by: &str, sets_state: bool, report: &mut Report) {
    let changed = if sets_state { ", and set the state" } else { "" };
    let detail = format!("'{by}' asked for '{what}'{changed}; the node says so");
    report.claim(format!("{}#{} control", entry.actor, entry.seq), Class::Claimed, detail);
}

/// A module, or why it is none.
type Compiled = Result<Arc<dyn Module>, Failure>;

/// Compiled code that is kept, in bytes. A file can have far more modules than fit into memory.
const COMPILED_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// What turns are run again with: those of all histories, which share deployments and modules.
pub(crate) struct Workshop<'a> {
    bundle: &'a Bundle,
    payloads: Arc<HashMap<Cid, Payload>>,
    sandbox: &'a dyn Sandbox,
    is_over: &'a dyn Fn() -> bool,
    deployments: RefCell<HashMap<Cid, Arc<Deployment>>>,
    modules: RefCell<HashMap<Cid, Compiled>>,
}

impl<'a> Workshop<'a> {
    pub(crate) fn new(bundle: &'a Bundle, sandbox: &'a dyn Sandbox, is_over: &'a dyn Fn() -> bool) -> Self {
        let payloads = bundle.payloads().iter().map(|(cid, payload)| (*cid, payload.clone())).collect();
        let (deployments, modules) = (RefCell::default(), RefCell::default());
        Self { bundle, payloads: Arc::new(payloads), sandbox, is_over, deployments, modules }
    }

    fn material(&self, cid: Cid) -> Result<Bytes, String> {
        self.bundle.material().get(&cid).cloned().ok_or_else(|| "it is not in the file".to_owned())
    }

    fn deployment(&self, cid: Cid) -> Result<Arc<Deployment>, Impossible> {
        if let Some(known) = self.deployments.borrow().get(&cid) {
            return Ok(known.clone());
        }
        let unreadable = |problem: String| Impossible::Deployment(format!("{cid}: {problem}"));
        let bytes = self.material(cid).map_err(unreadable)?;
        let deployment = Arc::new(Deployment::decode(&bytes).map_err(|error| unreadable(error.to_string()))?);
        self.deployments.borrow_mut().insert(cid, deployment.clone());
        Ok(deployment)
    }

    fn module(&self, cid: Cid) -> Result<Compiled, Impossible> {
        if let Some(known) = self.modules.borrow().get(&cid) {
            return Ok(known.clone());
        }
        let bytes = self.material(cid).map_err(|problem| Impossible::Blob { cid, problem })?;
        if (self.is_over)() {
            return Err(Impossible::OutOfTime);
        }
        let module = self.sandbox.compile(cid, &bytes)?;
        let resident = |module: &Compiled| module.as_ref().map_or(0, |module| module.resident_bytes());
        let mut modules = self.modules.borrow_mut();
        if modules.values().chain([&module]).map(resident).sum::<u64>() > COMPILED_BYTES_MAX {
            modules.clear();
        }
        modules.insert(cid, module.clone());
        Ok(module)
    }

    fn allows(&self, limits: &GuestLimits) -> Result<(), Impossible> {
        self.sandbox.check_limits(limits).map_err(|problem| HostFault::Host(problem).into())
    }

    fn activity(
        &self,
        deployment: &Deployment,
        name: &str,
        input: &str,
    ) -> Result<Result<String, Failure>, Impossible> {
        let spec =
            deployment.activities.get(name).ok_or_else(|| Impossible::Deployment(format!("no '{name}' in it")))?;
        self.allows(&spec.limits)?;
        let module = match self.module(spec.module)? {
            Ok(module) => module,
            Err(failure) => return Ok(Err(failure)),
        };
        self.run(&*module, &spec.limits, input)
    }

    /// What a `verify` step comes to; nothing where evidence or module are not in the file.
    fn verifier(
        &self,
        deployment: &Deployment,
        verification: &Verification,
    ) -> Result<Option<Result<String, Failure>>, Impossible> {
        let name = &verification.verifier;
        let spec =
            deployment.verifiers.get(name).ok_or_else(|| Impossible::Deployment(format!("no '{name}' in it")))?;
        let Ok(evidence) = self.material(verification.evidence) else { return Ok(None) };
        if let Some(verdict) = Verification::refused(&evidence) {
            return Ok(Some(Ok(verdict)));
        }
        if self.material(spec.module).is_err() {
            return Ok(None);
        }
        self.allows(&spec.limits)?;
        let ended = match self.module(spec.module)? {
            Ok(module) => self.run(&*module, &spec.limits, &verification.input(&evidence))?,
            Err(failure) => Err(failure),
        };
        Ok(Some(verification.outcome(ended)))
    }

    /// Runs a module that only computes.
    fn run(
        &self,
        module: &dyn Module,
        limits: &GuestLimits,
        input: &str,
    ) -> Result<Result<String, Failure>, Impossible> {
        if (self.is_over)() {
            return Err(Impossible::OutOfTime);
        }
        let mut guest = module.start(limits, input)?;
        loop {
            if let Some(result) = computed(guest.resume(None)?)? {
                return Ok(result);
            }
            if (self.is_over)() {
                return Err(Impossible::OutOfTime);
            }
        }
    }
}

/// A turn that is being verified.
struct Verified<'a> {
    workshop: &'a Workshop<'a>,
    /// Keys that vouch for the history.
    anchors: &'a [String],
    turn: &'a RecordedTurn,
    report: &'a mut Report,
}

impl Verified<'_> {
    fn run(&mut self) -> Ran {
        let none = Ran::default();
        let first = &self.turn.entries[0];
        let EntryBody::TurnStarted { message, deployment, module, .. } = &first.body else { return none };
        self.message(*message);
        self.report.turns.all += 1;
        let pinned = self.turn.deployment().unwrap_or(*deployment);
        let mut module = *module;
        let replayed = match self.prepared(first, pinned, *deployment, module) {
            Ok(Some((deployment, candidate))) => {
                module = candidate.cid;
                self.replayed(deployment, &candidate)
            }
            // A contradiction, which stands in the report.
            Ok(None) => return none,
            Err(impossible) => Replayed::Impossible(impossible),
        };
        match replayed {
            Replayed::Agreed(agreed) => {
                self.agreed(&agreed, module);
                return Ran { steps: true, end: agreed.to_the_end };
            }
            Replayed::Diverged(difference) => self.report.difference(&difference),
            Replayed::Impossible(Impossible::Corrupt(error)) => self.report.contradiction(first, error.to_string()),
            Replayed::Impossible(impossible) => {
                let class = if !self.anchors.is_empty() { Class::Attested } else { Class::Claimed };
                self.claim_turn(class, format!("not run again: {impossible}"), module);
            }
        }
        none
    }

    /// Who sent the message is the node's word.
    fn message(&mut self, cid: Cid) {
        let message = self.turn.payloads.get(&cid).map(|payload| Message::decode(payload.value()));
        // What is no message is a contradiction already.
        if let Some(Ok(message)) = message {
            let sender = message.sender.map_or_else(|| "a client".to_owned(), |sender| sender.to_string());
            self.claim(" message", Class::Claimed, format!("{} came from {sender}; the node says so", message.id));
        }
    }

    /// The deployment and the module that the turn is pinned to; nothing if they contradict the journal.
    fn prepared(
        &mut self,
        first: &Entry,
        pinned: Cid,
        began_with: Cid,
        module: Cid,
    ) -> Result<Option<(Arc<Deployment>, Candidate)>, Impossible> {
        let deployment = self.workshop.deployment(pinned)?;
        let Some(spec) = deployment.actors.get(first.actor.actor_type()) else {
            let reason =
                format!("deployment '{}' runs no actors of type '{}'", deployment.name, first.actor.actor_type());
            self.report.contradiction(first, reason);
            return Ok(None);
        };
        if pinned == began_with && spec.module != module {
            self.report.unequal(first, "the module is not the one that the deployment names", module, spec.module);
            return Ok(None);
        }
        self.workshop.allows(&spec.limits)?;
        let module = match self.workshop.module(spec.module)? {
            Ok(module) => module,
            // Then the node could not run it either, and says so.
            Err(failure) => return Err(HostFault::Host(format!("its module cannot be run: {failure}")).into()),
        };
        let engine = self.workshop.sandbox.engine().to_owned();
        let candidate = Candidate { cid: spec.module, module, limits: spec.limits, engine };
        Ok(Some((deployment, candidate)))
    }

    fn replayed(&self, deployment: Arc<Deployment>, candidate: &Candidate) -> Replayed {
        let blob = |cid| self.workshop.material(cid);
        let activity = |name: &str, input: &str| self.workshop.activity(&deployment, name, input);
        let verifier = |verification: &Verification| self.workshop.verifier(&deployment, verification);
        let surroundings = Surroundings {
            blob: &blob,
            is_over: self.workshop.is_over,
            activity: Some(&activity),
            verifier: Some(&verifier),
        };
        replay(self.turn, deployment.clone(), candidate, &surroundings)
    }

    fn agreed(&mut self, agreed: &Agreed, module: Cid) {
        let (last, class) =
            (self.turn.entries.last(), if !self.anchors.is_empty() { Class::Attested } else { Class::Claimed });
        match last.map(|last| &last.body) {
            Some(EntryBody::TurnEnded { result, .. }) if agreed.to_the_end => {
                let what = match result {
                    TurnResult::Reply(_) => "reply and state come",
                    TurnResult::Failure(_) => "failure and state come",
                    TurnResult::Restarted(_) => "the next turn's body and the state come",
                };
                let fuel = match &self.turn.entries[0].body {
                    EntryBody::TurnStarted { engine, .. } if engine != self.workshop.sandbox.engine() => {
                        "under another engine than it names, so fuel is not compared".to_owned()
                    }
                    _ => format!("with {} units of fuel", agreed.fuel),
                };
                let left_out = self.inputs_left_out();
                let detail = format!("{what} out of module {module} again, {fuel}{left_out}");
                self.report.turns.re_executed += 1;
                self.claim_turn(Class::ReExecuted, detail, module);
            }
            Some(EntryBody::TurnEnded { .. }) => {
                let detail = "the node ended it; what its guest did until then was run again".to_owned();
                self.claim_turn(class, detail, module);
            }
            _ => {
                self.claim_turn(class, "still open; what its guest did so far was run again".to_owned(), module);
            }
        }
        for met in &agreed.outcomes {
            let (class, detail) = match &met.rests_on {
                RestsOn::Computed => (Class::ReExecuted, "follows from the journal".to_owned()),
                RestsOn::Activity(name) => (Class::ReExecuted, format!("the pure activity '{name}' was run again")),
                RestsOn::Verifier(name) => (Class::ReExecuted, format!("the verifier '{name}' was run again")),
                RestsOn::Claim => (Class::Claimed, "came from outside; the node says so".to_owned()),
            };
            self.claim(&format!(" step {} {}", met.n, met.op), class, detail);
        }
        self.blobs_read();
        self.left_behind();
    }

    /// What programs were given in private need not be in the file, and then it is not compared.
    fn inputs_left_out(&self) -> String {
        let left_out = self.turn.entries.iter().filter_map(|entry| match &entry.body {
            EntryBody::Step { n, input: Some(input), .. } if !self.workshop.payloads.contains_key(input) => {
                Some(n.to_string())
            }
            _ => None,
        });
        let steps: Vec<_> = left_out.collect();
        match steps.is_empty() {
            true => String::new(),
            false => format!("; private inputs were left out and are not compared, of steps {}", steps.join(", ")),
        }
    }

    /// Steps that a reset left behind were not run again; what they sent was sent.
    fn left_behind(&mut self) {
        let mut kept: Vec<(u64, u32, &str)> = Vec::new();
        let mut left = Vec::new();
        for entry in &self.turn.entries {
            match &entry.body {
                EntryBody::Step { n, op, .. } => kept.push((entry.seq.0, *n, op)),
                EntryBody::Control { detail: Some(detail), .. } => {
                    let detail = self.turn.payloads.get(detail).map(Control::read);
                    if let Some(Ok(Control::Reset { to, .. })) = detail {
                        let first = kept.partition_point(|(seq, ..)| *seq <= to);
                        left.extend(kept.split_off(first).into_iter().map(|(_, n, op)| (n, op.to_owned())));
                    }
                }
                _ => {}
            }
        }
        for (n, op) in left {
            let detail = "left behind by a reset, and not run again; the node says so".to_owned();
            self.claim(&format!(" step {n} {op}"), Class::Claimed, detail);
        }
    }

    /// Blobs that steps read were read again from the file, by their names.
    fn blobs_read(&mut self) {
        let reads = |entry: &Entry| match &entry.body {
            EntryBody::Step { n, op, outcome: None, .. } if op == "blob.get" => Some(*n),
            _ => None,
        };
        let read: Vec<u32> = self.turn.entries.iter().filter_map(reads).collect();
        for n in read {
            let detail = "the blob is in the file, under its name".to_owned();
            self.claim(&format!(" step {n} blob.get"), Class::ReExecuted, detail);
        }
    }

    /// What is said of the turn itself.
    fn claim_turn(&mut self, class: Class, detail: String, module: Cid) {
        let first = &self.turn.entries[0];
        let EntryBody::TurnStarted { deployment, .. } = &first.body else { return };
        let deployment = self.turn.deployment().unwrap_or(*deployment).to_string();
        let actor_type = first.actor.actor_type().to_owned();
        let subject = format!("{} turn {}", first.actor, first.turn);
        let claim = self.report.claimed(subject, class, detail);
        claim.code = Some(Code { actor_type, module: module.to_string(), deployment });
        claim.by = if class == Class::Attested { self.anchors.to_vec() } else { Vec::new() };
    }

    fn claim(&mut self, what: &str, class: Class, detail: String) {
        let first = &self.turn.entries[0];
        let subject = format!("{} turn {}{what}", first.actor, first.turn);
        self.report.claim(subject, class, detail);
    }
}
