//! Bundles from which something was left out on purpose.

use loom_runtime::{BundleOptions, BundleRequestError, RedactionError};
use loom_types::EntryBody;
use loom_verify::Class;

use crate::world::{World, file, probe, verified};

fn without(what: &str, cascade: bool) -> BundleOptions {
    let redact = what.split(',').map(|one| one.parse().unwrap()).collect();
    BundleOptions { redact, cascade, ..BundleOptions::default() }
}

async fn given_away(world: &World, options: BundleOptions) -> Vec<String> {
    match world.handle.bundle(&probe(), &options).await {
        Err(BundleRequestError::Redaction(RedactionError::GivenAway(places))) => places,
        other => panic!("{:?}", other.map(|bundle| bundle.blocks())),
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// A client tells a secret, which goes to an activity, into the state and into the reply.
const TELLS: &str = r#"{"do":[{"op":"activity","name":"echo","input":{"ssn":"078-05-1120","income":5417.5}},
    {"op":"state.set","value":{"of":"078-05-1120"}},{"op":"now"},{"reply":{"income":5417.5}}]}"#;

#[tokio::test]
async fn what_would_be_given_away_is_named() {
    let world = World::new().await;
    world.run(TELLS).await;
    let places = given_away(&world, without("inputs", false)).await.join("\n");
    for place in ["2:request", "2:ok", "4:reply", "4:state"] {
        assert!(places.contains(&format!("probe/a#{place}: ")), "{place}: {places}");
    }
    assert!(!places.contains("3:ok") && !places.contains("seed"), "{places}");
    world.runtime.shutdown().await;
}

#[tokio::test]
async fn a_cascade_leaves_no_trace() {
    let world = World::new().await;
    world.run(TELLS).await;
    world.run(r#"{"do":[{"op":"state.get"},{"reply":{"$ref":0}}]}"#).await;
    let whole = file(&world.bundle(None).await);
    assert!(holds(&whole, "078-05-1120") && holds(&whole, "5417.5"));
    let bundle = world.bundle_with(without("1:message", true)).await;
    let left = file(&bundle);
    assert!(!holds(&left, "078-05-1120") && !holds(&left, "5417.5"));
    let report = verified(&bundle, &world.auditor());
    assert!(report.ok && report.turns.re_executed == 0, "{report:#?}");
    let turn = report.claims.iter().find(|claim| claim.subject.ends_with("turn 1")).unwrap();
    assert_eq!(turn.class, Class::Attested, "it stands in the log");
    assert!(report.claims.iter().any(|claim| claim.class == Class::Redacted));
    world.runtime.shutdown().await;
}

/// What a turn makes of its inputs cannot be hidden while they are shown.
#[tokio::test]
async fn what_comes_out_again_cannot_be_hidden_alone() {
    let world = World::new().await;
    world.run(r#"{"do":[{"op":"random","bytes":8},{"op":"activity","name":"echo","input":true},{"op":"now"},{"reply":false}]}"#).await;
    let entries = world.bundle(None).await.entries()[0].clone();
    let seq = |op: &str| {
        let is = |entry: &&loom_types::Entry| matches!(&entry.body, EntryBody::Step { op: of, .. } if of == op);
        entries.iter().find(is).unwrap().seq
    };
    let end = entries.last().unwrap().seq;
    for (hidden, from) in [
        (format!("{end}:reply"), "1:message"),
        (format!("{}:request", seq("activity")), "1:message"),
        (format!("{}:ok", seq("activity")), &format!("{}:request", seq("activity"))),
        (format!("{}:ok", seq("random")), "1:seed"),
    ] {
        let places = given_away(&world, without(&hidden, false)).await;
        assert!(places.iter().any(|place| place.starts_with(&format!("probe/a#{from}: "))), "{hidden}: {places:?}");
    }
    // Nobody can compute a time again, and the turn cannot be run beyond it.
    let (now, reply) = (format!("{}:ok", seq("now")), format!("{end}:reply"));
    for hidden in [now.clone(), format!("{now},{reply}")] {
        let report = verified(&world.bundle_with(without(&hidden, false)).await, &world.auditor());
        assert!(report.ok && report.turns.re_executed == 0, "{report:#?}");
    }
    world.runtime.shutdown().await;
}

#[tokio::test]
async fn what_is_not_there_cannot_be_left_out() {
    let world = World::new().await;
    world.run(r#"{"do":[{"reply":1}]}"#).await;
    for nothing in ["9", "1:reply", "other/b#1:message"] {
        let refused = world.handle.bundle(&probe(), &without(nothing, true)).await;
        let unknown = matches!(refused, Err(BundleRequestError::Redaction(RedactionError::Unknown(_))));
        assert!(unknown, "{nothing}");
    }
    world.runtime.shutdown().await;
}

/// With the turns of actors that were called, what one actor tells another is hidden in both.
#[tokio::test]
async fn a_closure_is_redacted_as_a_whole() {
    let world = World::new().await;
    world
        .run(r#"{"do":[{"op":"call","to":"other/b","body":{"do":[{"reply":"078-05-1120"}]}},{"reply":{"$ref":0}}]}"#)
        .await;
    let options = BundleOptions { closure: true, ..without("other/b#1:message", true) };
    let bundle = world.bundle_with(options).await;
    assert!(bundle.manifest().histories.len() == 2 && !holds(&file(&bundle), "078-05-1120"));
    assert!(verified(&bundle, &world.auditor()).ok);
    world.runtime.shutdown().await;
}
