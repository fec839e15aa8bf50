//! Why a witness does not start, and why its store fails.

use std::path::PathBuf;

use loom_evidence::InvalidKey;

use crate::InvalidSettings;

/// Why a witness could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// What it was asked to watch makes no sense.
    #[error(transparent)]
    Settings(#[from] InvalidSettings),
    /// A file or folder.
    #[error("{path}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Another process has it open.
    #[error("the witness's folder {folder} is in use by another process")]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// The key's file.
    #[error("the witness's key in {path} cannot be read")]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: InvalidKey,
    },
    /// The key was made under another name.
    #[error("the witness's key has the name '{found}', and the settings say '{wanted}'")]
    OtherName {
        /// The key's name.
        found: String,
        /// The name in the settings.
        wanted: String,
    },
    /// There is a key, and nothing about what was cosigned with it.
    #[error("{folder} has a witness's key and no witness.db; a witness that forgot what it cosigned must not go on")]
    StateLost {
        /// The folder.
        folder: PathBuf,
    },
    /// It was written by another version.
    #[error("the witness's folder {folder} has format {found}, this program knows {known}")]
    Version {
        /// The folder.
        folder: PathBuf,
        /// Its format.
        found: i64,
        /// The format known here.
        known: i64,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why the store failed. Nothing was changed, unless it was the commit itself that failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite says so.
    #[error("the witness's database")]
    Database(#[from] rusqlite::Error),
    /// What is stored makes no sense.
    #[error("the witness's database holds {what}")]
    Corrupt {
        /// What was found.
        what: &'static str,
    },
}
