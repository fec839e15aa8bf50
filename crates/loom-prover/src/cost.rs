//! What a proof costs, before it is begun.

use serde::{Deserialize, Serialize};

/// What a prover may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most cycles of a program, in user mode.
    pub cycles_max: u64,
    /// Most memory for the segments that are proved at once, in MiB.
    pub memory_mib: u64,
    /// Most segments that are proved at once. One uses all processors, so more is for machines with many.
    pub segments_at_once: usize,
    /// Log2 of the largest segment's cycles, 14 to 21; chosen by memory and cost if not given.
    pub segment_po2: Option<u32>,
}

/// Sizes of segments, as powers of two. A receipt of another kind cannot be made of smaller ones; the analysis of the
/// proof system's security goes up to 22, but beyond 21 one takes 36 GiB.
pub const SEGMENT_PO2: std::ops::RangeInclusive<u32> = PO2_MIN..=PO2_MAX;

impl Default for Limits {
    /// Memory is half of what there is, up to 2 GiB: larger segments save little.
    fn default() -> Self {
        let memory_mib = memory_there_is_mib().map_or(MEMORY_MIB_MAX, |mib| (mib / 2).min(MEMORY_MIB_MAX));
        Self { cycles_max: 1 << 30, memory_mib, segments_at_once: 1, segment_po2: None }
    }
}

const MEMORY_MIB_MAX: u64 = 2048;

/// Memory of the machine, or of the control group that this process is confined to, in MiB. Linux tells, others do not.
fn memory_there_is_mib() -> Option<u64> {
    let machine = std::fs::read_to_string("/proc/meminfo").ok()?;
    let kib = machine.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let machine: u64 = kib.split_whitespace().next()?.parse::<u64>().ok()? / 1024;
    // "max" if there is no limit, and no such file outside of groups.
    let group = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let group = group.and_then(|bytes| bytes.trim().parse::<u64>().ok()).map(|bytes| bytes / (1024 * 1024));
    Some(group.map_or(machine, |group| group.min(machine)))
}

pub(crate) const PO2_MIN: u32 = 14;
pub(crate) const PO2_MAX: u32 = 21;

/// Processor time of a row, in milliseconds, of kernels built with full optimisation: 17 to 19 s for 2^14 of them
/// (docs/internals/risc0.md). A development build takes twice that.
const CPU_MS_PER_ROW: f64 = 1.1;
/// Memory of a prover with nothing to do, in MiB.
const MEMORY_BASE_MIB: u64 = 20;
/// Memory of a segment of 2^14 rows, in MiB; it doubles with them.
const MEMORY_AT_PO2_14_MIB: u64 = 142;

/// Memory to prove one segment, in MiB.
pub(crate) fn memory_mib(po2: u32) -> u64 {
    MEMORY_BASE_MIB + (MEMORY_AT_PO2_14_MIB << po2.saturating_sub(PO2_MIN))
}

/// What a run has to be proved of, and about what that takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Instructions and calls of the program.
    pub user_cycles: u64,
    /// Reading and writing the pages of memory that it touches.
    pub paging_cycles: u64,
    /// Log2 of the rows of each segment, in order. A power of two is proved whether it is filled or not.
    pub segment_po2: Vec<u32>,
}

impl Cost {
    /// Rows that are proved.
    pub fn rows(&self) -> u64 {
        self.segment_po2.iter().map(|po2| 1u64 << po2).sum()
    }

    /// About how much processor time it takes, in seconds. Measured on one machine; others differ by a factor of two.
    pub fn cpu_seconds(&self) -> f64 {
        self.rows() as f64 * CPU_MS_PER_ROW / 1000.0
    }

    /// About how much memory it takes with so many segments at once, in MiB.
    pub fn memory_mib(&self, segments_at_once: usize) -> u64 {
        let mut largest = self.segment_po2.clone();
        largest.sort_unstable_by(|a, b| b.cmp(a));
        let extra = largest.iter().take(segments_at_once.max(1)).map(|po2| memory_mib(*po2) - MEMORY_BASE_MIB);
        MEMORY_BASE_MIB + extra.sum::<u64>()
    }
}
