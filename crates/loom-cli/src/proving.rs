//! Proofs of this node: the key of private inputs, the folder of proofs under way, and who makes them.

use std::{ffi::OsString, fs, io::ErrorKind, path::Path, sync::Arc};

use loom_prover::{Jobs, Limits, Processes, WorkerCommand, Workers};
use loom_runtime::{OsSalts, Prover, Proving, causes};
use loom_types::SaltSource as _;

use crate::{CliError, key, settings::ProverSettings};

/// Folder of proofs under way and finished, in the data folder.
const FOLDER: &str = "proofs";
/// File of the key from which salts of private inputs are derived, in the data folder.
const KEY_FILE: &str = "prove.key";
const KEY_BYTES: usize = 32;

/// Whether this program has a prover in it.
pub(crate) const IS_BUILT_IN: bool = cfg!(feature = "prover");

/// What is said where something is to be proved and this program has no prover in it.
pub(crate) fn no_prover() -> CliError {
    CliError::new("no-prover", "this build of loom cannot prove")
        .hint("build one that can: cargo build --release --package loom-cli --features prover")
}

/// What a node proves with, if it is built to.
pub(crate) fn open(data: &Path, settings: &ProverSettings) -> Result<Option<Proving>, CliError> {
    if let Some(prover) = server(data, settings)? {
        return Ok(Some(Proving::new(input_key(data)?, prover)));
    }
    if settings.workers {
        let (jobs, runtime) = (jobs(data)?, tokio::runtime::Handle::current());
        let workers = Workers::new(jobs, settings.limits.cycles_max, OsSalts::sources(), runtime);
        return Ok(Some(Proving::new(input_key(data)?, Arc::new(workers))));
    }
    if !IS_BUILT_IN {
        return Ok(None);
    }
    let command = WorkerCommand { threads: settings.threads, ..worker(&settings.limits)? };
    let processes = Processes::new(jobs(data)?, command, settings.processes, OsSalts::sources());
    Ok(Some(Proving::new(input_key(data)?, Arc::new(processes))))
}

/// The server that proves for this node, if there is one.
fn server(data: &Path, settings: &ProverSettings) -> Result<Option<Arc<dyn Prover>>, CliError> {
    let lacks = |there, missing| {
        CliError::new("settings-invalid", format!("there is prover.{there}, and prover.{missing} is not set"))
    };
    match (&settings.bonsai.url, &settings.bonsai.key) {
        (None, None) => Ok(None),
        (Some(_), None) => Err(lacks("bonsai_url", "bonsai_key")),
        (None, Some(_)) => Err(lacks("bonsai_key", "bonsai_url")),
        (Some(_), Some(_)) if settings.workers => {
            let problem = "both prover.workers and prover.bonsai_url are set, and one of them is to make the proofs";
            Err(CliError::new("settings-invalid", problem))
        }
        (Some(url), Some(key)) => bonsai(data, settings, url, key).map(Some),
    }
}

#[cfg(feature = "bonsai")]
fn bonsai(data: &Path, settings: &ProverSettings, url: &str, key: &Path) -> Result<Arc<dyn Prover>, CliError> {
    use loom_prover::{Bonsai, BonsaiSettings, WantedReceipt};

    let text = fs::read_to_string(key).map_err(|error| CliError::file(key, error))?;
    // Files end with a line feed that is none of theirs.
    let key = text.trim_end_matches(['\r', '\n']).to_owned().into();
    let receipt = if settings.bonsai.groth16 { WantedReceipt::Groth16 } else { WantedReceipt::Stark };
    let (poll_interval, cycles_max) = (settings.bonsai.poll_interval, settings.limits.cycles_max);
    let settings = BonsaiSettings { url: url.to_owned(), key, poll_interval, receipt, cycles_max };
    let bonsai = Bonsai::new(settings, jobs(data)?, OsSalts::sources(), tokio::runtime::Handle::current());
    Ok(Arc::new(bonsai.map_err(|error| CliError::new("settings-invalid", error))?))
}

#[cfg(not(feature = "bonsai"))]
fn bonsai(_: &Path, _: &ProverSettings, _: &str, _: &Path) -> Result<Arc<dyn Prover>, CliError> {
    let problem = "prover.bonsai_url is set, and this build knows no proving servers: it lacks the feature bonsai";
    Err(CliError::new("no-prover", problem).hint("cargo build --release --package loom-cli --features bonsai"))
}

/// The folder of proofs.
pub(crate) fn jobs(data: &Path) -> Result<Jobs, CliError> {
    Jobs::open(data.join(FOLDER)).map_err(|error| CliError::new("data-folder", causes(&error)))
}

/// This program, as a worker.
pub(crate) fn worker(limits: &Limits) -> Result<WorkerCommand, CliError> {
    let program = std::env::current_exe().map_err(|error| CliError::new("not-proved", error))?;
    let Limits { memory_mib, cycles_max, segments_at_once, segment_po2 } = limits;
    let mut words: Vec<OsString> =
        vec![program.into(), "worker".into(), "--only".into(), "prove".into(), "--until-eof".into()];
    let mut option = |name: &str, value: String| words.extend([name.into(), value.into()]);
    option("--memory-mib", memory_mib.to_string());
    option("--cycles-max", cycles_max.to_string());
    option("--segments-at-once", segments_at_once.to_string());
    if let Some(po2) = segment_po2 {
        option("--segment-po2", po2.to_string());
    }
    Ok(WorkerCommand { words, threads: None })
}

/// The key, made when it is needed first. Without it an input that was proved is proved again; nothing else is lost.
fn input_key(data: &Path) -> Result<[u8; KEY_BYTES], CliError> {
    let path = data.join(KEY_FILE);
    for _ in 0..2 {
        match fs::read(&path) {
            Ok(bytes) => {
                let invalid = |bytes: Vec<u8>| {
                    let problem = format!("{}: {} bytes instead of {KEY_BYTES}", path.display(), bytes.len());
                    CliError::new("key-invalid", problem)
                };
                return bytes.try_into().map_err(invalid);
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let mut bytes = [0; KEY_BYTES];
                OsSalts::default().fill(&mut bytes);
                // Another process may have made one meanwhile; then that is the key.
                match key::write(data, &path, &bytes) {
                    Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(CliError::file(&path, error)),
                    _ => {}
                }
            }
            Err(error) => return Err(CliError::file(&path, error)),
        }
    }
    Err(CliError::file(&path, "somebody removes it as it is made"))
}
