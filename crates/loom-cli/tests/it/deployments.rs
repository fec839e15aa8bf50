//! Upgrades at the terminal, as in docs/guides/upgrades.md.

use std::path::Path;

use serde_json::Value;

use crate::process::{Dev, deployment, run, stdout};

/// The same deployment with a guest that ends at once with what it was sent.
fn other(folder: &Path) -> std::path::PathBuf {
    let folder = deployment(folder);
    let manifest = std::fs::read_to_string(folder.join("loom.toml")).unwrap();
    std::fs::write(folder.join("loom.toml"), manifest.replace("probe.wasm", "echo.wasm")).unwrap();
    folder
}

#[test]
fn a_deployment_is_tried_activated_and_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(&folder.path().join("data"), &[]);
    let on = |arguments: &[&str]| stdout(&[arguments, &["--url", &dev.url]].concat());
    let fails = |arguments: &[&str]| {
        let output = run(&[arguments, &["--url", &dev.url]].concat());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    };
    let (good, bad) = (deployment(&folder.path().join("good")), other(&folder.path().join("bad")));
    let (good, bad) = (good.to_str().unwrap(), bad.to_str().unwrap());
    on(&["deploy", good]);
    on(&["call", "probe/done", r#"{"do":[{"op":"now"},{"reply":1}]}"#]);
    let waits =
        r#"{"do":[{"op":"uuid"},{"op":"promise.create"},{"op":"promise.await","handle":{"$ref":[1,"/handle"]}}]}"#;
    let (code, _, error) = fails(&["call", "probe/open", waits]);
    assert!(code == 1 && error.contains("error[waiting]"), "{error}");

    assert!(on(&["deploy", good, "--check"]).contains("probe/open  agrees in 1 turn\n"));
    let (code, told, error) = fails(&["deploy", bad, "--check"]);
    assert!(code == 4 && error.contains("error[deployment-diverges]"), "{code} {error}");
    assert!(told.contains("probe/open  diverges at turn 1 (open), step 0, entry 2"), "{told}");
    assert!(told.contains("    journal  asks uuid {") && told.contains("    guest    ends\n"), "{told}");
    let (code, told, _) = fails(&["deploy", bad, "--check", "--json"]);
    let report: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((code, report["diverged"].as_u64(), report["agreed"].as_u64()), (4, Some(2), Some(0)), "{report}");
    let (code, _, error) = fails(&["deploy", bad, "--require-check"]);
    assert!(code == 4 && error.contains("nothing was activated"), "{error}");
    assert!(!on(&["show", "probe/open"]).contains("(former"));

    assert!(on(&["deploy", bad]).contains("tests is active as"), "open turns stay with theirs");
    assert!(on(&["show", "probe/open"]).contains("(former: new turns run another)"));
    assert!(on(&["journal", "probe/open"]).contains(" (former), module "));
    assert_eq!(on(&["call", "probe/echo", "7"]), "7\n");
    let listed = on(&["deployments", "--history"]);
    assert!(listed.contains("  active  ") && listed.contains("  former  "), "{listed}");
    assert!(listed.contains("changed actors.other, actors.probe"), "{listed}");

    let (code, told, _) = fails(&["deploy", "rollback", "tests", "--check"]);
    assert!(code == 4 && told.contains("probe/echo  diverges at turn 1, "), "{told}");
    assert!(on(&["deploy", "rollback", "tests"]).contains("tests is active as"));
    assert!(!on(&["show", "probe/open"]).contains("(former"));
    assert_eq!(on(&["call", "probe/done", r#"{"do":[{"reply":2}]}"#]), "2\n");
    let (code, _, error) = fails(&["deploy", "rollback", "nobody"]);
    assert!(code == 2 && error.contains("error[unknown-deployment]"), "{error}");
}
