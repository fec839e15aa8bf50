//! One process per folder: two witnesses with one key and two memories would cosign a fork.

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::Path,
};

use crate::OpenError;

/// Held as long as the witness is open. The kernel releases it however the process ends.
#[derive(Debug)]
pub(crate) struct FolderLock {
    _file: File,
}

impl FolderLock {
    pub(crate) fn acquire(folder: &Path) -> Result<Self, OpenError> {
        let path = folder.join("witness.lock");
        let io = |source| OpenError::Io { path: path.clone(), source };
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse { folder: folder.to_owned() }),
            Err(TryLockError::Error(source)) => Err(io(source)),
        }
    }
}
