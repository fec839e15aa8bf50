//! From a file's bytes to a [`Presentation`].

pub use crate::wire::{Malformed, Problem};
use crate::{
    limits::PRESENTATION_BYTES_MAX,
    presentation::Presentation,
    wire::{Reader, Wire},
};

/// Reads a presentation. That it can be read says nothing about whether it holds.
pub fn decode(bytes: &[u8]) -> Result<Presentation, Malformed> {
    if bytes.len() > PRESENTATION_BYTES_MAX {
        return Err(Malformed { at: 0, problem: Problem::TooLarge(bytes.len()) });
    }
    let mut reader = Reader::new(bytes);
    let presentation = Presentation::read(&mut reader)?;
    match reader.left() {
        0 => Ok(presentation),
        left => reader.fail(Problem::Trailing(left)),
    }
}
