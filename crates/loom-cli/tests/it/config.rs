//! The node's configuration, as `loom config show` tells it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::process::loom;

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

#[test]
fn every_value_is_shown_with_where_it_is_from() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("node.toml");
    std::fs::write(&file, "data = 'store'\nlisten = '127.0.0.1:1'\n[runtime]\nshards = 1\nrequests_max = 5\n").unwrap();
    let output = loom()
        .args(["config", "show", "--json", "--shards", "3", "--set", "server.connections_max=9"])
        .env("LOOM_CONFIG", &file)
        .env("LOOM_LISTEN", "127.0.0.1:2")
        .env("LOOM_TOKEN", "none of this command's business")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(output.stderr));
    let shown: BTreeMap<String, (String, String)> = text(output.stdout)
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            let member = |name: &str| line[name].as_str().unwrap().to_owned();
            (member("name"), (member("value"), member("source")))
        })
        .collect();
    let from_file = format!("file {}", file.display());
    for (name, value, source) in [
        ("runtime.shards", "3", "flag --shards"),
        ("server.connections_max", "9", "flag --set"),
        ("listen", "127.0.0.1:2", "environment LOOM_LISTEN"),
        ("runtime.requests_max", "5", &from_file),
        ("data", folder.path().join("store").to_str().unwrap(), &from_file),
        ("server.header_timeout", "30s", "default"),
        ("tls_key", "", "default"),
    ] {
        assert_eq!(shown[name], (value.to_owned(), source.to_owned()), "{name}");
    }
}

#[test]
fn a_setting_that_does_not_exist_is_an_error_that_names_what_does() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("node.toml");
    std::fs::write(&file, "[runtime]\nshard = 1\n").unwrap();
    let output = loom().args(["serve", "--config", file.to_str().unwrap()]).output().unwrap();
    let error = text(output.stderr);
    assert!(!output.status.success() && error.contains("error[settings-invalid]: file "), "{error}");
    assert!(error.contains("there is no setting 'runtime.shard'") && error.contains("runtime.shards"), "{error}");
    // Whoever takes a deployment's manifest for it is told the difference.
    std::fs::write(&file, "name = 'app'\n[actors.a]\nmodule = 'a.wasm'\n").unwrap();
    let output = loom().args(["config", "show", "--config", file.to_str().unwrap()]).output().unwrap();
    assert!(text(output.stderr).contains("not a deployment's loom.toml"));
}
