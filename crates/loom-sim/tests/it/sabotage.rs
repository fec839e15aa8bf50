//! The checker at work: a promise that is broken on purpose is noticed, and as what it is.

use loom_sim::{Sabotage, Scenario, run};

/// Runs in which the break may not show, or not do any harm.
const SEEDS: u64 = 1000;

#[track_caller]
fn expect_found(scenario: impl Fn(Scenario) -> Scenario, rules: &[&str]) {
    let violations = (0..SEEDS).flat_map(|seed| run(&scenario(Scenario::from_seed(seed))).violations);
    let mut found = violations.map(|violation| violation.rule).filter(|rule| rules.contains(rule));
    assert!(found.next().is_some(), "nobody noticed");
}

#[test]
fn a_lost_commit_is_noticed() {
    let rules = [
        "no acknowledged message is lost",
        "what a client is told is in the journal",
        "clients are told nothing wrong",
    ];
    expect_found(|scenario| scenario.with_sabotage(Sabotage::LosesAcknowledged), &rules);
}

#[test]
fn an_early_acknowledgement_is_noticed() {
    let rules = ["effects follow their entry", "what a client is told is in the journal"];
    expect_found(|scenario| scenario.with_sabotage(Sabotage::AcknowledgesEarly), &rules);
}

#[test]
fn a_message_delivered_twice_is_noticed() {
    expect_found(|scenario| scenario.with_sabotage(Sabotage::DeliversTwice), &["a message is handled once"]);
}

#[test]
fn a_consumed_message_that_stays_is_noticed() {
    expect_found(|scenario| scenario.with_sabotage(Sabotage::KeepsTaken), &["a message is handled once"]);
}

#[test]
fn swapped_messages_are_noticed() {
    let rules = ["messages between two actors keep their order"];
    expect_found(|scenario| scenario.with_sabotage(Sabotage::SwapsMessages), &rules);
}

#[test]
fn a_torn_commit_is_noticed() {
    let rules = ["no acknowledged message is lost"];
    expect_found(|scenario| scenario.with_sabotage(Sabotage::TearsCommits), &rules);
}

#[test]
fn a_forgotten_timer_is_noticed() {
    expect_found(|scenario| scenario.with_sabotage(Sabotage::ForgetsTimers), &["the run comes to rest"]);
}

#[test]
fn a_lost_leaf_is_noticed() {
    let rules = ["what brings an actor to rest is in the log"];
    expect_found(|scenario| scenario.with_sabotage(Sabotage::LosesLeaves), &rules);
}

#[test]
fn a_proof_that_begins_too_early_is_noticed() {
    let rules = ["proofs follow their entry"];
    expect_found(|scenario| scenario.with_sabotage(Sabotage::AcknowledgesEarly), &rules);
}

#[test]
fn a_lost_receipt_is_noticed() {
    let rules = ["a proof comes out as its input says"];
    expect_found(|scenario| scenario.with_sabotage(Sabotage::LosesReceipts), &rules);
}

#[test]
fn a_guest_that_is_not_deterministic_is_noticed() {
    expect_found(Scenario::with_fickle_guests, &["replay gives the same bytes"]);
}

#[test]
fn a_bundle_of_a_guest_that_is_not_deterministic_is_noticed() {
    expect_found(Scenario::with_fickle_guests, &["what a bundle says comes out again"]);
}

#[test]
fn a_bundle_without_its_leaf_is_noticed() {
    let rules = ["what a bundle says comes out again"];
    expect_found(|scenario| scenario.with_sabotage(Sabotage::LosesLeaves), &rules);
}
