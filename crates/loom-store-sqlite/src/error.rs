//! Errors of the embedded store.

use std::{path::PathBuf, sync::Arc};

use loom_storage::{BackendError, CommitError, EnqueueError, EraseError, ResolveError, StoreError};

/// Why a data folder could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("data folder {folder} is in use by another process{owner}")]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// ` (process id N)` where it is known.
        owner: String,
    },
    /// It was written by another version.
    #[error("data folder {folder} has format {found}, this program knows {known}")]
    Version {
        /// The folder.
        folder: PathBuf,
        /// Its format.
        found: i64,
        /// The format known here.
        known: i64,
    },
    /// The database lost commits that were acknowledged.
    #[error("the database in {folder} has lost its end: it counts {found} transactions, and {counted} were committed")]
    Lost {
        /// The folder.
        folder: PathBuf,
        /// What the database counts.
        found: u64,
        /// What the file `tally` counts.
        counted: u64,
    },
    /// The database is another one than the folder was written with.
    #[error("the database in {folder} is not the one that was written there")]
    Replaced {
        /// The folder.
        folder: PathBuf,
    },
    /// A file or folder could not be made or opened.
    #[error("cannot use {path}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// SQLite refused.
    #[error("cannot open the database {path}")]
    Database {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
}

/// An error of SQLite's as one of the ports'; `what` is what it was about.
pub(crate) fn store_error(error: rusqlite::Error, what: &dyn std::fmt::Display) -> StoreError {
    match damage(&error) {
        Some(damage) => StoreError::Corrupt { what: format!("{what}: {damage}") },
        None => StoreError::Unavailable(backend(error)),
    }
}

/// What is damaged, if that is what SQLite says.
fn damage(error: &rusqlite::Error) -> Option<String> {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    match error {
        rusqlite::Error::SqliteFailure(failure, _) if failure.extended_code == rusqlite::ffi::SQLITE_IOERR_DATA => {
            Some("a page of the database does not match its digest".to_owned())
        }
        rusqlite::Error::SqliteFailure(failure, message) if matches!(failure.code, DatabaseCorrupt | NotADatabase) => {
            Some(message.clone().unwrap_or_else(|| failure.to_string()))
        }
        // Columns have their types from the tables' definition.
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..) => Some(error.to_string()),
        _ => None,
    }
}

/// Why a whole transaction failed.
#[derive(Debug)]
pub(crate) struct GroupError {
    pub(crate) error: BackendError,
    /// What is damaged, if that is why.
    damage: Option<String>,
    /// Whether it may have become durable all the same.
    pub(crate) unknown: bool,
}

impl GroupError {
    pub(crate) fn refused(error: rusqlite::Error) -> Self {
        Self { damage: damage(&error), error: backend(error), unknown: false }
    }

    /// The database is not what was written, which only we can tell.
    pub(crate) fn damaged(what: String) -> Self {
        Self { error: backend(Damaged(what.clone())), damage: Some(what), unknown: false }
    }

    pub(crate) fn writer(error: WriterError) -> Self {
        Self { error: backend(error), damage: None, unknown: false }
    }

    pub(crate) fn unknown(error: rusqlite::Error) -> Self {
        Self { unknown: true, ..Self::refused(error) }
    }
}

impl From<&GroupError> for StoreError {
    fn from(failed: &GroupError) -> Self {
        match &failed.damage {
            Some(what) => StoreError::Corrupt { what: what.clone() },
            None => StoreError::Unavailable(failed.error.clone()),
        }
    }
}

impl From<&GroupError> for CommitError {
    fn from(failed: &GroupError) -> Self {
        let error = failed.error.clone();
        if failed.unknown { CommitError::Unknown(error) } else { CommitError::Unavailable(error) }
    }
}

impl From<&GroupError> for EnqueueError {
    fn from(failed: &GroupError) -> Self {
        EnqueueError::Store(failed.into())
    }
}

impl From<&GroupError> for EraseError {
    fn from(failed: &GroupError) -> Self {
        EraseError::Store(failed.into())
    }
}

impl From<&GroupError> for ResolveError {
    fn from(failed: &GroupError) -> Self {
        ResolveError::Unavailable(failed.error.clone())
    }
}

pub(crate) fn backend(error: impl std::error::Error + Send + Sync + 'static) -> BackendError {
    Arc::new(error)
}

/// Stored data is not what was written.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Damaged(String);

/// The writer thread is gone or has too much to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriterError {
    #[error("the store is shutting down")]
    Gone,
    #[error("the store's queue is full ({0} operations)")]
    Full(usize),
}
