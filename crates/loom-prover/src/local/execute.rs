//! Running a program without proving it: what comes out, into which segments it falls, and what they cost.

use std::panic::AssertUnwindSafe;

use anyhow::Result;
use loom_risc0_verify::limits::{JOURNAL_BYTES_MAX, SEGMENTS_MAX};
use risc0_binfmt::{MemoryImage, ProgramBinary};
use risc0_circuit_rv32im::{
    MAX_INSN_CYCLES,
    execute::{CycleLimit, DEFAULT_SEGMENT_LIMIT_PO2, Executor, Segment},
};

use super::host::Host;
use crate::{
    Cost, Limits, Program, Refused, WorkError,
    cost::{PO2_MAX, PO2_MIN, memory_mib},
};

/// Rows that are kept free at the end of a segment, for the one step that goes beyond; the first with which no step goes
/// further. Most need a few hundred, hashing on memory that was not touched before up to 5,900, arithmetic on big numbers
/// 25,000. What is kept free is proved for nothing, and of a small segment that would be most.
const STEP_ROWS: [usize; 3] = [2000, 6000, MAX_INSN_CYCLES];
/// How a program says that it has ended.
const HALTED: u16 = 0;

/// A run that came to its end.
#[derive(Clone, Debug, PartialEq)]
pub struct Execution {
    /// What the program put out.
    pub journal: Vec<u8>,
    /// What it takes to prove this.
    pub cost: Cost,
    pub(super) split: Split,
}

/// Where segments end. With the same program, input and secret, it decides everything about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Split {
    po2: u32,
    step_rows: usize,
}

/// A program, ready to run.
pub(super) struct Run<'a> {
    pub(super) image: MemoryImage,
    pub(super) input: &'a [u8],
    pub(super) secret: &'a [u8; 32],
}

/// Runs a program, and finds out how to split the run so that proving it costs least.
pub fn execute(program: &Program, input: &[u8], secret: &[u8; 32], limits: &Limits) -> Result<Execution, WorkError> {
    let run = Run::new(program, input, secret)?;
    let (journal, cost) = run.once(Split { po2: 20, step_rows: MAX_INSN_CYCLES }, limits.cycles_max)?;
    let most = largest_po2(limits)?;
    let single = cost.segment_po2.iter().max().copied().unwrap_or(PO2_MIN);
    let alone = cost.segment_po2.len() == 1 && single <= most;
    if alone && limits.segment_po2.is_none() {
        return Ok(Execution { journal, cost, split: Split { po2: 20, step_rows: MAX_INSN_CYCLES } });
    }
    // The largest segments waste least on paging, but the last one may be nearly empty.
    let sizes = match limits.segment_po2 {
        Some(po2) => po2..=po2,
        None => most.saturating_sub(2).max(PO2_MIN)..=most,
    };
    let mut best: Option<Execution> = None;
    for po2 in sizes.rev() {
        let execution = run.split(po2, limits.cycles_max)?;
        let is_cheaper = |best: &Execution| execution.cost.rows() < best.cost.rows();
        if execution.cost.segment_po2.len() <= SEGMENTS_MAX && best.as_ref().is_none_or(is_cheaper) {
            best = Some(execution);
        }
    }
    best.ok_or(WorkError::Refused(Refused::TooLong { max: (SEGMENTS_MAX as u64) << most }))
}

/// The largest segments for which there is memory.
fn largest_po2(limits: &Limits) -> Result<u32, WorkError> {
    let at_once = limits.segments_at_once.max(1) as u64;
    let fits = |po2: &u32| memory_mib(*po2) * at_once <= limits.memory_mib;
    let most = (PO2_MIN..=limits.segment_po2.unwrap_or(PO2_MAX)).rev().find(fits);
    most.ok_or(WorkError::Memory { needed: memory_mib(PO2_MIN) * at_once, allowed: limits.memory_mib })
}

impl<'a> Run<'a> {
    pub(super) fn new(program: &Program, input: &'a [u8], secret: &'a [u8; 32]) -> Result<Self, WorkError> {
        let malformed = |error: anyhow::Error| crate::ProgramError::Malformed(error.to_string());
        let binary = ProgramBinary::decode(program.binary()).map_err(malformed)?;
        Ok(Self { image: binary.to_image().map_err(malformed)?, input, secret })
    }

    fn split(&self, po2: u32, cycles_max: u64) -> Result<Execution, WorkError> {
        let mut refused = WorkError::Refused(Refused::TooLong { max: cycles_max });
        for step_rows in STEP_ROWS.into_iter().filter(|rows| rows << 1 < 1 << po2) {
            let split = Split { po2, step_rows };
            match self.once(split, cycles_max) {
                Ok((journal, cost)) => return Ok(Execution { journal, cost, split }),
                // Perhaps a step that goes further. That the program takes its input is known by now.
                Err(error @ WorkError::Refused(Refused::Input { .. })) => refused = error,
                Err(error) => return Err(error),
            }
        }
        Err(refused)
    }

    fn once(&self, split: Split, cycles_max: u64) -> Result<(Vec<u8>, Cost), WorkError> {
        let mut segment_po2 = Vec::new();
        let (journal, (user_cycles, paging_cycles)) = self.segments(split, cycles_max, |segment| {
            segment_po2.push(segment.po2);
            Ok(())
        })?;
        Ok((journal, Cost { user_cycles, paging_cycles, segment_po2 }))
    }

    /// Runs the program; the segments go to `each` in order, on another thread. Says the output, and the cycles of user
    /// and paging.
    pub(super) fn segments(
        &self,
        split: Split,
        cycles_max: u64,
        each: impl FnMut(Segment) -> Result<()> + Send,
    ) -> Result<(Vec<u8>, (u64, u64)), WorkError> {
        let host = Host::new(self.input, self.secret, JOURNAL_BYTES_MAX);
        let run = || {
            Executor::new(self.image.clone(), &host, None, Vec::new(), None).run(
                split.po2 as usize,
                split.step_rows,
                CycleLimit::Hard(cycles_max),
                each,
            )
        };
        let refused = |detail: String| WorkError::Refused(Refused::Input { detail });
        // The library panics over calls that it does not know.
        let result = match std::panic::catch_unwind(AssertUnwindSafe(run)) {
            Ok(Ok(result)) => result,
            Ok(Err(_)) if host.is_too_large() => {
                return Err(Refused::OutputTooLarge { max: JOURNAL_BYTES_MAX }.into());
            }
            Ok(Err(error)) if error.to_string().starts_with("Session limit exceeded") => {
                return Err(Refused::TooLong { max: cycles_max }.into());
            }
            Ok(Err(error)) => return Err(refused(error.root_cause().to_string())),
            Err(_) => return Err(refused("it does something that the machine cannot do".to_owned())),
        };
        match result.claim.terminate_state {
            Some(end) if end.a0.1 == HALTED && end.a0.0 == 0 => {}
            Some(end) => return Err(Refused::ExitCode { code: end.a0.0.into() }.into()),
            None => return Err(refused("it did not run to its end".to_owned())),
        }
        Ok((host.journal(), (result.user_cycles, result.paging_cycles)))
    }
}

const _: () = assert!(DEFAULT_SEGMENT_LIMIT_PO2 == 20, "what a run is measured with");
