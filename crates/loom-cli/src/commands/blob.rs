//! Blobs.

use std::io::Write as _;

use loom_client::CollectedBlobs;

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
        Blob::Gc { dry_run, kept_hours, target, json } => {
            let target = Target::open(&target).await?;
            let collected = target.client.collect_blobs(dry_run, kept_hours.saturating_mul(3600)).await;
            target.close().await;
            let collected = collected?;
            if json {
                output::print_json(&collected);
            } else {
                let would = if dry_run { "would be removed" } else { "removed" };
                let CollectedBlobs { kept, removed, removed_bytes, .. } = collected;
                output::outln!("{removed} blobs ({removed_bytes} bytes) {would}, {kept} kept");
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
