//! Deciding by criteria: the whole of a lender's rules is data, this crate is only the reader of that data.
//!
//! A [`Program`] is JSON text (`docs` in `examples/loan-review/README.md`): a list of criteria with ids, each a
//! condition over named integer [`Facts`], and overlays that add or replace criteria in some states. Evaluation is
//! three-valued: a criterion is met, missed, or *unknown*, because a fact is missing or is only known as a range that
//! lies on both sides of a threshold. Nothing is guessed: unknown never counts as met.
//!
//! What the crate keeps:
//! - Integers only. A number with a fraction or an exponent is refused when read, so no result depends on rounding
//!   or on a platform's floats.
//! - Bounded work. [`limits`] names every bound; a program within them is evaluated in one pass without recursion
//!   deeper than [`limits::CONDITION_DEPTH_MAX`].
//! - `no_std` with `alloc`, no clock, no randomness, no I/O: the same source runs in a sandboxed activity and in a
//!   zero-knowledge guest, and gives the same bytes.
//!
//! It knows nothing of mortgages. Start reading at [`evaluate`].

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod condition;
mod evaluate;
mod fact;
mod json;
mod limit;
pub mod limits;
mod program;
mod read;

pub use condition::{Condition, Truth};
pub use evaluate::{Decision, EvaluateError, Outcome, Reason, Review, evaluate};
pub use fact::{Fact, Facts};
pub use limit::limit;
pub use program::{Criterion, Overlay, Program, Severity, WhenUnknown};
pub use read::ProgramError;

#[cfg(test)]
mod tests;
