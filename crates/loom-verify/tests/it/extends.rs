//! Two bundles of one actor.

use bytes::Bytes;
use loom_evidence::{Bundle, Checkpoint, Inclusion, Leaf, LogEvidence, SigningKey, node_hash};
use loom_verify::{Auditor, Class, Report, verify_both};

use crate::world::{World, file, sandbox};

fn both(earlier: &Bundle, later: &Bundle, auditor: &Auditor) -> Report {
    verify_both(&file(earlier), &file(later), auditor, &*sandbox()).unwrap()
}

fn count(n: u32) -> String {
    format!(r#"{{"do":[{{"op":"state.set","value":{n}}},{{"reply":{n}}}]}}"#)
}

#[tokio::test]
async fn a_later_bundle_goes_on_where_the_earlier_ended() {
    let world = World::new().await;
    let auditor = world.auditor();
    world.run(&count(1)).await;
    let (first, first_turn) = (world.bundle(None).await, world.bundle(Some(1)).await);
    world.run(&count(2)).await;
    world.run(&count(3)).await;
    let whole = world.bundle(None).await;
    for (earlier, later) in [(&first, &whole), (&first_turn, &whole), (&first, &world.bundle(Some(2)).await)] {
        let report = both(earlier, later, &auditor);
        let claim = report.claims.iter().find(|claim| claim.subject.ends_with("continued")).unwrap();
        assert!(report.ok && claim.class == Class::ReExecuted, "{report:#?}");
    }
    let apart = both(&first, &world.bundle(Some(3)).await, &auditor);
    let claim = apart.claims.iter().find(|claim| claim.subject.ends_with("continued")).unwrap();
    assert!(apart.ok && claim.class == Class::Claimed && claim.detail.contains("in neither file"), "{apart:#?}");

    let swapped = both(&whole, &first, &auditor);
    assert!(!swapped.ok && swapped.failures[0].reason.contains("older one first"), "{swapped:#?}");
    world.run(r#"{"do":[{"op":"call","to":"other/b","body":{"do":[{"reply":1}]}},{"reply":1}]}"#).await;
    let other = both(&first, &world.bundle_of("other/b").await, &auditor);
    assert!(!other.ok && other.failures[0].reason.contains("no history of default/probe/a"), "{other:#?}");
    world.runtime.shutdown().await;
}

/// A bundle whose log is these leaves, and which stands at `index`.
pub(crate) fn logged(bundle: &Bundle, key: &SigningKey, leaves: &[Leaf], index: usize) -> Bundle {
    let (root, proof) = match leaves {
        [only] => (only.hash(), vec![]),
        [left, right] => (node_hash(left.hash(), right.hash()), vec![leaves[1 - index].hash()]),
        _ => unreachable!("one leaf or two"),
    };
    let checkpoint = Checkpoint { origin: key.name().to_owned(), size: leaves.len() as u64, root };
    let mut manifest = bundle.manifest().clone();
    manifest.log = Some(LogEvidence { checkpoint: checkpoint.sign(key).text().to_owned(), handovers: vec![] });
    manifest.histories[0].inclusion = Some(Inclusion { index: index as u64, proof });
    Bundle::assemble(manifest, bundle.parts()).unwrap()
}

pub(crate) fn leaf(bundle: &Bundle, key: &SigningKey) -> Leaf {
    let history = &bundle.manifest().histories[0];
    let (last, head) = (bundle.entries()[0].last().unwrap(), *history.entries.last().unwrap());
    Leaf::of(key.name(), &history.actor, last.seq, head)
}

/// One actor is rolled back and goes on otherwise; its log is consistent all the same, for it has a leaf for each. Each
/// file alone holds. Together they name the entry.
#[tokio::test]
async fn two_histories_in_one_log_are_named() {
    let (world, other) = (World::new().await, World::new().await);
    world.run(&count(1)).await;
    other.run(&count(1)).await;
    let (one, two) = (world.bundle(None).await, other.bundle(None).await);
    let (key, auditor) = (&world.key, world.auditor());
    let leaves = [leaf(&one, key), leaf(&two, key)];
    let (earlier, later) = (logged(&one, key, &leaves[..1], 0), logged(&two, key, &leaves, 1));
    for bundle in [&earlier, &later] {
        assert!(loom_verify::verify(&file(bundle), &auditor, &*sandbox()).unwrap().ok);
    }
    let report = both(&earlier, &later, &auditor);
    let reasons: Vec<_> = report.failures.iter().map(|failure| failure.reason.as_str()).collect();
    assert!(!report.ok && reasons.iter().any(|reason| reason.contains("a history was written twice")), "{report:#?}");
    let fork = report.failures.iter().find(|failure| failure.reason.contains("two histories")).unwrap();
    assert!(fork.entry.as_deref() == Some("default/probe/a#0") || fork.entry.as_deref() == Some("default/probe/a#1"));
    assert!(fork.expected.is_some() && fork.reason.contains("vouch for both"), "{fork:?}");
    world.runtime.shutdown().await;
    other.runtime.shutdown().await;
}

/// One node shows two people two logs of the same length.
#[tokio::test]
async fn two_logs_under_one_name_are_named() {
    let world = World::new().await;
    world.run(&count(1)).await;
    let one = world.bundle(None).await;
    let own = leaf(&one, &world.key);
    let strange = Leaf { actor: [9; 32], ..own };
    let earlier = logged(&one, &world.key, &[own, strange], 0);
    let later = logged(&one, &world.key, &[strange, own], 1);
    let report = both(&earlier, &later, &world.auditor());
    assert!(report.failures.iter().any(|failure| failure.reason.contains("two logs")), "{report:#?}");
    world.runtime.shutdown().await;
}

/// What is wrong with the first file counts.
#[tokio::test]
async fn both_files_must_hold() {
    let world = World::new().await;
    world.run(&count(1)).await;
    let bundle = world.bundle(None).await;
    let mut broken = file(&bundle).to_vec();
    let last = broken.len() - 1;
    broken[last] ^= 1;
    let report = verify_both(&Bytes::from(broken), &file(&bundle), &world.auditor(), &*sandbox()).unwrap();
    assert!(!report.ok && report.failures[0].reason.starts_with("in the first file: "), "{report:#?}");
    world.runtime.shutdown().await;
}
