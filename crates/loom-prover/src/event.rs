//! What a worker says while it works.

use serde::{Deserialize, Serialize};

use crate::{Cost, Refused};

/// What a worker says while it works: one line of JSON each, if it is another process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The program was executed; this is what is to be proved.
    Planned {
        /// What it will cost.
        cost: Cost,
    },
    /// The proof of a segment is stored.
    Segment {
        /// Which, from 0.
        index: usize,
        /// It was there already, from a worker before.
        is_found: bool,
    },
    /// A segment could not be proved and is tried again.
    Retried {
        /// Which, from 0.
        index: usize,
        /// What went wrong.
        detail: String,
    },
    /// The receipt is stored.
    Done {
        /// What the worker that says so has used for it.
        used: Used,
    },
    /// There will be no receipt.
    Refused {
        /// Why.
        reason: Refused,
    },
    /// Another process works on it, and this one was not to wait.
    Busy,
    /// There is no receipt yet; another attempt may get further.
    Failed {
        /// Why.
        detail: String,
    },
}

/// What a process has used, as far as the system says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Used {
    /// Processor time, in milliseconds.
    pub cpu_ms: Option<u64>,
    /// Most memory at any time, in MiB.
    pub memory_mib: Option<u64>,
}

impl Used {
    /// This process until now. Linux tells, others do not.
    pub fn by_this_process() -> Self {
        Self { cpu_ms: cpu_ms(), memory_mib: memory_mib() }
    }
}

fn cpu_ms() -> Option<u64> {
    // Clock ticks of 10 ms; behind the name, which may have anything in it.
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) * 10)
}

fn memory_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib / 1024)
}
