//! A crash at every commit, just before and just after it is durable.

use loom_sim::{Scenario, run};

use crate::expect_none;

/// Scenarios of which every commit is tried.
const SEEDS: std::ops::Range<u64> = 0..6;

#[test]
fn a_node_may_die_at_any_commit() {
    for seed in SEEDS {
        let undisturbed = run(&Scenario::small(seed));
        expect_none(&undisturbed);
        for commit in 1..=undisturbed.commits {
            for after in [false, true] {
                expect_none(&run(&Scenario::small(seed).with_crash(commit, after)));
            }
        }
    }
}
