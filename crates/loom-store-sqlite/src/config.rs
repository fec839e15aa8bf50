//! Settings of the embedded store.

use std::path::PathBuf;

/// Where and how to store.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The data folder; made if missing.
    pub folder: PathBuf,
    /// Most operations that one transaction (one sync) takes.
    pub group_commit_max: usize,
    /// Page cache of the writing connection, in KiB.
    pub cache_kib: u32,
}

impl Settings {
    /// Defaults for a data folder.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), group_commit_max: 512, cache_kib: 32 * 1024 }
    }
}
