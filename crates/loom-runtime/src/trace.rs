//! Spans of what the runtime does, and how those of one request find together across actors.
//!
//! Spans are `tracing`'s, under one target and at level `debug`, so that they cost a look at a flag where nobody
//! collects them. Which trace a span belongs to is W3C trace context; whoever collects spans knows how to read
//! and set it, and is installed once per process as a [`Propagation`], as the subscriber is. Without it nothing
//! here does anything.
//!
//! A context travels beside a message and never in it: with a client's request in memory, and between actors in
//! `Traces`, which may forget. Nothing of it reaches a journal or a guest, so replay computes the same with
//! and without it. A turn that is taken up after a restart begins a new trace; a request that follows it is
//! linked to it.

use std::{
    num::NonZeroUsize,
    sync::{Mutex, OnceLock},
};

use loom_types::{ActorAddress, MessageId};
use lru::LruCache;
use tracing::{Span, field};

/// Target of every span that is meant for a trace.
pub const TARGET: &str = "loom::trace";
/// Contexts of messages on their way; beyond, the oldest is forgotten and its turn begins a trace of its own.
const TRACES_MAX: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");

/// A W3C trace context, as its two headers have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// `traceparent`.
    pub traceparent: String,
    /// `tracestate`; may be empty.
    pub tracestate: String,
}

/// Reads and sets which trace a span belongs to.
pub trait Propagation: Send + Sync {
    /// Makes the span, which is new, a child of the context's span.
    fn set_parent(&self, span: &Span, parent: &TraceContext);

    /// Says that the context's span has to do with this one.
    fn link(&self, span: &Span, other: &TraceContext);

    /// The span's own context; none if it is not collected.
    fn context(&self, span: &Span) -> Option<TraceContext>;
}

static PROPAGATION: OnceLock<Box<dyn Propagation>> = OnceLock::new();

/// Installs it for this process. The first one stays.
pub fn install(propagation: Box<dyn Propagation>) {
    // A second node in one process shares the subscriber too.
    let _ = PROPAGATION.set(propagation);
}

/// Makes a new span a child of what a request says about itself.
pub fn set_parent(span: &Span, parent: &TraceContext) {
    if let Some(propagation) = PROPAGATION.get() {
        propagation.set_parent(span, parent);
    }
}

/// Whether contexts are worth reading.
pub fn is_on() -> bool {
    PROPAGATION.get().is_some()
}

/// The context of the span that this thread is in.
pub(crate) fn current() -> Option<TraceContext> {
    PROPAGATION.get().and_then(|propagation| propagation.context(&Span::current()))
}

/// The context of a span.
pub fn context(span: &Span) -> Option<TraceContext> {
    if span.is_disabled() {
        return None;
    }
    PROPAGATION.get().and_then(|propagation| propagation.context(span))
}

/// Says that a request has to do with a span that it did not cause.
pub(crate) fn link(span: &Span, request: Option<&TraceContext>) {
    if let (Some(propagation), Some(request)) = (PROPAGATION.get(), request) {
        propagation.link(span, request);
    }
}

/// The span of a turn: from its beginning, or from when it was taken up again, to its durable end.
pub(crate) fn turn(actor: &ActorAddress, turn: u64, is_resumed: bool, parent: Option<&TraceContext>) -> Span {
    let span = tracing::debug_span!(
        target: TARGET,
        parent: None,
        "turn",
        otel.name = field::Empty,
        otel.kind = "consumer",
        otel.status_code = field::Empty,
        loom.actor = actor.as_str(),
        loom.turn = turn,
        loom.resumed = is_resumed,
    );
    if !span.is_disabled() {
        span.record("otel.name", format!("turn {}", actor.actor_type()));
        if let Some(parent) = parent {
            set_parent(&span, parent);
        }
    }
    span
}

/// The span of one attempt to run an activity.
pub(crate) fn activity(turn: &Span, name: &str, step: Option<u32>, attempt: u32) -> Span {
    let span = tracing::debug_span!(
        target: TARGET,
        parent: turn,
        "activity",
        otel.name = field::Empty,
        otel.status_code = field::Empty,
        loom.activity = name,
        loom.step = step,
        loom.attempt = attempt,
    );
    if !span.is_disabled() {
        span.record("otel.name", format!("activity {name}"));
    }
    span
}

/// The span of one run of a verifier.
pub(crate) fn verification(turn: &Span, verifier: &str) -> Span {
    let span = tracing::debug_span!(
        target: TARGET,
        parent: turn,
        "verification",
        otel.name = field::Empty,
        otel.status_code = field::Empty,
        loom.verifier = verifier,
    );
    if !span.is_disabled() {
        span.record("otel.name", format!("verification {verifier}"));
    }
    span
}

/// The span of one run of a program that is proved.
pub(crate) fn proof(turn: &Span, program: &str, step: u32) -> Span {
    let span = tracing::debug_span!(
        target: TARGET,
        parent: turn,
        "proof",
        otel.name = field::Empty,
        otel.status_code = field::Empty,
        loom.program = program,
        loom.step = step,
    );
    if !span.is_disabled() {
        span.record("otel.name", format!("proof {program}"));
    }
    span
}

/// Marks a turn, an activity or a proof as failed.
pub(crate) fn failed(span: &Span) {
    span.record("otel.status_code", "ERROR");
}

/// Spans that a commit keeps open: its own, and its turn's, which ends with the commit that ends the turn.
pub(crate) struct CommitSpans {
    pub(crate) turn: Span,
    commit: Span,
}

impl Default for CommitSpans {
    fn default() -> Self {
        Self { turn: Span::none(), commit: Span::none() }
    }
}

impl CommitSpans {
    pub(crate) fn of(turn: &Span) -> Self {
        Self { turn: turn.clone(), commit: Span::none() }
    }

    /// The commit is handed in.
    pub(crate) fn begin(&mut self, entries: u64) {
        if !self.turn.is_disabled() {
            self.commit = tracing::debug_span!(target: TARGET, parent: &self.turn, "commit", loom.entries = entries);
        }
    }

    /// The turn ended in a failure.
    pub(crate) fn failed(&self) {
        failed(&self.turn);
    }
}

/// Contexts of messages between actors, from the commit that sends one to the turn that takes it.
#[derive(Debug)]
pub(crate) struct Traces {
    contexts: Mutex<LruCache<MessageId, TraceContext>>,
}

impl Default for Traces {
    fn default() -> Self {
        Self { contexts: Mutex::new(LruCache::new(TRACES_MAX)) }
    }
}

impl Traces {
    /// Remembers that `message` belongs to the trace of `span`.
    pub(crate) fn put(&self, message: &MessageId, span: &Span) {
        if let Some(context) = context(span) {
            self.contexts.lock().expect("nothing panics under this lock").put(message.clone(), context);
        }
    }

    /// What is known of a message's trace.
    pub(crate) fn take(&self, message: &MessageId) -> Option<TraceContext> {
        if !is_on() {
            return None;
        }
        self.contexts.lock().expect("nothing panics under this lock").pop(message)
    }
}
