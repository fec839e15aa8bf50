//! Child processes that do not inherit what a `cargo run` around us has set.

use std::{
    ffi::OsStr,
    process::{Command, Stdio},
};

use crate::BuildError;

/// A command in an environment that looks as if the user had typed it. A cargo that runs us sets
/// variables for its own toolchain, which mislead another one: its compiler, its flags, its
/// libraries.
pub fn command(program: impl AsRef<OsStr>) -> Command {
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

/// Runs the command quietly and returns what it printed, `None` if it is missing or failed.
pub fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// The command as one would type it, without the environment that it does not inherit.
pub fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Runs the command; whatever it prints goes to our standard error.
pub(crate) fn run(command: &mut Command) -> Result<(), BuildError> {
    status(command.stdout(std::io::stderr()))
}

/// Runs the command; only its standard error is shown.
pub(crate) fn run_quietly(command: &mut Command) -> Result<(), BuildError> {
    status(command.stdout(Stdio::null()))
}

fn status(command: &mut Command) -> Result<(), BuildError> {
    let status = command.stdin(Stdio::null()).status();
    let status = status.map_err(BuildError::io(format!("cannot start `{}`", shown(command))))?;
    if status.success() {
        return Ok(());
    }
    Err(BuildError::Failed { command: shown(command), status: status.to_string() })
}
