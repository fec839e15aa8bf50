//! `loom-verify`: the auditor's program, without the rest of Loom.

use std::process::ExitCode;

use clap::Parser;

/// Check a bundle offline: its chain, its log, and every turn by running it again
#[derive(Parser)]
#[command(name = "loom-verify", version, max_term_width = 100)]
struct Arguments {
    #[command(flatten)]
    verify: loom_verify::VerifyArguments,
}

fn main() -> ExitCode {
    ExitCode::from(loom_verify::run(&Arguments::parse().verify))
}
