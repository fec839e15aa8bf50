//! Commits: what is handed to the store, and what happens when it is durable.

use loom_machine::{Effect, Ended, MessageKind, Outcome, Pending, Restarted};
use loom_storage::{
    Admission, Commit, CommitError, Hold, Lane, NewDeadLetter, NewPromise, OutgoingCancel, OutgoingMessage,
    OutgoingOutcome, Position, StateWrite, TimerWrite,
};
use loom_types::{ActorAddress, MessageId, Payload, Segment, SequenceNumber, StepRef, TurnNumber};

use super::{Live, Phase};
use crate::{
    ControlError, SendError, Settled,
    activity::Job,
    causes,
    deployments::Target,
    shard::{CellResult, ControlResponder, Event, Io, Responders},
    trace::{self, CommitSpans},
};

/// A commit under way and what waits for it.
#[derive(Default)]
pub(crate) struct InFlight {
    admissions: Vec<Admission>,
    /// Clients' messages that it answers: each with the turn that did, and how.
    answers: Vec<(MessageId, TurnNumber, Outcome)>,
    /// Whether it ends a turn, and then whether that failed.
    ended: Option<bool>,
    controlled: Vec<ControlResponder>,
    settle: Vec<(Responders, Settled)>,
    /// The turn whose message is durable with this commit; by then another may run.
    accept: Option<TurnNumber>,
    wake: Vec<(ActorAddress, Lane)>,
    /// Steps whose work begins when this is durable.
    begins: Vec<StepRef>,
    jobs: Vec<Job>,
    alarm_ms: Option<u64>,
    dead_letters: Vec<NewDeadLetter>,
    entries: u64,
    steps: u64,
    turn_started_at: Option<std::time::Duration>,
    /// Blobs that its entries name; let go of when it has returned.
    _holds: Vec<Hold>,
    spans: CommitSpans,
}

impl InFlight {
    pub(crate) fn admission_of(&self, id: &MessageId) -> Option<&Admission> {
        self.admissions.iter().rev().find(|admission| admission.id == *id)
    }

    pub(crate) fn ends_message(&self, id: &MessageId) -> bool {
        self.answers.iter().any(|(answered, ..)| answered == id)
    }

    /// Tells one more client how its message was answered, when that is durable.
    pub(crate) fn follow(&mut self, id: &MessageId, responders: Responders) {
        if let Some((_, turn, outcome)) = self.answers.iter().find(|(answered, ..)| answered == id) {
            let settled = ended(*turn, outcome);
            self.settle.push((responders, settled));
        }
    }

    fn answer(&mut self, id: MessageId, turn: TurnNumber, outcome: &Outcome, responders: Vec<Responders>) {
        self.settle.extend(responders.into_iter().map(|responders| (responders, ended(turn, outcome))));
        self.answers.push((id, turn, outcome.clone()));
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
        self.flush_now(io);
    }

    /// Hands in what the running turn has done.
    pub(super) fn flush_now(&mut self, io: &mut Io) {
        let Some(running) = self.running.as_mut() else { return };
        let pending = running.turn.take_pending();
        let (taken, books) = (std::mem::take(&mut running.taken), std::mem::take(&mut running.books));
        let opening = if running.is_recorded { None } else { running.admission.clone() };
        running.is_recorded = true;
        let admissions = opening.into_iter().chain(running.admitted.drain(..)).collect();
        let accept = Some(running.turn.opening().turn);
        let _holds = std::mem::take(&mut running.holds);
        let in_flight =
            InFlight { accept, admissions, _holds, spans: CommitSpans::of(&running.span), ..InFlight::default() };
        let open_turn = Some(running.started_seq);
        let needs_worker = running.needs_worker();
        self.hand_in(
            io,
            pending.into(),
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
        // A turn that has not reached the store yet does not show in the books either. And what it has yet to hand in may
        // be the outcome for which nothing needs the row any more: without it, the row must not go.
        if let Some(running) = self.running.as_mut()
            && (!running.is_recorded || !running.turn.pending().is_empty())
        {
            running.taken.extend(taken);
            running.books.extend(timers);
            return;
        }
        self.hand_in(io, Pending::default().into(), InFlight::default(), taken, timers, standing);
    }

    /// Turns messages that cannot be read into dead letters. To be called while no turn is open.
    pub(super) fn put_aside(&mut self, io: &mut Io) {
        // An actor without a journal has nothing to commit to yet.
        if self.unreadable.is_empty() || self.chain.head.is_none() {
            return;
        }
        let (taken, dead_letters) = self.unreadable.drain(..).unzip();
        let in_flight = InFlight { dead_letters, ..InFlight::default() };
        let standing = Standing { open_turn: None, needs_worker: false, state: StateWrite::Keep };
        self.hand_in(io, Pending::default().into(), in_flight, taken, Vec::new(), standing);
    }

    /// Hands in the turn's end.
    pub(super) fn commit_end(&mut self, io: &mut Io, ended: Ended) {
        let Ended { outcome, state } = ended;
        let cancels = self.cancels_of_running();
        let (pending, mut in_flight, mut taken, books) = self.close_turn(io, matches!(outcome, Outcome::Err(_)));
        taken.extend(cancels);
        let mut running = self.running.take().expect("a turn ends");
        in_flight.controlled.extend(running.stopping.take().and_then(|stopping| stopping.responder));
        let turn = running.turn.opening().turn;
        if let Some(admission) = running.admission.take() {
            let seq = SequenceNumber(self.chain.next_seq.0 + pending.entries.len() as u64 - 1);
            let responders = running.responders.drain(..).collect();
            in_flight.answer(admission.id.clone(), turn, &outcome, responders);
            in_flight.admissions.push(Admission { ended: Some(seq), ..admission });
        } else {
            let responders = running.responders.drain(..);
            in_flight.settle.extend(responders.map(|responders| (responders, self::ended(turn, &outcome))));
        }
        let opening = running.turn.opening();
        let nobody_waits = opening.message.kind == MessageKind::Send && matches!(outcome, Outcome::Err(_));
        if nobody_waits || running.is_parked {
            // Nobody would learn of it, or learn enough to send it again when the host is well.
            let reason = outcome.to_result().err().map_or_else(String::new, |failure| failure.to_string());
            let (message, payload) = (opening.message.id.clone(), opening.message_payload.clone());
            in_flight.dead_letters.push(NewDeadLetter { message, payload, reason });
        }
        let standing = Standing { open_turn: None, needs_worker: false, state: self.state_write(state) };
        self.hand_in(io, pending.into(), in_flight, taken, books, standing);
    }

    /// Hands in the end of one turn and the start of the next, which goes on with the same message.
    pub(super) fn commit_restart(&mut self, io: &mut Io, restarted: Restarted) {
        let Restarted { message, payload, state } = restarted;
        let (pending, mut in_flight, taken, books) = self.close_turn(io, false);
        let running = self.running.take().expect("a turn ends");
        let before = running.turn.opening();
        let state = self.state_write(state);
        let target = io.context.deployments.target(self.address.namespace(), self.address.actor_type());
        let target = target.unwrap_or_else(|| {
            let (cid, deployment) = (before.deployment_cid, before.deployment.clone());
            let spec = deployment.actors[self.address.actor_type()].clone();
            Target { cid, deployment, spec, gates: Vec::new() }
        });
        self.turn = self.turn.next();
        let mut turn = self.open(io, message, payload, target, false);
        let next = turn.take_pending();
        let started_seq = SequenceNumber(self.chain.next_seq.0 + pending.entries.len() as u64);
        let admission = running.admission.map(|admission| Admission { turn: self.turn, ..admission });
        in_flight.accept = Some(self.turn);
        in_flight.admissions.extend(admission.clone());
        let elapsed = io.context.clock.elapsed();
        let mut successor = super::Running::new(turn, started_seq, admission, running.responders, elapsed);
        successor.is_recorded = true;
        successor.span = trace::turn(&self.address, self.turn.0, false, trace::context(&running.span).as_ref());
        // Whoever wants the message's guest to stop wants it still.
        successor.stopping = running.stopping;
        successor.place = running.place;
        self.running = Some(Box::new(successor));
        let standing = Standing { open_turn: Some(started_seq), needs_worker: true, state };
        self.hand_in(io, Batch { pending, next: Some(next) }, in_flight, taken, books, standing);
    }

    /// What the end of the running turn takes along.
    fn close_turn(&mut self, io: &mut Io, failed: bool) -> (Pending, InFlight, Vec<Position>, Vec<TimerWrite>) {
        let running = self.running.as_mut().expect("a turn ends");
        running.interrupt();
        let in_flight = InFlight {
            admissions: running.admitted.drain(..).collect(),
            ended: Some(failed),
            turn_started_at: Some(running.started_at),
            _holds: std::mem::take(&mut running.holds),
            spans: CommitSpans::of(&running.span),
            ..InFlight::default()
        };
        io.resident.pop(&self.address);
        (running.turn.take_pending(), in_flight, std::mem::take(&mut running.taken), std::mem::take(&mut running.books))
    }

    pub(super) fn state_write(&mut self, state: Option<Payload>) -> StateWrite {
        let before = self.state.as_ref().map(Payload::cid);
        let write = match &state {
            Some(after) if before == Some(after.cid()) => StateWrite::Keep,
            Some(after) => StateWrite::Set(after.clone()),
            None if before.is_none() => StateWrite::Keep,
            None => StateWrite::Clear,
        };
        self.state = state;
        write
    }

    /// Hands in what an operator did while no turn was open.
    pub(super) fn commit_control(
        &mut self,
        io: &mut Io,
        pending: Pending,
        state: StateWrite,
        responder: ControlResponder,
    ) {
        let in_flight = InFlight { controlled: vec![responder], ..InFlight::default() };
        let standing = Standing { open_turn: None, needs_worker: false, state };
        self.hand_in(io, pending.into(), in_flight, Vec::new(), Vec::new(), standing);
    }

    /// Tells an operator when everything handed in so far is durable.
    pub(super) fn when_controlled(&mut self, responder: ControlResponder) {
        match self.commits.back_mut() {
            Some(in_flight) => in_flight.controlled.push(responder),
            None => responder.done(),
        }
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
        batch: Batch,
        mut in_flight: InFlight,
        taken: Vec<Position>,
        books: Vec<TimerWrite>,
        standing: Standing,
    ) {
        let expected_seq = self.chain.next_seq;
        let Batch { pending, next } = batch;
        let is_step = |body: &loom_types::EntryBody| matches!(body, loom_types::EntryBody::Step { .. });
        in_flight.steps = pending.entries.iter().filter(|(_, body)| is_step(body)).count() as u64;
        // The turn that was open when this was done, or none.
        let turn = match (&next, in_flight.ended.is_some() || self.running.is_some()) {
            (Some(_), _) => TurnNumber(self.turn.0 - 1),
            (None, true) => self.turn,
            (None, false) => TurnNumber(0),
        };
        let mut entries = self.chain.append(&self.address, turn, pending.entries);
        // Before the entries of a turn that begins in the same commit: the log has where the actor came to rest.
        let is_at_rest = in_flight.ended.is_some() || standing.open_turn.is_none();
        let leaf = if is_at_rest { entries.last().and(self.chain.leaf()) } else { None };
        let mut payloads = pending.payloads;
        if let Some(next) = next {
            entries.extend(self.chain.append(&self.address, self.turn, next.entries));
            payloads.extend(next.payloads);
        }
        in_flight.entries = entries.len() as u64;
        in_flight.spans.begin(in_flight.entries);
        let head = self.chain.head.expect("a journal that is written to has a head");
        let (actor, segment, at_ms) = (self.address.clone(), Segment { entries, payloads }, io.context.clock.now_ms());
        let mut commit = Commit {
            turn: self.turn,
            open_turn: standing.open_turn,
            needs_worker: standing.needs_worker,
            is_paused: self.is_paused,
            state: standing.state,
            taken,
            dead_letters: std::mem::take(&mut in_flight.dead_letters),
            leaf,
            ..Commit::of_segment(actor, self.token, expected_seq, segment, head, at_ms)
        };
        for effect in pending.effects {
            self.add_effect(io, turn, effect, &mut commit, &mut in_flight);
        }
        commit.admissions = in_flight.admissions.clone();
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

    fn add_effect(
        &mut self,
        io: &mut Io,
        turn: TurnNumber,
        effect: Effect,
        commit: &mut Commit,
        in_flight: &mut InFlight,
    ) {
        let step = |n: u32| StepRef { turn, n };
        match effect {
            Effect::Send { message, payload, not_before_ms } => {
                if not_before_ms.is_none() {
                    in_flight.wake.push((message.to.clone(), Lane::Messages));
                }
                io.context.traces.put(&message.id, &in_flight.spans.turn);
                debug_assert!(matches!(message.kind, MessageKind::Call | MessageKind::Send));
                commit.messages.push(OutgoingMessage { to: message.to, id: message.id, payload, not_before_ms });
            }
            Effect::Reply { to, step, outcome } => {
                in_flight.wake.push((to.clone(), Lane::Outcomes));
                let (result, payload) = (outcome.resolution(), outcome.payload().clone());
                commit.outcomes.push(OutgoingOutcome { to, step, result, payload });
            }
            Effect::Answer { message, outcome, entry } => {
                let seq = SequenceNumber(commit.expected_seq.0 + entry as u64);
                let responders = self.received.remove(&message.id).unwrap_or_default();
                let body_digest = crate::handle::body_digest(&message.body);
                in_flight.answer(message.id.clone(), turn, &outcome, responders);
                in_flight.admissions.push(Admission { id: message.id, body_digest, turn, ended: Some(seq) });
            }
            Effect::Cancel { to, message } => {
                in_flight.wake.push((to.clone(), Lane::Outcomes));
                commit.cancels.push(OutgoingCancel { to, message });
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
                    in_flight.begins.push(step(n));
                }
            }
            Effect::StartProof { n } => in_flight.begins.push(step(n)),
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
        if in_flight.entries > 0 {
            io.context.watchers.committed(&self.address);
        }
        if !in_flight.answers.is_empty() {
            self.ended += 1;
        }
        if let Some(failed) = in_flight.ended {
            self.ended += 1;
            metrics.turns_ended.inc();
            if failed {
                metrics.turns_failed.inc();
                in_flight.spans.failed();
            }
        }
        if let Some(started_at) = in_flight.turn_started_at {
            metrics.turn_seconds.observe(io.context.clock.elapsed().saturating_sub(started_at).as_secs_f64());
        }
        // Before anybody is told: what a client sends then must not overtake what this turn sent.
        for (actor, lane) in in_flight.wake {
            io.context.tell(&actor, Event::Arrived(actor.clone(), lane));
        }
        for (responders, settled) in in_flight.settle {
            responders.settle(settled);
        }
        in_flight.controlled.into_iter().for_each(ControlResponder::done);
        if let Some(running) = self.running.as_mut().filter(|running| in_flight.accept == Some(running.number())) {
            running.is_durable = true;
            running.responders.iter_mut().for_each(Responders::accept);
        }
        if let Some(due_ms) = in_flight.alarm_ms {
            io.context.alarm.set(due_ms);
        }
        for step in in_flight.begins {
            // The turn that asked for it may be over; then nobody wants it any more, least of all another turn.
            if self.running.as_ref().is_some_and(|running| running.number() == step.turn) {
                self.start_activity(io, step.n, 1);
                self.start_proof(io, step.n, 0);
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
            for responder in in_flight.controlled {
                responder.fail(ControlError::Store(error.to_string()));
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
        let received = self.received.drain();
        for delivery in self.entering.drain().flat_map(|(_, waiting)| waiting) {
            delivery.responders.fail(error.clone());
        }
        for responders in self.followers.drain().chain(received).flat_map(|(_, responders)| responders) {
            responders.fail(error.clone());
        }
    }
}

/// Entries of the open turn, and of the turn that begins where it ends.
struct Batch {
    pending: Pending,
    next: Option<Pending>,
}

impl From<Pending> for Batch {
    fn from(pending: Pending) -> Self {
        Self { pending, next: None }
    }
}

/// How the actor stands after a commit.
struct Standing {
    open_turn: Option<SequenceNumber>,
    needs_worker: bool,
    state: StateWrite,
}
