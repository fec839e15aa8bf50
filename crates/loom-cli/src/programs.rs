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

/// A program's name, if it can be told from its bytes.
fn image_id_of(_binary: &Bytes) -> Option<String> {
    None
}
