//! One run of an actor: the real turn, and a world that answers from the script.

use std::collections::BTreeMap;

use loom_machine::{Completion, Failure, Message, Outcome, Reaction, Task, Turn, Work};
use loom_types::{Payload, media_type};

use crate::{
    bench::Bench,
    problem::Problem,
    script::{Answer, Step},
    steps::Steps,
    world::World,
};

/// What stands in the journal as the worker of an activity.
const WORKER: &str = "harness";

/// The host of one turn.
pub(crate) struct Host<'a, 's> {
    pub(crate) turn: Turn,
    pub(crate) world: &'a mut World,
    steps: &'a mut Steps<'s>,
    bench: &'a Bench<'a>,
    /// What is on its way: when it arrives, for which step.
    arrivals: BTreeMap<(u64, u32), Arrival>,
    /// Steps below this number were looked at.
    seen: u32,
}

/// What comes from outside.
enum Arrival {
    /// The step's outcome.
    Outcome(Result<String, Failure>),
    /// A message with this body, for a step that receives.
    Message(String),
    /// The step's time: a timer, or a deadline.
    Due,
}

/// How the host reacts to a request.
pub(crate) enum Answered {
    /// The guest goes on with this.
    GoOn(String),
    /// The turn ends, and a new one handles this body.
    Restart(String),
    /// The turn broke a limit.
    End(Failure),
}

impl<'a, 's> Host<'a, 's> {
    pub(crate) fn new(turn: Turn, world: &'a mut World, steps: &'a mut Steps<'s>, bench: &'a Bench<'a>) -> Self {
        Self { turn, world, steps, bench, arrivals: BTreeMap::new(), seen: 0 }
    }

    /// Answers a request of the guest, advancing the clock as far as the guest has to wait.
    pub(crate) fn answer(&mut self, text: &str) -> Result<Answered, Problem> {
        let bench = self.bench;
        let step = self.steps.take(text, |activity| bench.is_pure(activity))?;
        let reaction = self.turn.request(text, &mut self.world.ambient());
        let reaction = reaction.map_err(|divergence| Problem::new("the turn diverged").actual(divergence))?;
        let is_outstanding = self.schedule(step);
        let answer = match reaction {
            Reaction::Fail(failure) => return Ok(Answered::End(failure)),
            Reaction::Restart(body) => return Ok(Answered::Restart(body)),
            Reaction::Run(task) => return self.perform(task, step).map(Answered::GoOn),
            Reaction::Wait => self.wait()?,
            Reaction::Answer(answer) => {
                refuse_unused_answer(step, is_outstanding, &answer)?;
                answer
            }
        };
        Ok(Answered::GoOn(answer))
    }

    /// Keeps what the guest has logged for the report.
    pub(crate) fn keep_logs(&mut self) {
        let lines = self.turn.take_logs().into_iter().map(|line| {
            let fields = line.fields.map(|fields| format!(" {fields}")).unwrap_or_default();
            format!("{} {}{fields}", line.level, line.message)
        });
        self.world.logs.extend(lines);
    }

    /// Plans when a new outstanding step gets its outcome. Says whether there is one.
    fn schedule(&mut self, step: Option<&Step>) -> bool {
        let seen = self.seen;
        let Some(new) = self.turn.outstanding().filter(|outstanding| outstanding.n >= seen).last() else {
            return false;
        };
        self.seen = new.n + 1;
        let now = self.world.now_ms;
        if let Some(due_ms) = due_ms(&new.work) {
            self.arrivals.insert((due_ms, new.n), Arrival::Due);
        }
        let scripted = step.and_then(|step| step.answer.as_ref().map(|answer| (answer, step.after_ms)));
        match (scripted, new.work) {
            // What comes at the very deadline comes in time.
            (Some((Answer::Ok(body), after_ms)), Work::Receive { .. }) => {
                let message = Arrival::Message(body.get().to_owned());
                self.arrivals.insert((now.saturating_add(after_ms), new.n), message);
            }
            (Some((answer, after_ms)), _) => {
                let outcome = Arrival::Outcome(result(answer));
                self.arrivals.insert((now.saturating_add(after_ms), new.n), outcome);
            }
            // A pure activity that was started beside the turn is run when it is waited for.
            (None, Work::Activity { name, input, .. }) => {
                if let Ok(result) = self.bench.run_pure(&name, &input) {
                    self.arrivals.insert((now, new.n), Arrival::Outcome(result));
                }
            }
            (None, _) => {}
        }
        true
    }

    /// Brings what is on its way, earliest first, until the guest has what it waits for.
    fn wait(&mut self) -> Result<String, Problem> {
        while let Some(((due_ms, n), arrival)) = self.arrivals.pop_first() {
            self.world.now_ms = self.world.now_ms.max(due_ms);
            if let Completion::Answer(answer) = self.arrive(n, arrival) {
                return Ok(answer);
            }
        }
        let waiting: Vec<_> = self.turn.outstanding().map(|outstanding| describe(&outstanding.work)).collect();
        let problem = Problem::new("the guest waits for an answer that never comes");
        Err(problem.actual(waiting.join(", ")).note("give its step in the script an \"answer\""))
    }

    fn arrive(&mut self, n: u32, arrival: Arrival) -> Completion {
        let now_ms = self.world.now_ms;
        match arrival {
            Arrival::Due => self.turn.expire(n, &mut self.world.ambient()),
            Arrival::Outcome(result) => {
                let outcome = Outcome::seal(result.as_deref(), self.world.salts());
                self.turn.complete(n, outcome, 1, WORKER, Vec::new(), now_ms)
            }
            Arrival::Message(body) => {
                let opening = self.turn.opening();
                let id = format!("received-{}-{n}", opening.turn).parse().expect("a message id");
                let message = Message::of_client(id, opening.address.clone(), body).encode();
                let payload = Payload::seal(media_type::MESSAGE, message.as_bytes(), self.world.salts());
                self.turn.receive(n, payload, now_ms)
            }
        }
    }

    /// Does what the host does at once, or takes the script's word for it.
    fn perform(&mut self, task: Task, step: Option<&Step>) -> Result<String, Problem> {
        let scripted = step.and_then(|step| step.answer.as_ref());
        let result = match (task, scripted) {
            (Task::Activity { .. } | Task::Verify { .. }, Some(answer)) => {
                let after_ms = step.map_or(0, |step| step.after_ms);
                self.world.now_ms = self.world.now_ms.saturating_add(after_ms);
                result(answer)
            }
            (Task::Activity { name, input }, None) => self.bench.run_pure(&name, &input)?,
            (_, Some(_)) => return Err(answers_itself(step)),
            (Task::Verify { verification }, None) => match self.world.bytes(verification.evidence) {
                Ok(evidence) => self.bench.run_verifier(&verification, evidence)?,
                Err(failure) => Err(failure),
            },
            (Task::BlobGet { cid, base64 }, None) => self.world.blob(cid, base64),
            (Task::BlobPut { bytes }, None) => Ok(format!("\"{}\"", self.world.put_blob(bytes))),
        };
        Ok(self.turn.finish(result.as_deref(), &mut self.world.ambient()))
    }
}

/// When a step's time comes, if it has one.
fn due_ms(work: &Work) -> Option<u64> {
    match work {
        Work::Timer { due_ms } | Work::Call { due_ms } => Some(*due_ms),
        Work::Child { due_ms, .. } | Work::Receive { due_ms, .. } => *due_ms,
        Work::Activity { .. } | Work::Promise { .. } | Work::Proof { .. } => None,
    }
}

fn result(answer: &Answer) -> Result<String, Failure> {
    match answer {
        Answer::Ok(text) => Ok(text.get().to_owned()),
        Answer::Err(failure) => Err(failure.clone()),
    }
}

/// An answer in the script that has no effect would mislead.
fn refuse_unused_answer(step: Option<&Step>, is_outstanding: bool, answer: &str) -> Result<(), Problem> {
    match step {
        Some(step) if step.answer.is_some() && !is_outstanding => Err(answers_itself(Some(step)).actual(answer)),
        _ => Ok(()),
    }
}

fn answers_itself(step: Option<&Step>) -> Problem {
    let op = step.and_then(Step::op).unwrap_or("this");
    Problem::new(format!("the host answers '{op}' by itself")).note("leave out its \"answer\"")
}

fn describe(work: &Work) -> String {
    match work {
        Work::Activity { name, input, .. } => format!("activity {name} {input}"),
        Work::Promise { token } => format!("promise {token}"),
        Work::Child { to, .. } => format!("child {}", to.local()),
        Work::Receive { message_type: Some(message_type), .. } => format!("a message of type {message_type}"),
        Work::Receive { message_type: None, .. } => "a message".to_owned(),
        Work::Timer { .. } => "a timer".to_owned(),
        Work::Call { .. } => "a reply".to_owned(),
        Work::Proof { program, .. } => format!("a proof of {program}"),
    }
}
