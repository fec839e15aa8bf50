//! Why a project was not made or not built.

use std::path::{Path, PathBuf};

/// Why a project was not built. What was built before stays.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// No compiler.
    #[error("{missing}")]
    Toolchain {
        /// What is missing.
        missing: String,
        /// What installs it.
        install: &'static str,
    },
    /// The compiler, or what prepares it, refused. It has said why itself.
    #[error("`{command}` failed ({status})")]
    Failed {
        /// As one would type it.
        command: String,
        /// How it ended.
        status: String,
    },
    /// A module has no source.
    #[error("nothing builds to build/{module}.wasm: {expected}")]
    NoSource {
        /// The module.
        module: String,
        /// What should be there.
        expected: String,
    },
    /// A file could not be read or written, or a program not started.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
}

impl BuildError {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

/// Why a project was not made. Nothing was written, except in the `Io` case.
#[derive(Debug, thiserror::Error)]
pub enum NewError {
    /// A name that cannot be the name of an actor type, a package and a folder at once.
    #[error(
        "'{name}' must be 1 to {NAME_BYTES_MAX} of a-z, 0-9 and -, starting with a letter and ending with none but a letter or digit"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// A name that a compiler keeps for itself.
    #[error("'{name}' is a word of the language")]
    Reserved {
        /// The name.
        name: String,
    },
    /// Something is there already.
    #[error("{} exists already; nothing is overwritten", .0.display())]
    Exists(PathBuf),
    /// The folder could not be written.
    #[error("cannot write {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Longest name: that of an actor type.
pub(crate) const NAME_BYTES_MAX: usize = 64;

impl NewError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        |source| Self::Io { path: path.to_owned(), source }
    }
}
