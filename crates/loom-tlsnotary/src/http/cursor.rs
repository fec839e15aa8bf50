//! A transcript from its beginning, byte by byte, a whole hole at a time.

use crate::{ranges::Range, verify::Disclosed};

/// What stands next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Symbol {
    Byte(u8),
    Hole(Range),
}

pub(super) struct Cursor<'a> {
    disclosed: &'a Disclosed,
    /// The range that is read, or that comes after the hole.
    part: usize,
    at: u64,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(disclosed: &'a Disclosed) -> Self {
        Self { disclosed, part: 0, at: 0 }
    }

    /// Where the next symbol stands.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    pub(super) fn next(&mut self) -> Option<Symbol> {
        let end = match self.disclosed.ranges().as_slice().get(self.part) {
            Some(range) if range.start <= self.at => {
                let byte = self.disclosed.bytes(&(self.at..self.at + 1))?[0];
                self.at += 1;
                self.part += usize::from(self.at == range.end);
                return Some(Symbol::Byte(byte));
            }
            Some(range) => range.start,
            None => self.disclosed.total(),
        };
        let hole = self.at..end;
        self.at = end;
        (hole.start < hole.end).then_some(Symbol::Hole(hole))
    }
}
