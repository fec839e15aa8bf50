//! What simulated actors do: a program is the body of a message.
//!
//! An operation is one variant here, one arm in `guest.rs` that makes its request, and one line in `draw.rs` that
//! chooses it.

pub(crate) mod draw;

use loom_types::ActorAddress;
use serde::{Deserialize, Serialize};

/// A message's body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Program {
    /// What a `receive` may ask for.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<String>,
    pub(crate) ops: Vec<Op>,
}

/// How an activity comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Ending {
    /// With a value.
    Value,
    /// With an error of its own.
    Failure,
    /// With a trap.
    Trap,
}

/// What to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mode {
    All,
    Any,
}

/// One thing a guest does. Handles are counted in the order in which the guest got them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Op {
    /// Adds to a number in the state.
    Add {
        name: String,
        amount: i64,
    },
    /// Removes a number from the state.
    Delete {
        name: String,
    },
    Now,
    Random {
        bytes: u32,
    },
    Uuid,
    Log,
    /// Runs a pure activity.
    Compute {
        value: u64,
        ending: Ending,
        start: bool,
    },
    /// Runs an effectful activity that fails `busy` times, retryably, before it ends.
    Effect {
        busy: u32,
        ending: Ending,
        start: bool,
    },
    /// Has a run of a program proved, over one of a few inputs.
    Prove {
        input: u8,
    },
    /// Has a presentation verified, or what is none.
    Verify {
        genuine: bool,
    },
    Call {
        to: ActorName,
        program: Box<Program>,
        deadline_ms: u64,
        start: bool,
    },
    Send {
        to: ActorName,
        program: Box<Program>,
        delay_ms: Option<u64>,
    },
    Sleep {
        ms: u64,
    },
    Timer {
        ms: u64,
    },
    Promise,
    /// Waits for the newest promise.
    AwaitPromise,
    /// Waits for the newest handles.
    Await {
        newest: usize,
        mode: Mode,
    },
    /// Stores a blob and reads it again.
    Blob {
        text: String,
    },
    /// Reads a blob that nobody stored.
    MissingBlob,
    /// Asks for what no host knows.
    Nonsense,
    /// Starts a child; without a name under a new key.
    Spawn {
        to: Result<ActorName, String>,
        program: Box<Program>,
        deadline_ms: Option<u64>,
        detached: bool,
    },
    /// Takes a message of the mailbox, without `timeout_ms` waiting for ever.
    Receive {
        kind: Option<String>,
        timeout_ms: Option<u64>,
        start: bool,
    },
    /// Answers one of the received messages, counted from the newest.
    Reply {
        back: usize,
    },
    /// Goes on as a new turn.
    Restart {
        program: Box<Program>,
    },
    /// Lets others run.
    Yield,
    /// Ends the turn with an error.
    Fail,
    /// Ends the turn with a trap.
    Trap,
}

/// `type/key`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct ActorName(pub(crate) String);

impl ActorName {
    pub(crate) fn address(&self) -> ActorAddress {
        format!("default/{}", self.0).parse().expect("names are made by the simulation")
    }
}

impl Program {
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("programs serialise")
    }

    /// The operations that are come to: those up to the one that ends the turn.
    pub(crate) fn run_ops(&self) -> &[Op] {
        let end = self.ops.iter().position(|op| matches!(op, Op::Fail | Op::Trap | Op::Restart { .. }));
        &self.ops[..end.map_or(self.ops.len(), |end| end + 1)]
    }

    /// Whether a turn that runs it ends with a reply, or goes on as another.
    pub(crate) fn ends_well(&self) -> bool {
        !matches!(self.run_ops().last(), Some(Op::Fail | Op::Trap))
    }
}
