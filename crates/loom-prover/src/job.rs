//! A proof that is being made: a folder that outlives whoever makes it.
//!
//! ```text
//! FOLDER/JOB/             JOB: 64 hex digits, SHA-256 over program and input
//!   program.bin           the program binary
//!   input.bin             what the program reads; private
//!   secret.bin            32 bytes that the program's randomness is derived from; private
//!   segment-00000.seal    a seal, words in little-endian order
//!   bonsai.json           what a proving server was asked, if one was; private
//!   effort.json           what the proof took until now
//!   receipt.borsh         the receipt; when it is there, what is private and the seals are removed
//!   refused.json          in its place, if there will be none: why
//!   lock                  held by the worker
//! ```
//!
//! Files come by renaming and are there as a whole or not at all.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use data_encoding::HEXLOWER;
use loom_risc0_verify::{ImageId, limits::RECEIPT_BYTES_MAX};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{Effort, JobError, Program, Refused, WorkError};

const PROGRAM: &str = "program.bin";
const INPUT: &str = "input.bin";
const SECRET: &str = "secret.bin";
const RECEIPT: &str = "receipt.borsh";
const EFFORT: &str = "effort.json";
/// Longest account of the effort, in bytes: a few for each segment.
const EFFORT_BYTES_MAX: usize = 1024 * 1024;
const REFUSED: &str = "refused.json";
/// Longest refusal, in bytes.
const REFUSED_BYTES_MAX: usize = 64 * 1024;
const LOCK: &str = "lock";
const RECORD: &str = "bonsai.json";
/// Longest record, in bytes.
#[cfg(feature = "bonsai")]
const RECORD_BYTES_MAX: usize = 64 * 1024;
/// Receipts and refusals that are kept, so that nothing is proved twice. A node has its own copies of those that its journals name.
const FINISHED_MAX: usize = 1000;
/// A job's folder is named by a digest in hex; others are being made.
const JOB_NAME_BYTES: usize = 64;
/// So that a job is not taken for the digest of something else.
const JOB_DOMAIN: &[u8] = b"loom proof job 1\0";

/// Why there will be no receipt, without what is private.
#[derive(Serialize, Deserialize)]
struct Refusal {
    reason: String,
}

/// What is to be proved: that this program ran on this input.
#[derive(Clone)]
pub struct Task {
    /// The program's name.
    pub image_id: ImageId,
    /// Its binary.
    pub program: Bytes,
    /// What it reads, to the last byte.
    pub input: Bytes,
}

/// The folder with all jobs.
#[derive(Clone, Debug)]
pub struct Jobs {
    folder: PathBuf,
}

/// One job.
#[derive(Clone, Debug)]
pub struct Job {
    folder: PathBuf,
}

impl Jobs {
    /// Opens the folder, and makes it if it is not there.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, JobError> {
        let folder = folder.into();
        private_folder(&folder)?;
        Ok(Self { folder })
    }

    /// The job for this task: the one that is there, or a new one with this secret. The same task is the same job. One
    /// that was refused is begun again: what it may take is a setting.
    pub fn job(&self, task: &Task, secret: &[u8; 32]) -> Result<Job, JobError> {
        let mut hash = Sha256::new_with_prefix(JOB_DOMAIN);
        hash.update(task.image_id.0);
        hash.update(&task.input);
        let folder = self.folder.join(HEXLOWER.encode(&hash.finalize()));
        let job = Job { folder };
        if job.refused()?.is_some() {
            job.clone().remove()?;
        }
        if job.folder.is_dir() {
            return Ok(job);
        }
        self.forget_oldest()?;
        // Another process may be making the same one; a folder that is there is never replaced.
        let mut builder = tempfile::Builder::new();
        builder.prefix("new-");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
        let new = builder.tempdir_in(&self.folder).map_err(io(&self.folder))?;
        for (name, bytes) in [(PROGRAM, &task.program[..]), (INPUT, &task.input[..]), (SECRET, secret)] {
            write(&new.path().join(name), bytes)?;
        }
        match fs::rename(new.path(), &job.folder) {
            Err(_) if job.folder.is_dir() => {}
            renamed => {
                renamed.map_err(io(&job.folder))?;
                sync_folder(&self.folder)?;
            }
        }
        Ok(job)
    }
}

impl Jobs {
    /// What it took to make this receipt, if it was made here and is still known.
    pub fn effort(&self, receipt: &[u8]) -> Result<Option<Effort>, JobError> {
        for folder in fs::read_dir(&self.folder).map_err(io(&self.folder))?.filter_map(Result::ok) {
            let job = Job::open(folder.path());
            let file = fs::metadata(job.folder.join(RECEIPT));
            // Most are told apart without reading them.
            if file.is_ok_and(|file| file.len() == receipt.len() as u64) && job.receipt()?.as_deref() == Some(receipt) {
                return job.effort();
            }
        }
        Ok(None)
    }

    /// Jobs that wait for a worker or have one, the oldest first.
    pub fn unfinished(&self) -> Result<Vec<Job>, JobError> {
        let unfinished = self.having(|job| {
            // What a server was asked to prove is not proved here as well.
            let is_elsewhere = job.join(RECORD).exists();
            fs::metadata(job.join(PROGRAM)).ok().filter(|_| !is_elsewhere)
        })?;
        Ok(unfinished.into_iter().map(Job::open).collect())
    }

    /// Folders of jobs with this file, by its age.
    fn having(&self, file: impl Fn(&Path) -> Option<fs::Metadata>) -> Result<Vec<PathBuf>, JobError> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(io(&self.folder))?.filter_map(Result::ok) {
            let is_job = entry.file_name().len() == JOB_NAME_BYTES;
            // Another process may be removing it.
            if let Some(modified) = file(&entry.path()).filter(|_| is_job).and_then(|file| file.modified().ok()) {
                found.push((modified, entry.path()));
            }
        }
        found.sort_unstable();
        Ok(found.into_iter().map(|(_, folder)| folder).collect())
    }

    /// Makes room for another receipt.
    fn forget_oldest(&self) -> Result<(), JobError> {
        let ended = |job: &Path| [RECEIPT, REFUSED].iter().find_map(|name| fs::metadata(job.join(name)).ok());
        let finished = self.having(ended)?;
        let surplus = (finished.len() + 1).saturating_sub(FINISHED_MAX);
        finished.into_iter().take(surplus).try_for_each(|folder| Job::open(folder).remove())
    }
}

impl Job {
    /// The job in a folder that [`Jobs::job`] made.
    pub fn open(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Enough of its name to tell it from others.
    pub fn name(&self) -> String {
        let name = self.folder.file_name().unwrap_or_default().to_string_lossy();
        name.chars().take(8).collect()
    }

    /// The receipt, if it is finished.
    pub fn receipt(&self) -> Result<Option<Vec<u8>>, JobError> {
        let path = self.folder.join(RECEIPT);
        match read(&path, RECEIPT_BYTES_MAX) {
            Err(JobError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        }
    }

    /// How many segments are proved so far.
    pub fn segments(&self) -> Result<usize, JobError> {
        let files = fs::read_dir(&self.folder).map_err(io(&self.folder))?;
        let seals = files.filter_map(Result::ok).filter(|file| file.file_name().to_string_lossy().ends_with(".seal"));
        Ok(seals.count())
    }

    /// What it took until now. What cannot be read is not known: nothing depends on it.
    pub fn effort(&self) -> Result<Option<Effort>, JobError> {
        match read(&self.folder.join(EFFORT), EFFORT_BYTES_MAX) {
            Err(JobError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            read => Ok(serde_json::from_slice(&read?).ok()),
        }
    }

    /// Why there will be no receipt, if it was refused.
    pub fn refused(&self) -> Result<Option<String>, JobError> {
        let path = self.folder.join(REFUSED);
        let bytes = match read(&path, REFUSED_BYTES_MAX) {
            Err(JobError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read?,
        };
        match serde_json::from_slice(&bytes) {
            Ok(Refusal { reason }) => Ok(Some(reason)),
            Err(error) => Err(JobError::Damaged { path, problem: error.to_string() }),
        }
    }

    /// The program that is to be proved.
    pub fn image_id(&self) -> Result<ImageId, WorkError> {
        Ok(Program::read(self.program()?)?.image_id())
    }

    /// Whether another process works on it now.
    pub fn is_worked_on(&self) -> Result<bool, JobError> {
        Ok(self.try_lock()?.is_none())
    }

    /// Removes it with all that was proved. Another process may have done so.
    pub fn remove(self) -> Result<(), JobError> {
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io(&self.folder)(error)),
            _ => Ok(()),
        }
    }

    /// Waits until no other process works on it. It is this one's until the file is dropped.
    pub fn lock(&self) -> Result<File, JobError> {
        let path = self.folder.join(LOCK);
        let file = private(File::options().create(true).truncate(false).write(true)).open(&path).map_err(io(&path))?;
        file.lock().map_err(io(&path))?;
        Ok(file)
    }

    /// As [`Job::lock`]; none if another one works on it now.
    pub(crate) fn try_lock(&self) -> Result<Option<File>, JobError> {
        let path = self.folder.join(LOCK);
        let file = private(File::options().create(true).truncate(false).write(true)).open(&path).map_err(io(&path))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(io(&path)(error)),
        }
    }

    /// Where it is said what a proving server was asked.
    #[cfg(feature = "bonsai")]
    pub(crate) fn record_path(&self) -> PathBuf {
        self.folder.join(RECORD)
    }

    #[cfg(feature = "bonsai")]
    pub(crate) fn record(&self) -> Result<Option<Vec<u8>>, JobError> {
        match read(&self.record_path(), RECORD_BYTES_MAX) {
            Err(JobError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        }
    }

    #[cfg(feature = "bonsai")]
    pub(crate) fn store_record(&self, record: &[u8]) -> Result<(), JobError> {
        self.put(&self.record_path(), record)
    }

    #[cfg(feature = "bonsai")]
    pub(crate) fn remove_record(&self) -> Result<(), JobError> {
        let path = self.record_path();
        fs::remove_file(&path).map_err(io(&path))?;
        sync_folder(&self.folder)
    }

    pub(crate) fn program(&self) -> Result<Bytes, JobError> {
        read(&self.folder.join(PROGRAM), crate::program::PROGRAM_BYTES_MAX).map(Bytes::from)
    }

    pub(crate) fn input(&self) -> Result<Vec<u8>, JobError> {
        read(&self.folder.join(INPUT), usize::MAX)
    }

    pub(crate) fn secret(&self) -> Result<[u8; 32], JobError> {
        let path = self.folder.join(SECRET);
        let damaged = |bytes: Vec<u8>| JobError::Damaged {
            problem: format!("{} bytes instead of 32", bytes.len()),
            path: path.clone(),
        };
        read(&path, 64)?.try_into().map_err(damaged)
    }

    /// The seal of a segment, if there is one. What it proves is for the caller to find out.
    pub(crate) fn seal(&self, index: usize) -> Result<Option<Vec<u32>>, JobError> {
        match read(&self.seal_path(index), loom_risc0_verify::limits::SEAL_WORDS_MAX * 4) {
            Err(JobError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
            Ok(bytes) => Ok(Some(bytes.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).collect())),
        }
    }

    pub(crate) fn store_seal(&self, index: usize, seal: &[u32]) -> Result<(), JobError> {
        let bytes: Vec<u8> = seal.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.put(&self.seal_path(index), &bytes)
    }

    pub(crate) fn store_effort(&self, effort: &Effort) -> Result<(), JobError> {
        self.put(&self.folder.join(EFFORT), &serde_json::to_vec(effort).expect("our own types serialise"))
    }

    /// Stores the receipt, and removes what it was made of.
    pub(crate) fn finish(&self, receipt: &[u8]) -> Result<(), JobError> {
        self.end(RECEIPT, receipt)
    }

    /// Notes that there will be no receipt, and removes what is private.
    pub(crate) fn refuse(&self, reason: &Refused) -> Result<(), JobError> {
        let refusal = Refusal { reason: reason.without_input() };
        self.end(REFUSED, &serde_json::to_vec(&refusal).expect("our own types serialise"))
    }

    fn end(&self, name: &str, bytes: &[u8]) -> Result<(), JobError> {
        self.put(&self.folder.join(name), bytes)?;
        for file in fs::read_dir(&self.folder).map_err(io(&self.folder))?.filter_map(Result::ok) {
            if ![name, EFFORT, LOCK].iter().any(|kept| file.file_name() == *kept) {
                fs::remove_file(file.path()).map_err(io(&file.path()))?;
            }
        }
        Ok(())
    }

    fn seal_path(&self, index: usize) -> PathBuf {
        self.folder.join(format!("segment-{index:05}.seal"))
    }

    fn put(&self, path: &Path, bytes: &[u8]) -> Result<(), JobError> {
        let new = path.with_extension("new");
        write(&new, bytes)?;
        fs::rename(&new, path).map_err(io(path))?;
        sync_folder(&self.folder)
    }
}

fn io(path: &Path) -> impl FnOnce(io::Error) -> JobError {
    let path = path.to_owned();
    move |source| JobError::Io { path, source }
}

fn read(path: &Path, bytes_max: usize) -> Result<Vec<u8>, JobError> {
    let bytes = fs::read(path).map_err(io(path))?;
    if bytes.len() > bytes_max {
        return Err(JobError::Damaged { path: path.to_owned(), problem: format!("{} bytes", bytes.len()) });
    }
    Ok(bytes)
}

/// Writes a file that only its owner may read.
fn write(path: &Path, bytes: &[u8]) -> Result<(), JobError> {
    let opened = private(File::options().create(true).truncate(true).write(true)).open(path);
    let written = opened.and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.map_err(io(path))
}

fn private(options: &mut fs::OpenOptions) -> &mut fs::OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

fn private_folder(folder: &Path) -> Result<(), JobError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(io(folder))
}

fn sync_folder(folder: &Path) -> Result<(), JobError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io(folder))
}

#[cfg(test)]
mod tests;
