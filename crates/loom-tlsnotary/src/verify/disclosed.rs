//! What is known of a transcript, and where it stands.

use crate::{
    presentation::Direction,
    ranges::{Range, RangeSet},
};

/// What client and server said, as far as it is disclosed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transcript {
    /// The client.
    pub sent: Disclosed,
    /// The server.
    pub received: Disclosed,
}

impl Transcript {
    /// What one of them said.
    pub fn of(&self, direction: Direction) -> &Disclosed {
        match direction {
            Direction::Sent => &self.sent,
            Direction::Received => &self.received,
        }
    }
}

/// Bytes of which some are known. There is nothing in place of the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disclosed {
    /// The known ones, one range after the other.
    bytes: Vec<u8>,
    ranges: RangeSet,
    /// Where each range begins in `bytes`.
    starts: Vec<usize>,
    total: u64,
}

impl Disclosed {
    /// The bytes of all ranges, one after the other; `None` if their number is not that of the ranges, or a range ends
    /// after `total`.
    pub fn new(bytes: Vec<u8>, ranges: RangeSet, total: u64) -> Option<Self> {
        if bytes.len() as u64 != ranges.total() || ranges.end() > total {
            return None;
        }
        let mut start = 0;
        let starts = ranges.as_slice().iter().map(|range| {
            let this = start;
            start += (range.end - range.start) as usize;
            this
        });
        let starts = starts.collect();
        Some(Self { bytes, ranges, starts, total })
    }

    /// All of a text.
    pub fn whole(bytes: Vec<u8>) -> Self {
        let total = bytes.len() as u64;
        let ranges = RangeSet::union(std::iter::once(0..total));
        Self::new(bytes, ranges, total).expect("one range over all of it")
    }

    /// Where the known bytes stand.
    pub fn ranges(&self) -> &RangeSet {
        &self.ranges
    }

    /// How many bytes there are, known or not.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The bytes of a range, if all of them are known.
    pub fn bytes(&self, wanted: &Range) -> Option<&[u8]> {
        let range = self.ranges.covering(wanted)?;
        let place = self.ranges.as_slice().partition_point(|other| other.start < range.start);
        let from = self.starts[place] + (wanted.start - range.start) as usize;
        self.bytes.get(from..from + (wanted.end.checked_sub(wanted.start)?) as usize)
    }

    /// The same with these bytes from `at` on; `None` if one of that place is known, or it goes beyond the end.
    pub(crate) fn filled(&self, at: u64, bytes: &[u8]) -> Option<Self> {
        let end = at.checked_add(bytes.len() as u64)?;
        if self.ranges.as_slice().iter().any(|range| range.start < end && at < range.end) {
            return None;
        }
        let (mut all, place) = (self.bytes.clone(), self.ranges.as_slice().partition_point(|range| range.end <= at));
        let before = self.starts.get(place).copied().unwrap_or(all.len());
        all.splice(before..before, bytes.iter().copied());
        let ranges = self.ranges.as_slice().iter().cloned().chain(std::iter::once(at..end));
        Self::new(all, RangeSet::union(ranges), self.total)
    }

    /// Known bytes with where they stand, in order.
    pub fn parts(&self) -> impl Iterator<Item = (&Range, &[u8])> {
        self.ranges.as_slice().iter().zip(&self.starts).map(|(range, start)| {
            let end = start + (range.end - range.start) as usize;
            (range, &self.bytes[*start..end])
        })
    }

    /// What is not known, in order.
    pub fn gaps(&self) -> Vec<Range> {
        self.ranges.gaps(self.total)
    }

    /// The text with a mark for every byte that is not known, and another for what is no UTF-8.
    pub fn to_text(&self, mark: char) -> String {
        let mut text = String::new();
        let mut at = 0;
        for (range, bytes) in self.parts() {
            text.extend((at..range.start).map(|_| mark));
            text.push_str(&String::from_utf8_lossy(bytes));
            at = range.end;
        }
        text.extend((at..self.total).map(|_| mark));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_has_no_bytes() {
        let ranges = RangeSet::new(vec![1..3, 5..6]).unwrap();
        let disclosed = Disclosed::new(b"abc".to_vec(), ranges.clone(), 8).unwrap();
        assert_eq!(disclosed.to_text('X'), "XabXXcXX");
        assert_eq!(disclosed.bytes(&(1..3)), Some(&b"ab"[..]));
        assert_eq!(disclosed.bytes(&(5..6)), Some(&b"c"[..]));
        for unknown in [0..1, 0..2, 2..4, 1..6, 6..7, 7..9] {
            assert_eq!(disclosed.bytes(&unknown), None, "{unknown:?}");
        }
        assert_eq!(disclosed.gaps(), [0..1, 3..5, 6..8]);
        let filled = |at, bytes| disclosed.filled(at, bytes).map(|filled| filled.to_text('X'));
        for (at, bytes, expected) in [
            (0, &b"."[..], Some(".abXXcXX")),
            (3, b"..", Some("Xab..cXX")),
            (4, b".", Some("XabX.cXX")),
            (7, b".", Some("XabXXcX.")),
            (6, b"...", None),
            (2, b".", None),
            (3, b"...", None),
            (u64::MAX, b".", None),
        ] {
            assert_eq!(filled(at, bytes).as_deref(), expected, "{at}");
        }
        assert_eq!(Disclosed::new(b"ab".to_vec(), ranges.clone(), 8), None);
        assert_eq!(Disclosed::new(b"abc".to_vec(), ranges, 5), None);
    }
}
