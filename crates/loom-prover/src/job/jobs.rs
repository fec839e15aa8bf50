//! The folder of all jobs: making them, finding work, forgetting.

use std::{
    fs::{self, Metadata},
    path::PathBuf,
    time::Duration,
};

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use super::{
    INPUT, Job, LIMIT, Limit, PROGRAM, RECEIPT, RECORD, REFUSED, SECRET, Task, found, io, private_folder, sync_folder,
    write,
};
use crate::{Effort, JobError};

/// Receipts that are kept so that nothing is proved twice. A node has its own copies of those that its journals name.
pub(super) const FINISHED_MAX: usize = 1000;
/// Refusals that are kept for whoever waits.
pub(super) const REFUSED_MAX: usize = 100;
/// A job on which nobody has worked for so long is nobody's, and its input is private.
const ABANDONED_AFTER: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// What a process leaves over that is killed as it makes or removes a folder.
const LEFT_OVER_AFTER: Duration = Duration::from_secs(60 * 60);
/// A job's folder is named by a digest in hex.
const NAME_BYTES: usize = 64;
/// Folders that are being made, and removed.
const NEW: &str = "new-";
pub(super) const GONE: &str = "gone-";
/// So that a job is not taken for the digest of something else.
const DOMAIN: &[u8] = b"loom proof job 1\0";

/// The folder with all jobs.
#[derive(Clone, Debug)]
pub struct Jobs {
    folder: PathBuf,
}

/// What is in a job's folder.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Absent,
    /// It is to be worked on, or has a receipt.
    Usable,
    /// It was refused, or somebody removed what it is about.
    Spent,
}

impl Jobs {
    /// Opens the folder, and makes it if it is not there.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, JobError> {
        let folder = folder.into();
        private_folder(&folder)?;
        let jobs = Self { folder };
        for (name, folder) in jobs.folders()? {
            let is_unfinished = name.starts_with(NEW) || name.starts_with(GONE);
            let age = fs::metadata(&folder).ok().and_then(|folder| folder.modified().ok()?.elapsed().ok());
            if is_unfinished && age.is_some_and(|age| age > LEFT_OVER_AFTER) {
                found(fs::remove_dir_all(&folder).map_err(io(&folder)))?;
            }
        }
        Ok(jobs)
    }

    /// The job for this task: the one that is there, or a new one with this secret. The same task is the same job. One
    /// that was refused is begun again: what it may take is a setting.
    pub fn job(&self, task: &Task, secret: &[u8; 32]) -> Result<Job, JobError> {
        let mut hash = Sha256::new_with_prefix(DOMAIN);
        hash.update(task.image_id.0);
        hash.update(&task.input);
        let job = Job::open(self.folder.join(HEXLOWER.encode(&hash.finalize())));
        loop {
            match standing(&job) {
                Standing::Usable => return Ok(job),
                Standing::Spent => {
                    // Under its lock, for another process may just be doing the same, or still be writing the refusal.
                    let Some(_mine) = found(job.lock())? else { continue };
                    if standing(&job) == Standing::Spent {
                        job.take_away()?;
                    }
                }
                Standing::Absent => self.make(&job, task, secret)?,
            }
        }
    }

    /// Makes a job's folder, unless another process does.
    fn make(&self, job: &Job, task: &Task, secret: &[u8; 32]) -> Result<(), JobError> {
        self.forget()?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(NEW);
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
        let new = builder.tempdir_in(&self.folder).map_err(io(&self.folder))?;
        for (name, bytes) in [(PROGRAM, &task.program[..]), (INPUT, &task.input[..]), (SECRET, secret)] {
            write(&new.path().join(name), bytes)?;
        }
        if let Some(cycles_max) = task.cycles_max {
            let limit = serde_json::to_vec(&Limit { cycles_max }).expect("our own types serialise");
            write(&new.path().join(LIMIT), &limit)?;
        }
        match fs::rename(new.path(), job.folder()) {
            // A folder that is there is never replaced.
            Err(_) if job.folder().is_dir() => Ok(()),
            renamed => renamed.map_err(io(job.folder())).and_then(|()| sync_folder(&self.folder)),
        }
    }

    /// What it took to make this receipt, if it was made here and is still known.
    pub fn effort(&self, receipt: &[u8]) -> Result<Option<Effort>, JobError> {
        for (_, folder) in self.folders()? {
            let job = Job::open(folder);
            let file = fs::metadata(job.folder().join(RECEIPT));
            // Most are told apart without reading them.
            if file.is_ok_and(|file| file.len() == receipt.len() as u64) && job.receipt()?.as_deref() == Some(receipt) {
                return job.effort();
            }
        }
        Ok(None)
    }

    /// Jobs that wait for a worker or have one, the oldest first.
    pub fn unfinished(&self) -> Result<Vec<Job>, JobError> {
        // What a server was asked to prove is not proved here as well.
        let unfinished = self.having(PROGRAM)?.into_iter().filter(|(_, job)| !job.has(RECORD));
        Ok(unfinished.map(|(_, job)| job).collect())
    }

    /// Jobs with this file, the oldest of them first.
    fn having(&self, name: &str) -> Result<Vec<(Metadata, Job)>, JobError> {
        let mut jobs = Vec::new();
        for (folder_name, folder) in self.folders()? {
            let path = folder.join(name);
            // Another process may be removing it.
            if folder_name.len() == NAME_BYTES
                && let Some(file) = found(fs::metadata(&path).map_err(io(&path)))?
            {
                jobs.push((file, Job::open(folder)));
            }
        }
        jobs.sort_by_key(|(file, job)| (file.modified().ok(), job.folder().to_owned()));
        Ok(jobs)
    }

    fn folders(&self) -> Result<Vec<(String, PathBuf)>, JobError> {
        let entries = fs::read_dir(&self.folder).map_err(io(&self.folder))?.filter_map(Result::ok);
        Ok(entries.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path())).collect())
    }

    /// Makes room for another job.
    fn forget(&self) -> Result<(), JobError> {
        for (name, kept_max) in [(RECEIPT, FINISHED_MAX), (REFUSED, REFUSED_MAX)] {
            let ended = self.having(name)?;
            let surplus = (ended.len() + 1).saturating_sub(kept_max);
            ended.into_iter().take(surplus).try_for_each(|(_, job)| job.take_away())?;
        }
        for job in self.unfinished()? {
            // Each segment that is proved changes the folder.
            let changed = found(fs::metadata(job.folder()).map_err(io(job.folder())))?;
            let age = changed.and_then(|folder| folder.modified().ok()?.elapsed().ok());
            if age.is_some_and(|age| age > ABANDONED_AFTER)
                && let Some(_mine) = found(job.try_lock())?.flatten()
            {
                job.take_away()?;
            }
        }
        Ok(())
    }
}

fn standing(job: &Job) -> Standing {
    if !job.folder().is_dir() {
        Standing::Absent
    } else if !job.has(REFUSED) && (job.has(PROGRAM) || job.has(RECEIPT)) {
        Standing::Usable
    } else {
        Standing::Spent
    }
}
