//! Steps as a turn remembers them.

use loom_types::Payload;

use super::{Outcome, Work, prove::Input};
use crate::Message;

/// What the guest asked for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) op: String,
    pub(super) request: Payload,
    pub(super) input: Input,
}

/// A step of the turn.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) op: String,
    pub(super) request: Payload,
    pub(super) input: Input,
    pub(super) immediate: Option<Outcome>,
    pub(super) work: Option<Work>,
    /// Place among the turn's outcomes, and the outcome.
    pub(super) completion: Option<(u64, Outcome)>,
    /// The message that a `receive` took.
    pub(super) received: Option<Received>,
    /// Place of its entry among the turn's, where `turn-started` is 0.
    pub(super) entry: u32,
    /// A reset left it behind: the guest is not asked for it again, and its number stays used.
    pub(super) is_discarded: bool,
}

impl Record {
    pub(super) fn new(asked: Asked, immediate: Option<Outcome>, work: Option<Work>, entry: u32) -> Self {
        let Asked { op, request, input } = asked;
        Self { op, request, input, immediate, work, completion: None, received: None, entry, is_discarded: false }
    }

    pub(super) fn is_outstanding(&self) -> bool {
        self.work.is_some() && self.completion.is_none() && !self.is_discarded
    }
}

/// A message that was taken inside the turn.
#[derive(Clone, Debug)]
pub(super) struct Received {
    pub(super) message: Message,
    /// The `reply` that answered it, or the turn's end.
    pub(super) answered: Option<Answered>,
}

/// What answered a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answered {
    By(u32),
    AtEnd,
}

/// What the guest waits for.
#[derive(Clone, Debug)]
pub(super) enum Waiting {
    One(u32),
    All(Vec<u32>),
    Any(Vec<u32>),
}

/// A step whose task is being done; it becomes a record when it is finished.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) asked: Asked,
    /// The record exists already: a `blob.get` read again on replay.
    pub(super) replayed: bool,
}
