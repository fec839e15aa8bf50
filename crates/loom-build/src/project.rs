//! Building a project's modules, whatever they are written in.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::{BuildError, assemblyscript, rust};

/// Where a project's modules are.
pub(crate) const BUILD_FOLDER: &str = "build";

/// What guests are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Rust: packages of a cargo workspace.
    Rust,
    /// AssemblyScript: `src/NAME.ts` beside a `package.json`.
    AssemblyScript,
}

/// A module that was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// Its name.
    pub module: String,
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
}

/// Builds the named modules of the project in `folder` to `build/NAME.wasm`. Compilers print to standard error.
pub fn build(language: Language, folder: &Path, modules: &[String]) -> Result<Vec<Built>, BuildError> {
    let build_folder = folder.join(BUILD_FOLDER);
    fs::create_dir_all(&build_folder).map_err(BuildError::io(format!("cannot make {}", build_folder.display())))?;
    match language {
        Language::Rust => rust::build(folder, modules)?,
        Language::AssemblyScript => assemblyscript::build(folder, modules)?,
    }
    modules.iter().map(|module| built(&build_folder, module)).collect()
}

fn built(folder: &Path, module: &str) -> Result<Built, BuildError> {
    let path = folder.join(format!("{module}.wasm"));
    let metadata = fs::metadata(&path).map_err(BuildError::io(format!("cannot read {}", path.display())))?;
    Ok(Built { module: module.to_owned(), path, bytes: metadata.len() })
}
