//! Logs that were handed over to another key.

use loom_evidence::{Bundle, Handover, SigningKey};
use loom_verify::{Auditor, Class, Report};

use crate::{
    extends::{leaf, logged},
    world::{World, verified},
};

fn key(seed: u8, name: &str) -> SigningKey {
    SigningKey::from_secret(name, &[seed; 32]).unwrap()
}

fn log(report: &Report) -> Class {
    report.claims.iter().find(|claim| claim.subject.starts_with("log ")).unwrap().class
}

/// A history under a checkpoint of the third key, with these handovers.
fn under_third(bundle: &Bundle, name: &str, handovers: Vec<String>) -> Bundle {
    let third = key(3, name);
    let logged = logged(bundle, &third, &[leaf(bundle, &third)], 0);
    let mut manifest = logged.manifest().clone();
    manifest.log.as_mut().unwrap().handovers = handovers;
    Bundle::assemble(manifest, logged.parts()).unwrap()
}

#[tokio::test]
async fn trust_follows_the_handovers_and_nothing_else() {
    let world = World::new().await;
    world.run(r#"{"do":[{"reply":1}]}"#).await;
    let bundle = world.bundle(None).await;
    let name = "log.example/loans";
    let over = |from: u8, to: u8| Handover::sign(&key(from, name), &key(to, name)).unwrap().text().to_owned();
    let (first, second) = (over(1, 2), over(2, 3));
    let auditor = |seed| Auditor { keys: vec![key(seed, name).public()], ..Auditor::default() };
    let judged = |handovers: &[&String], seed| {
        let handovers = handovers.iter().map(|text| (*text).clone()).collect();
        verified(&under_third(&bundle, name, handovers), &auditor(seed))
    };
    for trusted in [1, 2, 3] {
        let report = judged(&[&first, &second], trusted);
        assert!(report.failures.is_empty(), "{:?}", report.failures);
        assert_eq!(log(&report), Class::Attested);
    }
    // A chain with a link missing, in the wrong order, or from somebody else leads nowhere: the file names a log whose
    // key is known and is signed by none.
    for handovers in [&[&first][..], &[], &[&second, &first], &[&over(9, 3)]] {
        let report = judged(handovers, 1);
        assert!(report.failures[0].reason.contains("signed by none of the keys"), "{:?}", report.failures);
    }
    // A forged one is named, whoever is trusted.
    let mut forged = first.clone();
    let at = forged.trim_end().len() - 8;
    forged.replace_range(at..=at, if &forged[at..=at] == "A" { "B" } else { "A" });
    let of_another = Handover::sign(&key(1, "log.example/other"), &key(3, "log.example/other")).unwrap();
    for (text, reason) in [
        (forged.as_str(), "no good signature"),
        ("nothing", "not the handover"),
        (of_another.text(), "a handover of the log 'log.example/other'"),
    ] {
        let report = judged(&[&text.to_owned()], 3);
        assert!(report.failures.iter().any(|failure| failure.reason.contains(reason)), "{:?}", report.failures);
    }
}
