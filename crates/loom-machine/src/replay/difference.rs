//! Where a replayed guest and its journal part.

use std::fmt;

use loom_types::{ActorAddress, Cid, SequenceNumber, TurnNumber};

use crate::{Divergence, Failure, Requested, side_by_side};

/// What a guest did, by its journal or before our eyes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Did {
    /// It asked the host for something.
    Asked(Requested),
    /// It waited for an outcome that never came.
    Waited,
    /// It came to its end.
    Ended,
    /// It ended with this reply.
    Replied(String),
    /// It failed.
    Failed(Failure),
    /// It went on as a new turn with this message.
    Restarted(String),
    /// The step came out like this.
    CameOut(Result<String, Failure>),
    /// It used this much fuel.
    Used(u64),
    /// It left the actor with this state.
    Left(Option<String>),
}

impl fmt::Display for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Did::Asked(requested) => write!(f, "asks {requested}"),
            Did::Waited => write!(f, "waits for an outcome that is not there"),
            Did::Ended => write!(f, "ends"),
            Did::Replied(reply) => write!(f, "replies {reply}"),
            Did::Failed(failure) => write!(f, "fails {failure}"),
            Did::Restarted(message) => write!(f, "goes on as a new turn with {message}"),
            Did::CameOut(Ok(value)) => write!(f, "comes out as {value}"),
            Did::CameOut(Err(failure)) => write!(f, "comes out as a failure, {failure}"),
            Did::Used(fuel) => write!(f, "uses {fuel} units of fuel"),
            Did::Left(Some(state)) => write!(f, "leaves the state {state}"),
            Did::Left(None) => write!(f, "leaves no state"),
        }
    }
}

/// The first entry at which the two part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The actor.
    pub actor: ActorAddress,
    /// The turn.
    pub turn: TurnNumber,
    /// The entry.
    pub seq: SequenceNumber,
    /// Its step; none for the turn's end.
    pub n: Option<u32>,
    /// What the journal says.
    pub journal: Did,
    /// What the guest did.
    pub guest: Did,
    /// The module whose doing the journal holds.
    pub recorded_module: Cid,
    /// The module that was run.
    pub module: Cid,
}

impl Difference {
    /// A request that is not the recorded one. `first` is the entry that starts the turn.
    pub(super) fn of_step(divergence: Divergence, first: SequenceNumber, module: Cid) -> Self {
        let did = |requested: Option<Requested>| requested.map_or(Did::Ended, Did::Asked);
        Self {
            actor: divergence.address,
            turn: divergence.turn,
            seq: SequenceNumber(first.0 + u64::from(divergence.entry)),
            n: Some(divergence.n),
            journal: did(divergence.expected),
            guest: did(divergence.actual),
            recorded_module: divergence.module,
            module,
        }
    }

    /// Both doings, one line each, cut so that what differs stands in the same place.
    pub fn side_by_side(&self) -> (String, String) {
        side_by_side(&self.journal.to_string(), &self.guest.to_string())
    }
}
