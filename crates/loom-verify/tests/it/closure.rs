//! Bundles with the turns of actors that were called.

use loom_evidence::Bundle;
use loom_runtime::{BundleOptions, OsSalts};
use loom_types::{EntryBody, Payload, Resolution, TurnResult};
use loom_verify::{Class, Report};

use crate::{
    operator::signed,
    world::{World, verified},
};

fn closure() -> BundleOptions {
    BundleOptions { closure: true, ..BundleOptions::default() }
}

fn class(report: &Report, subject: &str) -> Class {
    report
        .claims
        .iter()
        .find(|claim| claim.subject == subject)
        .unwrap_or_else(|| panic!("{subject}: {report:#?}"))
        .class
}

/// Calls somebody who calls somebody, who asks the clock.
const CHAIN: &str = r#"{"do":[{"op":"call","to":"other/b","body":{"do":[
    {"op":"state.set","value":{"seen":1}},
    {"op":"call","to":"other/c","body":{"do":[{"op":"now"},{"reply":"from c"}]}},{"reply":"from b"}]}},
    {"reply":{"$ref":0}}]}"#;

#[tokio::test]
async fn answers_are_run_again_where_they_were_given() {
    let world = World::new().await;
    world.run(CHAIN).await;
    let alone = verified(&world.bundle(None).await, &world.auditor());
    assert_eq!(class(&alone, "default/probe/a turn 1 step 0 call"), Class::Claimed);

    let bundle = world.bundle_with(closure()).await;
    assert_eq!(bundle.manifest().histories.len(), 3, "whoever was called, and whom these called");
    let report = verified(&bundle, &world.auditor());
    assert!(report.ok, "{report:#?}");
    for step in ["default/probe/a turn 1 step 0 call", "default/other/b turn 1 step 0 call"] {
        assert_eq!(class(&report, step), Class::ReExecuted, "{report:#?}");
    }
    for message in ["default/other/b turn 1 message", "default/other/c turn 1 message"] {
        assert_eq!(class(&report, message), Class::ReExecuted, "{report:#?}");
    }
    assert_eq!(class(&report, "default/probe/a turn 1 message"), Class::Claimed, "a client is nobody's turn");
    assert_eq!(class(&report, "default/other/c turn 1 step 0 now"), Class::Claimed);
    world.runtime.shutdown().await;
}

/// Of an actor that many call only the turns that matter are in the file.
#[tokio::test]
async fn only_the_turns_that_answered_are_added() {
    let world = World::new().await;
    let ask = r#"{"do":[{"op":"call","to":"other/b","body":{"do":[{"op":"state.set","value":1},{"reply":7}]}},{"reply":{"$ref":0}}]}"#;
    for _ in 0..4 {
        world.run(ask).await;
    }
    let options = BundleOptions { turn: Some(loom_types::TurnNumber(3)), ..closure() };
    let bundle = world.bundle_with(options).await;
    let turns = |entries: &Vec<loom_types::Entry>| {
        entries.iter().filter(|entry| matches!(entry.body, EntryBody::TurnStarted { .. })).count()
    };
    assert_eq!(bundle.entries().iter().map(turns).collect::<Vec<_>>(), [1, 1]);
    let report = verified(&bundle, &world.auditor());
    assert!(report.ok && report.turns.re_executed == 2, "{report:#?}");
    assert_eq!(class(&report, "default/probe/a turn 3 step 0 call"), Class::ReExecuted);
    world.runtime.shutdown().await;
}

/// Who goes on as another turn answers what it received with nothing, in no entry of its own.
#[tokio::test]
async fn a_turn_that_goes_on_as_another_answers_with_null() {
    let world = World::new().await;
    world
        .run(
            r#"{"do":[{"op":"send","to":"other/b","body":{"do":[{"op":"receive"},
            {"op":"turn.restart","body":{"do":[{"reply":1}]}}]}},
        {"op":"call","to":"other/b","body":{"do":[]}},{"reply":{"$ref":1}}]}"#,
        )
        .await;
    let bundle = world.bundle_with(closure()).await;
    let report = verified(&bundle, &world.auditor());
    assert!(report.ok && bundle.manifest().histories.len() == 2, "{report:#?}");
    assert_eq!(class(&report, "default/probe/a turn 1 step 1 call"), Class::Claimed);
    // Another answer than nothing is none that it gave.
    let place = bundle.entries()[0].iter().position(|entry| matches!(entry.body, EntryBody::Outcome { .. })).unwrap();
    let lie = Payload::json("1", &mut OsSalts::default());
    let mut changed = bundle.entries()[0][place].clone();
    let EntryBody::Outcome { result, .. } = &mut changed.body else { unreachable!("found as one") };
    *result = Resolution::Ok(lie.cid());
    let report = verified(&signed(&world, &bundle, place, changed, &[lie]).unwrap(), &world.auditor());
    let found = report.failures.iter().any(|failure| failure.reason.contains("did not give this answer"));
    assert!(!report.ok && found, "{report:#?}");
    world.runtime.shutdown().await;
}

/// A failure of the other side is its answer too; one of the host is not.
#[tokio::test]
async fn failures_are_answers() {
    let world = World::new().await;
    world
        .run(
            r#"{"do":[{"op":"call","to":"other/b","body":{"do":[{"trap":"on purpose"}]}},
        {"op":"call","to":"other/c","deadline_ms":1,"body":{"do":[{"op":"sleep","ms":60000},{"reply":1}]}},{"reply":1}]}"#,
        )
        .await;
    let report = verified(&world.bundle_with(closure()).await, &world.auditor());
    assert!(report.ok, "{report:#?}");
    assert_eq!(class(&report, "default/probe/a turn 1 step 0 call"), Class::ReExecuted);
    assert_eq!(class(&report, "default/probe/a turn 1 step 1 call"), Class::Claimed);
    world.runtime.shutdown().await;
}

/// The operator gives the caller another answer than the one that was given, and signs it.
#[tokio::test]
async fn another_answer_than_was_given_is_a_contradiction() {
    let world = World::new().await;
    world.run(CHAIN).await;
    world.run(r#"{"do":[{"reply":"from b"}]}"#).await;
    let bundle = world.bundle_with(closure()).await;
    let entries = &bundle.entries()[0];
    // The same value under another name: the caller's turn comes out again.
    let same = entries.iter().rev().find_map(|entry| match entry.body {
        EntryBody::TurnEnded { result: TurnResult::Reply(reply), .. } => Some(reply),
        _ => None,
    });
    let place = entries.iter().position(|entry| matches!(entry.body, EntryBody::Outcome { .. })).unwrap();
    let mut changed = entries[place].clone();
    let EntryBody::Outcome { result, .. } = &mut changed.body else { unreachable!("found as one") };
    *result = Resolution::Ok(same.unwrap());
    let forged: Bundle = signed(&world, &bundle, place, changed, &[]).unwrap();
    let report = verified(&forged, &world.auditor());
    let found = report.failures.iter().any(|failure| failure.reason.contains("did not give this answer"));
    assert!(!report.ok && found, "{report:#?}");
    world.runtime.shutdown().await;
}
