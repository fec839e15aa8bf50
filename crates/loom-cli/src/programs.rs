//! Programs that a deployment can have proved: from the files that `loom.toml` names to what a manifest says.

use std::path::Path;

use bytes::Bytes;
use loom_client::ManifestProgram;
use loom_types::{Cid, Codec};

use crate::{CliError, manifest::ProgramFile};

/// A program's bytes, and what the manifest says of it.
pub(crate) fn read(folder: &Path, program: ProgramFile<'_>) -> Result<(Bytes, ManifestProgram), CliError> {
    let path = folder.join(program.file);
    let binary: Bytes = std::fs::read(&path).map_err(|error| CliError::file(&path, error))?.into();
    let image_id = match program.image_id {
        Some(image_id) => image_id.to_owned(),
        None => image_id_of(&binary).ok_or_else(|| {
            let text = format!("programs.{}: the image id of {} is not known", program.name, path.display());
            CliError::new("config-invalid", text).hint("write it beside the file: { file = \"…\", image_id = \"…\" }")
        })?,
    };
    let cid = Cid::of(Codec::Raw, &binary).to_string();
    Ok((binary, ManifestProgram { image_id, binary: cid }))
}

/// A program's name, if these are the bytes of one.
fn image_id_of(binary: &Bytes) -> Option<String> {
    loom_prover::Program::read(binary.clone()).ok().map(|program| program.image_id().to_string())
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
