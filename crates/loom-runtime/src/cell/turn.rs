//! The turn that runs: driving its guest, taking outcomes, ending it.

use loom_machine::{Completion, Failure, HostFault, Message, Opening, Outcome, Progress, Reaction, Task, Turn, Work};
use loom_storage::{DueTimer, Position, TimerRecord, TimerWrite};
use loom_types::{Cid, Codec, Payload, SaltSource as _, SequenceNumber, StepRef, media_type};
use tracing::Span;

use super::{Live, Phase, Queued, Running, client_admission, divergence, running::Inner};
use crate::{
    Settled,
    activity::{self, Attempted, Job, Sliced},
    deployments::Target,
    gate::Place,
    shard::{CellResult, Io},
    trace,
};

/// Due time of the row that marks an attempt under way: it never fires, and after a restart tells that the
/// attempt was lost.
const UNDER_WAY: u64 = i64::MAX as u64;
/// Commit a turn's entries before they grow past this, even if its guest never waits.
const PENDING_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Fuel that a turn's guests may use between requests before others run. A guest that computes yields by itself
/// (`sandbox.slice_fuel`); one that asks and asks is stopped here.
pub(crate) const SLICE_FUEL: u64 = 5_000_000;

impl Live {
    /// Takes a message and begins its turn.
    pub(super) fn begin(&mut self, io: &mut Io, queued: Queued) {
        let (namespace, actor_type) = (self.address.namespace(), self.address.actor_type());
        let Some(target) = io.context.deployments.target(namespace, actor_type) else {
            // It stays first in line; a deployment that runs the type wakes the actor.
            tracing::warn!(actor = %self.address, "a message waits for a deployment that runs this type");
            self.inbox.push_front(queued);
            self.blocked = true;
            return;
        };
        let Some(place) = self.enter(io, &target) else {
            // Whoever leaves lets it in.
            self.inbox.push_front(queued);
            self.blocked = true;
            return;
        };
        self.blocked = false;
        let Queued { message, payload, position, responders } = queued;
        self.turn = self.turn.next();
        let admission = client_admission(self.turn, &message);
        let is_new = self.chain.next_seq.0 == 0;
        let started_seq = if is_new { SequenceNumber(1) } else { self.chain.next_seq };
        let cancel = self.take_cancel(&message.id, position);
        let turn = self.open(io, message, payload, target, is_new);
        let mut running = Running::new(turn, started_seq, admission, responders, io.context.clock.elapsed());
        running.place = place;
        running.taken.extend(position);
        running.taken.extend(cancel);
        running.trace(&self.address, &io.context.traces);
        self.running = Some(Box::new(running));
        if cancel.is_some() {
            self.cancel_unrun(io);
        }
    }

    /// A new turn on the actor's present state.
    pub(super) fn open(
        &self,
        io: &mut Io,
        message: Message,
        message_payload: Payload,
        target: Target,
        is_new: bool,
    ) -> Turn {
        let mut seed = [0u8; 32];
        io.salts.fill(&mut seed);
        let opening = Opening {
            address: self.address.clone(),
            turn: self.turn,
            message,
            message_payload,
            deployment_cid: target.cid,
            deployment: target.deployment,
            module: target.spec.module,
            engine: io.context.modules.sandbox().engine().to_owned(),
            seed: Payload::seal(media_type::SEED, &seed, &mut io.salts),
        };
        Turn::begin(opening, self.state.clone(), is_new, io.context.clock.now_ms())
    }

    /// Runs the guest until it has to wait, lets others run, or ends.
    pub(super) fn drive(&mut self, io: &mut Io, answer: Option<String>) {
        io.resident.pop(&self.address);
        let Some(running) = self.running.as_mut() else { return };
        let mut answer = answer.or_else(|| running.held.take());
        running.inner_fuel = 0;
        let slice_began = running.fuel_used();
        loop {
            let Some(running) = self.running.as_mut() else { return };
            if answer.is_some() && running.fuel_used() + running.inner_fuel > slice_began + SLICE_FUEL {
                running.held = answer;
                return self.slice_over(io);
            }
            if running.guest.is_none() {
                match self.start_guest(io) {
                    Started::Yes => answer = None,
                    Started::Later => return,
                    Started::Failed(failure) => return self.end(io, Err(failure), 0),
                    Started::Fault(fault) => return self.abandon(io, &fault),
                }
                continue;
            }
            if running.inner.is_some() {
                match self.run_inner(io) {
                    Some(finished) => answer = Some(finished),
                    None => return,
                }
                continue;
            }
            let guest = running.guest.as_mut().expect("just looked");
            match guest.resume(answer.take().as_deref()) {
                Err(fault) => return self.abandon(io, &fault),
                Ok(Progress::Yielded) => return self.slice_over(io),
                Ok(Progress::Returned(output)) => {
                    let fuel = guest.fuel_used();
                    return self.end(io, Ok(output), fuel);
                }
                Ok(Progress::Failed(failure)) => {
                    let fuel = guest.fuel_used();
                    return self.end(io, Err(failure), fuel);
                }
                Ok(Progress::Called(request)) => match self.request(io, &request) {
                    Some(next) => answer = Some(next),
                    None => return,
                },
            }
        }
    }

    fn start_guest(&mut self, io: &mut Io) -> Started {
        let running = self.running.as_mut().expect("a turn is driven");
        let opening = running.turn.opening();
        let Some(spec) = opening.deployment.actors.get(self.address.actor_type()).cloned() else {
            return Started::Failed(Failure::new("unknown-actor-type", "the turn's deployment does not run this type"));
        };
        let loaded = running.module.clone().map(Ok).or_else(|| io.context.modules.get(&opening.module));
        let module = match loaded {
            Some(Ok(module)) => module,
            Some(Err(failure)) => return Started::Failed(failure),
            None => {
                self.load_module(io, spec.module);
                return Started::Later;
            }
        };
        match module.start(&spec.limits, &opening.message.body) {
            Ok(guest) => {
                running.module = Some(module);
                running.guest = Some(guest);
                running.inner = None;
                running.turn.rewind();
                if running.turn.is_replaying() {
                    io.context.metrics.replays.inc();
                }
                Started::Yes
            }
            Err(fault) => Started::Fault(fault),
        }
    }

    pub(super) fn load_module(&mut self, io: &mut Io, cid: Cid) {
        let running = self.running.as_mut().expect("a turn is driven");
        running.phase = Phase::Module;
        let modules = io.context.modules.clone();
        self.background(io, async move { CellResult::Module(modules.load(cid).await.map(drop)) });
    }

    pub(super) fn module_loaded(&mut self, io: &mut Io, loaded: Result<(), HostFault>) {
        let Some(running) = self.running.as_mut().filter(|running| running.phase == Phase::Module) else { return };
        match loaded {
            Ok(()) => {
                running.phase = Phase::Ready;
                self.go_on(io);
            }
            Err(fault) => self.abandon(io, &fault),
        }
    }

    /// Lets the turn answer a request. None if the guest does not go on at once.
    fn request(&mut self, io: &mut Io, request: &str) -> Option<String> {
        let running = self.running.as_mut().expect("a turn is driven");
        let mut ambient = io.ambient();
        let reaction = running.turn.request(request, &mut ambient);
        self.show_logs();
        let running = self.running.as_mut().expect("a turn is driven");
        match reaction {
            Err(divergence) => {
                self.diverged(io, &divergence);
                None
            }
            Ok(Reaction::Answer(answer)) => {
                self.flush_if_large(io);
                Some(answer)
            }
            Ok(Reaction::Run(task)) => self.run_task(io, task),
            Ok(Reaction::Wait) => {
                self.rest(io);
                None
            }
            Ok(Reaction::Fail(failure)) => {
                let fuel = running.fuel_used();
                self.end(io, Err(failure), fuel);
                None
            }
            Ok(Reaction::Restart(body)) => {
                let fuel = running.fuel_used();
                self.restart(io, &body, fuel);
                None
            }
        }
    }

    fn show_logs(&mut self) {
        let Some(running) = self.running.as_mut() else { return };
        let turn = running.turn.opening().turn.0;
        let lines = running.turn.take_logs();
        let span = &running.span;
        for line in lines {
            let (actor, message, fields) = (&self.address, line.message, line.fields.unwrap_or_default());
            match line.level.as_str() {
                "error" => tracing::error!(target: "guest", parent: span, %actor, turn, fields, "{message}"),
                "warn" => tracing::warn!(target: "guest", parent: span, %actor, turn, fields, "{message}"),
                "debug" => tracing::debug!(target: "guest", parent: span, %actor, turn, fields, "{message}"),
                _ => tracing::info!(target: "guest", parent: span, %actor, turn, fields, "{message}"),
            }
        }
    }

    /// Does a step's own work: a pure activity here and now, blobs in the background.
    fn run_task(&mut self, io: &mut Io, task: Task) -> Option<String> {
        let running = self.running.as_mut().expect("a turn is driven");
        self.tasks += 1;
        let task_number = self.tasks;
        let blobs = io.context.storage.blobs.clone();
        match task {
            Task::Activity { name, input } => {
                let spec = running.turn.opening().deployment.activities.get(&name).cloned();
                let spec = spec.expect("the turn looked it up");
                match io.context.modules.get(&spec.module) {
                    // The guest is started over when the module is there; the step is not recorded yet.
                    None => {
                        running.guest = None;
                        self.load_module(io, spec.module);
                        None
                    }
                    Some(Err(failure)) => Some(self.finish(io, Err(&failure))),
                    Some(Ok(module)) => match module.start(&spec.limits, &input) {
                        Ok(inner) => {
                            running.inner = Some(Inner { guest: inner, verifying: None });
                            running.inner_span = trace::activity(&running.span, &name, None, 1);
                            io.context.metrics.activities.inc();
                            self.run_inner(io)
                        }
                        Err(fault) => {
                            self.abandon(io, &fault);
                            None
                        }
                    },
                }
            }
            Task::Verify { verification } => self.start_verification(io, verification),
            Task::BlobGet { cid, base64 } => {
                running.holds.push(blobs.holds().hold(cid));
                let is_replay = running.turn.is_replaying();
                running.phase = Phase::Task;
                self.background(io, async move {
                    let result = match blobs.get(cid).await {
                        Ok(bytes) => Ok(loom_machine::blob_text(&bytes, base64)),
                        // What was there when it happened is missing from the host, not for the guest.
                        Err(loom_storage::BlobError::NotFound(cid)) if !is_replay => {
                            Ok(Err(Failure::new("not-found", format!("there is no blob {cid}"))))
                        }
                        Err(error) => {
                            Err(HostFault::Unavailable { what: format!("blob {cid}"), detail: error.to_string() })
                        }
                    };
                    CellResult::Task { task: task_number, result }
                });
                None
            }
            Task::BlobPut { bytes } => {
                let cid = Cid::of(Codec::Raw, &bytes);
                running.holds.push(blobs.holds().hold(cid));
                running.phase = Phase::Task;
                self.background(io, async move {
                    let stored = blobs.put(cid, bytes.into()).await;
                    let result = stored.map(|()| Ok(format!("\"{cid}\""))).map_err(|error| HostFault::Unavailable {
                        what: format!("the store for blob {cid}"),
                        detail: error.to_string(),
                    });
                    CellResult::Task { task: task_number, result }
                });
                None
            }
        }
    }

    fn run_inner(&mut self, io: &mut Io) -> Option<String> {
        let running = self.running.as_mut().expect("a turn is driven");
        let inner = running.inner.as_mut().expect("the caller looked");
        match activity::slice(inner.guest.as_mut()) {
            Sliced::More => {
                self.slice_over(io);
                None
            }
            Sliced::NeedsModule | Sliced::Waits(_) | Sliced::Cancelled => unreachable!("it runs, and only computes"),
            Sliced::Done(Err(fault)) => {
                self.abandon(io, &fault);
                None
            }
            Sliced::Done(Ok(result)) => {
                let Inner { guest, verifying } = running.inner.take().expect("the caller looked");
                running.inner_fuel += guest.fuel_used();
                running.inner_span = Span::none();
                let result = match verifying {
                    Some(verifying) => verifying.outcome(io, result),
                    None => result,
                };
                Some(self.finish(io, result.as_deref()))
            }
        }
    }

    pub(super) fn finish(&mut self, io: &mut Io, result: Result<&str, &Failure>) -> String {
        let running = self.running.as_mut().expect("a turn is driven");
        let mut ambient = io.ambient();
        let answer = running.turn.finish(result, &mut ambient);
        self.flush_if_large(io);
        answer
    }

    /// A guest that never waits must not gather more than a segment holds.
    fn flush_if_large(&mut self, io: &mut Io) {
        let Some(running) = self.running.as_ref() else { return };
        if running.turn.pending().bytes() > PENDING_BYTES_MAX {
            self.flush(io);
        }
    }

    pub(super) fn task_done(&mut self, io: &mut Io, task: u64, result: Result<Result<String, Failure>, HostFault>) {
        if !self.is_at_task(task) {
            return;
        }
        self.running.as_mut().expect("just looked").phase = Phase::Ready;
        match result {
            Ok(result) => {
                let answer = self.finish(io, result.as_deref());
                self.drive(io, Some(answer));
                self.go_on(io);
            }
            Err(fault) => self.abandon(io, &fault),
        }
    }

    /// Whether the guest still waits for this task. It may have been interrupted, and have asked for something else.
    pub(super) fn is_at_task(&self, task: u64) -> bool {
        let is_current = |running: &Running| running.phase == Phase::Task && running.guest.is_some();
        self.tasks == task && self.running.as_deref().is_some_and(is_current)
    }

    /// The guest ran long enough; others get their chance. What it did so far is made durable meanwhile.
    fn slice_over(&mut self, io: &mut Io) {
        let running = self.running.as_mut().expect("a turn is driven");
        running.phase = Phase::Sliced;
        self.flush(io);
        io.runnable.push_back(self.address.clone());
    }

    /// The guest waits: start what it asked for, make it durable, and keep the instance if there is room.
    fn rest(&mut self, io: &mut Io) {
        let running = self.running.as_mut().expect("a turn is driven");
        running.phase = Phase::Waiting;
        running.faults = 0;
        // Activities end by themselves; with anything else beside them it may still wait for somebody in line.
        let only_activities = running.turn.outstanding().count() > 0
            && running.turn.outstanding().all(|outstanding| matches!(outstanding.work, Work::Activity { .. }));
        if !only_activities {
            running.place = Place::default();
        }
        io.resident.put(self.address.clone(), io.context.clock.elapsed());
        self.flush(io);
        self.tell_waiting();
        self.stop_if_asked(io);
    }

    /// Tells those who asked for it that the turn waits for somebody outside.
    pub(super) fn tell_waiting(&mut self) {
        let Some(running) = self.running.as_mut() else { return };
        if running.phase != Phase::Waiting || !running.responders.iter().any(|responders| responders.until_waiting) {
            return;
        }
        let mut promises = Vec::new();
        for outstanding in running.turn.outstanding() {
            match outstanding.work {
                Work::Promise { token } => promises.push(token),
                // Something else will go on by itself.
                _ => return,
            }
        }
        let turn = running.turn.opening().turn;
        let (told, rest): (Vec<_>, Vec<_>) =
            running.responders.drain(..).partition(|responders| responders.until_waiting);
        running.responders = rest;
        let settled =
            told.into_iter().map(|responders| (responders, Settled::Waiting { turn, promises: promises.clone() }));
        self.when_durable(settled.collect());
    }

    /// A fault of the host's: the attempt leaves no trace and is made again.
    pub(super) fn abandon(&mut self, io: &mut Io, fault: &HostFault) {
        let running = self.running.as_mut().expect("a turn is driven");
        running.guest = None;
        running.inner = None;
        running.inner_span = Span::none();
        if running.faults == 0 {
            running.faulted_at = io.context.clock.elapsed();
        }
        running.faults = running.faults.saturating_add(1);
        running.phase = Phase::Backoff(fault.to_string());
        io.context.metrics.host_faults.inc();
        tracing::warn!(actor = %self.address, %fault, faults = running.faults, "attempt abandoned, trying again");
        let is_recorded = running.is_recorded;
        let settings = &io.context.settings;
        let factor = 1u32 << (running.faults - 1).min(16);
        let pause = settings.fault_backoff_min.saturating_mul(factor).min(settings.fault_backoff_max);
        let pause = io.context.clock.sleep(pause);
        self.background(io, async move {
            pause.await;
            CellResult::Retry
        });
        if !is_recorded {
            // It may take long, and whoever sent the message waits for it to be durable.
            self.flush_now(io);
        }
    }

    pub(super) fn retry(&mut self, io: &mut Io) {
        let Some(running) = self.running.as_mut() else { return };
        let Phase::Backoff(fault) = &running.phase else { return };
        let faulted_for = io.context.clock.elapsed().saturating_sub(running.faulted_at);
        if faulted_for >= io.context.settings.fault_patience && !self.is_paused {
            let reason = format!("{} host faults in a row, the last: {fault}", running.faults);
            return self.park(io, reason);
        }
        running.phase = Phase::Ready;
        self.go_on(io);
    }

    fn diverged(&mut self, io: &mut Io, divergence: &loom_machine::Divergence) {
        io.context.metrics.divergences.inc();
        tracing::error!(actor = %self.address, "{divergence}");
        let running = self.running.as_mut().expect("a turn is driven");
        let active = io.context.deployments.target(self.address.namespace(), self.address.actor_type());
        let (pinned, active) = (running.turn.opening().deployment_cid, active.map(|target| target.cid));
        let report = divergence::report(divergence, running.started_seq, pinned, active);
        running.guest = None;
        running.inner = None;
        running.phase = Phase::Diverged(report);
        running.place = Place::default();
    }

    /// The turn is over: everything it did becomes durable together, and only then is anybody told.
    fn end(&mut self, io: &mut Io, result: Result<String, Failure>, fuel: u64) {
        let running = self.running.as_mut().expect("a turn is driven");
        running.guest = None;
        running.inner = None;
        let mut ambient = io.ambient();
        let ended = running.turn.end(result, fuel, &mut ambient);
        self.show_logs();
        match ended {
            Err(divergence) => self.diverged(io, &divergence),
            Ok(ended) => self.commit_end(io, ended),
        }
    }

    /// The turn goes on as a new one.
    fn restart(&mut self, io: &mut Io, body: &str, fuel: u64) {
        let running = self.running.as_mut().expect("a turn is driven");
        running.interrupt();
        let mut ambient = io.ambient();
        match running.turn.restart(body, fuel, &mut ambient) {
            Err(divergence) => self.diverged(io, &divergence),
            Ok(Err(failure)) => self.end(io, Err(failure), fuel),
            Ok(Ok(restarted)) => self.commit_restart(io, restarted),
        }
    }

    /// A reply or a resolved promise.
    pub(super) fn outcome_arrived(&mut self, io: &mut Io, step: StepRef, outcome: Outcome, position: Position) {
        match self.running.as_mut().filter(|running| running.turn.opening().turn == step.turn) {
            Some(running) => {
                running.taken.push(position);
                self.complete(io, step.n, outcome, 1, "");
            }
            None => self.keep_books(io, vec![position], Vec::new()),
        }
    }

    /// A timer of the running turn is due.
    pub(super) fn step_timer(&mut self, io: &mut Io, timer: &DueTimer) {
        let n = timer.step.n;
        let running = self.running.as_mut().expect("the caller looked");
        match running.turn.outstanding_work(n) {
            Some(Work::Timer { .. } | Work::Call { .. } | Work::Child { .. } | Work::Receive { .. }) => {
                let mut ambient = io.ambient();
                let completion = running.turn.expire(n, &mut ambient);
                self.completed(io, completion);
            }
            Some(Work::Activity { .. }) if running.jobs.contains_key(&n) => {}
            Some(Work::Activity { .. }) => self.start_activity(io, n, timer.attempts + 1),
            Some(Work::Promise { .. } | Work::Proof { .. }) | None => {
                self.keep_books(io, Vec::new(), vec![TimerWrite::Clear { step: timer.step }]);
            }
        }
    }

    /// Records an outcome and lets the guest go on if it waited for it.
    fn complete(&mut self, io: &mut Io, n: u32, outcome: Outcome, attempts: u32, worker: &str) {
        let running = self.running.as_mut().expect("the caller looked");
        let now_ms = io.context.clock.now_ms();
        let completion = running.turn.complete(n, outcome, attempts, worker, Vec::new(), now_ms);
        self.completed(io, completion);
    }

    /// The same with blobs that back it, at the first attempt.
    pub(super) fn complete_with(&mut self, io: &mut Io, n: u32, outcome: Outcome, worker: &str, evidence: Vec<Cid>) {
        let running = self.running.as_mut().expect("the caller looked");
        let now_ms = io.context.clock.now_ms();
        let completion = running.turn.complete(n, outcome, 1, worker, evidence, now_ms);
        self.completed(io, completion);
    }

    /// Lets the guest go on if it waited for what was just recorded.
    pub(super) fn completed(&mut self, io: &mut Io, completion: Completion) {
        let is_paused = self.is_paused;
        let running = self.running.as_mut().expect("the caller looked");
        let waits = running.phase == Phase::Waiting;
        if is_paused {
            // It is started over when it may run again.
            running.interrupt();
        }
        match completion {
            Completion::Answer(answer) if waits && running.guest.is_some() => {
                running.phase = Phase::Ready;
                self.drive(io, Some(answer));
                self.go_on(io);
            }
            // An evicted guest is started over, and finds the outcome in the journal.
            Completion::Answer(_) | Completion::Recorded if waits && running.guest.is_none() => {
                running.phase = Phase::Ready;
                if is_paused {
                    self.flush(io);
                }
                self.go_on(io);
            }
            Completion::Answer(_) | Completion::Recorded | Completion::Ignored => self.flush(io),
        }
    }

    /// Hands activities to the shards, now that their steps are durable (or need not be).
    pub(super) fn start_activity(&mut self, io: &mut Io, n: u32, attempt: u32) {
        let Some(running) = self.running.as_mut() else { return };
        let Some(Work::Activity { name, input, retry }) = running.turn.outstanding_work(n).cloned() else { return };
        if running.jobs.contains_key(&n) {
            return;
        }
        let Opening { turn, deployment, .. } = running.turn.opening();
        let step = StepRef { turn: *turn, n };
        let spec = match deployment.activities.get(&name).cloned() {
            Some(spec) if attempt <= retry.attempts_max => Ok(spec),
            Some(_) => {
                let text = format!("the node stopped during the last of {} attempts", retry.attempts_max);
                Err(Failure::new("interrupted", text))
            }
            // A reset pinned the turn to this deployment, and kept the step.
            None => {
                let text = format!("deployment '{}' has no activity '{name}' to go on with", deployment.name);
                Err(Failure::new("unknown-activity", text))
            }
        };
        let spec = match spec {
            Ok(spec) => spec,
            Err(failure) => {
                let outcome = Outcome::seal(Err(&failure), &mut io.salts);
                running.books.push(TimerWrite::Clear { step });
                return self.complete(io, n, outcome, attempt.saturating_sub(1).max(1), "");
            }
        };
        running.jobs.insert(n, attempt);
        let span = trace::activity(&running.span, &name, Some(n), attempt);
        let cancelled = running.over.token().clone();
        let job = Job { address: self.address.clone(), step, attempt, spec, input, span, cancelled };
        if attempt > 1 && job.spec.is_effectful() {
            io.context.metrics.activity_retries.inc();
            // Counted before it begins, so that a crash counts too.
            running.books.push(TimerWrite::Set { step, due_ms: UNDER_WAY, attempts: attempt });
            self.flush_then_run(io, job);
        } else {
            io.run_activity(job);
        }
    }

    /// After a restart: activities that were under way are tried again, and proofs asked for again.
    pub(super) fn restart_work(&mut self, io: &mut Io, timers: &[TimerRecord]) {
        let Some(running) = self.running.as_ref() else { return };
        let deployment = running.turn.opening().deployment.clone();
        let lost: Vec<_> = running
            .turn
            .outstanding()
            .filter_map(|outstanding| match outstanding.work {
                Work::Activity { name, .. } => {
                    let is_effectful = deployment.activities.get(&name).is_some_and(|spec| spec.is_effectful());
                    let row = timers.iter().find(|timer| timer.step.n == outstanding.n);
                    match row {
                        _ if !is_effectful => Some((outstanding.n, 1)),
                        None => Some((outstanding.n, 2)),
                        Some(row) if row.due_ms == UNDER_WAY => Some((outstanding.n, row.attempts + 1)),
                        // It waits for its next attempt, and the timer brings it.
                        Some(_) => None,
                    }
                }
                _ => None,
            })
            .collect();
        let proofs = running.turn.outstanding().filter(|outstanding| matches!(outstanding.work, Work::Proof { .. }));
        let proofs: Vec<_> = proofs.map(|outstanding| outstanding.n).collect();
        for (n, attempt) in lost {
            self.start_activity(io, n, attempt);
        }
        for n in proofs {
            self.start_proof(io, n, 0);
        }
    }

    pub(super) fn activity_done(&mut self, io: &mut Io, job: Job, attempted: Attempted) {
        let Some(running) = self.running.as_mut().filter(|running| running.turn.opening().turn == job.step.turn) else {
            return;
        };
        let n = job.step.n;
        if running.jobs.get(&n) != Some(&job.attempt) {
            return;
        }
        running.jobs.remove(&n);
        // A cancellation may have been its outcome.
        let Some(Work::Activity { retry, .. }) = running.turn.outstanding_work(n).cloned() else { return };
        match attempted {
            Err(fault) => {
                tracing::warn!(actor = %self.address, step = %job.step, %fault, "activity abandoned, trying again");
                io.context.metrics.host_faults.inc();
                running.jobs.insert(n, job.attempt);
                let (step, attempt) = (job.step, job.attempt);
                let pause = io.context.clock.sleep(io.context.settings.fault_backoff_min);
                self.background(io, async move {
                    pause.await;
                    CellResult::RetryActivity { step, attempt }
                });
            }
            Ok(Err(failure)) if failure.retryable && job.spec.is_effectful() && job.attempt < retry.attempts_max => {
                let due_ms = io.context.clock.now_ms().saturating_add(retry.backoff_ms(job.attempt));
                running.books.push(TimerWrite::Set { step: job.step, due_ms, attempts: job.attempt });
                tracing::info!(actor = %self.address, step = %job.step, attempt = job.attempt, %failure, "activity will be retried");
                self.flush(io);
            }
            Ok(result) => {
                if job.attempt > 1 {
                    running.books.push(TimerWrite::Clear { step: job.step });
                }
                let outcome = Outcome::seal(result.as_deref(), &mut io.salts);
                let worker = io.context.settings.worker.clone();
                self.complete(io, n, outcome, job.attempt, &worker);
            }
        }
    }

    pub(super) fn retry_activity(&mut self, io: &mut Io, step: StepRef, attempt: u32) {
        let Some(running) = self.running.as_mut().filter(|running| running.turn.opening().turn == step.turn) else {
            return;
        };
        if running.jobs.get(&step.n) == Some(&attempt) {
            running.jobs.remove(&step.n);
            self.start_activity(io, step.n, attempt);
        }
    }
}

enum Started {
    Yes,
    Later,
    Failed(Failure),
    Fault(HostFault),
}
