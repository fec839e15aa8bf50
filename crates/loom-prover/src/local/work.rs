//! Proving a job: segment by segment, each stored as soon as it is there.

use std::{
    panic::AssertUnwindSafe,
    sync::{Mutex, MutexGuard, PoisonError, mpsc},
    time::Instant,
};

use loom_risc0_verify::{
    segment::{SegmentClaim, composite, verify_segment},
    verify,
};
use risc0_circuit_rv32im::{execute::Segment, prove::segment_prover};

use super::execute::{Execution, Run, execute};
use crate::{Cost, Effort, Event, Job, JobError, Limits, Program, Refused, Used, WorkError, cost::memory_mib};

/// What to do about a job that another process works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfBusy {
    /// Wait until that is over: somebody waits for the receipt.
    Wait,
    /// Leave it alone: there may be others.
    Leave,
}

/// How often a segment is tried. What fails is memory or a broken machine, and both may pass.
const ATTEMPTS: u32 = 3;

/// Makes the job's receipt, or finds it there. `report` hears of every step, from several threads in turn. If another
/// process works on it, `if_busy` says whether to wait for that.
pub fn work(
    job: &Job,
    limits: &Limits,
    if_busy: IfBusy,
    report: impl FnMut(Event) + Send,
) -> Result<Vec<u8>, WorkError> {
    let _mine = match if_busy {
        IfBusy::Wait => job.lock()?,
        IfBusy::Leave => job.try_lock()?.ok_or(WorkError::Busy)?,
    };
    job.tidy()?;
    let report = Mutex::new(report);
    let say = |event| (*locked(&report))(event);
    if let Some(receipt) = job.receipt()? {
        say(Event::Done { used: Used::by_this_process() });
        return Ok(receipt);
    }
    if let Some(reason) = job.refused()? {
        return Err(Refused::Before { reason }.into());
    }
    let program = Program::read(job.program()?)?;
    let (input, secret) = (job.input()?, job.secret()?);
    let limits = &limits_of(job, limits)?;
    let execution = match execute(&program, &input, &secret, limits) {
        Err(WorkError::Refused(reason)) => {
            job.refuse(&reason)?;
            return Err(reason.into());
        }
        executed => executed?,
    };
    say(Event::Planned { cost: execution.cost.clone() });
    let run = Run::new(&program, &input, &secret)?;
    let meter = Meter::start(job, execution.cost.clone())?;
    // Whoever waits for it sees how long it will be.
    meter.note()?;
    prove(&meter, &run, &execution, limits, &say)?;

    let mut seals = Vec::new();
    for index in 0..execution.cost.segment_po2.len() {
        let missing = || WorkError::Segment { index, detail: "its seal is gone".to_owned() };
        seals.push(job.seal(index)?.ok_or_else(missing)?);
    }
    let receipt = composite(seals, execution.journal).map_err(WorkError::Receipt)?;
    verify(&receipt, program.image_id()).map_err(WorkError::Receipt)?;
    meter.note()?;
    job.finish(&receipt)?;
    say(Event::Done { used: Used::by_this_process() });
    Ok(receipt)
}

/// Whoever asks says how many cycles are allowed. And what was proved before counts only if the run is split as it was then,
/// so that is kept as long as there is memory for it.
fn limits_of(job: &Job, limits: &Limits) -> Result<Limits, JobError> {
    let mut limits = Limits { cycles_max: job.cycles_max()?.unwrap_or(limits.cycles_max), ..*limits };
    let before = job.effort()?.map(|effort| effort.cost.segment_po2).filter(|segments| segments.len() > 1);
    if let Some(largest) = before.and_then(|segments| segments.into_iter().max())
        && limits.segment_po2.is_none()
        && memory_mib(largest) * limits.segments_at_once.max(1) as u64 <= limits.memory_mib
    {
        limits.segment_po2 = Some(largest);
    }
    Ok(limits)
}

/// Notes what the job takes, so that what was taken is known after a crash, too.
struct Meter<'a> {
    job: &'a Job,
    cost: Cost,
    /// What workers before this one took.
    before: Option<Effort>,
    start: Instant,
    /// Held while a note is written.
    noting: Mutex<()>,
}

impl<'a> Meter<'a> {
    #[expect(clippy::disallowed_methods, reason = "how long a proof takes is for people")]
    fn start(job: &'a Job, cost: Cost) -> Result<Self, JobError> {
        Ok(Self { job, cost, before: job.effort()?, start: Instant::now(), noting: Mutex::default() })
    }

    fn note(&self) -> Result<(), JobError> {
        let _mine = locked(&self.noting);
        let (used, wall) = (Used::by_this_process(), self.start.elapsed());
        self.job.store_effort(&Effort::after(self.before.as_ref(), self.cost.clone(), used, wall))
    }
}

/// Whoever panicked with it left nothing half done.
fn locked<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Proves the segments that are not there yet.
fn prove(
    meter: &Meter<'_>,
    run: &Run<'_>,
    execution: &Execution,
    limits: &Limits,
    say: &(impl Fn(Event) + Sync),
) -> Result<(), WorkError> {
    let failed: Mutex<Option<WorkError>> = Mutex::default();
    let fail = |error: WorkError| {
        locked(&failed).get_or_insert(error);
    };
    // A segment is handed over when somebody takes it, so there are never more of them than are being proved.
    let (sender, receiver) = mpsc::sync_channel::<Segment>(0);
    let receiver = Mutex::new(receiver);
    let executed = std::thread::scope(|scope| {
        for _ in 0..limits.segments_at_once.max(1) {
            scope.spawn(|| {
                loop {
                    let next = locked(&receiver).recv();
                    let Ok(segment) = next else { return };
                    if let Err(error) = one(meter, &segment, say) {
                        fail(error);
                    }
                }
            });
        }
        // One that failed does not keep the others from being proved: they count when the job is taken up again.
        run.segments(execution.split, limits.cycles_max, move |segment| Ok(sender.send(segment)?))
    });
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => executed.map(drop),
    }
}

fn one(meter: &Meter<'_>, segment: &Segment, say: &impl Fn(Event)) -> Result<(), WorkError> {
    let job = meter.job;
    let index = usize::try_from(segment.index).unwrap_or(usize::MAX);
    let wanted = SegmentClaim(segment.claim.clone());
    if let Some(seal) = job.seal(index)? {
        let is_of_this = verify_segment(&seal).is_ok_and(|found| found.is_same_stretch(&wanted));
        if is_of_this {
            say(Event::Segment { index, is_found: true });
            return Ok(());
        }
    }
    let mut attempt = 1;
    let seal = loop {
        match attempted(segment, &wanted) {
            Ok(seal) => break seal,
            Err(detail) if attempt == ATTEMPTS => return Err(WorkError::Segment { index, detail }),
            Err(detail) => say(Event::Retried { index, detail }),
        }
        attempt += 1;
    };
    job.store_seal(index, &seal)?;
    meter.note()?;
    say(Event::Segment { index, is_found: false });
    Ok(())
}

fn attempted(segment: &Segment, wanted: &SegmentClaim) -> Result<Vec<u32>, String> {
    let prove = || segment_prover().and_then(|prover| prover.prove(segment));
    let seal = match std::panic::catch_unwind(AssertUnwindSafe(prove)) {
        Ok(proved) => proved.map_err(|error| format!("{error:#}"))?,
        Err(_) => return Err("the prover gave up".to_owned()),
    };
    let found = verify_segment(&seal).map_err(|error| error.to_string())?;
    match found.is_same_stretch(wanted) {
        true => Ok(seal),
        false => Err("its proof is of something else than was executed".to_owned()),
    }
}
