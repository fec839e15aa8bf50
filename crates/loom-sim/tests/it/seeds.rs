//! What every seed has to pass.

use loom_sim::{Scenario, run};

use crate::expect_none;

/// Seeds of every test run; `cargo xtask sim` plays more.
const SEEDS: std::ops::Range<u64> = 0..150;

/// The seed to repeat, if one was asked for.
fn asked_for() -> Option<u64> {
    let text = std::env::var("LOOM_SIM_SEED").ok()?;
    Some(text.parse().expect("LOOM_SIM_SEED is a number"))
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
