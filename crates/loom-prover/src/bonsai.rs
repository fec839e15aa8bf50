//! Proofs made by a server of somebody else's, over the protocol of RISC Zero's Bonsai, which others speak too.
//!
//! **The private input goes to that server**, which is asked to delete it afterwards. What comes back is verified here
//! like everything else: the server can see, and can keep one waiting, and cannot make a wrong proof count.
//!
//! A session costs money, and the protocol has no way to ask for the same one twice. So the job's folder says what the
//! server was asked, before it is asked and when it has answered:
//!
//! - Whoever takes the job up again goes on with the session that is named there.
//! - If it was asked and the answer is missing, nobody knows whether there is a session. It is not asked again. The run
//!   fails as a [fault](ProveError::Fault), again and again and without reaching the server, until an operator has
//!   looked: after `bonsai.json` is removed there will be another session, with the session's name in it that one
//!   counts. Waiting is better than failing the step, which nobody could take back. The same if a session was aborted.
//! - A run that the server calls failed is [refused](ProveError::Refused). What the server says of why stays in the
//!   folder, because it may be about the input.

mod api;
mod receipt;
mod record;
#[cfg(test)]
mod tests;

use std::{fs::File, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{FutureExt as _, future::BoxFuture};
use loom_programs::stdin;
use loom_risc0_verify::{ImageId, Rejected, verify};
use loom_runtime::{
    Proof, ProofProgress, ProofRequest, ProofStage, ProveError, Prover, SaltSources, SecretString, causes,
};
use tokio::{runtime::Handle, sync::Semaphore};
use tokio_util::task::AbortOnDropHandle;

use self::{
    api::{Api, Ended, Standing},
    record::{Record, State},
};
pub use self::{
    api::{CallError, InvalidServer},
    receipt::NoReceipt,
};
use crate::{Job, JobError, Jobs, Program, ProgramError, Task};

/// Most jobs at once. Servers have limits of their own, and a receipt may take 64 MiB while it is read.
const JOBS_AT_ONCE_MAX: usize = 16;

/// A proving server, and what is wanted of it.
#[derive(Clone, Debug)]
pub struct BonsaiSettings {
    /// Its address.
    pub url: String,
    /// The key that it knows its customer by.
    pub key: SecretString,
    /// How often it is asked how a session stands.
    pub poll_interval: Duration,
    /// What is asked of it.
    pub receipt: WantedReceipt,
    /// Most cycles of a program.
    pub cycles_max: u64,
}

/// The form of a receipt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WantedReceipt {
    /// As a session ends: one STARK, some 200 kB.
    #[default]
    Stark,
    /// A few hundred bytes, for which the server works once more.
    Groth16,
}

/// Why there is no receipt.
#[derive(Debug, thiserror::Error)]
pub enum BonsaiError {
    /// The binary.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The job's folder.
    #[error(transparent)]
    Job(#[from] JobError),
    /// The server.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The run failed there.
    #[error("the proving server says that the run failed; bonsai.json in the folder of proof {job} says more")]
    RunFailed {
        /// Name of the job's folder.
        job: String,
    },
    /// The session ended without a receipt, and not because of the run.
    #[error(
        "the proving server has {how} the session; remove {} to have it proved, and paid for, again",
        record.display()
    )]
    SessionEnded {
        /// What happened to it.
        how: &'static str,
        /// What keeps it from being asked again.
        record: PathBuf,
    },
    /// It was asked, and the answer was lost.
    #[error(
        "the proving server {server} was asked for a proof, and whether it makes one is not known; remove {} to ask, \
         and pay, again",
        record.display()
    )]
    Unknown {
        /// Who was asked.
        server: String,
        /// What keeps it from being asked again.
        record: PathBuf,
    },
    /// Another server was asked.
    #[error(
        "the proof was asked of another proving server, {server}; name that one, or remove {} to ask, and pay, here",
        record.display()
    )]
    Elsewhere {
        /// Who was asked.
        server: String,
        /// What says so.
        record: PathBuf,
    },
    /// It sent something else.
    #[error("the proving server sends no receipt")]
    NoReceipt(#[source] NoReceipt),
    /// It sent a receipt that does not count.
    #[error("the proving server's receipt does not verify")]
    Receipt(#[source] Rejected),
    /// This process ends.
    #[error("the prover ended early; what the proving server was asked is kept")]
    Stopped,
}

impl From<BonsaiError> for ProveError {
    fn from(error: BonsaiError) -> Self {
        let reason = causes(&error);
        match error {
            BonsaiError::Program(_) | BonsaiError::RunFailed { .. } => Self::Refused { reason },
            _ => Self::Fault { reason },
        }
    }
}

/// A node's prover that is somewhere else.
#[derive(Debug)]
pub struct Bonsai {
    client: Arc<Client>,
    runtime: Handle,
    secrets: Secrets,
}

struct Secrets(SaltSources);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets")
    }
}

#[derive(Debug)]
struct Client {
    api: Api,
    jobs: Jobs,
    poll_interval: Duration,
    receipt: WantedReceipt,
    cycles_max: u64,
    places: Arc<Semaphore>,
    /// How a program is read. Tests have a receipt, and not its program.
    read_program: fn(Bytes, ImageId) -> Result<Program, ProgramError>,
}

impl Bonsai {
    /// `secrets` is where each job's randomness is from, in case that it is proved here after all; `runtime` is where
    /// the server is talked to, with network and time.
    pub fn new(
        settings: BonsaiSettings,
        jobs: Jobs,
        secrets: SaltSources,
        runtime: Handle,
    ) -> Result<Self, InvalidServer> {
        let BonsaiSettings { url, key, poll_interval, receipt, cycles_max } = settings;
        let client = Client {
            api: Api::new(&url, key)?,
            jobs,
            poll_interval,
            receipt,
            cycles_max,
            places: Arc::new(Semaphore::new(JOBS_AT_ONCE_MAX)),
            read_program: Program::read_as,
        };
        Ok(Self { client: Arc::new(client), runtime, secrets: Secrets(secrets) })
    }
}

impl Prover for Bonsai {
    fn prove(&self, request: ProofRequest, progress: ProofProgress) -> BoxFuture<'static, Result<Proof, ProveError>> {
        let (client, runtime) = (self.client.clone(), self.runtime.clone());
        let mut secret = [0; 32];
        (self.secrets.0)().fill(&mut secret);
        async move {
            // When nobody waits any more, the server is not asked any more. What it does it goes on with.
            let proving = async move { client.prove(request, secret, &progress).await };
            let proved = AbortOnDropHandle::new(runtime.spawn(proving)).await;
            proved.unwrap_or(Err(BonsaiError::Stopped)).map_err(ProveError::from)
        }
        .boxed()
    }
}

/// A job, and that nobody else works on it.
#[derive(Clone)]
struct Held {
    job: Job,
    image_id: ImageId,
    lock: Arc<File>,
}

impl Client {
    async fn prove(
        self: &Arc<Self>,
        request: ProofRequest,
        secret: [u8; 32],
        progress: &ProofProgress,
    ) -> Result<Proof, BonsaiError> {
        let _place = self.places.clone().acquire_owned().await.map_err(|_| BonsaiError::Stopped)?;
        let task = Task {
            image_id: ImageId(request.image_id.0),
            program: request.program,
            input: stdin(&request.input, &request.public).into(),
            cycles_max: None,
        };
        let held = self.hold(&task, secret).await?;
        if let Some(proof) = held.finished().await? {
            return Ok(proof);
        }
        progress.report(ProofStage::Executing);
        let mut record = match held.record().await? {
            Some(record) => record,
            None => self.begin(&held, &task).await?,
        };
        if record.server != self.api.url() {
            return Err(BonsaiError::Elsewhere { server: record.server, record: held.job.record_path() });
        }
        let (url, segments) = loop {
            match self.step(&held, &record, progress).await? {
                Step::Further(further) => record = further,
                Step::Receipt { url, segments } => break (url, segments),
            }
        };
        let proof = held.finish(self.api.download(&url).await?, segments).await?;
        self.forget_input(&record.input).await;
        Ok(proof)
    }

    /// Reads the program, and waits until nobody else works on the job.
    async fn hold(&self, task: &Task, secret: [u8; 32]) -> Result<Held, BonsaiError> {
        let (jobs, read_program, task) = (self.jobs.clone(), self.read_program, task.clone());
        let image_id = task.image_id;
        let job = blocking(move || {
            read_program(task.program.clone(), image_id)?;
            Ok(jobs.job(&task, &secret)?)
        });
        let job = job.await?;
        loop {
            if let Some(lock) = job.try_lock()? {
                return Ok(Held { job, image_id, lock: Arc::new(lock) });
            }
            tokio::time::sleep(self.poll_interval).await;
        }
    }

    /// Asks for a session, for the first time.
    async fn begin(self: &Arc<Self>, held: &Held, task: &Task) -> Result<Record, BonsaiError> {
        self.api.upload_program(task.image_id, task.program.clone()).await?;
        let input = self.api.upload_input(task.input.clone()).await?;
        let record = Record { server: self.api.url().to_owned(), input: input.clone(), state: State::AskingForSession };
        let (client, image_id, name) = (self.clone(), task.image_id, input.clone());
        let call = async move { client.api.create_session(image_id, &name, client.cycles_max).await };
        let begun = held.ask(None, record, call, |uuid| State::Session { uuid }).await;
        if let Err(BonsaiError::Call(error)) = &begun
            && error.is_without_effect()
        {
            self.forget_input(&input).await;
        }
        begun
    }

    /// Waits until something happens.
    async fn step(
        self: &Arc<Self>,
        held: &Held,
        record: &Record,
        progress: &ProofProgress,
    ) -> Result<Step, BonsaiError> {
        let path = held.job.record_path();
        let standing = match &record.state {
            State::AskingForSession | State::AskingForSnark { .. } => {
                return Err(BonsaiError::Unknown { server: record.server.clone(), record: path });
            }
            State::Ended { status, .. } => return Err(ended(*status, &held.job)),
            State::Session { uuid } => loop {
                match self.api.session(uuid).await? {
                    Standing::Running(state) => self.pause(progress, stage(&state)).await,
                    standing => break standing,
                }
            },
            State::Snark { uuid, .. } => loop {
                match self.api.snark(uuid).await? {
                    Standing::Running(_) => self.pause(progress, ProofStage::Joining).await,
                    standing => break standing,
                }
            },
        };
        match (&record.state, standing) {
            (State::Session { uuid }, Standing::Succeeded { url, segments }) => match self.receipt {
                WantedReceipt::Groth16 => self.begin_snark(held, record, uuid, segments).await.map(Step::Further),
                WantedReceipt::Stark => {
                    let url = match url {
                        Some(url) => url,
                        None => self.api.receipt_address(uuid).await?,
                    };
                    Ok(Step::Receipt { url, segments })
                }
            },
            (State::Snark { segments, .. }, Standing::Succeeded { url: Some(url), .. }) => {
                Ok(Step::Receipt { url, segments: *segments })
            }
            (_, Standing::Ended { status, said }) => {
                let ended = record.at(State::Ended { status, said });
                held.store(ended.clone()).await?;
                self.forget_input(&record.input).await;
                Ok(Step::Further(ended))
            }
            (_, Standing::Succeeded { .. } | Standing::Running(_)) => {
                let (call, problem) = ("it is asked how the SNARK stands", "it does not say where the receipt is");
                Err(CallError::Unexpected { call, problem }.into())
            }
        }
    }

    async fn begin_snark(
        self: &Arc<Self>,
        held: &Held,
        before: &Record,
        session: &str,
        segments: u32,
    ) -> Result<Record, BonsaiError> {
        let asking = before.at(State::AskingForSnark { session: session.to_owned(), segments });
        let (client, session) = (self.clone(), session.to_owned());
        let call = async move { client.api.create_snark(&session).await };
        held.ask(Some(before.clone()), asking, call, move |uuid| State::Snark { uuid, segments }).await
    }

    async fn pause(&self, progress: &ProofProgress, stage: ProofStage) {
        progress.report(stage);
        tokio::time::sleep(self.poll_interval).await;
    }

    /// The proof does not depend on whether the server does so.
    async fn forget_input(&self, name: &str) {
        let _ = self.api.delete_input(name).await;
    }
}

enum Step {
    /// The job is further than it was.
    Further(Record),
    /// There is a receipt.
    Receipt { url: String, segments: u32 },
}

impl Held {
    /// Asks for what costs, between two records of it. This goes on when nobody waits any more: an answer that comes is
    /// an answer that is kept.
    async fn ask(
        &self,
        before: Option<Record>,
        asking: Record,
        call: impl Future<Output = Result<String, CallError>> + Send + 'static,
        then: impl FnOnce(String) -> State + Send + 'static,
    ) -> Result<Record, BonsaiError> {
        let held = self.clone();
        let asked = async move {
            held.store(asking.clone()).await?;
            let error = match call.await {
                Ok(uuid) => {
                    let asked = asking.at(then(uuid));
                    held.store(asked.clone()).await?;
                    return Ok(asked);
                }
                Err(error) => error,
            };
            if error.is_without_effect() {
                match before {
                    Some(before) => held.store(before).await?,
                    None => held.on_disk(|job| job.remove_record()).await?,
                }
            }
            Err(error.into())
        };
        tokio::spawn(asked).await.unwrap_or(Err(BonsaiError::Stopped))
    }

    async fn record(&self) -> Result<Option<Record>, BonsaiError> {
        self.on_disk(Record::of).await
    }

    async fn store(&self, record: Record) -> Result<(), BonsaiError> {
        self.on_disk(move |job| record.store(job)).await
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Job) -> Result<T, JobError> + Send + 'static,
    ) -> Result<T, BonsaiError> {
        let held = self.clone();
        blocking(move || {
            let done = work(&held.job);
            drop(held.lock);
            Ok(done?)
        })
        .await
    }

    /// The proof, if it was made before.
    async fn finished(&self) -> Result<Option<Proof>, BonsaiError> {
        let image_id = self.image_id;
        match self.on_disk(Job::receipt).await? {
            Some(receipt) => blocking(move || proof(receipt, image_id, 0).map(Some)).await,
            None => Ok(None),
        }
    }

    /// Verifies what the server sent, and ends the job with it.
    async fn finish(&self, bincode: Vec<u8>, segments: u32) -> Result<Proof, BonsaiError> {
        let held = self.clone();
        blocking(move || {
            let receipt = receipt::to_borsh(&bincode).map_err(BonsaiError::NoReceipt)?;
            drop(bincode);
            let proof = proof(receipt, held.image_id, segments)?;
            held.job.finish(&proof.receipt)?;
            drop(held.lock);
            Ok(proof)
        })
        .await
    }
}

fn proof(receipt: Vec<u8>, image_id: ImageId, segments: u32) -> Result<Proof, BonsaiError> {
    let verified = verify(&receipt, image_id).map_err(BonsaiError::Receipt)?;
    Ok(Proof { public_output: verified.journal.into(), receipt: receipt.into(), segments })
}

fn ended(status: Ended, job: &Job) -> BonsaiError {
    let how = match status {
        Ended::Failed => {
            let name = job.folder().file_name().unwrap_or_default();
            return BonsaiError::RunFailed { job: name.to_string_lossy().into_owned() };
        }
        Ended::TimedOut => "run out of time for",
        Ended::Aborted => "aborted",
    };
    BonsaiError::SessionEnded { how, record: job.record_path() }
}

/// What a server calls its stages. Those that are not known are somewhere before the segments.
fn stage(state: &str) -> ProofStage {
    let (name, numbers) = state.split_once(':').unwrap_or((state, ""));
    match name {
        "ProveSegments" => {
            let numbers = numbers.trim().split_once('/');
            let numbers = numbers.and_then(|(number, of)| Some((number.parse().ok()?, of.parse::<u32>().ok()?)));
            match numbers {
                Some((number, of)) if of > 0 => ProofStage::Segment { number: u32::clamp(number, 1, of), of },
                _ => ProofStage::Executing,
            }
        }
        "Planner" | "Recursion" | "RecursionJoin" | "Resolve" | "Finalize" => ProofStage::Joining,
        _ => ProofStage::Executing,
    }
}

/// Work on the disk, or that takes its time.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BonsaiError> + Send + 'static,
) -> Result<T, BonsaiError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(BonsaiError::Stopped))
}
