//! Activities that run beside their turn, as coroutines of a shard.
//!
//! A pure one only computes. An effectful one asks the host for things that take time; while it waits, its shard
//! does something else, and the answer comes back as an event.

mod errands;
mod redact;

use std::time::Duration;

use futures::future::BoxFuture;
use loom_machine::{ActivitySpec, Failure, Guest, HostFault, Progress};
use loom_types::{ActorAddress, StepRef};
use tokio_util::sync::CancellationToken;

use self::errands::{Answered, Errands};
use crate::{Clock, cell::SLICE_FUEL, modules::Modules, outside::Outside};

/// A job to run an activity once.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) address: ActorAddress,
    pub(crate) step: StepRef,
    pub(crate) attempt: u32,
    pub(crate) spec: ActivitySpec,
    pub(crate) input: String,
    /// Of this attempt; open as long as the job is about.
    pub(crate) span: tracing::Span,
    /// Nobody wants the outcome any more: the turn is over.
    pub(crate) cancelled: CancellationToken,
}

/// What came of an attempt. A host fault is no outcome.
pub(crate) type Attempted = Result<Result<String, Failure>, HostFault>;

/// What an activity needs of its shard.
pub(crate) struct Tools<'a> {
    pub(crate) modules: &'a Modules,
    pub(crate) outside: &'a Outside,
    pub(crate) clock: &'a dyn Clock,
}

/// An attempt under way.
pub(crate) struct ActivityRun {
    pub(crate) job: Job,
    guest: Option<Box<dyn Guest>>,
    errands: Errands,
    /// The answer its guest waits for.
    answer: Option<String>,
    /// When it has to be over, on the clock's own count; set when it begins.
    due: Option<Duration>,
}

/// What a slice led to.
pub(crate) enum Sliced {
    /// It needs more.
    More,
    /// Its module has to be loaded first.
    NeedsModule,
    /// It waits for the outside.
    Waits(BoxFuture<'static, Waited>),
    /// It is over.
    Done(Attempted),
    /// It is over, and nobody wants to know.
    Cancelled,
}

/// How waiting ended.
pub(crate) enum Waited {
    /// With the answer.
    Answer(String),
    /// The attempt's deadline passed.
    Overdue,
    /// The turn ended.
    Cancelled,
}

impl ActivityRun {
    pub(crate) fn new(job: Job) -> Self {
        Self { job, guest: None, errands: Errands::default(), answer: None, due: None }
    }

    /// Runs for one slice.
    pub(crate) fn slice(&mut self, tools: &Tools<'_>) -> Sliced {
        if self.job.cancelled.is_cancelled() {
            return Sliced::Cancelled;
        }
        let now = tools.clock.elapsed();
        if self.due.is_none() {
            self.due = self.job.spec.deadline().map(|deadline| now + deadline);
        }
        if self.due.is_some_and(|due| now >= due) {
            return Sliced::Done(Ok(Err(self.overdue())));
        }
        let mut guest = match self.guest.take() {
            Some(guest) => guest,
            None => match tools.modules.get(&self.job.spec.module) {
                None => return Sliced::NeedsModule,
                Some(Err(failure)) => return Sliced::Done(Ok(Err(failure))),
                Some(Ok(module)) => match module.start(&self.job.spec.limits, &self.job.input) {
                    Ok(guest) => guest,
                    Err(fault) => return Sliced::Done(Err(fault)),
                },
            },
        };
        let sliced = self.drive(guest.as_mut(), tools, now);
        self.guest = Some(guest);
        sliced
    }

    fn drive(&mut self, guest: &mut dyn Guest, tools: &Tools<'_>, now: Duration) -> Sliced {
        let began = guest.fuel_used();
        loop {
            match guest.resume(self.answer.take().as_deref()) {
                Ok(Progress::Called(request)) => match self.errands.answer(&self.job, tools.outside, &request) {
                    Answered::Now(answer) => {
                        self.answer = Some(answer);
                        // Whoever asks and asks lets others run, and learns of its deadline.
                        if guest.fuel_used() > began + SLICE_FUEL {
                            return Sliced::More;
                        }
                    }
                    Answered::Later(answer) => return Sliced::Waits(self.wait(answer, tools.clock, now)),
                },
                progress => match progressed(progress) {
                    Sliced::Done(Ok(result)) => {
                        let redactor = self.errands.redactor(&self.job, tools.outside);
                        return Sliced::Done(Ok(redactor.checked(result)));
                    }
                    other => return other,
                },
            }
        }
    }

    fn wait(&self, answer: BoxFuture<'static, String>, clock: &dyn Clock, now: Duration) -> BoxFuture<'static, Waited> {
        let cancelled = self.job.cancelled.clone();
        let left = self.due.map_or(Duration::ZERO, |due| due.saturating_sub(now));
        let overdue = clock.sleep(left);
        Box::pin(async move {
            // Without a random choice among what is ready: a simulation has to repeat it.
            tokio::select! {
                biased;
                () = cancelled.cancelled() => Waited::Cancelled,
                answer = answer => Waited::Answer(answer),
                () = overdue => Waited::Overdue,
            }
        })
    }

    /// Takes what the guest waited for.
    pub(crate) fn answered(&mut self, answer: String) {
        self.answer = Some(answer);
    }

    /// The failure of an attempt that took too long.
    pub(crate) fn overdue(&self) -> Failure {
        let ms = self.job.spec.deadline().unwrap_or_default().as_millis();
        Failure::new("deadline", format!("the attempt took longer than {ms} ms (deadline_ms)")).retryable()
    }
}

/// Runs an activity on this thread, slice after slice.
pub(crate) fn run_to_end(modules: &Modules, spec: &ActivitySpec, input: &str) -> Attempted {
    let module = match modules.get(&spec.module) {
        Some(Ok(module)) => module,
        Some(Err(failure)) => return Ok(Err(failure)),
        None => {
            let what = format!("module {}", spec.module);
            return Err(HostFault::Unavailable { what, detail: "it is not loaded".to_owned() });
        }
    };
    loom_machine::compute(&*module, &spec.limits, input)
}

/// Resumes a pure activity's guest once.
pub(crate) fn slice(guest: &mut dyn Guest) -> Sliced {
    progressed(guest.resume(None))
}

fn progressed(progress: Result<Progress, HostFault>) -> Sliced {
    match progress.and_then(loom_machine::computed) {
        Err(fault) => Sliced::Done(Err(fault)),
        Ok(None) => Sliced::More,
        Ok(Some(result)) => Sliced::Done(Ok(result)),
    }
}
