//! What an operator does at the terminal.

use serde_json::Value;

use crate::{
    process::{Dev, deployment, run, stdout},
    usage::eventually,
};

const WAITS: &str = r#"{"do":[{"op":"promise.create"},{"op":"promise.await","handle":{"$ref":[0,"/handle"]}}]}"#;

#[test]
fn an_operator_stops_resets_forks_and_clears_up() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(&folder.path().join("data"), &[]);
    let on = |arguments: &[&str]| stdout(&[arguments, &["--url", &dev.url]].concat());
    let fails = |arguments: &[&str]| {
        let output = run(&[arguments, &["--url", &dev.url]].concat());
        assert!(!output.status.success(), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let app = deployment(&folder.path().join("app"));
    on(&["deploy", app.to_str().unwrap()]);
    let waits = |key: &str| eventually(|| on(&["show", key]).contains("settle it").then_some(()));

    on(&["call", "probe/a", r#"{"do":[{"op":"state.set","value":7}]}"#]);
    assert_eq!(on(&["fork", "probe/a", "b"]), "probe/b is there\n");
    assert_eq!(on(&["state", "probe/b"]), "7\n");
    assert!(fails(&["fork", "probe/a", "b"]).contains("error[actor-exists]"));
    assert!(fails(&["fork", "probe/a", "c", "--turn", "9"]).contains("error[unknown-turn]"));

    assert_eq!(on(&["pause", "probe/a"]), "probe/a is paused\n");
    let shown = on(&["show", "probe/a"]);
    assert!(shown.contains("paused") && shown.contains("loom resume probe/a"), "{shown}");
    on(&["resume", "probe/a"]);

    on(&["send", "probe/a", WAITS, "--id", "m"]);
    waits("probe/a");
    assert!(fails(&["reset", "probe/a", "--to", "0"]).contains("error[invalid-reset]"));
    assert_eq!(on(&["reset", "probe/a"]), "probe/a runs its turn again\n");
    waits("probe/a");
    on(&["fail", "probe/a", "--reason", "gone on too long"]);
    assert!(fails(&["call", "probe/a", WAITS, "--id", "m"]).contains("gone on too long"));
    assert!(fails(&["cancel", "probe/a"]).contains("error[no-open-turn]"));
    assert!(fails(&["reset", "probe/a"]).contains("error[no-open-turn]"));

    let sender = r#"{"do":[{"op":"send","to":"other/x","body":{"do":[{"fail":{"kind":"no","message":"not today"}}]}},
        {"reply":1}]}"#;
    on(&["call", "probe/sender", sender]);
    let listed = || eventually(|| Some(on(&["dead-letters", "list", "--json"])).filter(|list| !list.is_empty()));
    let letter: Value = serde_json::from_str(listed().trim()).unwrap();
    assert_eq!((letter["actor"].as_str(), letter["sender"].as_str()), (Some("other/x"), Some("probe/sender")));
    assert_eq!(letter["body"]["do"][0]["fail"]["kind"].as_str(), Some("no"));
    assert!(on(&["dead-letters", "list", "--actor", "other/x"]).contains("not today"));
    assert_eq!(on(&["dead-letters", "list", "--actor", "other/y"]), "");
    let id = letter["id"].to_string();
    on(&["dead-letters", "retry", &id]);
    assert_eq!(on(&["dead-letters", "list"]), "", "whoever retries it waits for it");
    assert!(fails(&["dead-letters", "drop", &id]).contains("error[unknown-dead-letter]"));

    let audited = on(&["journal", "loom-audit/log", "--json"]);
    for what in
        ["pause probe/a", "fork probe/a to probe/b", "reset probe/a to ", "fail-turn probe/a", "retry dead letter"]
    {
        assert!(audited.contains(what), "{what} is not in the audit log");
    }
    assert!(fails(&["pause", "loom-audit/log"]).contains("error[forbidden]"), "nobody stops the audit log");
    dev.terminate();
}
