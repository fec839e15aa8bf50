//! Programs that a deployment can have proved: from the files that `loom.toml` names to what a manifest says.

use std::{fmt::Display, path::Path};

use bytes::Bytes;
use loom_client::ManifestProgram;
use loom_types::{Cid, Codec};

use crate::{CliError, manifest::ProgramFile};

/// What the name of a program that comes with Loom begins with, where a file could be named.
pub(crate) const KNOWN: &str = "loom:";

/// A program's bytes, and what the manifest says of it.
pub(crate) fn read(folder: &Path, program: ProgramFile<'_>) -> Result<(Bytes, ManifestProgram), CliError> {
    let invalid = |problem: &dyn Display| {
        CliError::new("config-invalid", format!("programs.{}: {}: {problem}", program.name, program.file))
    };
    let read = match program.file.strip_prefix(KNOWN) {
        Some(name) => Known::named(name)
            .ok_or_else(|| {
                let names = loom_programs::Program::ALL.map(|program| format!("{KNOWN}{}", program.name())).join(", ");
                invalid(&"no program of this name comes with Loom").hint(format!("there are {names}"))
            })?
            .program(),
        None => {
            let path = folder.join(program.file);
            let binary = std::fs::read(&path).map_err(|error| CliError::file(&path, error))?;
            loom_prover::Program::read(binary.into()).map_err(|error| invalid(&error))?
        }
    };
    let image_id = read.image_id().to_string();
    if let Some(expected) = program.image_id.filter(|expected| !expected.eq_ignore_ascii_case(&image_id)) {
        return Err(invalid(&format!("its image id is {image_id}, not {expected}")));
    }
    let binary = read.binary().clone();
    let cid = Cid::of(Codec::Raw, &binary).to_string();
    Ok((binary, ManifestProgram { image_id, binary: cid }))
}

/// A program that comes with Loom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) kind: loom_programs::Program,
}

impl Known {
    pub(crate) fn named(name: &str) -> Option<Self> {
        loom_programs::Program::named(name).map(|kind| Self { kind })
    }

    /// Its binary.
    pub(crate) fn program(self) -> loom_prover::Program {
        let build = loom_programs::registry::named(self.kind.name()).expect("each program has a build");
        loom_prover::Program::read(Bytes::from_static(build.binary())).expect("a test reads each")
    }
}
