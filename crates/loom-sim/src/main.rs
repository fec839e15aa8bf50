//! `loom-sim`: plays many seeds and says which of them fail. `cargo xtask sim` builds and runs it.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool tells what it does")]

use std::process::ExitCode;

use clap::Parser;
use loom_runtime::{Clock as _, SystemClock};
use loom_sim::{Report, Scenario, run};

/// Events shown of a run that fails.
const EVENTS_SHOWN: usize = 60;
/// Seeds between two lines of progress.
const PROGRESS: u64 = 500;

#[derive(Parser)]
#[command(about = "Plays simulated runs, one for each seed")]
struct Arguments {
    /// How many seeds
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Print everything that happens
    #[arg(long)]
    trace: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let clock = SystemClock::default();
    let mut failed = 0u64;
    for (done, seed) in (arguments.from..arguments.from.saturating_add(arguments.seeds)).enumerate() {
        let report = run(&Scenario::from_seed(seed));
        if arguments.trace {
            print!("{}", report.trace());
        }
        if !report.violations.is_empty() {
            failed += 1;
            show(&report);
        }
        if (done as u64 + 1).is_multiple_of(PROGRESS) {
            eprintln!("{} seeds, {failed} failed, {:.0} s", done + 1, clock.elapsed().as_secs_f64());
        }
    }
    let seconds = clock.elapsed().as_secs_f64();
    let rate = arguments.seeds as f64 / seconds;
    eprintln!("{} seeds in {seconds:.1} s, {rate:.0} a second, {failed} failed", arguments.seeds);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn show(report: &Report) {
    eprintln!("\nseed {} fails:\n{}", report.seed, report.last(EVENTS_SHOWN));
    for violation in &report.violations {
        eprintln!("  {violation}");
    }
    eprintln!("repeat it: LOOM_SIM_SEED={} cargo test -p loom-sim\n", report.seed);
}
