//! An actor with two histories in one log.

use std::fmt;

use data_encoding::HEXLOWER;
use loom_evidence::Leaf;

/// A leaf and its place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeafAt {
    /// Its index.
    pub index: u64,
    /// The leaf.
    pub leaf: Leaf,
}

/// Two leaves of one actor, of which the later does not go on from the earlier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The log.
    pub origin: String,
    /// The earlier leaf.
    pub first: LeafAt,
    /// The later, whose `seq` is not greater.
    pub second: LeafAt,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, first, second } = self;
        let actor = HEXLOWER.encode(&first.leaf.actor);
        write!(
            f,
            "log {origin}: actor {actor} has seq {} at leaf {} and seq {} at leaf {}; it has two histories",
            first.leaf.seq.0, first.index, second.leaf.seq.0, second.index
        )
    }
}
