//! TLSNotary presentations: a notary's signed word that a server said something in a TLS session.
//!
//! The format is that of upstream's release 0.1.0-alpha.15, byte by byte in `docs/formats/presentation.md`. Everything
//! here is a function of its arguments: keys, roots, names and the time come from the caller, there is no clock, no
//! network, no environment and no list of roots inside.
//!
//! What is kept here:
//!
//! - Bytes from strangers are read within [`limits`]; nothing is allocated for a length that was not checked.
//! - The whole tree of fields is built again. There are no partial proofs, no other order of fields, no second way to
//!   write ranges: one set of facts has one form, but for letter case in a name and the notary's signature.
//! - What is not disclosed is never data. There is no buffer in which it would be zeros.
//! - Every way to be refused has its own [`Rejected`].
//!
//! Deliberately absent: making a presentation from a session (`loom-notary`), MPC (upstream's tools), revocation.
//!
//! Start at [`verify()`](verify::verify); what a response says at a JSON pointer is read by [`fields`].

pub mod activity;
mod certificates;
pub mod committed;
mod decode;
mod encode;
pub mod fields;
pub mod hashing;
pub mod http;
pub mod limits;
pub mod presentation;
pub mod ranges;
pub mod verify;
mod wire;

pub use self::{
    decode::{Malformed, Problem, decode},
    encode::{Layout, encode, encode_with},
    presentation::Presentation,
    ranges::{Range, RangeSet},
    verify::{Disclosed, Finding, NotaryKey, Policy, Rejected, Roots, TimeWindow, Verified, certificates_of, verify},
};
