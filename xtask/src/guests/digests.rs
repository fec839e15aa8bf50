//! `guests/prebuilt/DIGESTS.toml`: what each committed guest is and how it was built.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::{Built, sha256};

const FILE: &str = "DIGESTS.toml";
const HEADER: &str = "\
# What the guests in this folder are and how they were built.
# Written by `cargo xtask guests`, compared by `cargo xtask guests --check`.

";

/// All recorded guests, sorted by name.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Digests {
    #[serde(default, rename = "guest")]
    guests: Vec<Recorded>,
}

/// One committed guest.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recorded {
    pub(crate) name: String,
    /// Of the module, in lower-case hex.
    pub(crate) sha256: String,
    pub(crate) bytes: u64,
    /// The source's path within the project.
    pub(crate) source: String,
    /// Everything that must be the same for the same sources to build to the same bytes.
    pub(crate) compiler: String,
    pub(crate) flags: String,
}

impl Digests {
    pub(crate) fn of(built: &[Built]) -> Result<Self> {
        let mut guests: Vec<Recorded> = built.iter().map(Recorded::of).collect();
        guests.sort_by(|a, b| a.name.cmp(&b.name));
        for pair in guests.windows(2) {
            ensure!(pair[0].name != pair[1].name, "two guests are called {}", pair[0].name);
        }
        Ok(Self { guests })
    }

    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        let text = fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("failed to parse {}", path.display()))
    }

    /// Nothing is recorded before the first build.
    pub(crate) fn read_or_default(folder: &Path) -> Result<Self> {
        if folder.join(FILE).exists() { Self::read(folder) } else { Ok(Self::default()) }
    }

    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        let text = HEADER.to_owned() + &toml::to_string(self)?;
        fs::write(folder.join(FILE), text)?;
        Ok(())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Recorded> {
        self.guests.iter()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|guest| guest.name.as_str())
    }

    pub(crate) fn names_by_compiler(&self, compiler: &str) -> Vec<&str> {
        self.iter().filter(|guest| guest.compiler == compiler).map(|g| g.name.as_str()).collect()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Recorded> {
        self.iter().find(|guest| guest.name == name)
    }
}

impl Recorded {
    fn of(built: &Built) -> Self {
        Self {
            name: built.name.clone(),
            sha256: sha256(&built.wasm),
            bytes: built.wasm.len() as u64,
            source: built.source.clone(),
            compiler: built.compiler.clone(),
            flags: built.flags.clone(),
        }
    }
}
