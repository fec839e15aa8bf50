//! Errors of the embedded store.

use std::{path::PathBuf, sync::Arc};

use loom_storage::{BackendError, StoreError};

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
    /// It was written by a newer version.
    #[error("data folder {folder} has format {found}, this program knows up to {known}")]
    Version {
        /// The folder.
        folder: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format known here.
        known: i64,
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

/// An error of SQLite's as one of the ports'.
pub(crate) fn store_error(error: rusqlite::Error) -> StoreError {
    match &error {
        rusqlite::Error::SqliteFailure(failure, message)
            if matches!(failure.code, rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) =>
        {
            StoreError::Corrupt { what: message.clone().unwrap_or_else(|| failure.to_string()) }
        }
        _ => StoreError::Unavailable(backend(error)),
    }
}

pub(crate) fn backend(error: impl std::error::Error + Send + Sync + 'static) -> BackendError {
    Arc::new(error)
}

/// The writer thread is gone or has too much to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriterError {
    #[error("the store is shutting down")]
    Gone,
    #[error("the store's queue is full ({0} operations)")]
    Full(usize),
}
