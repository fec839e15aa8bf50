//! Why something is no input or no output of a program.

use crate::committed_amount::TEXT_BYTES_MAX;

/// Why a value cannot be proved anything about. The program would refuse it without a word.
#[derive(Debug, thiserror::Error)]
pub enum InvalidInput {
    /// Not the JSON that the program takes.
    #[error("not what the program takes")]
    Json(#[source] serde_json::Error),
    /// A number outside of what the program takes.
    #[error("{what} is {found}, and must be from {min} to {max}")]
    Range {
        /// The member.
        what: &'static str,
        /// Its value.
        found: u64,
        /// The least it may be.
        min: u64,
        /// The most it may be.
        max: u64,
    },
    /// Amounts that do not add up within 64 bits.
    #[error("the amounts add up to more than 64 bits hold")]
    Sum,
    /// Too few or too many members of a list.
    #[error("{found} {what}, and there must be 1 to {max}")]
    Count {
        /// What is counted.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// The most there may be.
        max: usize,
    },
    /// A text that is no amount, which is not repeated here: it is private.
    #[error(
        "the text is no amount: a whole number, or one with one or two decimals, of at most {TEXT_BYTES_MAX} bytes"
    )]
    Amount,
    /// A place that is longer or shorter than what stands there.
    #[error("the range from {start} to {end} is not that of a text of {found} bytes")]
    PlaceLength {
        /// Where it begins.
        start: u64,
        /// Where it ends.
        end: u64,
        /// Bytes of the text.
        found: usize,
    },
    /// A case that is no payload block of one.
    #[error("case {index} is no payload block of the media type loom/dti with the right ratio")]
    Case {
        /// Which, from 0.
        index: usize,
    },
    /// Longer than the program reads.
    #[error("{bytes} bytes, {max} are read")]
    TooLong {
        /// How long it is.
        bytes: usize,
        /// The most.
        max: usize,
    },
}

/// Why bytes are no public output of a program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOutput {
    /// Too short or too long.
    #[error("{found} bytes of public output, the program's has {expected}")]
    Length {
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: &'static str,
    },
    /// A value that the program never writes.
    #[error("the public output's {what} is one that the program never writes")]
    Value {
        /// Which.
        what: &'static str,
    },
}
