//! What authors of guests use: projects, scripts, and a node that deploys what changes. Nothing is compiled here;
//! `cargo xtask guide` does that.

use std::{
    fs,
    io::{BufRead as _, BufReader, Lines},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Stdio},
};

use crate::process::{loom, run, stdout};

fn root() -> PathBuf {
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../..").canonicalize().unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Runs what must fail; gives its exit code, what it printed, and its errors.
fn fails(arguments: &[&str]) -> (i32, String, String) {
    let output = run(arguments);
    let code = output.status.code().unwrap();
    assert_ne!(code, 0, "{arguments:?}");
    (code, String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn our_own_guests_do_what_their_scripts_say() {
    for folder in ["guests", "examples/loan-review"] {
        let printed = stdout(&["test", text(&root().join(folder))]);
        assert!(printed.contains("  ok    ") && !printed.contains("FAIL"), "{printed}");
    }
}

#[test]
fn a_project_is_made_once_and_under_a_name_that_works() {
    let folder = tempfile::tempdir().unwrap();
    let new =
        |kind, name, language| ["new", kind, name, "--lang", language, "--in", text(folder.path())].map(str::to_owned);
    for (kind, name, language) in
        [("actor", "a", "rust"), ("activity", "b", "rust"), ("actor", "c", "assemblyscript"), ("activity", "d", "as")]
    {
        let arguments = new(kind, name, language);
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        assert!(stdout(&arguments).contains("loom.toml"));
        let manifest = fs::read_to_string(folder.path().join(name).join("loom.toml")).unwrap();
        assert!(manifest.contains(&format!("module = \"build/{name}.wasm\"")), "{manifest}");
        let (_, _, error) = fails(&arguments);
        assert!(error.contains("error[folder-exists]") && error.contains("hint:"), "{error}");
        // Its script is understood, though nothing was built.
        let (_, _, error) = fails(&["test", "--no-build", text(&folder.path().join(name))]);
        assert!(error.contains("error[file]") && error.contains("hint: build it: loom build"), "{error}");
    }
    for name in ["Upper", "../up", "fn"] {
        let (_, _, error) = fails(&["new", "actor", name, "--lang", "rust", "--in", text(folder.path())]);
        assert!(error.contains("error[name-invalid]"), "{error}");
    }
}

#[test]
fn a_script_that_does_not_hold_says_where() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("tests")).unwrap();
    let module = root().join("guests/prebuilt/counter.wasm");
    let manifest = format!("name = \"app\"\n[actors.counter]\nmodule = \"{}\"\n", module.display());
    fs::write(folder.path().join("loom.toml"), manifest).unwrap();
    let script = folder.path().join("tests/counter.json");
    let (_, _, error) = fails(&["test", text(folder.path())]);
    assert!(error.contains("error[no-tests]"), "{error}");
    fs::write(&script, r#"{"actor": "counter", "cases": [{"name": "n", "runs": [{"extra": 1}]}]}"#).unwrap();
    let (_, _, error) = fails(&["test", text(folder.path())]);
    assert!(error.contains("error[script-invalid]") && error.contains("unknown field `extra`"), "{error}");

    let cases = r#"{"name": "good", "runs": [{"input": {"add": 1}, "output": 1}]},
        {"name": "bad", "runs": [{"input": {"add": 1}, "output": 2}]}"#;
    fs::write(&script, format!(r#"{{"actor": "counter", "cases": [{cases}]}}"#)).unwrap();
    let (code, printed, error) = fails(&["test", text(folder.path())]);
    assert!(code == 1 && error.contains("error[tests-failed]: 1 of 2 cases failed"), "{error}");
    for part in ["  ok    good", "  FAIL  bad", "run 1: the output differs", "expected  2", "actual    1"] {
        assert!(printed.contains(part), "{part} is missing:\n{printed}");
    }
    assert!(stdout(&["test", text(folder.path()), "--only", "good"]).contains("ok    good"));
    let (_, printed, _) = fails(&["test", text(folder.path()), "--json"]);
    let reports: Vec<serde_json::Value> = printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&reports[0]["passed"], &reports[1]["passed"]), (&true.into(), &false.into()));
}

/// A node that watches a folder. Dropping it kills it.
struct Watching {
    child: Child,
    lines: Lines<BufReader<ChildStderr>>,
}

impl Watching {
    fn start(folder: &Path) -> Self {
        let mut command = loom();
        command.args(["dev", "--listen", "127.0.0.1:0", "--watch", text(&folder.join("app"))]);
        command.arg("--data").arg(folder.join("data")).env("LOOM_LOG", "error");
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next line with this text; whatever comes before is passed over.
    fn line(&mut self, part: &str) -> String {
        let mut passed = Vec::new();
        for line in self.lines.by_ref() {
            let line = line.unwrap();
            if line.contains(part) {
                return line;
            }
            passed.push(line);
        }
        panic!("{part} never came, but {passed:?}");
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_watched_folder_is_deployed_again_and_a_broken_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let app = folder.path().join("app");
    fs::create_dir(&app).unwrap();
    let module = |name: &str| fs::copy(root().join("guests/prebuilt").join(name), app.join("made.wasm")).unwrap();
    let manifest = |command: &str| {
        let text = format!("name = \"app\"\n[build]\ncommand = \"{command}\"\n[actors.a]\nmodule = \"made.wasm\"\n");
        fs::write(app.join("loom.toml"), text).unwrap();
    };
    manifest("true");
    module("counter.wasm");
    let mut node = Watching::start(folder.path());
    let url = node.line("listens on ").split_once("listens on ").unwrap().1.to_owned();
    let first = node.line("app is active as bafy");
    assert_eq!(stdout(&["call", "a/k", r#"{"add":1}"#, "--url", &url]), "1\n");

    manifest("echo the compiler speaks >&2; false");
    node.line("loom.toml changed");
    node.line("the compiler speaks");
    node.line("error[build-failed]");
    let active = first.rsplit(' ').next().unwrap();
    assert!(node.line("stays active").starts_with(active));

    fs::write(app.join("made.wasm"), "no module").unwrap();
    manifest("true");
    node.line("error[unusable-module]");
    node.line("stays active");
    assert_eq!(stdout(&["call", "a/k", r#"{"add":1}"#, "--url", &url]), "2\n", "the first one is there as before");

    // A turn is under way while another module takes over; it goes on with its own.
    module("probe.wasm");
    let probe = node.line("app is active as bafy");
    assert_ne!(probe, first);
    let waits =
        r#"{"do":[{"op":"promise.create"},{"op":"promise.await","handle":{"$ref":[0,"/handle"]}},{"reply":"probed"}]}"#;
    stdout(&["send", "a/waits", waits, "--id", "w", "--url", &url]);
    let token = promise(&url);
    module("counter.wasm");
    node.line("app is active as bafy");
    assert!(node.line("turns that go on").ends_with(": 1"));
    stdout(&["promise", "resolve", &token, "1", "--url", &url]);
    assert_eq!(stdout(&["call", "a/waits", waits, "--id", "w", "--url", &url]), "\"probed\"\n");
}

/// The token of the only promise, as soon as there is one.
fn promise(url: &str) -> String {
    let listed = std::iter::repeat_with(|| stdout(&["promise", "list", "--json", "--url", url]));
    let listed = listed.take(1000).find(|listed| !listed.is_empty()).expect("a promise");
    let promise: serde_json::Value = serde_json::from_str(listed.lines().next().unwrap()).unwrap();
    promise["token"].as_str().unwrap().to_owned()
}
