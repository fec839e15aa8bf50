//! Bundles: writing them, and verifying them.

use std::path::PathBuf;

use loom_client::BundleRequest;
use serde_json::json;

use crate::{CliError, arguments::Bundle, output, target::Target};

pub(super) async fn bundle(arguments: Bundle) -> Result<(), CliError> {
    let target = Target::open(&arguments.target).await?;
    let asked = BundleRequest {
        turn: arguments.turn,
        closure: arguments.closure,
        redact: arguments.redact,
        cascade: arguments.cascade,
        disclose_inputs: arguments.disclose_inputs,
    };
    let bytes = target.client.bundle(&arguments.actor, &asked).await;
    target.close().await;
    let bytes = bytes?;
    let turn = arguments.turn.map_or_else(String::new, |turn| format!("-turn-{turn}"));
    let name = format!("{}{turn}.car", arguments.actor.replace(['/', ':'], "-"));
    let path = arguments.out.unwrap_or_else(|| PathBuf::from(name));
    std::fs::write(&path, &bytes).map_err(|error| CliError::file(&path, error))?;
    if arguments.json {
        output::print_json(&json!({ "file": path.display().to_string(), "bytes": bytes.len() }));
    } else {
        output::outln!("{}  {} bytes", path.display(), output::grouped(bytes.len() as u64));
        output::outln!("verify it anywhere: loom verify {}", path.display());
    }
    Ok(())
}

pub(super) fn verify(arguments: loom_verify::VerifyArguments) -> Result<(), CliError> {
    match loom_verify::run(&arguments) {
        0 => Ok(()),
        // The report says why.
        code => Err(CliError::silent(code)),
    }
}
