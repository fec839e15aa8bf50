//! `loom worker`: makes proofs, of one folder or of all that wait in a data folder.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use futures::FutureExt as _;
use loom_prover::{Job, Jobs, LOOK_INTERVAL, ProcessError, WorkerCommand};
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
    if arguments.until_eof {
        end_with_standard_input();
    }
    match &arguments.job {
        Some(folder) => one(folder, arguments),
        None => all(arguments).await,
    }
}

/// A worker whose starter is gone would go on, and another one start beside it.
fn end_with_standard_input() {
    std::thread::spawn(|| {
        // An error ends it as well.
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        std::process::exit(1);
    });
}

#[cfg(feature = "prover")]
fn one(folder: &Path, arguments: &Worker) -> Result<(), CliError> {
    use loom_prover::{Event, IfBusy, WorkError};

    // One write for a line, so that whoever reads never sees half of one.
    let say = |event: Event| output::print_json(&event);
    let if_busy = if arguments.no_wait { IfBusy::Leave } else { IfBusy::Wait };
    match loom_prover::work(&Job::open(folder), &arguments.limits.into(), if_busy, say) {
        Ok(_) => Ok(()),
        Err(WorkError::Refused(reason)) => {
            say(Event::Refused { reason });
            Err(CliError::silent(super::prove::REFUSED))
        }
        Err(WorkError::Busy) => {
            say(Event::Busy);
            Err(CliError::silent(1))
        }
        Err(error) => {
            let detail = causes(&error);
            say(Event::Failed { detail: detail.clone() });
            Err(CliError::new("not-proved", detail))
        }
    }
}

#[cfg(not(feature = "prover"))]
fn one(_: &Path, _: &Worker) -> Result<(), CliError> {
    Err(proving::no_prover())
}

/// Makes whatever waits, one proof after the other.
async fn all(arguments: &Worker) -> Result<(), CliError> {
    if !arguments.data.is_dir() {
        let missing = format!("there is no folder {}", arguments.data.display());
        return Err(CliError::new("data-folder", missing).hint("--data is the data folder of the node that waits"));
    }
    let jobs = proving::jobs(&arguments.data)?;
    let mut command = WorkerCommand { threads: arguments.threads, ..proving::worker(&arguments.limits.into())? };
    command.words.push("--no-wait".into());
    // One for all proofs: what comes between two of them is not lost.
    let interrupted = tokio::signal::ctrl_c().map(|signal| signal.map_err(|error| error.kind())).shared();
    let mut failures = Failures::default();
    if !arguments.once {
        eprintln!("looking for proofs to make in {}, until Ctrl-C", arguments.data.display());
    }
    while interrupted.clone().now_or_never().is_none() {
        let Some(job) = next(&jobs, &mut failures)? else {
            if arguments.once && !failures.will_be_tried() {
                return (!failures.is_any()).then_some(()).ok_or_else(|| CliError::silent(1));
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_INTERVAL) => continue,
                _ = interrupted.clone() => break,
            }
        };
        let interruption = interrupted.clone().map(|signal| signal.map_err(io::Error::from));
        let made = match job.image_id() {
            Ok(image_id) => make(&job, image_id, command.clone(), false, interruption).await.map(|it| (image_id, it)),
            Err(error) => Err(ProcessError::Failed(causes(&error))),
        };
        let name = job.name();
        match made {
            Ok((image_id, made)) => {
                output::outln!("proved   {name} of {}: {}", &image_id.to_string()[..8], made.effort());
                failures.0.remove(job.folder());
            }
            Err(ProcessError::Stopped) => break,
            Err(ProcessError::Busy) => failures.put_off(job.folder()),
            Err(ProcessError::Refused(refused)) => {
                output::outln!("refused  {name}: {}", refused.without_input());
                failures.0.remove(job.folder());
            }
            Err(error) => {
                let after = failures.note(job.folder(), arguments.once);
                let again = after.map_or_else(String::new, |after| format!("; again in {} s", after.as_secs()));
                eprintln!("failed   {name}: {}{again}", causes(&error));
            }
        }
    }
    Ok(())
}

/// The oldest that nobody works on.
fn next(jobs: &Jobs, failures: &mut Failures) -> Result<Option<Job>, CliError> {
    let unfinished = jobs.unfinished().map_err(|error| CliError::new("data-folder", causes(&error)))?;
    failures.0.retain(|folder, _| unfinished.iter().any(|job| job.folder() == folder));
    // One at which it cannot be seen whether somebody works on it is tried, which says why.
    let is_free = |job: &Job| !failures.waits(job.folder()) && !job.is_worked_on().unwrap_or(false);
    Ok(unfinished.into_iter().find(is_free))
}

/// What could not be proved: how often, and when it is tried again.
#[derive(Default)]
struct Failures(HashMap<PathBuf, (u32, Option<Instant>)>);

impl Failures {
    fn waits(&self, folder: &Path) -> bool {
        self.0.get(folder).is_some_and(|(_, at)| at.is_none_or(|at| at > Instant::now()))
    }

    /// Whether something is tried later.
    fn will_be_tried(&self) -> bool {
        self.0.values().any(|(_, at)| at.is_some_and(|at| at > Instant::now()))
    }

    /// Whether something failed; that somebody else was quicker is none.
    fn is_any(&self) -> bool {
        self.0.values().any(|(times, _)| *times > 0)
    }

    /// Somebody else was quicker.
    fn put_off(&mut self, folder: &Path) {
        self.0.entry(folder.to_owned()).or_default().1 = Some(Instant::now() + LOOK_INTERVAL);
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
