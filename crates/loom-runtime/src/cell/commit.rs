//! Commits: what is handed to the store, and what happens when it is durable.

use loom_machine::{Effect, MessageKind, Outcome, Pending};
use loom_storage::{
    Admission, Commit, CommitError, Lane, NewPromise, OutgoingMessage, OutgoingOutcome, Position, StateWrite,
    TimerWrite,
};
use loom_types::{ActorAddress, MessageId, Payload, Segment, SequenceNumber, StepRef, TurnNumber};

use super::{Live, Phase};
use crate::{
    SendError, Settled,
    activity::Job,
    causes,
    shard::{CellResult, Event, Io, Responders},
};

/// A commit under way and what waits for it.
#[derive(Default)]
pub(crate) struct InFlight {
    admission: Option<Admission>,
    /// The turn that it ends, and how.
    ended: Option<(TurnNumber, Outcome)>,
    settle: Vec<(Responders, Settled)>,
    /// The turn whose message is durable with this commit; by then another may run.
    accept: Option<TurnNumber>,
    wake: Vec<(ActorAddress, Lane)>,
    activities: Vec<StepRef>,
    jobs: Vec<Job>,
    alarm_ms: Option<u64>,
    entries: u64,
    steps: u64,
    turn_started_at: Option<std::time::Duration>,
}

impl InFlight {
    pub(crate) fn admission_of(&self, id: &MessageId) -> Option<&Admission> {
        self.admission.as_ref().filter(|admission| admission.id == *id)
    }

    pub(crate) fn ends_message(&self, id: &MessageId) -> bool {
        self.ended.is_some() && self.admission_of(id).is_some()
    }

    /// Tells one more client how the turn ended, when that is durable.
    pub(crate) fn follow(&mut self, responders: Responders) {
        if let Some((turn, outcome)) = &self.ended {
            let settled = ended(*turn, outcome);
            self.settle.push((responders, settled));
        }
    }
}

fn ended(turn: TurnNumber, outcome: &Outcome) -> Settled {
    Settled::Ended { turn, result: outcome.to_result().map(str::to_owned) }
}

impl Live {
    /// Hands in what the running turn has done, if anything needs to be durable by now.
    pub(super) fn flush(&mut self, io: &mut Io) {
        let Some(running) = self.running.as_mut() else { return };
        let is_empty = running.turn.pending().is_empty() && running.taken.is_empty() && running.books.is_empty();
        if is_empty || self.only_waits_for_pure_work(io) {
            return;
        }
        let running = self.running.as_mut().expect("just looked");
        let pending = running.turn.take_pending();
        let (taken, books) = (std::mem::take(&mut running.taken), std::mem::take(&mut running.books));
        let admission = if running.is_recorded { None } else { running.admission.clone() };
        running.is_recorded = true;
        let accept = Some(running.turn.opening().turn);
        let in_flight = InFlight { accept, admission, ..InFlight::default() };
        let open_turn = Some(running.started_seq);
        let needs_worker = running.needs_worker();
        self.hand_in(
            io,
            pending,
            in_flight,
            taken,
            books,
            Standing { open_turn, needs_worker, state: StateWrite::Keep },
        );
    }

    /// Pure work needs no sync: after a crash it is computed again. Its activities start right away.
    fn only_waits_for_pure_work(&mut self, io: &mut Io) -> bool {
        let Some(running) = self.running.as_ref() else { return false };
        if running.phase != Phase::Waiting || !running.taken.is_empty() || !running.books.is_empty() {
            return false;
        }
        let deployment = running.turn.opening().deployment.clone();
        let is_pure = |work: &loom_machine::Work| match work {
            loom_machine::Work::Activity { name, .. } => {
                deployment.activities.get(name).is_some_and(|spec| !spec.is_effectful())
            }
            _ => false,
        };
        let mut outstanding = running.turn.outstanding().peekable();
        if outstanding.peek().is_none() || !outstanding.all(|outstanding| is_pure(&outstanding.work)) {
            return false;
        }
        let starts = |effect: &Effect| match effect {
            Effect::StartActivity { n } => Some(*n),
            _ => None,
        };
        let started: Vec<u32> = running.turn.pending().effects.iter().filter_map(starts).collect();
        drop(outstanding);
        for n in started {
            self.start_activity(io, n, 1);
        }
        true
    }

    /// Hands in books first, then lets an attempt begin.
    pub(super) fn flush_then_run(&mut self, io: &mut Io, job: Job) {
        self.flush(io);
        match self.commits.back_mut() {
            Some(in_flight) => in_flight.jobs.push(job),
            None => io.run_activity(job),
        }
    }

    /// Clears rows that nothing needs any more.
    pub(super) fn keep_books(&mut self, io: &mut Io, taken: Vec<Position>, timers: Vec<TimerWrite>) {
        if self.chain.head.is_none() {
            return;
        }
        let running = self.running.as_ref();
        let standing = Standing {
            open_turn: running.filter(|running| running.is_recorded).map(|running| running.started_seq),
            needs_worker: running.is_some_and(|running| running.needs_worker()),
            state: StateWrite::Keep,
        };
        // A turn that has not reached the store yet does not show in the books either.
        if self.running.as_ref().is_some_and(|running| !running.is_recorded) {
            self.running.as_mut().expect("just looked").taken.extend(taken);
            self.running.as_mut().expect("just looked").books.extend(timers);
            return;
        }
        self.hand_in(io, Pending::default(), InFlight::default(), taken, timers, standing);
    }

    /// Hands in the turn's end.
    pub(super) fn commit_end(&mut self, io: &mut Io, outcome: &Outcome, state: Option<Payload>) {
        let mut running = self.running.take().expect("a turn ends");
        let pending = running.turn.take_pending();
        let turn = running.turn.opening().turn;
        let seq = SequenceNumber(self.chain.next_seq.0 + pending.entries.len() as u64 - 1);
        let admission = running.admission.take().map(|admission| Admission { ended: Some(seq), ..admission });
        let settle = running.responders.drain(..).map(|responders| (responders, ended(turn, outcome))).collect();
        let in_flight = InFlight {
            admission,
            ended: Some((turn, outcome.clone())),
            settle,
            turn_started_at: Some(running.started_at),
            ..InFlight::default()
        };
        let before = self.state.as_ref().map(Payload::cid);
        let state_write = match &state {
            Some(after) if before == Some(after.cid()) => StateWrite::Keep,
            Some(after) => StateWrite::Set(after.clone()),
            None if before.is_none() => StateWrite::Keep,
            None => StateWrite::Clear,
        };
        self.state = state;
        let standing = Standing { open_turn: None, needs_worker: false, state: state_write };
        self.hand_in(io, pending, in_flight, running.taken, running.books, standing);
    }

    /// Tells people something when everything handed in so far is durable.
    pub(super) fn when_durable(&mut self, settle: Vec<(Responders, Settled)>) {
        match self.commits.back_mut() {
            Some(in_flight) => in_flight.settle.extend(settle),
            None => settle.into_iter().for_each(|(responders, settled)| responders.settle(settled)),
        }
    }

    fn hand_in(
        &mut self,
        io: &mut Io,
        pending: Pending,
        mut in_flight: InFlight,
        taken: Vec<Position>,
        books: Vec<TimerWrite>,
        standing: Standing,
    ) {
        let expected_seq = self.chain.next_seq;
        let is_step = |body: &loom_types::EntryBody| matches!(body, loom_types::EntryBody::Step { .. });
        in_flight.steps = pending.entries.iter().filter(|(_, body)| is_step(body)).count() as u64;
        in_flight.entries = pending.entries.len() as u64;
        let entries = self.chain.append(&self.address, self.turn, pending.entries);
        let mut commit = Commit {
            actor: self.address.clone(),
            token: self.token,
            expected_seq,
            segment: Segment { entries, payloads: pending.payloads },
            head: self.chain.head.expect("a journal that is written to has a head"),
            turn: self.turn,
            open_turn: standing.open_turn,
            needs_worker: standing.needs_worker,
            state: standing.state,
            taken,
            admissions: in_flight.admission.iter().cloned().collect(),
            messages: Vec::new(),
            outcomes: Vec::new(),
            timers: Vec::new(),
            promises_created: Vec::new(),
            promises_cleared: Vec::new(),
            at_ms: io.context.clock.now_ms(),
        };
        for effect in pending.effects {
            self.add_effect(io, effect, &mut commit, &mut in_flight);
        }
        commit.timers.extend(books);
        let due = commit.timers.iter().filter_map(|write| match write {
            TimerWrite::Set { due_ms, .. } => Some(*due_ms),
            TimerWrite::Clear { .. } => None,
        });
        in_flight.alarm_ms = due.chain(commit.messages.iter().filter_map(|message| message.not_before_ms)).min();
        let committed = io.context.storage.journal.commit(commit);
        self.commits.push_back(in_flight);
        self.background(io, async move { CellResult::Committed(committed.await) });
    }

    fn add_effect(&mut self, io: &mut Io, effect: Effect, commit: &mut Commit, in_flight: &mut InFlight) {
        let turn = self.turn;
        let step = |n: u32| StepRef { turn, n };
        match effect {
            Effect::Send { message, payload, not_before_ms } => {
                if not_before_ms.is_none() {
                    in_flight.wake.push((message.to.clone(), Lane::Messages));
                }
                debug_assert!(matches!(message.kind, MessageKind::Call | MessageKind::Send));
                commit.messages.push(OutgoingMessage { to: message.to, id: message.id, payload, not_before_ms });
            }
            Effect::Reply { to, step, outcome } => {
                in_flight.wake.push((to.clone(), Lane::Outcomes));
                let (result, payload) = (outcome.resolution(), outcome.payload().clone());
                commit.outcomes.push(OutgoingOutcome { to, step, result, payload });
            }
            Effect::SetTimer { n, due_ms } => {
                commit.timers.push(TimerWrite::Set { step: step(n), due_ms, attempts: 0 })
            }
            Effect::ClearTimer { n, .. } => commit.timers.push(TimerWrite::Clear { step: step(n) }),
            Effect::CreatePromise { n, token, label, data } => {
                commit.promises_created.push(NewPromise { token, step: step(n), label, data });
            }
            Effect::ClearPromise { token } => commit.promises_cleared.push(token),
            Effect::StartActivity { n } => {
                if self.is_pure_activity(n) {
                    self.start_activity(io, n, 1);
                } else {
                    in_flight.activities.push(step(n));
                }
            }
        }
    }

    fn is_pure_activity(&self, n: u32) -> bool {
        let Some(running) = &self.running else { return false };
        match running.turn.outstanding_work(n) {
            Some(loom_machine::Work::Activity { name, .. }) => {
                let activities = &running.turn.opening().deployment.activities;
                activities.get(name).is_some_and(|spec| !spec.is_effectful())
            }
            _ => false,
        }
    }

    /// A commit is durable: what waited for it happens now. Or it failed, and nothing of it does.
    pub(super) fn committed(&mut self, io: &mut Io, result: Result<(), CommitError>) {
        let Some(in_flight) = self.commits.pop_front() else { return };
        let metrics = &io.context.metrics;
        if let Err(error) = result {
            metrics.commits_failed.inc();
            tracing::warn!(actor = %self.address, error = %causes(&error), "commit failed; reading the actor again");
            self.fail(in_flight, &error);
            return;
        }
        metrics.commits.inc();
        metrics.entries.inc_by(in_flight.entries);
        metrics.steps.inc_by(in_flight.steps);
        if let Some((_, outcome)) = &in_flight.ended {
            self.ended += 1;
            metrics.turns_ended.inc();
            if matches!(outcome, Outcome::Err(_)) {
                metrics.turns_failed.inc();
            }
        }
        if let Some(started_at) = in_flight.turn_started_at {
            metrics.turn_seconds.observe(io.context.clock.elapsed().saturating_sub(started_at).as_secs_f64());
        }
        for (responders, settled) in in_flight.settle {
            responders.settle(settled);
        }
        if let Some(running) = self.running.as_mut().filter(|running| in_flight.accept == Some(running.number())) {
            running.responders.iter_mut().for_each(Responders::accept);
        }
        for (actor, lane) in in_flight.wake {
            io.context.tell(&actor, Event::Arrived(actor.clone(), lane));
        }
        if let Some(due_ms) = in_flight.alarm_ms {
            io.context.alarm.set(due_ms);
        }
        for step in in_flight.activities {
            // The turn that asked for it may be over; then nobody wants it any more, least of all another turn.
            if self.running.as_ref().is_some_and(|running| running.number() == step.turn) {
                self.start_activity(io, step.n, 1);
            }
        }
        for job in in_flight.jobs {
            io.run_activity(job);
        }
        self.go_on(io);
    }

    fn fail(&mut self, in_flight: InFlight, error: &CommitError) {
        self.failed = true;
        let error = SendError::Store(causes(error));
        let later = self.commits.drain(..).collect::<Vec<_>>();
        for in_flight in std::iter::once(in_flight).chain(later) {
            for (responders, _) in in_flight.settle {
                responders.fail(error.clone());
            }
        }
        if let Some(running) = self.running.take() {
            for responders in running.responders {
                responders.fail(error.clone());
            }
        }
        for queued in self.inbox.drain(..) {
            for responders in queued.responders {
                responders.fail(error.clone());
            }
        }
        for responders in self.followers.drain().flat_map(|(_, responders)| responders) {
            responders.fail(error.clone());
        }
    }
}

/// How the actor stands after a commit.
struct Standing {
    open_turn: Option<SequenceNumber>,
    needs_worker: bool,
    state: StateWrite,
}
