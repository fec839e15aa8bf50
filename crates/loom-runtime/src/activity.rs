//! Activities that run beside their turn, as coroutines of a shard.

use loom_machine::{ActivitySpec, Failure, Guest, HostFault, Progress};
use loom_types::{ActorAddress, StepRef};

use crate::modules::Modules;

/// An attempt to run an activity.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) address: ActorAddress,
    pub(crate) step: StepRef,
    pub(crate) attempt: u32,
    pub(crate) spec: ActivitySpec,
    pub(crate) input: String,
    /// Of this attempt; open as long as the job is about.
    pub(crate) span: tracing::Span,
}

/// What came of an attempt. A host fault is no outcome.
pub(crate) type Attempted = Result<Result<String, Failure>, HostFault>;

/// An attempt under way.
pub(crate) struct ActivityRun {
    pub(crate) job: Job,
    guest: Option<Box<dyn Guest>>,
}

/// What a slice led to.
pub(crate) enum Sliced {
    /// It needs more.
    More,
    /// Its module has to be loaded first.
    NeedsModule,
    /// It is over.
    Done(Attempted),
}

impl ActivityRun {
    pub(crate) fn new(job: Job) -> Self {
        Self { job, guest: None }
    }

    /// Runs for one slice.
    pub(crate) fn slice(&mut self, modules: &Modules) -> Sliced {
        let guest = match &mut self.guest {
            Some(guest) => guest,
            None => match modules.get(&self.job.spec.module) {
                None => return Sliced::NeedsModule,
                Some(Err(failure)) => return Sliced::Done(Ok(Err(failure))),
                Some(Ok(module)) => match module.start(&self.job.spec.limits, &self.job.input) {
                    Ok(guest) => self.guest.insert(guest),
                    Err(fault) => return Sliced::Done(Err(fault)),
                },
            },
        };
        slice(guest.as_mut())
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
    let mut guest = module.start(&spec.limits, input)?;
    loop {
        match slice(guest.as_mut()) {
            Sliced::More => {}
            Sliced::NeedsModule => unreachable!("it runs already"),
            Sliced::Done(attempted) => return attempted,
        }
    }
}

/// Resumes an activity's guest once, answering requests it may not make.
pub(crate) fn slice(guest: &mut dyn Guest) -> Sliced {
    let mut answer: Option<String> = None;
    loop {
        match guest.resume(answer.as_deref()) {
            Err(fault) => return Sliced::Done(Err(fault)),
            Ok(Progress::Yielded) => return Sliced::More,
            Ok(Progress::Returned(output)) => {
                return Sliced::Done(Ok(Failure::in_output(&output).map_or(Ok(output), Err)));
            }
            Ok(Progress::Failed(failure)) => return Sliced::Done(Ok(Err(failure))),
            Ok(Progress::Called(_)) => {
                let message = "the deployment grants this activity no operation that this node performs";
                let err = Failure::new("not-granted", message);
                answer = Some(format!("{{\"err\":{}}}", err.to_json()));
            }
        }
    }
}
