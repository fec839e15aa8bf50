//! Child processes that do not inherit what the `cargo run` around us has set.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// A command in an environment that looks as if the user had typed it. The cargo that runs us sets
/// variables for its own toolchain, which mislead another one: its compiler, its flags, its
/// libraries.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    const KEPT: [&str; 6] =
        ["CARGO_HOME", "CARGO_TARGET_DIR", "CARGO_TERM_COLOR", "RUST_BACKTRACE", "RUSTUP_HOME", "RUSTUP_AUTO_INSTALL"];
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let is_of_a_toolchain = text.starts_with("CARGO") || text.starts_with("RUST");
        if (is_of_a_toolchain && !KEPT.contains(&&*text)) || text == "LD_LIBRARY_PATH" {
            command.env_remove(&name);
        }
    }
    command
}

/// Runs the command; its output goes where ours goes.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("failed to start {command:?}"))?;
    if !status.success() {
        bail!("`{}` failed: {status}", shown(command));
    }
    Ok(())
}

/// The command as one would type it, without the environment that it does not inherit.
fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Runs the command quietly and returns what it printed, `None` if it is missing or failed.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
