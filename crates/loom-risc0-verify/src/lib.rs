//! RISC Zero receipts: proofs that a program, named by its image id, ran and gave an output.
//!
//! Everything here is a function of its arguments. There is no clock, no network and no environment: the library
//! underneath reads `RISC0_DEV_MODE` where a context is made by default, so no context is made that way.
//!
//! What is kept here:
//!
//! - A receipt without a proof (the library calls it *fake*) is none: the forms that are read have no place for it.
//! - Bytes from strangers are read by types of our own that do not nest, within limits, before the library sees them.
//!   What the library does not look at (the order of segments, digests of parameters) is checked here. A receipt still has
//!   many encodings: a digest of its bytes does not name what it proves.
//! - A panic of the library is a rejection. In WebAssembly it is a trap, and whoever runs the module makes it one.
//!
//! Deliberately absent: proving (`loom-prover`), and conditional receipts, which rest on other receipts.
//!
//! Start at [`verify`]; [`activity`] is the same as one function of texts, [`segment`] is for provers. Which versions this
//! reads, and what it pins: [`parameters`].

pub mod activity;
mod claim;
pub mod limits;
pub mod parameters;
pub mod segment;
mod verify;
mod wire;

pub use self::{
    claim::{Described, SegmentSize, describe},
    verify::{Rejected, Verified, verify},
    wire::{Encoding, Kind, Unreadable},
};

/// A program's name: a digest over its code and the state it starts in, as RISC Zero writes it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageId(pub [u8; 32]);

/// 64 hex digits were expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an image id is 64 hex digits")]
pub struct InvalidImageId;

impl std::str::FromStr for ImageId {
    type Err = InvalidImageId;

    fn from_str(text: &str) -> Result<Self, InvalidImageId> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(InvalidImageId);
        }
        let mut id = [0; 32];
        for (byte, pair) in id.iter_mut().zip(digits.chunks(2)) {
            let digit = |digit: u8| char::from(digit).to_digit(16).ok_or(InvalidImageId);
            *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
        }
        Ok(Self(id))
    }
}

impl std::fmt::Display for ImageId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for ImageId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
