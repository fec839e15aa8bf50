//! Simulated runs.

mod crashes;
mod sabotage;
mod seeds;

use loom_sim::Report;

/// Events shown of a run that fails.
const EVENTS_SHOWN: usize = 60;

#[track_caller]
fn expect_none(report: &Report) {
    let violations: Vec<_> = report.violations.iter().map(ToString::to_string).collect();
    assert!(
        violations.is_empty(),
        "{}\n{}\nrepeat it: LOOM_SIM_SEED={} cargo test -p loom-sim",
        report.last(EVENTS_SHOWN),
        violations.join("\n"),
        report.seed
    );
}
