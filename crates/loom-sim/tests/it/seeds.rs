//! What every seed has to pass.

use loom_sim::{Report, Scenario, run};

/// Seeds of every test run; `cargo xtask sim` plays more.
const SEEDS: std::ops::Range<u64> = 0..80;
/// Events shown of a run that fails.
const EVENTS_SHOWN: usize = 60;

/// The seed to repeat, if one was asked for.
fn asked_for() -> Option<u64> {
    let text = std::env::var("LOOM_SIM_SEED").ok()?;
    Some(text.parse().expect("LOOM_SIM_SEED is a number"))
}

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

#[test]
fn nothing_goes_wrong() {
    match asked_for() {
        Some(seed) => expect_none(&run(&Scenario::from_seed(seed))),
        None => SEEDS.for_each(|seed| expect_none(&run(&Scenario::from_seed(seed)))),
    }
}

#[test]
fn a_seed_is_one_run() {
    let seeds: Vec<_> = asked_for().map_or_else(|| (1000..1010).collect(), |seed| vec![seed]);
    for seed in seeds {
        let traces = [(); 2].map(|()| run(&Scenario::from_seed(seed)).trace());
        assert!(traces[0].lines().count() > 10, "something happens");
        let differ = traces[0].lines().zip(traces[1].lines()).find(|(one, other)| one != other);
        assert_eq!(differ, None, "seed {seed}");
        assert_eq!(traces[0], traces[1], "seed {seed}");
    }
}
