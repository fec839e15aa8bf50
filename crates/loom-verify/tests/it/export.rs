//! What leaves a verification: the page, and the signed statement.

use loom_evidence::{Envelope, SigningKey};
use loom_runtime::BundleOptions;
use loom_verify::{Auditor, PREDICATE_TYPE, STATEMENT_TYPE, page, statement};
use serde_json::Value;

use crate::world::{World, file, verified};

#[tokio::test]
async fn a_verdict_leaves_as_a_signed_statement() {
    let world = World::new().await;
    world.run(r#"{"do":[{"reply":1}]}"#).await;
    let bundle = world.bundle(None).await;
    let (bytes, auditor) = (file(&bundle), world.auditor());
    let report = verified(&bundle, &auditor);
    let key = SigningKey::from_secret("auditor.example", &[5; 32]).unwrap();
    let written = statement(&[("a.car", &bytes)], &auditor, "an engine", &report);
    let envelope = serde_json::to_string(&Envelope::sign(STATEMENT_TYPE, &written, &key)).unwrap();
    let read: Envelope = serde_json::from_str(&envelope).unwrap();
    let payload = read.open(STATEMENT_TYPE, &key.public()).expect("signed");
    let said: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(said["_type"], "https://in-toto.io/Statement/v1");
    assert_eq!(said["predicateType"], PREDICATE_TYPE);
    assert_eq!(said["subject"][0]["name"], "a.car");
    assert_eq!(said["subject"][0]["digest"]["sha256"].as_str().map(str::len), Some(64));
    assert_eq!(said["predicate"]["report"], serde_json::to_value(&report).unwrap());
    assert_eq!(said["predicate"]["trusted"]["keys"][0], world.key.public().to_string());
    world.runtime.shutdown().await;
}

/// What stands in a file may be meant for the reader's browser.
#[tokio::test]
async fn nothing_in_a_file_becomes_part_of_the_page() {
    let world = World::new().await;
    world
        .run(r#"{"do":[{"reply":{"decision":"<script>alert(1)</script>","<b>":"\u202e\"'><img src=x onerror=y>"}}]}"#)
        .await;
    let bundle = world.bundle(None).await;
    let shown = page(&file(&bundle), &verified(&bundle, &world.auditor()));
    for foreign in ["<script", "<img", "<b>", "\u{202e}"] {
        assert!(!shown.contains(foreign), "{foreign}");
    }
    assert!(shown.contains("&lt;script&gt;") && shown.contains("default-src 'none'"));
    for address in ["http://", "https://", "<link", "url("] {
        assert!(!shown.contains(address), "it loads nothing: {address}");
    }
    world.runtime.shutdown().await;
}

#[tokio::test]
async fn the_page_says_what_was_decided_and_what_was_not_proved() {
    let world = World::new().await;
    world
        .run(r#"{"do":[{"op":"now"},{"reply":{"decision":"deny","criteria":{"missed":["dti"]},"reasons":[{"id":"dti","code":1}]}}]}"#)
        .await;
    let bundle = world.bundle(None).await;
    let shown = page(&file(&bundle), &verified(&bundle, &world.auditor()));
    for text in
        ["All checks hold", "Decision", "deny", "Criteria", "Missed", "What was not proved", "fork not excluded"]
    {
        assert!(shown.contains(text), "{text}");
    }
    let unproved = &shown[shown.find("What was not proved").unwrap()..shown.find("What holds").unwrap()];
    assert!(unproved.contains("step 0 now") && !unproved.contains("re-executed"), "{unproved}");
    let hidden = world
        .bundle_with(BundleOptions {
            redact: vec!["inputs".parse().unwrap()],
            cascade: true,
            ..BundleOptions::default()
        })
        .await;
    let shown = page(&file(&hidden), &verified(&hidden, &world.auditor()));
    assert!(shown.contains("could not be run again") && shown.contains("was left out"), "{shown}");
    let nobody = page(&file(&bundle), &verified(&bundle, &Auditor::default()));
    assert!(nobody.contains("name the node&#39;s with --key") || nobody.contains("name the node's with --key"));
    world.runtime.shutdown().await;
}
