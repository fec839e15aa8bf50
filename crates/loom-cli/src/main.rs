//! The `loom` binary.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    loom_cli::run(loom_cli::Arguments::parse())
}
