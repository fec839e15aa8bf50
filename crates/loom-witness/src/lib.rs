//! A witness: somebody beside a log who signs one line of its checkpoints, and none that leaves this line.
//!
//! A log can show two people two histories, each consistent. Whoever insists on a witness's cosignature is shown the
//! history that the witness was shown. A witness that also reads the leaves is a monitor: it looks for an actor with
//! two histories inside the one log.
//!
//! What is kept here:
//!
//! - A cosignature leaves only after the state that forbids its contrary is durable.
//! - The state moves along consistency proofs, and never back. If leaves are read, it moves only to a tree whose leaves
//!   were all read, hash to the signed root and let every actor's `seq` grow.
//! - What a log's key signed and this witness refused is kept, as evidence.
//!
//! Deliberately absent: asking a log for its checkpoints (logs come here), reading leaves of a log that has no address
//! configured, passing on what was found (an operator reads it), and a way to forget that a log was caught.
//!
//! Start at [`Witness::add_checkpoint`]. Format and protocol: `docs/formats/witness.md`.

mod client;
mod clock;
mod error;
mod key;
mod leaves;
pub mod limits;
mod lock;
mod protocol;
mod server;
mod settings;
mod store;
mod violation;
mod witness;

pub use secrecy::SecretString;

pub use self::{
    client::{Answer, HttpWitness, WitnessError},
    clock::{Clock, SystemClock},
    error::{OpenError, StoreError},
    leaves::{HttpLeaves, Leaves, LeavesError},
    protocol::{FailedError, Refusal, Request, SIZE_MEDIA_TYPE},
    server::{router, serve},
    settings::{InvalidSettings, Settings, WatchedLog},
    store::{LogStatus, Reason, Refused, refusals, status},
    violation::{LeafAt, Violation},
    witness::Witness,
};
