//! The commands, one file per family.

mod actors;
mod bench;
mod blob;
mod dev;
mod export;
mod journal;
mod promise;

use crate::{
    Arguments, CliError,
    arguments::{Command, Demo},
    demo,
};

/// Runs the command that was asked for.
pub(crate) async fn run(arguments: Arguments) -> Result<(), CliError> {
    match arguments.command {
        Command::Dev(arguments) => dev::dev(arguments).await,
        Command::Deploy(arguments) => dev::deploy(arguments).await,
        Command::Call(arguments) => actors::call(arguments).await,
        Command::Send(arguments) => actors::send(arguments).await,
        Command::Ps(arguments) => actors::ps(arguments).await,
        Command::Show(arguments) => actors::show(arguments).await,
        Command::Query(arguments) => actors::query(arguments).await,
        Command::State(arguments) => actors::state(arguments).await,
        Command::Journal(arguments) => journal::journal(arguments).await,
        Command::Promise(command) => promise::promise(command).await,
        Command::Blob(command) => blob::blob(command).await,
        Command::Export(arguments) => export::export(arguments).await,
        Command::Bench(command) => bench::bench(command).await,
        Command::Demo(Demo::LoanReview(arguments)) => demo::loan_review(arguments).await,
    }
}

/// JSON text from an argument, or from standard input for `-`.
fn text_or_stdin(argument: String) -> Result<String, CliError> {
    if argument != "-" {
        return Ok(argument);
    }
    std::io::read_to_string(std::io::stdin()).map_err(|error| CliError::new("stdin", error))
}
