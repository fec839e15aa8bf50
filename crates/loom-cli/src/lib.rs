//! The composition root: arguments become settings, settings become components, components become a node.
//!
//! Data goes to stdout, everything else to stderr. An error ends with its stable code and, where there is
//! something to do about it, one `hint:` line.
#![expect(clippy::print_stderr, reason = "a command-line tool prints")]

mod arguments;
mod commands;
mod demo;
mod error;
mod manifest;
mod node;
mod output;
mod outside;
mod settings;
mod target;

use std::process::ExitCode;

pub use self::{arguments::Arguments, error::CliError, node::Node, settings::NodeSettings};

/// Runs the program and says how it went.
pub fn run(arguments: Arguments) -> ExitCode {
    output::start_logging(arguments.command.is_server());
    loom_client::use_ring();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(commands::run(arguments));
    // A node that ran has been shut down; what may be left is a compiler that nobody waits for any more.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error.print();
            error.exit_code()
        }
    }
}
