//! Namespaces: what one tenant does, another neither sees nor touches.

use crate::process::{Dev, deployment, run, stdout};

#[test]
fn tenants_share_a_node_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(&folder.path().join("data"), &[]);
    let within = |namespace: &str, arguments: &[&str]| {
        stdout(&[arguments, &["--url", &dev.url, "--namespace", namespace]].concat())
    };
    let fails = |namespace: &str, arguments: &[&str]| {
        let output = run(&[arguments, &["--url", &dev.url, "--namespace", namespace]].concat());
        assert!(!output.status.success(), "{arguments:?} succeeded in {namespace}");
        String::from_utf8(output.stderr).unwrap()
    };
    let app = deployment(&folder.path().join("app"));
    let app = app.to_str().unwrap();
    within("acme", &["deploy", app]);
    let program = r#"{"do":[{"op":"state.set","value":"acme's"},
        {"op":"call","to":"other/x","body":{"do":[{"op":"state.set","value":"for acme"}]}},
        {"op":"promise.create","label":"secret"},{"op":"promise.await","handle":{"$ref":[2,"/handle"]}}]}"#;
    assert!(fails("acme", &["call", "probe/a", program]).contains("error[waiting]"));

    // Not even the type is known elsewhere, until that tenant deploys it; then the same address is another actor.
    assert!(fails("rival", &["call", "probe/a", "{}"]).contains("error[unknown-actor-type]"));
    within("rival", &["deploy", app]);
    for looked in ["show", "state", "journal"] {
        for actor in ["probe/a", "other/x", "loom-audit/none"] {
            assert!(fails("rival", &[looked, actor]).contains("error[unknown-actor]"), "{looked} {actor}");
        }
    }
    assert_eq!(within("rival", &["ps", "--json", "--type", "probe"]), "");
    assert_eq!(within("rival", &["promise", "list", "--json"]), "");
    assert!(within("acme", &["promise", "list", "--json"]).contains("probe/a"));
    within("rival", &["call", "probe/a", r#"{"do":[{"op":"state.set","value":"rival's"}]}"#]);
    assert_eq!(within("rival", &["state", "probe/a"]), "\"rival's\"\n");
    assert_eq!(within("acme", &["state", "other/x"]), "\"for acme\"\n");

    // A guest's addresses are its own namespace's; there is no way to spell another one.
    let reaches_out = r#"{"do":[{"op":"call","to":"acme/other/x","body":{"do":[]}}]}"#;
    let refused = within("rival", &["call", "probe/b", reaches_out]);
    assert!(refused.contains("invalid-address") || refused.contains("invalid-request"), "{refused}");
    assert_eq!(within("acme", &["state", "other/x"]), "\"for acme\"\n");
    assert!(fails("Acme", &["ps"]).contains("error[invalid-address]"));
    assert!(fails("loom", &["deploy", app]).contains("reserved"));
    dev.terminate();
}
