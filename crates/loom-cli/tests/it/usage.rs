//! The commands, one after the other, as in the guide.

use std::path::Path;

use serde_json::Value;

use crate::process::{Dev, deployment, run, stdout};

fn text(output: &[u8]) -> String {
    String::from_utf8_lossy(output).into_owned()
}

#[test]
fn the_commands_of_the_guide_work() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(&folder.path().join("data"), &[]);
    let on = |arguments: &[&str]| stdout(&[arguments, &["--url", &dev.url]].concat());
    let fails = |arguments: &[&str]| {
        let output = run(&[arguments, &["--url", &dev.url]].concat());
        assert!(!output.status.success(), "{arguments:?}");
        (output.status.code().unwrap(), text(&output.stderr))
    };

    let (code, error) = fails(&["call", "probe/a", "{}"]);
    assert!(code == 2 && error.contains("error[unknown-actor-type]") && error.contains("loom deploy DIR"), "{error}");
    let app = deployment(&folder.path().join("app"));
    assert!(on(&["deploy", app.to_str().unwrap()]).contains("tests is active as bafy"));

    assert_eq!(on(&["call", "probe/a", r#"{"do":[{"reply":{"a":1}}]}"#]), "{\"a\":1}\n");
    let reply: Value =
        serde_json::from_str(&on(&["call", "probe/a", r#"{"do":[{"reply":2}]}"#, "--json", "--id", "m1"])).unwrap();
    assert_eq!((reply["id"].as_str(), reply["turn"].as_u64(), reply["reply"].as_u64()), (Some("m1"), Some(2), Some(2)));
    let (code, error) = fails(&["call", "probe/a", r#"{"do":[{"trap":"oh no"}]}"#]);
    assert!(code == 3 && error.contains("error[turn-failed]: trap: oh no"), "{error}");
    assert!(error.contains("\n  at "), "a backtrace: {error}");
    let (code, error) = fails(&["call", "probe/a", "{"]);
    assert!(code == 2 && error.contains("error[invalid-json]"), "{error}");
    let (_, error) = fails(&["call", "probe/a", "1", "--id", "m1"]);
    assert!(error.contains("error[idempotency-key-reused]"), "{error}");
    let (_, error) = fails(&["show", "probe/nobody"]);
    assert!(error.contains("error[unknown-actor]"), "{error}");
    let (_, error) = fails(&["show", "Not an address"]);
    assert!(error.contains("error[invalid-address]") || error.contains("error[unknown-route]"), "{error}");

    assert_eq!(on(&["send", "probe/b", r#"{"do":[{"op":"state.set","value":5}]}"#, "--id", "s1"]), "s1\n");
    let waits = r#"{"do":[{"op":"promise.create","label":"approval","data":{"amount":5}},
        {"op":"promise.await","handle":{"$ref":[0,"/handle"]}},{"op":"state.set","value":{"$ref":1}}]}"#;
    let (code, error) = fails(&["call", "probe/waiting", waits]);
    assert!(code == 1 && error.contains("error[waiting]") && error.contains("loom promise resolve prm-"), "{error}");
    let listed = eventually(|| Some(on(&["promise", "list", "--json"])).filter(|listed| !listed.is_empty()));
    let promise: Value = serde_json::from_str(listed.lines().next().unwrap()).unwrap();
    assert_eq!((promise["actor"].as_str(), promise["label"].as_str()), (Some("probe/waiting"), Some("approval")));
    assert!(on(&["show", "probe/waiting"]).contains("loom promise resolve"));
    on(&["promise", "resolve", promise["token"].as_str().unwrap(), r#"{"ok":true}"#]);
    assert_eq!(
        eventually(|| Some(on(&["state", "probe/waiting"])).filter(|state| state != "null\n")),
        "{\"ok\":true}\n"
    );
    let (_, error) = fails(&["promise", "reject", promise["token"].as_str().unwrap(), "late"]);
    assert!(error.contains("error[unknown-promise]") || error.contains("error[promise-resolved]"), "{error}");

    let timeline = on(&["journal", "probe/waiting"]);
    for part in ["opened", "turn 1", "promise.create", "approval", "ended", "fuel"] {
        assert!(timeline.contains(part), "{part} is missing:\n{timeline}");
    }
    let entries: Vec<Value> =
        on(&["journal", "probe/a", "--json"]).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        entries.iter().map(|entry| entry["seq"].as_u64().unwrap()).collect::<Vec<_>>(),
        (0..7).collect::<Vec<_>>()
    );
    assert!(on(&["ps"]).contains("probe/waiting"));
    assert_eq!(on(&["ps", "--json", "--type", "probe"]).lines().count(), 3);

    let file = folder.path().join("blob");
    std::fs::write(&file, "content").unwrap();
    let cid = on(&["blob", "put", file.to_str().unwrap()]);
    assert_eq!(on(&["blob", "get", cid.trim()]), "content");
    let out = folder.path().join("export");
    on(&["export", "probe/waiting", "--out", out.to_str().unwrap()]);
    let state = out.join("state/actors/probe/waiting/state.json");
    assert_eq!(std::fs::read_to_string(state).unwrap(), "{\"ok\":true}\n");
    assert!(out.join("activities").read_dir().unwrap().count() >= 2);

    // The same through the folder, when no node has it open.
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    let refused = run(&["state", "probe/b", "--data", data]);
    assert!(text(&refused.stderr).contains("error[data-folder-in-use]"), "{}", text(&refused.stderr));
    assert!(text(&refused.stderr).contains("process id"), "{}", text(&refused.stderr));
    dev.terminate();
    assert_eq!(stdout(&["state", "probe/b", "--data", data]), "5\n");
}

/// Asks until there is an answer.
pub(crate) fn eventually<T>(question: impl Fn() -> Option<T>) -> T {
    std::iter::repeat_with(question).take(1000).flatten().next().expect("it never came true")
}

#[test]
fn a_second_process_on_a_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path(), &[]);
    let second = run(&["dev", "--listen", "127.0.0.1:0", "--data", folder.path().to_str().unwrap()]);
    let error = text(&second.stderr);
    assert!(
        !second.status.success() && error.contains("error[data-folder-in-use]") && error.contains("hint:"),
        "{error}"
    );
    dev.kill();
    Dev::start(folder.path(), &[]).terminate();
}

#[test]
fn what_cannot_work_is_said_clearly() {
    let nowhere = run(&["ps", "--url", "http://127.0.0.1:9"]);
    assert!(text(&nowhere.stderr).contains("error[server-unreachable]"), "{}", text(&nowhere.stderr));
    let open = run(&["dev", "--listen", "0.0.0.0:0", "--data", "/nonexistent/never"]);
    assert!(text(&open.stderr).contains("error[not-loopback]"), "{}", text(&open.stderr));
    let folder = run(&["deploy", "/nonexistent"]);
    assert!(text(&folder.stderr).contains("loom.toml"), "{}", text(&folder.stderr));
    assert!(!Path::new("/nonexistent").exists());
}

#[tokio::test]
async fn the_interface_answers_nonsense_with_problems() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path(), &[]);
    loom_client::use_ring();
    // A server that refuses a body closes the connection, so each request gets its own.
    let http = reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap();
    let json = "application/json";
    let big = "x".repeat(5_000_000);
    for (method, path, content_type, body, status, code) in [
        ("GET", "/nothing", json, "", 404, "unknown-route"),
        ("DELETE", "/v1/actors", json, "", 405, "method-not-allowed"),
        ("POST", "/v1/actors/a/b/messages", "text/plain", "{}", 415, "unsupported-media-type"),
        ("POST", "/v1/actors/a/b/messages", json, "{", 400, "invalid-json"),
        ("POST", "/v1/actors/A/b/messages", json, "{}", 400, "invalid-address"),
        ("POST", "/v1/actors/a/b/messages?wait=long", json, "{}", 400, "invalid-request"),
        ("POST", "/v1/actors/a/b/messages?what=1", json, "{}", 400, "invalid-request"),
        ("POST", "/v1/actors/a/b/messages", json, "{}", 404, "unknown-actor-type"),
        ("POST", "/v1/actors/a/b/messages", json, &big, 413, "body-too-large"),
        ("GET", "/v1/actors/a/b", json, "", 404, "unknown-actor"),
        ("GET", "/v1/actors/a/b/journal?from=-1", json, "", 400, "invalid-request"),
        ("GET", "/v1/actors/a/b/messages/m", json, "", 404, "unknown-message"),
        ("POST", "/v1/promises/x", json, "{\"ok\":1,\"err\":2}", 400, "invalid-request"),
        ("POST", "/v1/promises/x", json, "{\"ok\":1}", 404, "unknown-promise"),
        ("GET", "/v1/blobs/x", json, "", 400, "invalid-request"),
        ("POST", "/v1/deployments", json, "{\"name\":\"a\"}", 422, "invalid-deployment"),
    ] {
        let request = http.request(method.parse().unwrap(), format!("{}{path}", dev.url));
        let response = request.header("content-type", content_type).body(body.to_owned()).send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{method} {path}");
        assert_eq!(response.headers()["content-type"], "application/problem+json", "{method} {path}");
        let problem: loom_client::Problem = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        assert_eq!((problem.code.as_str(), problem.status), (code, status), "{method} {path}");
        let page = std::path::PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"))
            .join("../..")
            .join(&problem.kind);
        assert!(page.exists(), "{} has no page", problem.code);
    }
    let foreign = http.get(format!("{}/v1/actors", dev.url)).header("host", "evil.example:4100").send().await.unwrap();
    assert_eq!(foreign.status().as_u16(), 421, "a name that was made to resolve to this machine");
    let metrics = http.get(format!("{}/metrics", dev.url)).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("loom_turns_ended_total"), "{metrics}");
    for path in ["/healthz", "/readyz"] {
        assert!(http.get(format!("{}{path}", dev.url)).send().await.unwrap().status().is_success());
    }
}
