//! A commit: what happens to one actor, all or nothing.

use loom_types::{
    ActorAddress, Cid, FencingToken, MessageId, Payload, Resolution, Segment, SequenceNumber, StepRef, TurnNumber,
};

use crate::Position;

/// Entries and everything that takes effect with them. One row in the store. Without entries it only keeps the
/// books: attempts are counted, stale rows removed.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The actor.
    pub actor: ActorAddress,
    /// The right to append.
    pub token: FencingToken,
    /// Sequence number of the first entry in the segment.
    pub expected_seq: SequenceNumber,
    /// The entries and their payloads.
    pub segment: Segment,
    /// CID of the newest entry after this commit.
    pub head: Cid,
    /// Number of the newest turn.
    pub turn: TurnNumber,
    /// Sequence number of its `turn-started`, if it is unfinished after this commit.
    pub open_turn: Option<SequenceNumber>,
    /// Whether the actor has to be looked at after a restart even if nothing arrives for it: it has work that
    /// only this process knows of.
    pub needs_worker: bool,
    /// Whether the actor is paused: an operator wants nothing of it to run.
    pub is_paused: bool,
    /// What becomes of the state.
    pub state: StateWrite,
    /// Mailbox rows that are consumed.
    pub taken: Vec<Position>,
    /// Client messages, so that their ids are known from now on.
    pub admissions: Vec<Admission>,
    /// Messages for other actors (or this one), in program order.
    pub messages: Vec<OutgoingMessage>,
    /// Outcomes for other actors' steps.
    pub outcomes: Vec<OutgoingOutcome>,
    /// Messages nobody waits for any more, for the actors that handle them.
    pub cancels: Vec<OutgoingCancel>,
    /// Messages of this actor that could not be handled, for people to look at.
    pub dead_letters: Vec<NewDeadLetter>,
    /// Timers set or cleared, in order. A step has at most one.
    pub timers: Vec<TimerWrite>,
    /// Promises that can be resolved from now on.
    pub promises_created: Vec<NewPromise>,
    /// Tokens that are settled.
    pub promises_cleared: Vec<String>,
    /// What the node's log gets of it, if the actor comes to rest.
    pub leaf: Option<Leaf>,
    /// When the node made the commit, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// What an actor adds to the node's [`Log`](crate::Log): the entry at which the actor's history stood when it came to
/// rest. Through the chain it commits to every entry before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Sequence number of the entry, which is one of the commit's own segment.
    pub seq: SequenceNumber,
    /// Its CID.
    pub head: Cid,
}

impl Commit {
    /// A commit that appends a segment and changes nothing else, of an actor at rest.
    pub fn of_segment(
        actor: ActorAddress,
        token: FencingToken,
        expected_seq: SequenceNumber,
        segment: Segment,
        head: Cid,
        at_ms: u64,
    ) -> Self {
        Self {
            actor,
            token,
            expected_seq,
            segment,
            head,
            turn: TurnNumber(0),
            open_turn: None,
            needs_worker: false,
            is_paused: false,
            state: StateWrite::Keep,
            taken: Vec::new(),
            admissions: Vec::new(),
            messages: Vec::new(),
            outcomes: Vec::new(),
            cancels: Vec::new(),
            dead_letters: Vec::new(),
            timers: Vec::new(),
            promises_created: Vec::new(),
            promises_cleared: Vec::new(),
            leaf: None,
            at_ms,
        }
    }

    /// Whether a commit is one that a store may be asked to apply; for backends to assert. Books are kept of existing
    /// journals, and a leaf names an entry of the segment it comes with.
    pub fn is_well_formed(&self) -> bool {
        let entries = &self.segment.entries;
        let names_its_own = |leaf: &Leaf| {
            let at = leaf.seq.0.checked_sub(self.expected_seq.0).and_then(|at| usize::try_from(at).ok());
            at.and_then(|at| entries.get(at)).is_some_and(|entry| entry.cid == leaf.head)
        };
        (self.expected_seq.0 > 0 || !entries.is_empty()) && self.leaf.as_ref().is_none_or(names_its_own)
    }
}

/// What becomes of an actor's state.
#[derive(Clone, Debug)]
pub enum StateWrite {
    /// It stays.
    Keep,
    /// It becomes this payload.
    Set(Payload),
    /// It has none from now on.
    Clear,
}

/// A client's message as it enters a turn, or as its turn ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// The client's or a generated id.
    pub id: MessageId,
    /// SHA-256 of the body, so that the same id with another body is noticed.
    pub body_digest: [u8; 32],
    /// The turn that handles it.
    pub turn: TurnNumber,
    /// Sequence number of that turn's `turn-ended`, once it is there.
    pub ended: Option<SequenceNumber>,
}

/// A message on its way to an actor's mailbox.
#[derive(Clone, Debug)]
pub struct OutgoingMessage {
    /// The receiver.
    pub to: ActorAddress,
    /// Its id.
    pub id: MessageId,
    /// The envelope.
    pub payload: Payload,
    /// When it may be delivered (milliseconds since the Unix epoch), if not at once.
    pub not_before_ms: Option<u64>,
}

/// An outcome on its way to an actor that waits for it.
#[derive(Clone, Debug)]
pub struct OutgoingOutcome {
    /// The waiting actor.
    pub to: ActorAddress,
    /// Its step.
    pub step: StepRef,
    /// Names the payload as value or failure.
    pub result: Resolution,
    /// The payload.
    pub payload: Payload,
}

/// Word that nobody waits any more for what a message began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutgoingCancel {
    /// The message's receiver.
    pub to: ActorAddress,
    /// The message; it was sent before, by the same sender.
    pub message: MessageId,
}

/// A message that could not be handled.
#[derive(Clone, Debug)]
pub struct NewDeadLetter {
    /// Its id.
    pub message: MessageId,
    /// The envelope.
    pub payload: Payload,
    /// Why, for people.
    pub reason: String,
}

/// A change to a step's timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerWrite {
    /// Set, or replaced.
    Set {
        /// The step.
        step: StepRef,
        /// When it fires, in milliseconds since the Unix epoch.
        due_ms: u64,
        /// For the retry of an activity, how many attempts were made; else 0.
        attempts: u32,
    },
    /// No longer needed.
    Clear {
        /// The step.
        step: StepRef,
    },
}

/// A promise to be resolved from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPromise {
    /// Unguessable name.
    pub token: String,
    /// The step.
    pub step: StepRef,
    /// What it is about, for people.
    pub label: Option<String>,
    /// JSON text that goes with it.
    pub data: Option<String>,
}
