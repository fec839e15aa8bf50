//! The pure heart of Loom: one turn of one actor.
//!
//! [`Turn`] stands between a guest and its journal. The guest's requests go in; answers, journal entries and
//! effects come out. Replaying is the same code: as long as the journal knows a step, its recorded outcome is
//! the answer, and a request that differs from the recorded one is a [`Divergence`].
//!
//! Absent on purpose: I/O, clocks, randomness (they enter through [`Ambient`]), async, threads, storage. What
//! runs guests is the [`Sandbox`] port; `loom-wasmtime` implements it. `loom-runtime` performs what comes out
//! here, and an offline verifier drives the very same [`Turn`].
//!
//! Start at [`Turn::request`].

mod activity_request;
mod allowance;
mod deployment;
mod envelope;
mod failure;
pub mod limits;
mod object;
mod program;
mod query;
mod random;
pub mod replay;
mod request;
mod sandbox;
mod state;
mod turn;
mod verification;

pub use self::{
    activity_request::{ActivityRequest, HeaderSource, HttpRequest, SecretReference},
    allowance::{HostPattern, HttpAllowance, InvalidHost, Scheme},
    deployment::{
        ActivitySpec, ActorSpec, CatchUp, Deployment, GuestLimits, InvalidDeployment, Retry, Schedule, TurnLimits,
    },
    envelope::{Message, MessageKind},
    failure::Failure,
    program::{ImageId, InputSalts, InvalidImageId, ProgramSpec, Proved},
    query::Query,
    request::ABI_VERSION,
    sandbox::{Guest, HostFault, Module, Progress, Sandbox, compute, computed},
    turn::{
        Ambient, CidText, Completion, Control, CorruptTurn, Directory, Divergence, Effect, Ended, LogLine, Opening,
        Outcome, Outstanding, Pending, Reaction, Requested, ResetError, Restarted, Task, Turn, Work, blob_text,
        side_by_side,
    },
    verification::{UnknownVerifierKind, Verdict, Verification, VerifierKind, VerifierSpec, canonical_object},
};
