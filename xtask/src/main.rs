//! The project's automation: `cargo xtask COMMAND`.
//!
//! Everything a developer or CI runs beyond plain cargo is a command here, so that it is Rust, is
//! checked by the compiler, and is the same everywhere.
#![expect(clippy::print_stderr, reason = "a command-line tool tells what it does")]

mod demo;
mod guests;
mod guide;
mod interface;
mod process;
mod sample_data;
mod setup;
mod sim;
mod test;
mod tidy;

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "The project's automation", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Review 1,000 mortgage applications with WASM actors: builds what is needed and runs the demo
    Demo {
        /// Passed on to `loom demo loan-review`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Run everything CI runs
    Test,
    /// Play simulated runs, one for each seed
    Sim {
        /// Passed on to `loom-sim`: `--seeds N --from SEED --trace`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Check what the compiler does not
    Tidy,
    /// Walk through docs/guides/first-actor.md
    Guide,
    /// Write docs/openapi.json, the description of the HTTP interface
    Openapi {
        /// Let schemathesis test a running node against the description instead
        #[arg(long)]
        check: bool,
    },
    /// Write the synthetic applications of examples/loan-review again
    SampleData,
    /// Install what building the guests needs and this machine lacks
    Setup,
    /// Build all guests into guests/prebuilt
    Guests {
        /// Build into a temporary folder and compare with guests/prebuilt instead
        #[arg(long)]
        check: bool,
    },
}

fn main() -> Result<()> {
    let root = project_root();
    match Arguments::parse().command {
        Command::Demo { arguments } => demo::demo(&root, &arguments),
        Command::Test => test::test(&root),
        Command::Sim { arguments } => sim::sim(&root, &arguments),
        Command::Tidy => tidy::check(&root),
        Command::Guide => guide::walk(&root),
        Command::Openapi { check: false } => interface::write_description(&root),
        Command::Openapi { check: true } => interface::check(&root),
        Command::SampleData => sample_data::write(&root),
        Command::Setup => setup::ensure(&root),
        Command::Guests { check: false } => guests::build(&root),
        Command::Guests { check: true } => guests::check(&root),
    }
}

fn project_root() -> PathBuf {
    // `cargo run` says where this package is. What the compiler was told may be another checkout
    // that shares the target folder.
    let xtask = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let xtask = xtask.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).to_owned());
    xtask.parent().expect("xtask is a folder of the project").to_owned()
}
