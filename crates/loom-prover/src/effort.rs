//! What a proof took, over all processes that worked on it. For people: no proof depends on it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Cost, Used};

/// What a proof took until now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effort {
    /// What there is to prove.
    pub cost: Cost,
    /// While somebody was at it, in milliseconds.
    pub wall_ms: u64,
    /// Processor time, in milliseconds, if the system says.
    pub cpu_ms: Option<u64>,
    /// Most memory at any time, in MiB, if the system says.
    pub memory_mib: Option<u64>,
}

impl Effort {
    /// What was taken before, and what a process has used that went on from there.
    pub(crate) fn after(before: Option<&Self>, cost: Cost, used: Used, wall: Duration) -> Self {
        let wall_ms = wall.as_millis().try_into().unwrap_or(u64::MAX);
        let Some(before) = before else {
            return Self { cost, wall_ms, cpu_ms: used.cpu_ms, memory_mib: used.memory_mib };
        };
        // A sum of which a part is not known would be taken for the whole.
        let sum = |(one, other): (u64, u64)| one.saturating_add(other);
        Self {
            cost,
            wall_ms: before.wall_ms.saturating_add(wall_ms),
            cpu_ms: before.cpu_ms.zip(used.cpu_ms).map(sum),
            memory_mib: before.memory_mib.max(used.memory_mib),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_add_up() {
        let cost = Cost { user_cycles: 1, paging_cycles: 2, segment_po2: vec![14] };
        let used = |cpu_ms, memory_mib| Used { cpu_ms, memory_mib };
        let after = |before, used, ms| Effort::after(before, cost.clone(), used, Duration::from_millis(ms));
        let one = after(None, used(Some(30), Some(160)), 20);
        assert_eq!((one.wall_ms, one.cpu_ms, one.memory_mib), (20, Some(30), Some(160)));
        let two = after(Some(&one), used(Some(5), Some(20)), 7);
        assert_eq!((two.wall_ms, two.cpu_ms, two.memory_mib), (27, Some(35), Some(160)));
        let unknown = after(Some(&two), used(None, None), 1);
        assert_eq!((unknown.wall_ms, unknown.cpu_ms, unknown.memory_mib), (28, None, Some(160)));
    }
}
