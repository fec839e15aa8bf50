//! Child processes that do not inherit what the `cargo run` around us has set.

use std::process::Command;

use anyhow::{Context, Result, bail};
pub(crate) use loom_build::process::{command, output};

/// Runs the command; its output goes where ours goes.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("failed to start {command:?}"))?;
    if !status.success() {
        bail!("`{}` failed: {status}", loom_build::process::shown(command));
    }
    Ok(())
}
