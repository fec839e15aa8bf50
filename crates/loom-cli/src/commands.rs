//! The commands, one file per family.

mod actors;
mod bench;
mod blob;
mod build;
mod bundle;
mod check;
mod config;
mod control;
mod dead_letters;
mod deploy;
mod export;
mod journal;
mod key;
mod log;
mod new;
mod notarize;
mod notary;
mod promise;
mod prove;
mod receipt;
mod schedules;
mod serve;
mod test;
mod tlsn;
mod token;
mod watch;
mod witness;
mod worker;

use crate::{
    Arguments, CliError,
    arguments::{Command, Demo},
    demo,
};

/// Runs the command that was asked for.
pub(crate) async fn run(arguments: Arguments) -> Result<(), CliError> {
    match arguments.command {
        Command::Dev(arguments) => serve::dev(arguments).await,
        Command::Serve(arguments) => serve::serve(arguments).await,
        Command::Config(command) => config::config(command),
        Command::Token(command) => token::token(command).await,
        Command::Deploy(arguments) => deploy::deploy(arguments).await,
        Command::Deployments(arguments) => deploy::deployments(arguments).await,
        Command::New(arguments) => new::new(&arguments),
        Command::Build(arguments) => build::build(arguments).await,
        Command::Test(arguments) => test::test(arguments).await,
        Command::Call(arguments) => actors::call(arguments).await,
        Command::Send(arguments) => actors::send(arguments).await,
        Command::Ps(arguments) => actors::ps(arguments).await,
        Command::Show(arguments) => actors::show(arguments).await,
        Command::Query(arguments) => actors::query(arguments).await,
        Command::State(arguments) => actors::state(arguments).await,
        Command::Journal(arguments) => journal::journal(arguments).await,
        Command::Pause(arguments) => control::pause(arguments).await,
        Command::Resume(arguments) => control::resume(arguments).await,
        Command::Cancel(arguments) => control::cancel(arguments).await,
        Command::Fail(arguments) => control::fail(arguments).await,
        Command::Reset(arguments) => control::reset(arguments).await,
        Command::Fork(arguments) => control::fork(arguments).await,
        Command::Purge(arguments) => control::purge(arguments).await,
        Command::DeadLetters(command) => dead_letters::dead_letters(command).await,
        Command::Log(arguments) => log::log(arguments).await,
        Command::Schedules(arguments) => schedules::schedules(arguments).await,
        Command::Promise(command) => promise::promise(command).await,
        Command::Blob(command) => blob::blob(command).await,
        Command::Export(arguments) => export::export(arguments).await,
        Command::Bundle(arguments) => bundle::bundle(arguments).await,
        Command::Verify(arguments) => bundle::verify(arguments),
        Command::Prove(arguments) => prove::prove(arguments).await,
        Command::Receipt(command) => receipt::receipt(command),
        Command::Tlsn(command) => tlsn::tlsn(command),
        Command::Worker(arguments) => worker::worker(&arguments).await,
        Command::Notarize(arguments) => notarize::notarize(*arguments).await,
        Command::Notary(command) => notary::notary(command).await,
        Command::Key(command) => key::key(command).await,
        Command::Witness(command) => witness::witness(command).await,
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
