//! Deterministic simulation of the runtime.
//!
//! The real `loom-runtime` and `loom-machine` run on a seeded single-threaded scheduler, with a simulated clock,
//! native guests and a store that does everything its ports allow: it is slow, fails before and after the fact,
//! and dies between any two commits. Afterwards the durable journals are compared with everything that anybody
//! outside observed, and the bundles that an auditor got are verified.
//!
//! One seed is one run: the same events, byte for byte. `docs/guides/simulation.md` says how to repeat one.
//!
//! Absent on purpose: threads, wall-clock time, WASM, files and the network.
//!
//! Start at [`run`] and [`Scenario`], then `check.rs`.

mod auditor;
mod check;
mod clock;
mod executor;
mod guest;
mod node;
mod operator;
mod outside;
mod program;
mod prover;
mod random;
mod record;
mod run;
mod scenario;
mod statements;
mod store;
mod world;

pub use self::{
    check::Violation,
    run::{Report, run},
    scenario::Scenario,
    store::Sabotage,
};
