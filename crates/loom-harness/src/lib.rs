//! Runs a compiled guest against a script, without a node.
//!
//! The guest runs in the real sandbox and talks to the real [`Turn`](loom_machine::Turn): a request is read,
//! refused and answered as a node would. What is simulated is the world behind it. State, blobs and randomness
//! are in memory, time is a number that only moves when the guest waits, and whatever other actors, people and
//! effectful activities would say stands in the [`Script`].
//!
//! Nothing depends on the machine or the moment: a case that passes passes everywhere, for ever.
//!
//! Absent on purpose: a clock, I/O, async, and any engine. Whoever calls brings a
//! [`Sandbox`](loom_machine::Sandbox) and the modules' bytes. The format of scripts is `docs/guides/testing.md`.
//!
//! Start at [`Bench::run`].

mod bench;
mod check;
mod compare;
mod host;
pub mod limits;
mod problem;
mod run;
mod script;
mod steps;
mod world;

pub use self::{
    bench::{Bench, CaseReport, Passed, SetUpError},
    problem::Problem,
    script::{InvalidScript, Script},
};
