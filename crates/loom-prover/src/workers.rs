//! Proofs that are left to workers: processes that look for work in the folder of jobs by themselves.
//!
//! They may have another build than the node, or run on another machine that sees the folder.

use std::time::Duration;

use futures::{FutureExt as _, future::BoxFuture};
use loom_programs::stdin;
use loom_risc0_verify::{ImageId, verify};
use loom_runtime::{Proof, ProofProgress, ProofRequest, ProofStage, ProveError, Prover, SaltSources, causes};
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;

use crate::{Job, JobError, Jobs, ProcessError, Task};

/// How often a job's folder is looked at, by whoever waits for it and by whoever looks for work.
pub const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// A node's prover that leaves every job to whoever takes it up.
pub struct Workers {
    jobs: Jobs,
    cycles_max: u64,
    secrets: SaltSources,
    runtime: Handle,
    look_interval: Duration,
}

impl Workers {
    /// No worker goes beyond `cycles_max`. `secrets` is where each job's randomness is from; `runtime` is where it is
    /// waited, with time.
    pub fn new(jobs: Jobs, cycles_max: u64, secrets: SaltSources, runtime: Handle) -> Self {
        Self { jobs, cycles_max, secrets, runtime, look_interval: LOOK_INTERVAL }
    }
}

impl Prover for Workers {
    fn prove(&self, request: ProofRequest, progress: ProofProgress) -> BoxFuture<'static, Result<Proof, ProveError>> {
        let (jobs, runtime, interval) = (self.jobs.clone(), self.runtime.clone(), self.look_interval);
        let mut secret = [0; 32];
        (self.secrets)().fill(&mut secret);
        let task = Task {
            image_id: ImageId(request.image_id.0),
            program: request.program,
            input: stdin(&request.input, &request.public).into(),
            cycles_max: Some(self.cycles_max),
        };
        async move {
            let waiting = AbortOnDropHandle::new(runtime.spawn(wait(jobs, task, secret, progress, interval)));
            waiting.await.unwrap_or_else(|error| Err(ProveError::Fault { reason: error.to_string() }))
        }
        .boxed()
    }
}

async fn wait(
    jobs: Jobs,
    task: Task,
    secret: [u8; 32],
    progress: ProofProgress,
    interval: Duration,
) -> Result<Proof, ProveError> {
    let image_id = task.image_id;
    let job = off_thread(move || jobs.job(&task, &secret)).await?;
    loop {
        let looked_at = job.clone();
        match off_thread(move || look(&looked_at)).await? {
            Seen::Receipt { receipt, segments } => return proved(job, receipt, image_id, segments).await,
            Seen::Refused(reason) => return Err(ProveError::Refused { reason }),
            Seen::Stage(stage) => progress.report(stage),
        }
        tokio::time::sleep(interval).await;
    }
}

enum Seen {
    Receipt { receipt: Vec<u8>, segments: u32 },
    Refused(String),
    Stage(ProofStage),
}

fn look(job: &Job) -> Result<Seen, JobError> {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let of = job.effort()?.map_or(0, |effort| count(effort.cost.segment_po2.len()));
    if let Some(receipt) = job.receipt()? {
        return Ok(Seen::Receipt { receipt, segments: of });
    }
    if let Some(reason) = job.refused()? {
        return Ok(Seen::Refused(reason));
    }
    if !job.is_worked_on()? {
        return Ok(Seen::Stage(ProofStage::Queued));
    }
    // Those of another worker, who split the run another way, may still be there.
    Ok(Seen::Stage(match count(job.segments()?) {
        _ if of == 0 => ProofStage::Executing,
        done if done < of => ProofStage::Segment { number: done + 1, of },
        _ => ProofStage::Joining,
    }))
}

/// Whoever has the folder can put anything there. What does not verify is removed, so that the proof is made anew.
async fn proved(job: Job, receipt: Vec<u8>, image_id: ImageId, segments: u32) -> Result<Proof, ProveError> {
    match verify(&receipt, image_id) {
        Ok(verified) => Ok(Proof { public_output: verified.journal.into(), receipt: receipt.into(), segments }),
        Err(rejected) => {
            off_thread(move || job.discard()).await?;
            Err(ProveError::Fault { reason: causes(&ProcessError::Receipt(rejected)) })
        }
    }
}

async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, JobError> + Send + 'static,
) -> Result<T, ProveError> {
    let fault = |reason| ProveError::Fault { reason };
    let worked = tokio::task::spawn_blocking(work).await.map_err(|error| fault(error.to_string()))?;
    worked.map_err(|error| fault(causes(&error)))
}

#[cfg(test)]
mod tests;
