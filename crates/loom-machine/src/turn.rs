//! One turn: what the guest asks, what the journal knows, what has to happen.
//!
//! Steps are numbered in the order the guest asks for them. A recorded step answers from its record; a new one
//! becomes an entry in [`Pending`], which the runtime commits no later than when the guest has to wait for
//! something outside. `context`, `state.*`, `log`, `await` and `promise.await` leave no entry: they are functions
//! of what the journal holds. That is true of `await any` too, because the winner is the handle whose outcome
//! stands first in the journal, and outcomes are never reordered.
//!
//! Start at [`Turn::request`]; [`Turn::complete`] is its counterpart for outcomes that come later.

mod live;
mod outcome;
mod restore;

use std::{fmt, sync::Arc};

use loom_types::{ActorAddress, Cid, EntryBody, Payload, SaltSource, StepRef, TurnNumber, TurnResult};

use crate::{
    Deployment, Failure, Message, MessageKind, Retry,
    limits::LOG_LINES_MAX,
    request::{self, AwaitMode, Request},
    state::StateBuffer,
};

pub use outcome::Outcome;
use outcome::ok;
pub use restore::CorruptTurn;

/// What a turn takes from the world, handed in with each call.
pub struct Ambient<'a> {
    /// The node's clock, in milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// Salts for new payloads and unguessable tokens.
    pub salts: &'a mut dyn SaltSource,
    /// Which actor types exist.
    pub directory: &'a dyn Directory,
}

/// Which actor types a message can be sent to.
pub trait Directory {
    /// Whether some active deployment runs this type.
    fn has_actor_type(&self, namespace: &str, actor_type: &str) -> bool;
}

/// Everything a turn is pinned to.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The actor.
    pub address: ActorAddress,
    /// The turn's number.
    pub turn: TurnNumber,
    /// The message it handles, decoded.
    pub message: Message,
    /// The message's payload.
    pub message_payload: Payload,
    /// Id of the deployment.
    pub deployment_cid: Cid,
    /// The deployment.
    pub deployment: Arc<Deployment>,
    /// The actor's module.
    pub module: Cid,
    /// The engine that runs it.
    pub engine: String,
    /// 32 random bytes.
    pub seed: Payload,
}

/// What is to be committed: entries in order, the payloads they name, and what takes effect with them.
#[derive(Debug, Default)]
pub struct Pending {
    /// When each entry was made (milliseconds since the Unix epoch), and its body.
    pub entries: Vec<(u64, EntryBody)>,
    /// New payloads.
    pub payloads: Vec<Payload>,
    /// Effects, which happen with the commit or after it, never before.
    pub effects: Vec<Effect>,
}

impl Pending {
    /// Whether there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// About how many bytes the segment will have.
    pub fn bytes(&self) -> usize {
        self.payloads.iter().map(|payload| payload.block().len()).sum::<usize>() + self.entries.len() * 320
    }

    fn entry(&mut self, at_ms: u64, body: EntryBody) {
        self.entries.push((at_ms, body));
    }
}

/// What takes effect when the entries before it are durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A message leaves for another actor (or this one).
    Send {
        /// The message.
        message: Message,
        /// Its payload.
        payload: Payload,
        /// When it may be delivered, if not at once.
        not_before_ms: Option<u64>,
    },
    /// The caller gets its reply.
    Reply {
        /// The calling actor.
        to: ActorAddress,
        /// The step that called.
        step: StepRef,
        /// Reply or failure.
        outcome: Outcome,
    },
    /// A timer or deadline of step `n` is set.
    SetTimer {
        /// The step.
        n: u32,
        /// When it fires.
        due_ms: u64,
    },
    /// That timer is no longer needed.
    ClearTimer {
        /// The step.
        n: u32,
        /// When it would have fired.
        due_ms: u64,
    },
    /// Someone outside may resolve `token` now.
    CreatePromise {
        /// The step.
        n: u32,
        /// Unguessable name.
        token: String,
        /// What it is about, for people.
        label: Option<String>,
        /// JSON text that goes with it.
        data: Option<String>,
    },
    /// The promise is settled or its turn is over.
    ClearPromise {
        /// Its name.
        token: String,
    },
    /// The activity of step `n` is to be run; see [`Turn::outstanding`].
    StartActivity {
        /// The step.
        n: u32,
    },
}

/// What the guest's request leads to.
#[derive(Debug)]
pub enum Reaction {
    /// Resume the guest with this.
    Answer(String),
    /// Do this, then hand the result to [`Turn::finish`].
    Run(Task),
    /// The guest waits for outcomes that [`Turn::complete`] will bring. Commit what is pending.
    Wait,
    /// The turn broke a limit; end it with this failure.
    Fail(Failure),
}

/// Pure work inside a step; its result is the same every time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// Run a pure activity.
    Activity {
        /// Its name in the deployment.
        name: String,
        /// JSON text.
        input: String,
    },
    /// Read a blob.
    BlobGet {
        /// Its name.
        cid: Cid,
        /// Whether the guest wants base64; otherwise text.
        base64: bool,
    },
    /// Store a blob; it must be durable before the result is handed in.
    BlobPut {
        /// Its bytes.
        bytes: Vec<u8>,
    },
}

/// What a step waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// An activity that runs beside the turn.
    Activity {
        /// Its name in the deployment.
        name: String,
        /// JSON text.
        input: String,
        /// How to try again.
        retry: Retry,
    },
    /// A point in time.
    Timer {
        /// When, in milliseconds since the Unix epoch.
        due_ms: u64,
    },
    /// Another actor's reply, or the deadline.
    Call {
        /// Deadline, in milliseconds since the Unix epoch.
        due_ms: u64,
    },
    /// Someone outside.
    Promise {
        /// The promise.
        token: String,
    },
}

/// A step without its outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outstanding {
    /// The step.
    pub n: u32,
    /// What it waits for.
    pub work: Work,
}

/// What [`Turn::complete`] did.
#[derive(Debug, PartialEq, Eq)]
pub enum Completion {
    /// The step had its outcome already, or is unknown: nothing changed.
    Ignored,
    /// Recorded; the guest does not wait for it, or not only.
    Recorded,
    /// Recorded, and this is the answer the guest waited for.
    Answer(String),
}

/// A log line of the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// debug, info, warn or error.
    pub level: String,
    /// The text.
    pub message: String,
    /// JSON text of further fields.
    pub fields: Option<String>,
}

/// A request as the guest made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requested {
    /// The operation.
    pub op: String,
    /// The request's text.
    pub request: String,
}

impl fmt::Display for Requested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.op, self.request)
    }
}

/// The guest did not do again what the journal says it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// The actor.
    pub address: ActorAddress,
    /// The turn.
    pub turn: TurnNumber,
    /// The step where the two part.
    pub n: u32,
    /// What the journal holds.
    pub expected: Option<Requested>,
    /// What the guest asked for; none if it ended instead.
    pub actual: Option<Requested>,
    /// The module that was run.
    pub module: Cid,
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |requested: &Option<Requested>| {
            requested.as_ref().map_or("the end of the turn".into(), Requested::to_string)
        };
        write!(
            f,
            "replay of {} diverged at turn {} step {}\n  journal: {}\n  guest:   {}\n  module:  {}",
            self.address,
            self.turn,
            self.n,
            show(&self.expected),
            show(&self.actual),
            self.module
        )
    }
}

impl std::error::Error for Divergence {}

#[derive(Clone, Debug)]
struct Record {
    op: String,
    request: Payload,
    immediate: Option<Outcome>,
    work: Option<Work>,
    /// Place among the turn's outcomes, and the outcome.
    completion: Option<(u64, Outcome)>,
}

#[derive(Clone, Debug)]
enum Waiting {
    One(u32),
    All(Vec<u32>),
    Any(Vec<u32>),
}

/// A step whose task is being done; it becomes a record when it is finished.
#[derive(Debug)]
struct Running {
    op: String,
    request: Payload,
    /// The record exists already: a `blob.get` read again on replay.
    replayed: bool,
}

/// One turn of one actor, from its message to its end.
#[derive(Debug)]
pub struct Turn {
    opening: Opening,
    state: StateBuffer,
    state_before: Option<Payload>,
    records: Vec<Record>,
    cursor: usize,
    running: Option<Running>,
    waiting: Option<Waiting>,
    completions: u64,
    pending: Pending,
    logs: Vec<LogLine>,
    log_lines: u32,
    log_lines_shown: u32,
    entries: u32,
}

impl Turn {
    /// Begins a turn: the first pending entries are `opened`, if the actor is new, and `turn-started`.
    pub fn begin(opening: Opening, state: Option<Payload>, is_new: bool, now_ms: u64) -> Self {
        let mut turn = Self::at_start(opening, state);
        if is_new {
            turn.pending.entry(now_ms, EntryBody::Opened {});
        }
        let opening = &turn.opening;
        let started = EntryBody::TurnStarted {
            message: opening.message_payload.cid(),
            deployment: opening.deployment_cid,
            module: opening.module,
            engine: opening.engine.clone(),
            seed: opening.seed.cid(),
        };
        turn.pending.payloads.extend([opening.message_payload.clone(), opening.seed.clone()]);
        turn.pending.entry(now_ms, started);
        turn
    }

    fn at_start(opening: Opening, state: Option<Payload>) -> Self {
        let text = state.as_ref().and_then(Payload::text).map(str::to_owned);
        Self {
            opening,
            state: StateBuffer::new(text),
            state_before: state,
            records: Vec::new(),
            cursor: 0,
            running: None,
            waiting: None,
            completions: 0,
            pending: Pending::default(),
            logs: Vec::new(),
            log_lines: 0,
            log_lines_shown: 0,
            entries: 0,
        }
    }

    /// What the turn is pinned to.
    pub fn opening(&self) -> &Opening {
        &self.opening
    }

    /// Whether the guest is still being told what the journal already knows.
    pub fn is_replaying(&self) -> bool {
        self.cursor < self.records.len()
    }

    /// Starts over for a fresh instance, which is then replayed from the records.
    pub fn rewind(&mut self) {
        self.state.roll_back();
        self.cursor = 0;
        self.running = None;
        self.waiting = None;
        self.log_lines = 0;
    }

    /// Takes what has to be committed.
    pub fn take_pending(&mut self) -> Pending {
        std::mem::take(&mut self.pending)
    }

    /// What has to be committed, if it were taken now.
    pub fn pending(&self) -> &Pending {
        &self.pending
    }

    /// Takes log lines that were not shown before.
    pub fn take_logs(&mut self) -> Vec<LogLine> {
        std::mem::take(&mut self.logs)
    }

    /// Steps without their outcome, in order.
    pub fn outstanding(&self) -> impl Iterator<Item = Outstanding> + '_ {
        self.records.iter().zip(0u32..).filter_map(|(record, n)| match (&record.work, &record.completion) {
            (Some(work), None) => Some(Outstanding { n, work: work.clone() }),
            _ => None,
        })
    }

    /// How many steps have no outcome yet.
    pub fn outstanding_count(&self) -> usize {
        self.records.iter().filter(|record| record.work.is_some() && record.completion.is_none()).count()
    }

    /// The work of step `n`, if it is outstanding.
    pub fn outstanding_work(&self, n: u32) -> Option<&Work> {
        let record = self.records.get(n as usize)?;
        if record.completion.is_some() { None } else { record.work.as_ref() }
    }

    /// Takes the guest's request and says what to do about it.
    pub fn request(&mut self, text: &str, ambient: &mut Ambient<'_>) -> Result<Reaction, Box<Divergence>> {
        let op = match request::operation(text) {
            Ok(op) => op,
            // Without an operation there is nothing to journal; the same text gets the same answer on replay.
            Err(failure) => return Ok(Reaction::Answer(failure.to_answer())),
        };
        match request::parse(&op, text) {
            Ok(request) => {
                if let Some(reaction) = self.free(&request) {
                    return Ok(reaction);
                }
                let n = self.cursor as u32;
                match self.journaled_text(&request, text, n) {
                    Ok(journaled) if self.is_replaying() => self.replay(&op, journaled.as_deref().unwrap_or(text)),
                    Ok(journaled) => Ok(self.live(op, request, journaled.as_deref().unwrap_or(text), ambient)),
                    Err(failure) => self.refuse(op, text, failure, ambient),
                }
            }
            Err(failure) => self.refuse(op, text, failure, ambient),
        }
    }

    /// Operations that leave no entry.
    fn free(&mut self, request: &Request) -> Option<Reaction> {
        let answer = match request {
            Request::Context => ok(&self.context()),
            Request::StateGet { pointer } => answer(self.state.get(pointer)),
            Request::StateSet { pointer, value } => answer(self.state.set(pointer, value).map(|()| "null".to_owned())),
            Request::StateDelete { pointer } => answer(self.state.delete(pointer).map(|was| was.to_string())),
            Request::Log { level, message, fields } => {
                self.log(level, message, fields.as_ref().map(|fields| fields.get()));
                ok("null")
            }
            Request::Await { handles, mode } => {
                let waiting = match mode {
                    AwaitMode::All => Waiting::All(handles.clone()),
                    AwaitMode::Any => Waiting::Any(handles.clone()),
                };
                return Some(self.wait(waiting, handles));
            }
            Request::PromiseAwait { handle } => return Some(self.wait(Waiting::One(*handle), &[*handle])),
            _ => return None,
        };
        Some(Reaction::Answer(answer))
    }

    fn context(&self) -> String {
        let Opening { address, message, deployment_cid, turn, .. } = &self.opening;
        serde_json::json!({
            "namespace": address.namespace(),
            "type": address.actor_type(),
            "key": address.key(),
            "message_id": message.id.as_str(),
            "sender": message.sender.as_ref().map(ActorAddress::local),
            "deployment": deployment_cid.to_string(),
            "turn": turn.0,
        })
        .to_string()
    }

    fn log(&mut self, level: &str, message: &str, fields: Option<&str>) {
        self.log_lines += 1;
        let shown_before = self.log_lines <= self.log_lines_shown;
        if shown_before || self.is_replaying() || self.log_lines > LOG_LINES_MAX {
            return;
        }
        self.log_lines_shown = self.log_lines;
        self.logs.push(LogLine {
            level: level.to_owned(),
            message: message.to_owned(),
            fields: fields.map(str::to_owned),
        });
    }

    fn wait(&mut self, waiting: Waiting, handles: &[u32]) -> Reaction {
        let known = |n: u32| self.records.get(n as usize).is_some_and(|record| record.work.is_some());
        // While replaying, records past the cursor exist already; the guest cannot know their handles yet.
        if let Some(unknown) = handles.iter().find(|n| **n as usize >= self.cursor || !known(**n)) {
            let failure = Failure::new("unknown-handle", format!("no step of this turn has the handle {unknown}"));
            return Reaction::Answer(failure.to_answer());
        }
        match self.satisfied(&waiting) {
            Some(answer) => Reaction::Answer(answer),
            None => {
                self.waiting = Some(waiting);
                Reaction::Wait
            }
        }
    }

    fn completion(&self, n: u32) -> Option<&(u64, Outcome)> {
        self.records.get(n as usize)?.completion.as_ref()
    }

    fn satisfied(&self, waiting: &Waiting) -> Option<String> {
        match waiting {
            Waiting::One(n) => self.completion(*n).map(|(_, outcome)| outcome.answer()),
            Waiting::All(handles) => {
                let answers: Option<Vec<_>> =
                    handles.iter().map(|n| self.completion(*n).map(|(_, outcome)| outcome.answer())).collect();
                answers.map(|answers| ok(&format!("[{}]", answers.join(","))))
            }
            Waiting::Any(handles) => handles
                .iter()
                .filter_map(|n| self.completion(*n).map(|(order, outcome)| (order, n, outcome)))
                .min_by_key(|(order, ..)| **order)
                .map(|(_, n, outcome)| ok(&format!("{{\"handle\":{n},\"result\":{}}}", outcome.answer()))),
        }
    }

    /// The journaled form of a request, where it is not the guest's own text: a message's envelope.
    fn journaled_text(&self, request: &Request, text: &str, n: u32) -> Result<Option<String>, Failure> {
        if text.len() > loom_types::limits::PAYLOAD_BYTES_MAX {
            return Err(Failure::new("input-too-large", "a request has more than 4 MiB"));
        }
        let Some(message) = self.message(request, n)? else { return Ok(None) };
        let envelope = message.encode();
        if envelope.len() > loom_types::limits::PAYLOAD_BYTES_MAX {
            return Err(Failure::new("input-too-large", "a message has more than 4 MiB with its envelope"));
        }
        Ok(Some(envelope))
    }

    fn message(&self, request: &Request, n: u32) -> Result<Option<Message>, Failure> {
        let (to, kind, body, deadline_ms, delay_ms) = match request {
            Request::Call { to, body, deadline_ms } => (to, MessageKind::Call, body, *deadline_ms, None),
            Request::Send { to, body, delay_ms } => (to, MessageKind::Send, body, None, *delay_ms),
            _ => return Ok(None),
        };
        let Opening { address, turn, .. } = &self.opening;
        let to = ActorAddress::within(address.namespace(), to)
            .map_err(|error| Failure::new("invalid-request", format!("'to': {error}")))?;
        let id = loom_types::MessageId::of_step(address, StepRef { turn: *turn, n });
        let body = body.get().to_owned();
        Ok(Some(Message { id, kind, sender: Some(address.clone()), to, deadline_ms, delay_ms, body }))
    }

    fn divergence(&self, actual: Option<Requested>) -> Box<Divergence> {
        let expected = self.records.get(self.cursor).map(|record| Requested {
            op: record.op.clone(),
            request: record.request.text().unwrap_or("(not text)").to_owned(),
        });
        let Opening { address, turn, module, .. } = &self.opening;
        let n = self.cursor as u32;
        Box::new(Divergence { address: address.clone(), turn: *turn, n, expected, actual, module: *module })
    }

    /// Answers from the record at the cursor, if the request is the recorded one.
    fn replay(&mut self, op: &str, text: &str) -> Result<Reaction, Box<Divergence>> {
        let record = &self.records[self.cursor];
        if record.op != op || record.request.value() != text.as_bytes() {
            return Err(self.divergence(Some(Requested { op: op.to_owned(), request: text.to_owned() })));
        }
        let n = self.cursor as u32;
        if let Some(outcome) = &record.immediate {
            let answer = outcome.answer();
            self.cursor += 1;
            return Ok(Reaction::Answer(answer));
        }
        if record.work.is_some() {
            self.cursor += 1;
            return Ok(self.after_start(op, n));
        }
        // A `blob.get` that succeeded: its request names the content, so it is read again instead of recorded.
        self.running = Some(Running { op: op.to_owned(), request: record.request.clone(), replayed: true });
        match request::parse(op, text) {
            Ok(Request::BlobGet { cid, base64 }) => Ok(Reaction::Run(Task::BlobGet { cid, base64 })),
            _ => Err(self.divergence(Some(Requested { op: op.to_owned(), request: text.to_owned() }))),
        }
    }

    /// A step that has just become outstanding: some block, some hand out their handle.
    fn after_start(&mut self, op: &str, n: u32) -> Reaction {
        match op {
            "activity" | "call" | "sleep" => self.wait(Waiting::One(n), &[n]),
            _ => Reaction::Answer(ok(&n.to_string())),
        }
    }

    /// Hands in the result of a [`Task`]; gives the guest's answer.
    pub fn finish(&mut self, result: Result<&str, &Failure>, ambient: &mut Ambient<'_>) -> String {
        let running = self.running.take().expect("a task is finished once, after it was handed out");
        if running.replayed {
            self.cursor += 1;
            return answer(result.map(str::to_owned).map_err(Clone::clone));
        }
        let outcome = Outcome::seal(result, ambient.salts);
        let answer = outcome.answer();
        let content_addressed = running.op == "blob.get" && matches!(outcome, Outcome::Ok(_));
        let immediate = (!content_addressed).then_some(outcome);
        self.record(running.op, running.request, immediate, None, ambient.now_ms);
        answer
    }

    /// Brings the outcome of an outstanding step.
    pub fn complete(
        &mut self,
        n: u32,
        outcome: Outcome,
        attempts: u32,
        worker: &str,
        evidence: Vec<Cid>,
        now_ms: u64,
    ) -> Completion {
        let Some(work) = self.outstanding_work(n).cloned() else { return Completion::Ignored };
        match work {
            Work::Timer { due_ms } | Work::Call { due_ms } => {
                self.pending.effects.push(Effect::ClearTimer { n, due_ms });
            }
            Work::Promise { token } => self.pending.effects.push(Effect::ClearPromise { token }),
            Work::Activity { .. } => {}
        }
        let result = outcome.resolution();
        let worker = worker.to_owned();
        self.pending.entry(now_ms, EntryBody::Outcome { n, result, attempts, worker, evidence });
        self.pending.payloads.push(outcome.payload().clone());
        self.entries += 1;
        self.note_completion(n, outcome);
        match self.waiting.as_ref().and_then(|waiting| self.satisfied(waiting)) {
            Some(answer) => {
                self.waiting = None;
                Completion::Answer(answer)
            }
            None => Completion::Recorded,
        }
    }

    fn note_completion(&mut self, n: u32, outcome: Outcome) {
        self.records[n as usize].completion = Some((self.completions, outcome));
        self.completions += 1;
    }

    /// Ends the turn with what the guest returned or how it failed. Gives the outcome and the new state.
    pub fn end(
        &mut self,
        result: Result<String, Failure>,
        fuel: u64,
        ambient: &mut Ambient<'_>,
    ) -> Result<(Outcome, Option<Payload>), Box<Divergence>> {
        if self.is_replaying() {
            return Err(self.divergence(None));
        }
        let result = result.and_then(|output| match Failure::in_output(&output) {
            Some(failure) => Err(failure),
            None => Ok(output),
        });
        let result = result.and_then(|output| self.state_fits().map(|()| output));
        if result.is_err() {
            self.state.roll_back();
        }
        let state = match self.state.changed() {
            None => self.state_before.clone(),
            Some(None) => None,
            Some(Some(text)) => {
                let state = Payload::json(&text, ambient.salts);
                self.pending.payloads.push(state.clone());
                Some(state)
            }
        };
        self.clear_outstanding();
        let outcome = Outcome::seal(result.as_deref(), ambient.salts);
        self.pending.payloads.push(outcome.payload().clone());
        let result = match &outcome {
            Outcome::Ok(reply) => TurnResult::Reply(reply.cid()),
            Outcome::Err(failure) => TurnResult::Failure(failure.cid()),
        };
        let state_cid = state.as_ref().map(Payload::cid);
        self.pending.entry(ambient.now_ms, EntryBody::TurnEnded { result, state: state_cid, fuel });
        let message = &self.opening.message;
        if let (MessageKind::Call, Some((to, step))) = (message.kind, message.id.sender()) {
            self.pending.effects.push(Effect::Reply { to, step, outcome: outcome.clone() });
        }
        Ok((outcome, state))
    }

    fn state_fits(&self) -> Result<(), Failure> {
        let limit = loom_types::limits::PAYLOAD_BYTES_MAX;
        match self.state.changed() {
            Some(Some(text)) if text.len() > limit => Err(Failure::new(
                "state-too-large",
                format!("the state has {} bytes, at most {limit} are kept", text.len()),
            )),
            _ => Ok(()),
        }
    }

    /// What is still outstanding when a turn ends is cancelled with it.
    fn clear_outstanding(&mut self) {
        let effects: Vec<_> = self
            .outstanding()
            .map(|Outstanding { n, work }| match work {
                Work::Timer { due_ms } | Work::Call { due_ms } => Effect::ClearTimer { n, due_ms },
                Work::Promise { token } => Effect::ClearPromise { token },
                // The row that counts its attempts, if it was tried more than once.
                Work::Activity { .. } => Effect::ClearTimer { n, due_ms: 0 },
            })
            .collect();
        self.pending.effects.extend(effects);
    }
}

fn answer(result: Result<String, Failure>) -> String {
    match result {
        Ok(text) => ok(&text),
        Err(failure) => failure.to_answer(),
    }
}

#[cfg(test)]
mod tests;
