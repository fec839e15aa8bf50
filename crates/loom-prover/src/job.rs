//! A proof that is being made: a folder that outlives whoever makes it.
//!
//! ```text
//! FOLDER/JOB/             JOB: 64 hex digits, SHA-256 over program and input
//!   program.bin           the program binary
//!   input.bin             what the program reads; private
//!   secret.bin            32 bytes that the program's randomness is derived from; private
//!   segment-00000.seal    a seal, words in little-endian order
//!   bonsai.json           what a proving server was asked, if one was; private
//!   limit.json            cycles that it may take, if whoever asks says so
//!   effort.json           what the proof took until now
//!   receipt.borsh         the receipt; when it is there, what is private and the seals are removed
//!   refused.json          in its place, if there will be none: why
//!   lock                  held by the worker, exclusively; shared for a moment by whoever looks
//! ```
//!
//! Files come by renaming and are there as a whole or not at all, and so are folders: one is made as `new-…` and removed
//! as `gone-…`. What a crash leaves over of a job that has ended, its next holder removes.

mod jobs;

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use loom_risc0_verify::{ImageId, limits::RECEIPT_BYTES_MAX};
use serde::{Deserialize, Serialize};

pub use self::jobs::Jobs;
use crate::{Effort, JobError, Program, Refused, WorkError};

const PROGRAM: &str = "program.bin";
const INPUT: &str = "input.bin";
const SECRET: &str = "secret.bin";
const RECEIPT: &str = "receipt.borsh";
const EFFORT: &str = "effort.json";
/// Longest account of the effort, in bytes: a few for each segment.
const EFFORT_BYTES_MAX: usize = 1024 * 1024;
const LIMIT: &str = "limit.json";
/// Longest limit, in bytes.
const LIMIT_BYTES_MAX: usize = 1024;
const REFUSED: &str = "refused.json";
/// Longest refusal, in bytes.
const REFUSED_BYTES_MAX: usize = 64 * 1024;
const LOCK: &str = "lock";
const RECORD: &str = "bonsai.json";
/// Longest record, in bytes.
#[cfg(feature = "bonsai")]
const RECORD_BYTES_MAX: usize = 64 * 1024;

/// Why there will be no receipt, without what is private.
#[derive(Serialize, Deserialize)]
struct Refusal {
    reason: String,
}

/// What whoever asks allows.
#[derive(Serialize, Deserialize)]
struct Limit {
    cycles_max: u64,
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
    /// Most cycles; whoever proves it decides if not given.
    pub cycles_max: Option<u64>,
}

/// One job.
#[derive(Clone, Debug)]
pub struct Job {
    folder: PathBuf,
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
        found(read(&path, RECEIPT_BYTES_MAX))
    }

    /// How many segments are proved so far.
    pub fn segments(&self) -> Result<usize, JobError> {
        let files = fs::read_dir(&self.folder).map_err(io(&self.folder))?;
        let seals = files.filter_map(Result::ok).filter(|file| file.file_name().to_string_lossy().ends_with(".seal"));
        Ok(seals.count())
    }

    /// What it took until now. What cannot be read is not known: nothing depends on it.
    pub fn effort(&self) -> Result<Option<Effort>, JobError> {
        let effort = found(read(&self.folder.join(EFFORT), EFFORT_BYTES_MAX))?;
        Ok(effort.and_then(|effort| serde_json::from_slice(&effort).ok()))
    }

    /// Why there will be no receipt, if it was refused.
    pub fn refused(&self) -> Result<Option<String>, JobError> {
        let path = self.folder.join(REFUSED);
        let Some(bytes) = found(read(&path, REFUSED_BYTES_MAX))? else { return Ok(None) };
        let unreadable = |_| Refusal { reason: "why it was refused is not known any more".to_owned() };
        let Refusal { reason } = serde_json::from_slice(&bytes).unwrap_or_else(unreadable);
        Ok(Some(reason))
    }

    /// The program that is to be proved.
    pub fn image_id(&self) -> Result<ImageId, WorkError> {
        Ok(Program::read(self.program()?)?.image_id())
    }

    /// Whether a process works on it now.
    pub fn is_worked_on(&self) -> Result<bool, JobError> {
        let (file, path) = self.lock_file()?;
        match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(fs::TryLockError::WouldBlock) => Ok(true),
            Err(fs::TryLockError::Error(error)) => Err(io(&path)(error)),
        }
    }

    /// Waits until no other process works on it. It is this one's until the file is dropped.
    pub fn lock(&self) -> Result<File, JobError> {
        loop {
            let (file, path) = self.lock_file()?;
            file.lock().map_err(io(&path))?;
            if self.is_of_this(&file)? {
                return Ok(file);
            }
        }
    }

    /// As [`Job::lock`]; none if another one works on it now.
    pub fn try_lock(&self) -> Result<Option<File>, JobError> {
        loop {
            let (file, path) = self.lock_file()?;
            match file.try_lock() {
                Ok(()) if self.is_of_this(&file)? => return Ok(Some(file)),
                // The lock was that of a job that is gone.
                Ok(()) => {}
                Err(fs::TryLockError::WouldBlock) => return Ok(None),
                Err(fs::TryLockError::Error(error)) => return Err(io(&path)(error)),
            }
        }
    }

    fn lock_file(&self) -> Result<(File, PathBuf), JobError> {
        let path = self.folder.join(LOCK);
        let file = private(File::options().create(true).truncate(false).write(true)).open(&path).map_err(io(&path))?;
        Ok((file, path))
    }

    /// Whether a file that was opened as this job's lock still is: the folder may have been made anew.
    fn is_of_this(&self, file: &File) -> Result<bool, JobError> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            let path = self.folder.join(LOCK);
            let held = file.metadata().map_err(io(&path))?;
            let there = found(fs::metadata(&path).map_err(io(&path)))?;
            Ok(there.is_some_and(|there| (there.dev(), there.ino()) == (held.dev(), held.ino())))
        }
        #[cfg(not(unix))]
        {
            let _ = file;
            Ok(true)
        }
    }

    /// Removes it, whatever it holds, so that it is begun anew when it is asked for. Whoever works on it is waited for.
    pub fn discard(&self) -> Result<(), JobError> {
        let Some(_mine) = found(self.lock())? else { return Ok(()) };
        self.take_away()
    }

    /// Removes it, at once or not at all.
    fn take_away(&self) -> Result<(), JobError> {
        let parent = self.folder.parent().unwrap_or(Path::new("."));
        let gone = tempfile::Builder::new().prefix(jobs::GONE).tempdir_in(parent).map_err(io(parent))?;
        if found(fs::rename(&self.folder, gone.path().join("job")).map_err(io(&self.folder)))?.is_some() {
            sync_folder(parent)?;
        }
        gone.close().map_err(io(parent))
    }

    /// Where it is said what a proving server was asked.
    #[cfg(feature = "bonsai")]
    pub(crate) fn record_path(&self) -> PathBuf {
        self.folder.join(RECORD)
    }

    #[cfg(feature = "bonsai")]
    pub(crate) fn record(&self) -> Result<Option<Vec<u8>>, JobError> {
        found(read(&self.record_path(), RECORD_BYTES_MAX))
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

    /// Most cycles, if whoever asks says so.
    pub(crate) fn cycles_max(&self) -> Result<Option<u64>, JobError> {
        let path = self.folder.join(LIMIT);
        let Some(bytes) = found(read(&path, LIMIT_BYTES_MAX))? else { return Ok(None) };
        match serde_json::from_slice(&bytes) {
            Ok(Limit { cycles_max }) => Ok(Some(cycles_max)),
            Err(error) => Err(JobError::Damaged { path, problem: error.to_string() }),
        }
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
        let seal = found(read(&self.seal_path(index), loom_risc0_verify::limits::SEAL_WORDS_MAX * 4))?;
        Ok(seal.map(|bytes| bytes.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).collect()))
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
        self.tidy()
    }

    /// Removes what an ended job needs no more: what is private first, the program last, for by that whoever looks for work
    /// finds what a crash left over.
    pub(crate) fn tidy(&self) -> Result<(), JobError> {
        if !self.has(RECEIPT) && !self.has(REFUSED) {
            return Ok(());
        }
        let mut surplus = vec![self.folder.join(INPUT), self.folder.join(SECRET)];
        for file in fs::read_dir(&self.folder).map_err(io(&self.folder))?.filter_map(Result::ok) {
            let is_kept = [RECEIPT, REFUSED, EFFORT, LOCK, PROGRAM].iter().any(|kept| file.file_name() == *kept);
            surplus.extend((!is_kept).then(|| file.path()));
        }
        surplus.push(self.folder.join(PROGRAM));
        surplus.into_iter().try_for_each(|path| found(fs::remove_file(&path).map_err(io(&path))).map(drop))
    }

    fn has(&self, name: &str) -> bool {
        self.folder.join(name).is_file()
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

/// What is not there is none.
fn found<T>(read: Result<T, JobError>) -> Result<Option<T>, JobError> {
    match read {
        Err(JobError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
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
