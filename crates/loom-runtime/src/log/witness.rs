//! Witnesses, as a log sees them.

use futures::future::BoxFuture;
use loom_evidence::{Hash, PublicKey, SignedCheckpoint};

/// Somebody beside the log who cosigns one line of its checkpoints, and none that leaves this line.
pub trait Witness: Send + Sync {
    /// What its cosignatures are verified with.
    fn key(&self) -> &PublicKey;

    /// Asks for a cosignature. `proof` leads from the tree of `old` leaves, which the witness is believed to have
    /// cosigned last, to the checkpoint's. The answer comes within seconds, whatever it is.
    fn cosign<'a>(
        &'a self,
        old: u64,
        proof: &'a [Hash],
        checkpoint: &'a SignedCheckpoint,
    ) -> BoxFuture<'a, WitnessAnswer>;
}

/// What a witness answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WitnessAnswer {
    /// Its cosignature: a line.
    Cosigned(String),
    /// It cosigned another size last: prove from there.
    CountsFrom(u64),
    /// It is not ready: ask the same again.
    Busy(String),
    /// It cosigned what this does not extend.
    Contradicts(String),
    /// It does not cosign this.
    Refused(String),
    /// There is no answer, or none that is understood.
    Silent(String),
}

/// How a witness stands to the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessStatus {
    /// Its key.
    pub key: PublicKey,
    /// How many leaves it cosigned last, as far as this process knows.
    pub cosigned: Option<u64>,
    /// Why it did not cosign when it was asked last.
    pub problem: Option<String>,
}
