//! `loom worker`: makes proofs, of one folder or of all that wait in a data folder.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::Duration,
};

use loom_prover::{Job, Jobs, LOOK_INTERVAL, Limits, ProcessError};
use loom_runtime::causes;
use tokio::time::Instant;

use super::prove::make;
use crate::{CliError, arguments::Worker, output, proving};

/// Longest pause before a proof is tried again that could not be made.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);

pub(super) async fn worker(arguments: &Worker) -> Result<(), CliError> {
    if !proving::IS_BUILT_IN {
        return Err(proving::no_prover());
    }
    match &arguments.job {
        Some(folder) => one(folder, &arguments.limits.into()),
        None => all(arguments).await,
    }
}

#[cfg(feature = "prover")]
fn one(folder: &Path, limits: &Limits) -> Result<(), CliError> {
    use loom_prover::{Event, WorkError};

    // One write for a line, so that whoever reads never sees half of one.
    let say = |event: Event| output::print_json(&event);
    match loom_prover::work(&Job::open(folder), limits, say) {
        Ok(_) => Ok(()),
        Err(WorkError::Refused(reason)) => {
            say(Event::Refused { reason });
            Err(CliError::silent(super::prove::REFUSED))
        }
        Err(error) => {
            let detail = causes(&error);
            say(Event::Failed { detail: detail.clone() });
            Err(CliError::new("not-proved", detail))
        }
    }
}

#[cfg(not(feature = "prover"))]
fn one(_: &Path, _: &Limits) -> Result<(), CliError> {
    Err(proving::no_prover())
}

/// Makes whatever waits, one proof after the other.
async fn all(arguments: &Worker) -> Result<(), CliError> {
    let (jobs, command) = (proving::jobs(&arguments.data)?, proving::worker(&arguments.limits.into())?);
    let mut failures = Failures::default();
    if !arguments.once {
        eprintln!("looking for proofs to make in {}, until Ctrl-C", arguments.data.display());
    }
    loop {
        let Some(job) = next(&jobs, &failures)? else {
            if arguments.once {
                return failures.0.is_empty().then_some(()).ok_or_else(|| CliError::silent(1));
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_INTERVAL) => continue,
                _ = tokio::signal::ctrl_c() => return Ok(()),
            }
        };
        let made = match job.image_id() {
            Ok(image_id) => make(&job, image_id, command.clone(), false).await.map(|made| (image_id, made)),
            Err(error) => Err(ProcessError::Failed(causes(&error))),
        };
        let name = job.name();
        match made {
            Ok((image_id, made)) => {
                output::outln!("proved   {name} of {}: {}", &image_id.to_string()[..8], made.effort());
                failures.0.remove(job.folder());
            }
            Err(ProcessError::Stopped) => return Ok(()),
            Err(ProcessError::Refused(refused)) => output::outln!("refused  {name}: {}", refused.without_input()),
            Err(error) => {
                let after = failures.note(job.folder(), arguments.once);
                let again = after.map_or_else(String::new, |after| format!("; again in {} s", after.as_secs()));
                eprintln!("failed   {name}: {}{again}", causes(&error));
            }
        }
    }
}

/// The oldest that nobody works on.
fn next(jobs: &Jobs, failures: &Failures) -> Result<Option<Job>, CliError> {
    let unfinished = jobs.unfinished().map_err(|error| CliError::new("data-folder", causes(&error)))?;
    // One whose folder goes away meanwhile is finished.
    let is_free = |job: &Job| !failures.waits(job.folder()) && !job.is_worked_on().unwrap_or(true);
    Ok(unfinished.into_iter().find(is_free))
}

/// What could not be proved: how often, and when it is tried again.
#[derive(Default)]
struct Failures(HashMap<PathBuf, (u32, Option<Instant>)>);

impl Failures {
    fn waits(&self, folder: &Path) -> bool {
        self.0.get(folder).is_some_and(|(_, at)| at.is_none_or(|at| at > Instant::now()))
    }

    /// The pause until the next attempt, if there will be one.
    fn note(&mut self, folder: &Path, is_last: bool) -> Option<Duration> {
        let (times, at) = self.0.entry(folder.to_owned()).or_default();
        let pause = Duration::from_secs(1 << (*times).min(10)).min(RETRY_AFTER_MAX);
        *times += 1;
        *at = (!is_last).then(|| Instant::now() + pause);
        at.map(|_| pause)
    }
}
