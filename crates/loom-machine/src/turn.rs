//! One turn: what the guest asks, what the journal knows, what has to happen.
//!
//! Steps are numbered in the order the guest asks for them. A recorded step answers from its record; a new one
//! becomes an entry in [`Pending`], which the runtime commits no later than when the guest has to wait for
//! something outside. `context`, `state.*`, `log`, `await` and `promise.await` leave no entry: they are functions
//! of what the journal holds. That is true of `await any` too, because the winner is the handle whose outcome
//! stands first in the journal, and outcomes are never reordered.
//!
//! Start at [`Turn::request`]; [`Turn::complete`] is its counterpart for outcomes that come later.

mod basis;
mod control;
mod divergence;
mod effect;
mod end;
mod live;
mod message;
mod opening;
mod outcome;
mod prove;
mod record;
mod restore;
mod verify;
mod wait;

use loom_types::{ActorAddress, Cid, EntryBody, Payload};

use crate::{
    Failure, Message,
    limits::LOG_LINES_MAX,
    request::{self, AwaitMode, PrivateInput, Request},
    state::{NotSet, StateBuffer},
};

pub(crate) use basis::{Basis, Founded};
pub use control::{CidText, Control, ResetError};
pub use divergence::{Divergence, Requested, side_by_side};
pub use effect::{Completion, Effect, LogLine, Outstanding, Pending, Reaction, Task, Work};
pub use end::{Ended, Restarted};
pub use opening::{Ambient, Directory, Opening};
pub use outcome::{Outcome, blob_text};
pub use restore::CorruptTurn;

use end::{abandoned, settled};
use outcome::ok;
use prove::Input;
use record::{Asked, Received, Record, Running, Waiting};

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
    /// Entries after `turn-started`.
    entries: u32,
    /// The module that `turn-started` names; a reset may have pinned the turn to another.
    began_with: Cid,
    /// A reset pinned the turn to another deployment.
    is_repinned: bool,
    /// When the turn began, as its first entry says.
    started_ms: u64,
    /// Messages taken by steps that a reset left behind.
    left_behind: Vec<(Message, Payload)>,
    /// The steps that no reset left behind, in order: resets take from the end.
    kept: Vec<usize>,
}

impl Turn {
    /// Begins a turn: the first pending entries are `opened`, if the actor is new, and `turn-started`.
    pub fn begin(opening: Opening, state: Option<Payload>, is_new: bool, now_ms: u64) -> Self {
        let mut turn = Self::at_start(opening, state, now_ms);
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

    fn at_start(opening: Opening, state: Option<Payload>, started_ms: u64) -> Self {
        let text = state.as_ref().and_then(Payload::text).map(str::to_owned);
        Self {
            began_with: opening.module,
            is_repinned: false,
            started_ms,
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
            left_behind: Vec::new(),
            kept: Vec::new(),
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
        self.skip_discarded();
        self.running = None;
        self.waiting = None;
        self.log_lines = 0;
    }

    fn keep(&mut self, record: Record) {
        self.kept.push(self.records.len());
        self.records.push(record);
    }

    /// Past the step that was just replayed, and past those that a reset left behind.
    fn advance(&mut self) {
        self.cursor += 1;
        self.skip_discarded();
    }

    fn skip_discarded(&mut self) {
        while self.records.get(self.cursor).is_some_and(|record| record.is_discarded) {
            self.cursor += 1;
        }
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
        let outstanding = self.records.iter().zip(0u32..).filter(|(record, _)| record.is_outstanding());
        outstanding.filter_map(|(record, n)| Some(Outstanding { n, work: record.work.clone()? }))
    }

    /// How many steps have no outcome yet.
    pub fn outstanding_count(&self) -> usize {
        self.records.iter().filter(|record| record.is_outstanding()).count()
    }

    /// The work of step `n`, if it is outstanding.
    pub fn outstanding_work(&self, n: u32) -> Option<&Work> {
        self.records.get(n as usize).filter(|record| record.is_outstanding())?.work.as_ref()
    }

    /// Takes the guest's request and says what to do about it.
    pub fn request(&mut self, text: &str, ambient: &mut Ambient<'_>) -> Result<Reaction, Box<Divergence>> {
        let reaction = self.react(text, ambient)?;
        // The journal's next step was asked for after this, so whoever wrote it did not wait here.
        if matches!(reaction, Reaction::Wait) && self.is_replaying() {
            let op = request::operation(text).unwrap_or_default();
            return Err(self.divergence(Some(Requested { op, request: text.to_owned() })));
        }
        Ok(reaction)
    }

    fn react(&mut self, text: &str, ambient: &mut Ambient<'_>) -> Result<Reaction, Box<Divergence>> {
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
                if let Request::Restart { body } = &request {
                    return self.wants_restart(&op, text, body.get());
                }
                let n = self.cursor as u32;
                match self.journaled_text(&request, text, n) {
                    Ok(journaled) if self.is_replaying() => {
                        self.replay(&op, journaled.as_deref().unwrap_or(text), request.private_input())
                    }
                    Ok(journaled) => Ok(self.live(op, request, journaled.as_deref().unwrap_or(text), ambient)),
                    Err(failure) => self.refuse(op, text, failure, ambient),
                }
            }
            Err(failure) => self.refuse(op, text, failure, ambient),
        }
    }

    /// `turn.restart` is no step: what it leaves behind is the turn's end.
    fn wants_restart(&mut self, op: &str, text: &str, body: &str) -> Result<Reaction, Box<Divergence>> {
        if self.is_replaying() {
            return Err(self.divergence(Some(Requested { op: op.to_owned(), request: text.to_owned() })));
        }
        Ok(Reaction::Restart(body.to_owned()))
    }

    /// Operations that leave no entry.
    fn free(&mut self, request: &Request) -> Option<Reaction> {
        let answer = match request {
            Request::Context => ok(&self.context()),
            Request::StateGet { pointer } => answer(self.state.get(pointer)),
            Request::StateSet { pointer, value } => match self.state.set(pointer, value) {
                Ok(()) => ok("null"),
                Err(NotSet::Invalid(failure)) => failure.to_answer(),
                Err(NotSet::TooLarge(failure)) => return Some(Reaction::Fail(failure)),
            },
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

    fn divergence(&self, actual: Option<Requested>) -> Box<Divergence> {
        let record = self.records.get(self.cursor);
        let expected = record.map(|record| Requested {
            op: record.op.clone(),
            request: record.request.text().unwrap_or("(not text)").to_owned() + &record.input.describe(),
        });
        Box::new(Divergence {
            address: self.opening.address.clone(),
            turn: self.opening.turn,
            n: self.cursor as u32,
            entry: record.map_or(self.entries, |record| record.entry),
            entry_last: self.entries,
            expected,
            actual,
            began_with: self.began_with,
            module: self.opening.module,
        })
    }

    /// Answers from the record at the cursor, if the request is the recorded one.
    fn replay(&mut self, op: &str, text: &str, input: Option<&PrivateInput>) -> Result<Reaction, Box<Divergence>> {
        let record = &self.records[self.cursor];
        let is_same_request = record.op == op && record.request.value() == text.as_bytes();
        if !is_same_request || !record.input.is(input) {
            let other = if is_same_request { ", another value" } else { "" };
            let request = format!("{text}{}{other}", prove::describe(input));
            return Err(self.divergence(Some(Requested { op: op.to_owned(), request })));
        }
        let n = self.cursor as u32;
        if let Some(outcome) = &record.immediate {
            let answer = outcome.answer();
            self.advance();
            return Ok(Reaction::Answer(answer));
        }
        if record.work.is_some() {
            self.advance();
            return Ok(self.after_start(op, n));
        }
        // A `blob.get` that succeeded: its request names the content, so it is read again instead of recorded.
        let asked = Asked { op: op.to_owned(), request: record.request.clone(), input: Input::None };
        self.running = Some(Running { asked, replayed: true });
        match request::parse(op, text) {
            Ok(Request::BlobGet { cid, base64 }) => Ok(Reaction::Run(Task::BlobGet { cid, base64 })),
            _ => Err(self.divergence(Some(Requested { op: op.to_owned(), request: text.to_owned() }))),
        }
    }

    /// A step that has just become outstanding: some block, some hand out their handle.
    fn after_start(&mut self, op: &str, n: u32) -> Reaction {
        match op {
            "activity" | "call" | "sleep" | "receive" => self.wait(Waiting::One(n), &[n]),
            _ => Reaction::Answer(ok(&n.to_string())),
        }
    }

    /// Hands in the result of a [`Task`]; gives the guest's answer.
    pub fn finish(&mut self, result: Result<&str, &Failure>, ambient: &mut Ambient<'_>) -> String {
        let running = self.running.take().expect("a task is finished once, after it was handed out");
        if running.replayed {
            self.advance();
            return answer(result.map(str::to_owned).map_err(Clone::clone));
        }
        let outcome = Outcome::seal(result, ambient.salts);
        let answer = outcome.answer();
        let content_addressed = running.asked.op == "blob.get" && matches!(outcome, Outcome::Ok(_));
        let immediate = (!content_addressed).then_some(outcome);
        self.record(running.asked, immediate, None, ambient.now_ms);
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
        let Some(work) = self.outstanding_work(n) else { return Completion::Ignored };
        let settled = settled(n, work);
        self.pending.effects.extend(settled);
        self.note_outcome(n, outcome, attempts, worker, evidence, now_ms)
    }

    /// The time of step `n` has come: a timer fires, everything else missed its deadline.
    pub fn expire(&mut self, n: u32, ambient: &mut Ambient<'_>) -> Completion {
        let Some(work) = self.outstanding_work(n) else { return Completion::Ignored };
        let missed = match work {
            Work::Timer { .. } => None,
            Work::Call { .. } => Some("the call's deadline passed before a reply came"),
            Work::Child { .. } => Some("the child's deadline passed before it was done"),
            Work::Receive { .. } => Some("no such message came in time"),
            Work::Activity { .. } | Work::Promise { .. } | Work::Proof { .. } => return Completion::Ignored,
        };
        let effects = abandoned(n, work);
        self.pending.effects.extend(effects);
        let outcome = match missed {
            None => Outcome::seal(Ok("null"), ambient.salts),
            Some(text) => Outcome::seal(Err(&Failure::new("deadline", text)), ambient.salts),
        };
        self.note_outcome(n, outcome, 1, "", Vec::new(), ambient.now_ms)
    }

    fn note_outcome(
        &mut self,
        n: u32,
        outcome: Outcome,
        attempts: u32,
        worker: &str,
        evidence: Vec<Cid>,
        now_ms: u64,
    ) -> Completion {
        let (result, worker) = (outcome.resolution(), worker.to_owned());
        self.pending.entry(now_ms, EntryBody::Outcome { n, result, attempts, worker, evidence });
        self.pending.payloads.push(outcome.payload().clone());
        self.entries += 1;
        self.note_completion(n, outcome).expect("a message that is taken was read before");
        match self.waiting.as_ref().and_then(|waiting| self.satisfied(waiting)) {
            Some(answer) => {
                self.waiting = None;
                Completion::Answer(answer)
            }
            None => Completion::Recorded,
        }
    }

    /// Remembers an outcome. A message that was received is read; that can only fail for damaged data.
    fn note_completion(&mut self, n: u32, outcome: Outcome) -> Result<(), String> {
        let receives = matches!(self.records[n as usize].work, Some(Work::Receive { .. }));
        if let (true, Outcome::Ok(payload)) = (receives, &outcome) {
            let message = Message::decode(payload.value())?;
            self.left_behind.retain(|(left, _)| left.id != message.id);
            self.forget_received(&message);
            self.records[n as usize].received = Some(Received { message, answered: None });
        }
        let record = &mut self.records[n as usize];
        record.completion = Some((self.completions, outcome));
        self.completions += 1;
        Ok(())
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
