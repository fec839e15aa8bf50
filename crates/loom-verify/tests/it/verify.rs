use loom_evidence::{Bundle, SigningKey};
use loom_machine::{Deployment, Failure, Sandbox as _};
use loom_runtime::{OsSalts, SendOptions};
use loom_types::{Entry, EntryBody, Payload, SequenceNumber, TurnResult};
use loom_verify::{Auditor, Class, Report, Unreadable};

use crate::{
    mutations::rewritten,
    world::{WIDE, World, file, probe, sandbox, verified},
};

/// The class of the claim about a subject that ends like this.
fn class(report: &Report, subject: &str) -> Class {
    let claims: Vec<_> = report.claims.iter().filter(|claim| claim.subject.ends_with(subject)).collect();
    assert_eq!(claims.len(), 1, "{subject}: {report:#?}");
    claims[0].class
}

#[tokio::test]
async fn a_turn_comes_out_again_and_every_outcome_says_what_it_rests_on() {
    let world = World::new().await;
    world.run(WIDE).await;
    let report = verified(&world.bundle(None).await, &world.auditor());
    assert!(report.ok, "{report:#?}");
    assert_eq!(class(&report, "turn 1"), Class::ReExecuted);
    for step in ["1 random", "2 uuid", "3 activity", "5 activity.start", "6 activity", "7 blob.put", "8 blob.get"] {
        assert_eq!(class(&report, &format!("turn 1 step {step}")), Class::ReExecuted, "{step}");
    }
    for step in ["0 now", "4 activity", "9 call", "11 send"] {
        assert_eq!(class(&report, &format!("turn 1 step {step}")), Class::Claimed, "{step}");
    }
    assert_eq!(class(&report, "turn 1 message"), Class::Claimed);
    assert_eq!(class(&report, "default/probe/a"), Class::Attested);
    world.runtime.shutdown().await;
}

#[tokio::test]
async fn the_same_history_is_the_same_file() {
    let world = World::new().await;
    world.run(WIDE).await;
    assert_eq!(file(&world.bundle(None).await), file(&world.bundle(None).await));
    world.runtime.shutdown().await;
}

/// One turn's file begins with the entry that names the state it began with.
#[tokio::test]
async fn one_turn_of_many_is_verified_alone() {
    let world = World::new().await;
    for program in [
        r#"{"do":[{"op":"state.set","value":{"n":1}},{"reply":1}]}"#,
        r#"{"do":[{"op":"state.set","pointer":"/n","value":2},{"reply":2}]}"#,
        r#"{"do":[{"op":"state.get"},{"op":"state.set","pointer":"/n","value":3},{"trap":"on purpose"}]}"#,
        r#"{"do":[{"op":"state.get"},{"reply":{"$ref":0}}]}"#,
    ] {
        world.run(program).await;
    }
    for turn in 1..=4 {
        let bundle = world.bundle(Some(turn)).await;
        let report = verified(&bundle, &world.auditor());
        assert!(report.ok, "{report:#?}");
        assert_eq!(class(&report, &format!("turn {turn}")), Class::ReExecuted);
        assert!(bundle.entries()[0].len() <= 4, "no other turn is in it");
    }
    assert!(verified(&world.bundle(None).await, &world.auditor()).ok);
    world.runtime.shutdown().await;
}

#[tokio::test]
async fn trust_is_the_auditors_choice() {
    let world = World::new().await;
    world.run(WIDE).await;
    let bundle = world.bundle(None).await;
    let nobody = verified(&bundle, &Auditor::default());
    assert!(nobody.ok && nobody.claims.iter().all(|claim| claim.class != Class::Attested), "{nobody:#?}");
    let impostor = SigningKey::from_secret("log.example/node", &[8; 32]).unwrap();
    let another = SigningKey::from_secret("log.example/other", &[7; 32]).unwrap();
    for key in [impostor, another] {
        let report = verified(&bundle, &Auditor { keys: vec![key.public()], ..Auditor::default() });
        assert!(!report.ok && report.failures[0].reason.contains("signed by none of the keys"), "{report:#?}");
    }
    world.runtime.shutdown().await;
}

#[tokio::test]
async fn what_is_no_bundle_is_unreadable() {
    for bytes in [&b""[..], b"hello", &[0x3a, 0xa2]] {
        let read = loom_verify::verify(&bytes.to_vec().into(), &Auditor::default(), &*sandbox());
        assert!(matches!(read, Err(Unreadable::Bundle(_))), "{read:?}");
    }
}

/// A turn that goes on as another: what the next one begins with comes out of the first.
#[tokio::test]
async fn a_turn_that_went_on_as_another_comes_out_again() {
    let world = World::new().await;
    world.run(r#"{"do":[{"op":"state.set","value":1},{"op":"turn.restart","body":{"do":[{"op":"state.get"},{"reply":{"$ref":0}}]}}]}"#).await;
    let report = verified(&world.bundle(None).await, &world.auditor());
    assert!(report.ok && report.turns.re_executed == 2, "{report:#?}");
    world.runtime.shutdown().await;
}

/// What a reset left behind is not run again: it may be made up, and the report says so.
#[tokio::test]
async fn steps_that_a_reset_left_behind_are_claims() {
    let world = World::new().await;
    let program = r#"{"do":[{"op":"uuid"},{"op":"send","to":"other/d","body":{"do":[]}},{"op":"promise.create"},
        {"op":"promise.await","handle":{"$ref":[2,"/handle"]}},{"reply":1}]}"#;
    let mut ticket = world.handle.send(&probe(), program, SendOptions::default()).unwrap();
    let promise = async |n: u32| loop {
        let promises = world.handle.actor(&probe()).await.map(|actor| actor.promises).unwrap_or_default();
        match promises.into_iter().find(|promise| promise.step.n == n) {
            Some(promise) => return promise.token,
            None => tokio::task::yield_now().await,
        }
    };
    promise(2).await;
    world.handle.reset(&probe(), SequenceNumber(2), None, "anna").await.unwrap();
    world.handle.resolve(&promise(4).await, Ok("1")).await.unwrap();
    ticket.settled().await.unwrap();
    let report = verified(&world.bundle(None).await, &world.auditor());
    assert!(report.ok && class(&report, "turn 1") == Class::ReExecuted, "{report:#?}");
    for left in ["turn 1 step 1 send", "turn 1 step 2 promise.create"] {
        let claim = report.claims.iter().find(|claim| claim.subject.ends_with(left)).unwrap();
        assert!(claim.class == Class::Claimed && claim.detail.contains("left behind"), "{claim:?}");
    }
    world.runtime.shutdown().await;
}

/// No node writes such a file, but another writer may.
#[tokio::test]
async fn an_open_turn_begins_with_the_state_that_the_one_before_left() {
    let world = World::new().await;
    world.run(r#"{"do":[{"op":"state.set","value":{"n":1}},{"reply":1}]}"#).await;
    world.run(r#"{"do":[{"op":"state.get"},{"op":"activity","name":"echo","input":{"$ref":0}},{"reply":1}]}"#).await;
    for bundle in [world.bundle(None).await, world.bundle(Some(2)).await] {
        let open = rewritten(&bundle, &[], &[], |entries| drop(entries.pop()));
        let report = verified(&open, &Auditor::default());
        assert!(report.ok, "{report:#?}");
        let claim = report.claims.iter().find(|claim| claim.subject.ends_with("turn 2")).unwrap();
        assert!(claim.detail.starts_with("still open; what its guest did so far was run again"), "{claim:?}");
        assert_eq!(class(&report, "turn 2 step 0 activity"), Class::ReExecuted);
        assert!(report.turns.all > report.turns.re_executed);
    }
    world.runtime.shutdown().await;
}

/// The bundle as a node with another engine might have written it, where things take less.
fn elsewhere(bundle: &Bundle, engine: &str, change: impl FnOnce(&mut Deployment)) -> Bundle {
    let pinned = bundle.entries()[0].iter().find_map(|entry| match &entry.body {
        EntryBody::TurnStarted { deployment, .. } => Some(*deployment),
        _ => None,
    });
    let mut changed = Deployment::decode(&bundle.material()[&pinned.unwrap()]).unwrap();
    change(&mut changed);
    let cid = changed.cid();
    rewritten(bundle, &[], &[(cid, changed.encode().into())], |entries| {
        for entry in entries {
            if let EntryBody::TurnStarted { deployment, engine: ran, .. } = &mut entry.body {
                (*deployment, *ran) = (cid, engine.to_owned());
            }
        }
    })
}

const ANOTHER: &str = "another-1.0/0123456789abcdef";

/// What a limit means is the engine's; what a guest says is not.
#[tokio::test]
async fn a_limit_that_is_met_here_alone_contradicts_nothing() {
    let world = World::new().await;
    world
        .run(r#"{"do":[{"op":"activity","name":"echo","input":1},{"op":"uuid"},{"op":"blob.put","text":"b"},{"reply":1}]}"#)
        .await;
    let bundle = world.bundle(None).await;
    let EntryBody::TurnEnded { fuel, .. } = bundle.entries()[0].last().unwrap().body else { panic!("it is over") };
    for starved in [fuel / 2, fuel / 8, 1] {
        let starve = |deployment: &mut Deployment| {
            deployment.actors.values_mut().for_each(|spec| spec.limits.fuel = starved);
        };
        let report = verified(&elsewhere(&bundle, ANOTHER, starve), &Auditor::default());
        assert!(report.ok && report.turns.re_executed == 0, "{starved}: {report:#?}");
        let claim = report.claims.iter().find(|claim| claim.subject.ends_with("turn 1")).unwrap();
        assert!(claim.class == Class::Claimed && claim.detail.contains("meets a limit: out-of-fuel"), "{claim:?}");
        let same = sandbox();
        let report = verified(&elsewhere(&bundle, same.engine(), starve), &Auditor::default());
        assert!(!report.ok, "{starved}: the engine's own limit is {report:#?}");
    }
    // A pure activity's limit is the same, and its outcome a claim.
    let starve = |deployment: &mut Deployment| {
        deployment.activities.values_mut().for_each(|spec| spec.limits.fuel = 1);
    };
    let report = verified(&elsewhere(&bundle, ANOTHER, starve), &Auditor::default());
    assert!(report.ok && class(&report, "turn 1") == Class::ReExecuted, "{report:#?}");
    assert_eq!(class(&report, "turn 1 step 0 activity"), Class::Claimed);
    assert!(!verified(&elsewhere(&bundle, sandbox().engine(), starve), &Auditor::default()).ok);
    // With as much as it takes, fuel is not compared.
    let report = verified(&elsewhere(&bundle, ANOTHER, |_| {}), &Auditor::default());
    assert!(report.ok && class(&report, "turn 1") == Class::ReExecuted, "{report:#?}");
    world.runtime.shutdown().await;
}

/// A limit that another engine met says nothing about what the guest does here; but a trap is a trap everywhere.
#[tokio::test]
async fn a_limit_that_was_met_elsewhere_ends_the_comparison_and_no_trap_is_excused() {
    let world = World::new().await;
    world.run(r#"{"do":[{"op":"now"},{"op":"uuid"},{"reply":1}]}"#).await;
    world.run(r#"{"do":[{"op":"now"},{"trap":"on purpose"}]}"#).await;
    let bundle = elsewhere(&world.bundle(None).await, ANOTHER, |_| {});
    let mut salts = OsSalts::default();
    let failure = Payload::json(&Failure::new("out-of-fuel", "all of it").to_json(), &mut salts);
    let ended = |entries: &mut Vec<Entry>, turn: u64, result| {
        let end = entries.iter_mut().find(|entry| entry.turn.0 == turn && entry.body.kind() == "turn-ended").unwrap();
        end.body = EntryBody::TurnEnded { result, state: None, fuel: 7 };
    };
    // It met its limit before it could ask for the uuid, which it does ask for here.
    let early = rewritten(&bundle, std::slice::from_ref(&failure), &[], |entries| {
        entries.retain(|entry| !matches!(&entry.body, EntryBody::Step { op, .. } if op == "uuid"));
        ended(entries, 1, TurnResult::Failure(failure.cid()));
    });
    let report = verified(&early, &Auditor::default());
    assert!(report.ok && class(&report, "turn 1") == Class::Claimed, "{report:#?}");
    let replied = Payload::json("1", &mut salts);
    let excused = rewritten(&bundle, std::slice::from_ref(&replied), &[], |entries| {
        ended(entries, 2, TurnResult::Reply(replied.cid()));
    });
    let report = verified(&excused, &Auditor::default());
    assert!(!report.ok && report.failures[0].actual.as_ref().unwrap().contains("fails trap"), "{report:#?}");
    world.runtime.shutdown().await;
}
