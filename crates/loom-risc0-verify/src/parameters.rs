//! What the verifier is, so that an old receipt stays checkable: it says with which parameters it was made, and these
//! are the ones of this version.
//!
//! The digests stand for circuits, control roots and keys. They are constants here, compared by a test with what the
//! library computes: a new version of the library that changes one of them is a new row and not a new meaning.

/// The version of `risc0-zkvm` that is linked.
pub const LIBRARY: &str = "3.0.6";
/// Of receipts of single segments.
pub const SEGMENT: &str = "e7300130165ebe00f68f9301530de9d068d6f6c06f1c17817a5f7d64ce6c635d";
/// Of composite receipts.
pub const COMPOSITE: &str = "4bce006e0858edf3a3726987c0b1b6258224c000971e451bc9c05cfec086a84b";
/// Of Groth16 receipts.
pub const GROTH16: &str = "73c457ba541936f0d907daf0c7253a39a9c5c427c225ba7709e44702d3c6eedc";
