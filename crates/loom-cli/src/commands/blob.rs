//! Blobs.

use std::io::Write as _;

use crate::{CliError, arguments::Blob, output, target::Target};

pub(super) async fn blob(command: Blob) -> Result<(), CliError> {
    match command {
        Blob::Put { file, target, json } => {
            let bytes = std::fs::read(&file).map_err(|error| CliError::file(&file, error))?;
            let target = Target::open(&target).await?;
            let stored = target.client.put_blob(bytes).await;
            target.close().await;
            let stored = stored?;
            if json {
                output::print_json(&stored);
            } else {
                output::outln!("{}", stored.cid);
            }
            Ok(())
        }
        Blob::Get { cid, out, target } => {
            let target = Target::open(&target).await?;
            let bytes = target.client.blob(&cid).await;
            target.close().await;
            let bytes = bytes?;
            match out {
                Some(path) => std::fs::write(&path, bytes).map_err(|error| CliError::file(&path, error)),
                None => std::io::stdout().write_all(&bytes).map_err(|error| CliError::new("stdout", error)),
            }
        }
    }
}
