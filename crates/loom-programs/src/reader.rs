//! Takes a public output apart from its beginning.

use crate::{Digest, InvalidOutput, digest::DIGEST_BYTES};

pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    whole: usize,
    expected: &'static str,
}

impl<'a> Reader<'a> {
    /// `expected` says how long the output should be, for the error.
    pub(crate) fn new(output: &'a [u8], expected: &'static str) -> Self {
        Self { rest: output, whole: output.len(), expected }
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], InvalidOutput> {
        let Some((taken, rest)) = self.rest.split_first_chunk() else { return Err(self.length()) };
        self.rest = rest;
        Ok(*taken)
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'a [u8], InvalidOutput> {
        let Some((taken, rest)) = self.rest.split_at_checked(count) else { return Err(self.length()) };
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn digest(&mut self) -> Result<Digest, InvalidOutput> {
        self.array::<DIGEST_BYTES>().map(Digest)
    }

    /// A byte that is 0 or 1.
    pub(crate) fn verdict(&mut self) -> Result<bool, InvalidOutput> {
        match self.array()? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(InvalidOutput::Value { what: "verdict" }),
        }
    }

    pub(crate) fn end(self) -> Result<(), InvalidOutput> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.length()) }
    }

    fn length(&self) -> InvalidOutput {
        InvalidOutput::Length { found: self.whole, expected: self.expected }
    }
}
