//! Proofs made by processes of their own, and the port through which a node asks for them.
//!
//! A prover may take all memory there is, and part of it is C++: a crash must not take a node with it. The process gets
//! nothing but a job's folder, and says on its standard output how far it is, one [`Event`] a line.

use std::{
    ffi::OsString,
    io::{BufRead as _, BufReader},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::{FutureExt as _, channel::oneshot, future::BoxFuture};
use loom_programs::stdin;
use loom_risc0_verify::{ImageId, verify};
use loom_runtime::{Proof, ProofProgress, ProofRequest, ProofStage, ProveError, Prover, SaltSources, causes};
use tokio::sync::Semaphore;

use crate::{Event, Job, JobError, Jobs, Refused, Task};

/// A line of a worker's that is longer than this is none.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// Why a process made no receipt.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The program's fault, or its input's.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The job's folder.
    #[error(transparent)]
    Job(#[from] JobError),
    /// It could not be started.
    #[error("the prover could not be started")]
    Start(#[source] std::io::Error),
    /// It said why it gave up.
    #[error("{0}")]
    Failed(String),
    /// It ended without a word. The system ends whoever takes too much memory.
    #[error("the prover ended early ({0}); what it had proved is kept")]
    Ended(ExitStatus),
    /// Another process works on the job, and this one was not to wait.
    #[error("another process works on it")]
    Busy,
    /// It was told to stop.
    #[error("nobody waits for the proof any more; what was proved is kept")]
    Stopped,
    /// It left something that is no receipt of this program.
    #[error("the receipt in the job's folder does not verify; it was removed, and the proof is made anew")]
    Receipt(#[source] loom_risc0_verify::Rejected),
}

/// Who makes the receipt of a job: this program, with the job's folder as its last argument.
#[derive(Clone, Debug)]
pub struct WorkerCommand {
    /// The program, and its arguments up to the folder. It should end when its standard input does.
    pub words: Vec<OsString>,
    /// How many threads it may use; all processors if not given.
    pub threads: Option<usize>,
}

/// Ends the process that it belongs to, when it is dropped too.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Mutex<Running>>);

#[derive(Debug, Default)]
struct Running {
    is_stopped: bool,
    child: Option<Child>,
}

impl Stop {
    /// Ends it now.
    pub fn stop(&self) {
        let mut running = self.running();
        running.is_stopped = true;
        if let Some(child) = &mut running.child {
            // It may have ended by itself.
            let _ = child.kill();
        }
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WorkerCommand {
    /// Has a process make the job's receipt, and waits for it.
    pub fn run(
        &self,
        job: &Job,
        image_id: ImageId,
        stop: &Stop,
        mut report: impl FnMut(&Event),
    ) -> Result<Vec<u8>, ProcessError> {
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]).arg(job.folder());
        // Nothing of ours is its business, and some variables make the library write private memory to files.
        command.env_clear().stdout(Stdio::piped()).stderr(Stdio::null());
        // It ends when we do, however that comes about; and Ctrl-C is ours to pass on.
        command.stdin(Stdio::piped());
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        if let Some(threads) = self.threads {
            command.env("RAYON_NUM_THREADS", threads.to_string());
        }
        let output = {
            let mut running = stop.running();
            if running.is_stopped {
                return Err(ProcessError::Stopped);
            }
            let mut child = command.spawn().map_err(ProcessError::Start)?;
            let output = child.stdout.take().expect("it was asked for");
            running.child = Some(child);
            output
        };
        let mut last = None;
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            if line.len() <= LINE_BYTES_MAX
                && let Ok(event) = serde_json::from_slice(&line)
            {
                report(&event);
                last = Some(event);
            }
        }
        let mut child = stop.running().child.take().expect("nobody else takes it");
        let status = child.wait().map_err(ProcessError::Start)?;
        match last {
            Some(Event::Done { .. }) => {}
            Some(Event::Refused { reason }) => return Err(reason.into()),
            Some(Event::Busy) => return Err(ProcessError::Busy),
            Some(Event::Failed { detail }) => return Err(ProcessError::Failed(detail)),
            _ if stop.running().is_stopped => return Err(ProcessError::Stopped),
            _ => return Err(ProcessError::Ended(status)),
        }
        let receipt = job.receipt()?.ok_or(ProcessError::Ended(status))?;
        if let Err(rejected) = verify(&receipt, image_id) {
            job.discard()?;
            return Err(ProcessError::Receipt(rejected));
        }
        Ok(receipt)
    }
}

/// A node's prover: so many processes at once, the others wait.
pub struct Processes {
    jobs: Jobs,
    command: WorkerCommand,
    secrets: SaltSources,
    places: Arc<Semaphore>,
}

impl Processes {
    /// `secrets` is where each job's randomness is from.
    pub fn new(jobs: Jobs, command: WorkerCommand, at_once: usize, secrets: SaltSources) -> Self {
        Self { jobs, command, secrets, places: Arc::new(Semaphore::new(at_once.max(1))) }
    }
}

impl Prover for Processes {
    fn prove(&self, request: ProofRequest, progress: ProofProgress) -> BoxFuture<'static, Result<Proof, ProveError>> {
        let (jobs, command, places) = (self.jobs.clone(), self.command.clone(), self.places.clone());
        let mut secret = [0; 32];
        (self.secrets)().fill(&mut secret);
        async move {
            let place = places.acquire_owned().await;
            let stop = StopOnDrop::default();
            let (sender, receiver) = oneshot::channel();
            let stopped = stop.0.clone();
            std::thread::Builder::new()
                .name("loom-prover".to_owned())
                .spawn(move || {
                    // Whoever asked may be gone.
                    let _ = sender.send(prove(&jobs, &command, &request, &secret, &stopped, &progress));
                    drop(place);
                })
                .map_err(|error| fault(&ProcessError::Start(error)))?;
            receiver.await.unwrap_or_else(|_| Err(ProveError::Fault { reason: "the prover's thread ended".to_owned() }))
        }
        .boxed()
    }
}

#[derive(Default)]
struct StopOnDrop(Stop);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

fn prove(
    jobs: &Jobs,
    command: &WorkerCommand,
    request: &ProofRequest,
    secret: &[u8; 32],
    stop: &Stop,
    progress: &ProofProgress,
) -> Result<Proof, ProveError> {
    let image_id = ImageId(request.image_id.0);
    let input = stdin(&request.input, &request.public).into();
    let task = Task { image_id, program: request.program.clone(), input, cycles_max: None };
    let job = jobs.job(&task, secret).map_err(|error| fault(&error.into()))?;
    progress.report(ProofStage::Executing);
    let (mut number, mut of) = (1, 0);
    let report = |event: &Event| match event {
        Event::Planned { cost } => {
            of = cost.segment_po2.len() as u32;
            progress.report(ProofStage::Segment { number, of });
        }
        Event::Segment { .. } => {
            number += 1;
            progress.report(if number > of { ProofStage::Joining } else { ProofStage::Segment { number, of } });
        }
        _ => {}
    };
    match command.run(&job, image_id, stop, report) {
        Ok(receipt) => {
            let verified = verify(&receipt, image_id).map_err(|error| fault(&ProcessError::Receipt(error)))?;
            Ok(Proof { public_output: verified.journal.into(), receipt: receipt.into(), segments: of })
        }
        Err(ProcessError::Refused(refused)) => Err(ProveError::Refused { reason: refused.without_input() }),
        Err(error) => Err(fault(&error)),
    }
}

fn fault(error: &ProcessError) -> ProveError {
    ProveError::Fault { reason: causes(error) }
}
