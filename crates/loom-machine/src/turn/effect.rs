//! What a turn asks of the runtime: entries to commit, effects, tasks, and work that comes back later.

use std::sync::Arc;

use loom_types::{ActorAddress, Cid, EntryBody, MessageId, Payload, StepRef};

use super::Outcome;
#[cfg(doc)]
use super::Turn;
use crate::{Failure, ImageId, Message, Retry, Verification};

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

    pub(super) fn entry(&mut self, at_ms: u64, body: EntryBody) {
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
    /// A client's message, taken inside the turn, has its answer.
    Answer {
        /// The message.
        message: Box<Message>,
        /// Reply or failure.
        outcome: Outcome,
        /// Which of the pending entries holds it.
        entry: usize,
    },
    /// Nobody waits any more for what this message began; whoever handles it is told.
    Cancel {
        /// Its receiver.
        to: ActorAddress,
        /// The message.
        message: MessageId,
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
    /// The run that step `n` asks for is to be proved; see [`Turn::outstanding`].
    StartProof {
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
    /// End the turn and go on as a new one that handles this body; see [`Turn::restart`].
    Restart(String),
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
    /// Verify a piece of evidence. The module's end becomes the result by [`Verification::outcome`].
    Verify {
        /// What is asked.
        verification: Verification,
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
    /// A child's reply, or the deadline if there is one.
    Child {
        /// The child.
        to: ActorAddress,
        /// The message it was started with.
        message: MessageId,
        /// It goes on when this turn is over.
        is_detached: bool,
        /// Deadline, in milliseconds since the Unix epoch.
        due_ms: Option<u64>,
    },
    /// A message of the actor's own mailbox.
    Receive {
        /// The member `type` its body must have, if any will not do.
        message_type: Option<String>,
        /// How long to wait, in milliseconds since the Unix epoch.
        due_ms: Option<u64>,
    },
    /// Someone outside.
    Promise {
        /// The promise.
        token: String,
    },
    /// A run of a program, proved beside the turn. Its private input: [`Turn::private_input`].
    Proof {
        /// The program's name in the deployment.
        program: String,
        /// Its own name.
        image_id: ImageId,
        /// The public input.
        public: Arc<[u8]>,
        /// The private input.
        input: Cid,
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
