//! The native side of the loan-review example: from a file of mortgage applications to messages for its actors.
//!
//! - [`input`] streams applications in the public HMDA schema, CSV or JSON lines. What the lender decided is split
//!   off and never reaches an actor; a malformed row is a named [`Rejection`], never the end of the run.
//! - [`columns`] says which columns are split off or held back, and why.
//! - [`sample`] generates the synthetic applications in `examples/loan-review`.
//!
//! Deliberately absent: any judgement of an application. Types, ratios, criteria and the refusal of protected
//! attributes are the business of the WASM modules in `guests/loan-review`, where they are part of the record.
//! Nothing here talks to a node. Start reading at [`input::Applications`].

pub mod columns;
pub mod input;
pub mod sample;

pub use input::{Application, Applications, Decision, Format, OpenError, Rejection, RejectionCode};
