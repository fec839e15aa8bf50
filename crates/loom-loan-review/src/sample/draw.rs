//! Drawing: a small generator (SplitMix64) and the shapes it fills. Not for secrets.

/// Positions between the quantiles of a table run from 0 to this.
pub(super) const SCALE: u64 = 1 << 20;

pub(super) struct Draw {
    state: u64,
}

impl Draw {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From 0 up to but not including `end`.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }

    /// From `first` to `last`, both included.
    pub(super) fn between(&mut self, first: u64, last: u64) -> u64 {
        first + self.below(last - first + 1)
    }

    /// True so many times in a thousand.
    pub(super) fn per_mille(&mut self, times: u64) -> bool {
        self.below(1000) < times
    }

    /// A value, as often as its weight says.
    pub(super) fn weighted<T: Copy>(&mut self, table: &[(T, u64)]) -> T {
        let total = table.iter().map(|(_, weight)| weight).sum();
        let mut position = self.below(total);
        for (value, weight) in table {
            if position < *weight {
                return *value;
            }
            position -= weight;
        }
        unreachable!("the position is below the sum of the weights")
    }

    /// A position within `spread` of another one, reflected at both ends so that all stay equally likely.
    pub(super) fn near(&mut self, position: u64, spread: u64) -> u64 {
        let shifted = position + self.below(2 * spread);
        if shifted < spread {
            spread - shifted
        } else {
            let moved = shifted - spread;
            if moved < SCALE { moved } else { 2 * SCALE - 1 - moved }
        }
    }

    /// A value between the quantiles of a table, evenly spaced in probability.
    pub(super) fn quantile(&mut self, table: &[u64]) -> u64 {
        let position = self.below(SCALE);
        quantile_at(table, position)
    }
}

/// The value at a position below [`SCALE`], linear between the table's entries, which ascend.
pub(super) fn quantile_at(table: &[u64], position: u64) -> u64 {
    let scaled = position * (table.len() as u64 - 1);
    let (index, part) = ((scaled / SCALE) as usize, scaled % SCALE);
    table[index] + (table[index + 1] - table[index]) * part / SCALE
}
