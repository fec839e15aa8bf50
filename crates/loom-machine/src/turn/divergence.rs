//! A guest that does not do again what its journal says.

use std::fmt;

use loom_types::{ActorAddress, Cid, TurnNumber};

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
