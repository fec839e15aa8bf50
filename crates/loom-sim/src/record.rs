//! The record of a run: what happened, in order, as an observer who sees everything would write it down.
//!
//! The checker reads it, a failing seed prints its end, and two runs of one seed must write the same.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use loom_runtime::Clock as _;
use loom_types::{ActorAddress, Cid, Entry, EntryBody, SequenceNumber, TurnNumber};

use crate::clock::SimClock;

/// Something that happened.
#[derive(Clone, Debug)]
pub(crate) enum Fact {
    /// A node came up.
    Started { incarnation: u64 },
    /// It was killed.
    Crashed { why: String },
    /// It was told to stop, and did.
    Stopped,
    /// The calendar was set.
    CalendarMoved { by_ms: i64 },
    /// From here on the store and the host are in order.
    Calm,
    /// A commit was handed to the store.
    HandedIn { actor: ActorAddress, seq: SequenceNumber, entries: usize },
    /// A commit became durable.
    Applied { actor: ActorAddress, entries: Vec<Entry>, messages: usize, outcomes: usize, letters: Vec<String> },
    /// The store told the runtime what came of a commit.
    Told { actor: ActorAddress, seq: SequenceNumber, result: String },
    /// The store failed an operation, or the host did.
    Fault { what: String },
    /// An effectful activity reached the world, for the `count`th time under its key.
    Effect { key: String, count: u32 },
    /// The host gave up on an activity that had begun.
    Abandoned { key: String },
    /// A run over this input was asked of the prover.
    Proving { input: Cid },
    /// A client sent a message.
    Sent { client: usize, id: String, to: ActorAddress },
    /// It was told that the message is durable.
    Accepted { id: String },
    /// It was told the result of the message's turn.
    Settled { id: String, result: Result<String, String> },
    /// It was told of an error.
    Refused { id: String, error: String },
    /// A client was told what nobody should be told.
    Wrong { what: String },
    /// Somebody outside saw a promise's token.
    Seen { token: String },
    /// An operator asked for something, and this came of it.
    Operated { what: String, actor: ActorAddress, answer: String },
    /// Somebody asked for a bundle.
    Audited { actor: ActorAddress, turn: Option<TurnNumber>, closure: bool, told: String },
    /// Somebody outside settled a promise.
    Resolved { token: String, value: Result<String, String> },
}

/// A fact and when it happened.
#[derive(Clone, Debug)]
pub(crate) struct Dated {
    pub(crate) at: Duration,
    pub(crate) fact: Fact,
}

/// Where facts are written down. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Recorder {
    clock: SimClock,
    facts: Arc<Mutex<Vec<Dated>>>,
}

impl Recorder {
    pub(crate) fn new(clock: SimClock) -> Self {
        Self { clock, facts: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Dated>> {
        self.facts.lock().expect("nothing panics under this lock")
    }

    pub(crate) fn note(&self, fact: Fact) {
        let at = self.clock.elapsed();
        self.lock().push(Dated { at, fact });
    }

    pub(crate) fn fault(&self, what: impl Into<String>) {
        self.note(Fact::Fault { what: what.into() });
    }

    /// Everything so far.
    pub(crate) fn take(&self) -> Vec<Dated> {
        std::mem::take(&mut *self.lock())
    }
}

impl fmt::Display for Dated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>14.6}s  {}", self.at.as_secs_f64(), self.fact)
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fact::Started { incarnation } => write!(f, "node       started, incarnation {incarnation}"),
            Fact::Crashed { why } => write!(f, "node       CRASHED {why}"),
            Fact::Stopped => write!(f, "node       stopped"),
            Fact::CalendarMoved { by_ms } => write!(f, "clock      set by {by_ms} ms"),
            Fact::Calm => write!(f, "world      calm from here on"),
            Fact::HandedIn { actor, seq, entries } => {
                write!(f, "store      {} commit at {seq} handed in, {entries} entries", actor.local())
            }
            Fact::Applied { actor, entries, messages, outcomes, .. } => {
                write!(f, "store      {} durable, {messages} messages, {outcomes} outcomes:", actor.local())?;
                entries.iter().try_for_each(|entry| write!(f, " {}", Short(entry)))
            }
            Fact::Told { actor, seq, result } => {
                write!(f, "store      {} commit at {seq} answered: {result}", actor.local())
            }
            Fact::Fault { what } => write!(f, "fault      {what}"),
            Fact::Effect { key, count } => write!(f, "world      effect {key}, time {count}"),
            Fact::Abandoned { key } => write!(f, "world      effect {key} abandoned by the host"),
            Fact::Proving { input } => write!(f, "prover     asked for {input}"),
            Fact::Sent { client, id, to } => write!(f, "client {client}   sent {id} to {}", to.local()),
            Fact::Accepted { id } => write!(f, "client     {id} accepted"),
            Fact::Settled { id, result: Ok(reply) } => write!(f, "client     {id} settled: {reply}"),
            Fact::Settled { id, result: Err(failure) } => write!(f, "client     {id} settled, failed: {failure}"),
            Fact::Refused { id, error } => write!(f, "client     {id} refused: {error}"),
            Fact::Wrong { what } => write!(f, "client     WRONG {what}"),
            Fact::Seen { token } => write!(f, "outside    sees promise {token}"),
            Fact::Operated { what, actor, answer } => write!(f, "operator   {what} {}: {answer}", actor.local()),
            Fact::Audited { actor, turn, closure, told } => {
                let turn = turn.map_or_else(String::new, |turn| format!(" turn {turn}"));
                let closure = if *closure { " with closure" } else { "" };
                write!(f, "auditor    bundle of {}{turn}{closure}: {told}", actor.local())
            }
            Fact::Resolved { token, value } => write!(f, "outside    resolves {token}: {value:?}"),
        }
    }
}

/// An entry in a few words.
pub(crate) struct Short<'a>(pub(crate) &'a Entry);

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Entry { seq, turn, body, .. } = self.0;
        match body {
            EntryBody::Step { n, op, outcome, .. } => {
                let open = if outcome.is_some() { "" } else { "…" };
                write!(f, "[{seq} {turn}.{n} {op}{open}]")
            }
            EntryBody::Control { what, .. } => write!(f, "[{seq} {turn} CONTROL {what}]"),
            EntryBody::Outcome { n, attempts, .. } => write!(f, "[{seq} {turn}.{n} outcome, attempt {attempts}]"),
            other => write!(f, "[{seq} {turn} {}]", other.kind()),
        }
    }
}
