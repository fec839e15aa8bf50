//! `--prove`: some ratios proved one by one, and those of the whole run under one proof.
//!
//! What comes of it is checked here as a stranger would check it: receipts against image ids, each loan's path against
//! the proved root, and the proved ratios against those in the actors' journals.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::Duration,
};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use indicatif::{ProgressBar, ProgressStyle};
use loom_machine::Proved;
use loom_programs::{
    batch::{self, Case, Tree},
    dti,
};
use loom_prover::{Effort, Jobs};
use loom_risc0_verify::{ImageId, verify};
use loom_runtime::{Handle, SendOptions, Settled, Ticket, causes};
use loom_types::ActorAddress;
use serde::Deserialize;

use super::recorded::Recorded;
use crate::{CliError, proving};

/// Who has the ratios of the run proved together.
pub(super) const BATCH: &str = "dti-batch/run";
/// How often it is looked how far a proof is.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// So many faults of the host in a row, and the demo gives up. A node goes on trying.
const FAULTS_MAX: u64 = 3;
/// Journals that are read at once.
const READS_MAX: usize = 64;

/// What was proved.
#[derive(Default)]
pub(super) struct Proofs {
    pub(super) alone: Vec<Alone>,
    /// None if no application states both debt and income.
    pub(super) batch: Option<Batch>,
}

/// A receipt that was verified and written to a file.
pub(super) struct Receipt {
    pub(super) file: PathBuf,
    pub(super) image_id: ImageId,
    pub(super) bytes: u64,
    pub(super) effort: Option<Effort>,
}

/// The ratio of one application.
pub(super) struct Alone {
    pub(super) id: String,
    pub(super) receipt: Receipt,
    pub(super) says: dti::Output,
    /// Whether the actor came to the same ratio.
    pub(super) agrees: bool,
}

/// The ratios of all of them.
pub(super) struct Batch {
    pub(super) receipt: Receipt,
    pub(super) says: batch::Output,
    /// Of the application whose case is shown.
    pub(super) shown: PathBuf,
    /// Whether every case is under the root, and every ratio is the one that its actor came to.
    pub(super) agrees: bool,
}

/// The actor's answer.
#[derive(Deserialize)]
struct Collected {
    cases: Vec<String>,
}

/// Has ratios proved, and looks how far it is.
pub(super) struct Prover<'a> {
    handle: &'a Handle,
    data: &'a Path,
    jobs: Jobs,
    is_quiet: bool,
}

impl<'a> Prover<'a> {
    pub(super) fn new(handle: &'a Handle, data: &'a Path, is_quiet: bool) -> Result<Self, CliError> {
        Ok(Self { handle, data, jobs: proving::jobs(data)?, is_quiet })
    }

    /// From now on the run's cases are collected.
    pub(super) fn collect(&self) -> Result<Ticket, CliError> {
        tell_batch(self.handle, "collect")
    }

    /// Waits for what an actor does, and shows how far its proof is.
    pub(super) async fn followed<T>(
        &self,
        actor: &ActorAddress,
        work: impl Future<Output = Result<T, CliError>>,
    ) -> Result<T, CliError> {
        let bar = self.bar(actor);
        let faults = || self.handle.metrics().host_faults.get();
        let before = faults();
        let mut work = std::pin::pin!(work);
        loop {
            if let Ok(done) = tokio::time::timeout(LOOK_EVERY, &mut work).await {
                bar.finish_and_clear();
                return done;
            }
            if faults() - before >= FAULTS_MAX {
                let problem = format!("{}: the prover failed {FAULTS_MAX} times", actor.local());
                return Err(CliError::new("not-proved", problem).hint("LOOM_LOG=warn shows why"));
            }
            // Whoever cannot be seen now is seen the next time.
            let seen = self.handle.actor(actor).await.ok();
            if let Some(proof) = seen.iter().flat_map(|seen| &seen.waiting_on).find(|on| on.kind == "proof") {
                bar.set_message(proof.detail.clone());
            }
        }
    }

    fn bar(&self, actor: &ActorAddress) -> ProgressBar {
        if self.is_quiet {
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template("proving {prefix} {spinner} {elapsed}  {msg}");
        let bar = ProgressBar::new_spinner().with_style(style.expect("a template of our own"));
        bar.set_prefix(actor.local().to_owned());
        bar.enable_steady_tick(LOOK_EVERY);
        bar
    }

    /// What was proved for this application, if its actor had something to prove.
    pub(super) async fn alone(&self, id: &str) -> Result<Option<Alone>, CliError> {
        let recorded = Recorded::read(self.handle, &review(id)?).await?;
        let Some(proved) = recorded.proved else { return Ok(None) };
        let receipt = self.receipt(&proved, id).await?;
        let says = dti::Output::decode(&proved.public_output).map_err(|error| failed(id, &error))?;
        let agrees = is_ratio(&says, recorded.dti_bps);
        Ok(Some(Alone { id: id.to_owned(), receipt, says, agrees }))
    }

    /// Has all cases proved that were collected, and writes what shows each of them.
    pub(super) async fn batch(&self, mut collecting: Ticket, alone: &[Alone]) -> Result<Option<Batch>, CliError> {
        let actor = address(BATCH)?;
        let mut asked = tell_batch(self.handle, "prove")?;
        asked.accepted().await.map_err(|error| failed(BATCH, &causes(&error)))?;
        let settled = async { collecting.settled().await.map_err(|error| failed(BATCH, &causes(&error))) };
        let reply = match self.followed(&actor, settled).await? {
            Settled::Ended { result: Ok(reply), .. } => reply,
            Settled::Ended { result: Err(failure), .. } => return Err(failed(BATCH, &failure)),
            Settled::Waiting { .. } => return Err(failed(BATCH, &"it waits for a person")),
        };
        let collected: Option<Collected> = serde_json::from_str(&reply).map_err(|error| failed(BATCH, &error))?;
        let Some(Collected { cases }) = collected else { return Ok(None) };
        let recorded = Recorded::read(self.handle, &actor).await?;
        let proved = recorded.proved.ok_or_else(|| failed(BATCH, &"its journal has no proof"))?;
        let receipt = self.receipt(&proved, "batch").await?;
        let says = batch::Output::decode(&proved.public_output).map_err(|error| failed(BATCH, &error))?;
        let outputs = recorded.input.as_ref().and_then(|input| batch::outputs(input.block()));
        let outputs = outputs.filter(|outputs| outputs.len() == cases.len());
        let outputs = outputs.ok_or_else(|| failed(BATCH, &"its journal has other cases than were proved"))?;
        let ratios = self.ratios(&cases).await?;
        let are_ratios = cases.iter().zip(&outputs).all(|(id, output)| is_ratio(output, ratios[id]));
        let are_alone = alone.iter().all(|alone| {
            let mut cases = cases.iter().zip(&outputs);
            cases.any(|(id, case)| *id == alone.id && is_same(case, &alone.says))
        });
        let folder = receipt.file.with_extension("cases");
        let are_included = write_cases(&folder, &cases, outputs, &says)?;
        let shown = alone.first().map_or(&cases[0], |alone| &alone.id);
        let shown = folder.join(format!("{shown}.json"));
        Ok(Some(Batch { receipt, says, shown, agrees: are_ratios && are_alone && are_included }))
    }

    /// The ratios in the journals of these applications.
    async fn ratios(&self, ids: &[String]) -> Result<HashMap<String, Option<u64>>, CliError> {
        let read = async |id: &String| -> Result<(String, Option<u64>), CliError> {
            let recorded = Recorded::read(self.handle, &review(id)?).await?;
            Ok((id.clone(), recorded.dti_bps))
        };
        stream::iter(ids.iter().map(read)).buffer_unordered(READS_MAX).try_collect().await
    }

    /// Verifies a receipt, and leaves it where people find it.
    async fn receipt(&self, proved: &Proved, name: &str) -> Result<Receipt, CliError> {
        let image_id = ImageId(proved.image_id.0);
        let bytes = self.handle.blob(proved.receipt).await.map_err(|error| failed(name, &error))?;
        let verified = verify(&bytes, image_id).map_err(|error| failed(name, &error))?;
        if verified.journal != proved.public_output {
            return Err(failed(name, &"the receipt proves another output than the journal has"));
        }
        let effort = self.jobs.effort(&bytes).map_err(|error| failed(name, &causes(&error)))?;
        let file = self.data.join(format!("{name}.receipt"));
        std::fs::write(&file, &bytes).map_err(|error| CliError::file(&file, error))?;
        Ok(Receipt { file, image_id, bytes: bytes.len() as u64, effort })
    }
}

/// A file for each case, with what shows that it is in the set; whether all of them are.
fn write_cases(
    folder: &Path,
    ids: &[String],
    outputs: Vec<dti::Output>,
    set: &batch::Output,
) -> Result<bool, CliError> {
    std::fs::create_dir_all(folder).map_err(|error| CliError::file(folder, error))?;
    let tree = Tree::new(&outputs).ok_or_else(|| failed(BATCH, &"it proved no case"))?;
    let mut are_included = tree.root() == set.root;
    for ((index, output), id) in (0..).zip(outputs).zip(ids) {
        let path = tree.path(index).expect("it is in the tree");
        are_included &= path.verify(&output, set).is_ok();
        let case = serde_json::to_string(&Case { output, path }).expect("our own types serialise");
        let file = folder.join(format!("{id}.json"));
        std::fs::write(&file, case + "\n").map_err(|error| CliError::file(&file, error))?;
    }
    Ok(are_included)
}

/// Whether a proof and an actor say the same. The program's ratio ends where its number does.
fn is_ratio(says: &dti::Output, recorded: Option<u64>) -> bool {
    recorded.map(|bps| bps.min(dti::BPS_MAX.into())) == Some(says.dti_bps.into())
}

/// Whether two proofs say the same of one application. Their inputs have salts of their own.
fn is_same(one: &dti::Output, other: &dti::Output) -> bool {
    (one.dti_bps, one.limit_bps) == (other.dti_bps, other.limit_bps)
}

/// Under fixed ids, so that running the demo again on the same data proves nothing twice.
fn tell_batch(handle: &Handle, what: &str) -> Result<Ticket, CliError> {
    let options = SendOptions { id: what.parse().ok(), until_waiting: false };
    let body = serde_json::json!({"type": what}).to_string();
    handle.send(&address(BATCH)?, &body, options).map_err(|error| failed(BATCH, &causes(&error)))
}

fn review(id: &str) -> Result<ActorAddress, CliError> {
    address(&format!("loan-review/{id}"))
}

fn address(local: &str) -> Result<ActorAddress, CliError> {
    ActorAddress::within("default", local).map_err(|error| failed(local, &error))
}

fn failed(what: &str, error: &dyn std::fmt::Display) -> CliError {
    CliError::new("demo", format!("{what}: {error}"))
}
