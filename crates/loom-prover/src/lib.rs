//! Proves runs of RISC Zero programs, on this machine or by asking a server.
//!
//! A proof takes minutes to hours of processor time, so what matters is what is left of it after a crash. Each proof is
//! a [`Job`], a folder; the run is split into segments, and the proof of each is stored there as soon as it is made and
//! verified. Whoever takes up the job again executes the program anew, which takes milliseconds and gives the same
//! segments, and proves those that are not there.
//!
//! Proving itself is behind the feature `local`, and is done by a process of its own (`work`): its code is large,
//! partly C++, and wants all the memory that it may have. The process that waits for it reads [`Event`]s.
//!
//! What is kept here:
//!
//! - Nothing counts that was not verified: a segment when it is made and when it is found again, a receipt before it is
//!   stored.
//! - The input is private. It is in the job's folder, which only its owner may read, until the receipt is there.
//!
//! Deliberately absent: verifying receipts of others (`loom-risc0-verify`), what programs mean (`loom-programs`).
//!
//! Start at [`Processes`], which is a node's prover, and `work`, which is a process's work. [`Workers`] is the prover of a
//! node that leaves the work to others who see its folder, and `Bonsai`, behind a feature of that name, asks a server.

#[cfg(feature = "bonsai")]
mod bonsai;
mod cost;
#[cfg_attr(not(feature = "local"), allow(dead_code, reason = "only whoever proves here adds up what it takes"))]
mod effort;
mod error;
mod event;
#[cfg_attr(not(feature = "local"), allow(dead_code, reason = "only whoever proves here reads all of a job"))]
mod job;
#[cfg(feature = "local")]
mod local;
mod process;
mod program;
mod workers;

#[cfg(feature = "bonsai")]
pub use self::bonsai::{Bonsai, BonsaiError, BonsaiSettings, CallError, InvalidServer, NoReceipt, WantedReceipt};
#[cfg(feature = "local")]
pub use self::local::{Execution, IfBusy, execute, work};
pub use self::{
    cost::{Cost, Limits, SEGMENT_PO2},
    effort::Effort,
    error::{JobError, ProgramError, Refused, WorkError},
    event::{Event, Used},
    job::{Job, Jobs, Task},
    process::{ProcessError, Processes, Stop, WorkerCommand},
    program::Program,
    workers::{LOOK_INTERVAL, Workers},
};
