//! The composition root: arguments become settings, settings become components, components become a node.
//!
//! Data goes to stdout, everything else to stderr. An error ends with its stable code and, where there is
//! something to do about it, one `hint:` line.
#![expect(clippy::print_stderr, reason = "a command-line tool prints")]

mod arguments;
mod commands;
mod demo;
mod error;
mod key;
mod manifest;
mod node;
mod output;
mod outside;
mod programs;
mod proving;
mod settings;
mod target;
mod telemetry;
mod verifiers;
mod witnesses;

use std::process::ExitCode;

use self::telemetry::Telemetry;

pub use self::{arguments::Arguments, error::CliError, node::Node, settings::NodeSettings};

/// Runs the program and says how it went.
pub fn run(arguments: Arguments) -> ExitCode {
    loom_client::use_ring();
    let endpoint = arguments.command.otlp_endpoint();
    let telemetry = match endpoint.and_then(|endpoint| endpoint.as_deref().map(Telemetry::start).transpose()) {
        Ok(telemetry) => telemetry,
        Err(error) => {
            error.print();
            return error.exit_code();
        }
    };
    output::start_logging(arguments.command.is_server(), telemetry.as_ref());
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(commands::run(arguments));
    if let Some(telemetry) = telemetry {
        telemetry.stop();
    }
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
