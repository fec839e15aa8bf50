//! The programs that Loom proves: what goes into them, what comes out, and which builds of them there are.
//!
//! [`Program`] is the way in: from JSON to the value of a private payload, from a payload block to a program's input,
//! and from its public output back to JSON. The bytes of all three are in `docs/formats/programs.md`; the programs
//! themselves are in `guests/risc0`. [`batch`] also has the tree whose root a proof of many cases shows.
//!
//! Encoding refuses what the program would refuse, because a program that refuses says nothing at all.
//!
//! Deliberately absent: salts and payload blocks (`loom-types`), running and proving, receipts. Pure, without I/O, and
//! for WASM as well.

pub mod batch;
pub mod committed_amount;
pub mod compliance;
mod digest;
pub mod dti;
mod error;
pub mod income_threshold;
mod program;
mod reader;
pub mod registry;

pub use self::{
    digest::Digest,
    error::{InvalidInput, InvalidOutput},
    program::{Output, Program, stdin},
};

#[cfg(test)]
mod tests;
