//! A turn in memory: where its guest is, and what the next commit has to carry.

use std::{collections::HashMap, sync::Arc, time::Duration};

use loom_machine::{Guest, Module, Turn, Work};
use loom_storage::{Admission, Hold, Position, TimerWrite};
use loom_types::{ActorAddress, MessageId, SequenceNumber, TurnNumber};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::Span;

use super::{proof::Awaited, verify::Verifying};
use crate::{
    gate::Place,
    shard::{ControlResponder, Responders},
    trace::{self, Traces},
};

/// A turn that is not finished.
pub(crate) struct Running {
    pub(crate) turn: Turn,
    pub(crate) started_seq: SequenceNumber,
    pub(crate) phase: Phase,
    /// `turn-started` is durable, or on its way there.
    pub(crate) is_recorded: bool,
    /// `turn-started` is durable.
    pub(crate) is_durable: bool,
    /// What makes the client's id known; none for messages between actors.
    pub(crate) admission: Option<Admission>,
    pub(crate) responders: Vec<Responders>,
    /// Mailbox rows that the next commit consumes.
    pub(crate) taken: Vec<Position>,
    /// Clients' messages that the turn took inside, to be known with the next commit.
    pub(crate) admitted: Vec<Admission>,
    /// Somebody wants the guest to stop, as soon as it waits.
    pub(crate) stopping: Option<Stopping>,
    /// Timer rows that the next commit changes beyond what the turn says.
    pub(crate) books: Vec<TimerWrite>,
    /// Blobs that pending entries name.
    pub(crate) holds: Vec<Hold>,
    /// Activities under way: the attempt, by step. An attempt of a cell before this one may still end.
    pub(crate) jobs: HashMap<u32, u32>,
    /// Proofs under way, by step.
    pub(crate) proofs: HashMap<u32, Awaited>,
    /// Ends activities when the turn does, or when this process gives it up.
    pub(super) over: DropGuard,
    pub(crate) started_at: Duration,
    /// Open until the turn's end is durable.
    pub(crate) span: Span,
    /// Of the pure activity or the verifier that runs inside its step.
    pub(super) inner_span: Span,
    /// Its place inside the gates, until it ends or waits for what may never come.
    pub(crate) place: Place,
    /// Kept while the turn runs, so that a small module cache cannot take it away for the activity's.
    pub(super) module: Option<Arc<dyn Module>>,
    pub(super) guest: Option<Box<dyn Guest>>,
    /// A pure activity or a verifier that runs inside its step.
    pub(super) inner: Option<Inner>,
    /// The answer to its last request, if others run before it gets it.
    pub(super) held: Option<String>,
    /// Fuel of its pure activities and verifiers since it began its slice.
    pub(super) inner_fuel: u64,
    /// Host faults since it last got anywhere.
    pub(super) faults: u32,
    /// When the first of them was met.
    pub(super) faulted_at: Duration,
    /// It met too many; whoever sent its message, it becomes a dead letter.
    pub(super) is_parked: bool,
}

/// What runs inside a step.
pub(super) struct Inner {
    pub(super) guest: Box<dyn Guest>,
    /// What it verifies; none for an activity.
    pub(super) verifying: Option<Box<Verifying>>,
}

/// A wish that the guest stop.
pub(crate) struct Stopping {
    pub(crate) reason: String,
    pub(crate) by: String,
    /// The operator who asked; none for the turn that began this one's message.
    pub(crate) responder: Option<ControlResponder>,
}

/// What a turn is about to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Run its guest, from the start or from an answer.
    Ready,
    /// Go on where its guest let others run.
    Sliced,
    /// Wait for a module.
    Module,
    /// Wait for the host to do something inside a step.
    Task,
    /// Wait for outcomes.
    Waiting,
    /// Try again after a fault of the host's.
    Backoff(String),
    /// Nothing: replay diverged.
    Diverged(String),
}

impl Running {
    pub(crate) fn new(
        turn: Turn,
        started_seq: SequenceNumber,
        admission: Option<Admission>,
        responders: Vec<Responders>,
        started_at: Duration,
    ) -> Self {
        Self {
            turn,
            started_seq,
            phase: Phase::Ready,
            is_recorded: false,
            is_durable: false,
            admission,
            responders,
            taken: Vec::new(),
            admitted: Vec::new(),
            stopping: None,
            books: Vec::new(),
            holds: Vec::new(),
            jobs: HashMap::new(),
            proofs: HashMap::new(),
            over: CancellationToken::new().drop_guard(),
            started_at,
            span: Span::none(),
            inner_span: Span::none(),
            place: Place::default(),
            module: None,
            guest: None,
            inner: None,
            held: None,
            inner_fuel: 0,
            faults: 0,
            faulted_at: Duration::ZERO,
            is_parked: false,
        }
    }

    pub(crate) fn number(&self) -> TurnNumber {
        self.turn.opening().turn
    }

    /// Begins the turn's span: in its request's trace, or in that of the actor that sent the message.
    pub(super) fn trace(&mut self, actor: &ActorAddress, traces: &Traces) {
        let request = self.responders.iter().find_map(|responders| responders.trace.clone());
        let parent = request.or_else(|| traces.take(self.message_id()));
        self.span = trace::turn(actor, self.turn.opening().turn.0, false, parent.as_ref());
    }

    /// The same for a turn that is taken up again, whose trace may be forgotten.
    pub(super) fn trace_again(&mut self, actor: &ActorAddress, traces: &Traces) {
        let parent = traces.take(self.message_id());
        self.span = trace::turn(actor, self.turn.opening().turn.0, true, parent.as_ref());
    }

    pub(crate) fn message_id(&self) -> &MessageId {
        &self.turn.opening().message.id
    }

    /// Drops the guest wherever it is. It is replayed from the journal when it may run again.
    pub(crate) fn interrupt(&mut self) {
        self.guest = None;
        self.inner = None;
        self.module = None;
        if matches!(self.phase, Phase::Sliced | Phase::Task | Phase::Module) {
            self.phase = Phase::Ready;
        }
    }

    pub(super) fn fuel_used(&self) -> u64 {
        self.guest.as_ref().map_or(0, |guest| guest.fuel_used())
    }

    pub(crate) fn has_guest(&self) -> bool {
        self.guest.is_some()
    }

    pub(crate) fn drop_guest(&mut self) -> bool {
        if self.phase != Phase::Waiting {
            return false;
        }
        self.module = None;
        self.guest.take().is_some()
    }

    pub(crate) fn can_be_dropped(&self) -> bool {
        self.phase == Phase::Waiting
            && self.guest.is_none()
            && self.jobs.is_empty()
            && self.proofs.is_empty()
            && self.turn.pending().is_empty()
            && self.taken.is_empty()
            && self.books.is_empty()
            && !self.responders.iter().any(Responders::is_followed)
    }

    /// Whether the turn has work that only this process knows of.
    pub(crate) fn needs_worker(&self) -> bool {
        let is_ours = |work: &Work| matches!(work, Work::Activity { .. } | Work::Proof { .. });
        self.phase != Phase::Waiting || self.turn.outstanding().any(|outstanding| is_ours(&outstanding.work))
    }

    /// Lets go of proofs whose steps have their outcome, or were left behind.
    pub(super) fn let_go_of_proofs(&mut self) {
        let turn = &self.turn;
        self.proofs.retain(|n, _| turn.outstanding_work(*n).is_some());
    }
}
