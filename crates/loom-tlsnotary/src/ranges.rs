//! Where in a transcript something is: half-open ranges of bytes, in one form.

use crate::limits::RANGES_MAX;

/// From `start` up to, not with, `end`.
pub type Range = std::ops::Range<u64>;

/// Ranges that are not empty, in order, and neither overlap nor touch. So one set of bytes is one `RangeSet`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RangeSet(Vec<Range>);

impl RangeSet {
    /// Ranges in order; `None` if they are not in their one form, or too many.
    pub fn new(ranges: Vec<Range>) -> Option<Self> {
        let mut end = None;
        let is_canonical = ranges.iter().all(|range| {
            let follows = end.is_none_or(|end| range.start > end);
            end = Some(range.end);
            follows && range.start < range.end
        });
        (is_canonical && ranges.len() <= RANGES_MAX).then_some(Self(ranges))
    }

    /// Ranges in any order, joined where they overlap or touch.
    pub fn union(ranges: impl IntoIterator<Item = Range>) -> Self {
        let mut ranges: Vec<Range> = ranges.into_iter().filter(|range| range.start < range.end).collect();
        ranges.sort_by_key(|range| range.start);
        let mut joined: Vec<Range> = Vec::with_capacity(ranges.len());
        for range in ranges {
            match joined.last_mut().filter(|last| range.start <= last.end) {
                Some(last) => last.end = last.end.max(range.end),
                None => joined.push(range),
            }
        }
        Self(joined)
    }

    /// The ranges, in order.
    pub fn as_slice(&self) -> &[Range] {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes in all ranges together. Ranges do not overlap, so this is at most [`RangeSet::end`].
    pub fn total(&self) -> u64 {
        self.0.iter().map(|range| range.end - range.start).sum()
    }

    /// Where the last range ends; 0 if there is none.
    pub fn end(&self) -> u64 {
        self.0.last().map_or(0, |range| range.end)
    }

    /// The range that holds all of `wanted`.
    pub fn covering(&self, wanted: &Range) -> Option<&Range> {
        let place = self.0.partition_point(|range| range.start <= wanted.start).checked_sub(1)?;
        Some(&self.0[place]).filter(|range| wanted.end <= range.end)
    }

    /// What is missing up to `total`.
    pub fn gaps(&self, total: u64) -> Vec<Range> {
        let mut gaps = Vec::new();
        let mut from = 0;
        for range in &self.0 {
            if from < range.start {
                gaps.push(from..range.start);
            }
            from = range.end;
        }
        if from < total {
            gaps.push(from..total);
        }
        gaps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::single_range_in_vec_init, reason = "sets, some of them of one range")]
    fn a_set_of_bytes_has_one_form() {
        for (ranges, is_canonical) in [
            (vec![], true),
            (vec![0..1], true),
            (vec![0..1, 2..3], true),
            (vec![0..1, 1..2], false),
            (vec![0..2, 1..3], false),
            (vec![2..3, 0..1], false),
            (vec![0..1, 0..1], false),
            (vec![1..1], false),
            #[expect(clippy::reversed_empty_ranges, reason = "that is what a stranger may write")]
            (vec![2..1], false),
        ] {
            assert_eq!(RangeSet::new(ranges.clone()).is_some(), is_canonical, "{ranges:?}");
        }
    }

    #[test]
    fn a_union_joins_what_touches() {
        let union = RangeSet::union([4..6, 0..2, 2..3, 5..9, 12..12]);
        assert_eq!(union.as_slice(), [0..3, 4..9]);
        assert_eq!((union.total(), union.end()), (8, 9));
        assert_eq!(union.gaps(10), [3..4, 9..10]);
        assert_eq!(union.covering(&(5..9)), Some(&(4..9)));
        assert_eq!(union.covering(&(2..5)), None);
        assert_eq!(union.covering(&(9..10)), None);
    }
}
