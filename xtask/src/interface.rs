//! The HTTP interface against its own description: writes `docs/openapi.json`, and lets schemathesis send what the
//! description allows and what it does not to a running node.

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::{
    process::{command, output, run},
    test,
};

/// The tool, and the version whose findings are dealt with.
const SCHEMATHESIS: &str = "schemathesis==4.32.5";
/// The same cases in every run, and at most this long.
const SEED: &str = "20260101";
const EXAMPLES_MAX: &str = "25";
const SECONDS_MAX: &str = "90";

/// Writes the description as the code has it.
pub(crate) fn write_description(root: &Path) -> Result<()> {
    let mut test = command("cargo");
    let arguments = ["test", "--quiet", "--package", "loom-server", "the_committed_description_is_up_to_date"];
    run(test.current_dir(root).args(arguments).env("UPDATE_EXPECT", "1"))
}

/// Tests a running node against the description. Says so and does nothing where Python is missing.
pub(crate) fn check(root: &Path) -> Result<()> {
    let Some(tool) = install(root)? else { return Ok(()) };
    let loom = test::programs(root)?.join("loom");
    let data = target(root).join("schemathesis-data");
    if data.exists() {
        fs::remove_dir_all(&data)?;
    }
    let node = Node::start(&loom, &data)?;
    run(command(&loom).current_dir(root).args(["deploy", "examples/loan-review", "--url", &node.url]))?;
    let mut schemathesis = command(tool);
    schemathesis.current_dir(target(root)).args(["run", &format!("{}/openapi.json", node.url)]);
    schemathesis.args(["--checks", "all", "--seed", SEED, "--max-examples", EXAMPLES_MAX, "--max-time", SECONDS_MAX]);
    schemathesis.args(["--phases", "examples,coverage,fuzzing", "--request-timeout", "20", "--no-color"]);
    // What earlier runs found would make this one differ.
    schemathesis.args(["--generation-database", "none", "--continue-on-failure"]);
    // What a schema allows may be refused for what no schema says: a digest that differs, what a guest makes of it.
    schemathesis.args(["--exclude-checks", "positive_data_acceptance"]);
    // A stream of events does not end, which the tool would wait for; and the first token would lock it out.
    schemathesis.args(["--exclude-operation-id", "followJournal", "--exclude-operation-id", "createToken"]);
    run(&mut schemathesis)
}

/// Where cargo puts what it builds.
pub(crate) fn target(root: &Path) -> PathBuf {
    root.join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// The tool in a virtual environment of its own, installed if it is not there.
fn install(root: &Path) -> Result<Option<PathBuf>> {
    let folder = target(root).join("schemathesis");
    let (tool, stamp) = (folder.join("bin/schemathesis"), folder.join("installed"));
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == SCHEMATHESIS) {
        return Ok(Some(tool));
    }
    if output(command("python3").arg("--version")).is_none() {
        eprintln!("skipped: Python 3 is not installed; {SCHEMATHESIS} would test the HTTP interface");
        return Ok(None);
    }
    eprintln!("setup: {SCHEMATHESIS} into {}", folder.display());
    let made = run(command("python3").args(["-m", "venv"]).arg(&folder));
    let pip = || {
        let quietly = ["install", "--quiet", "--disable-pip-version-check", SCHEMATHESIS];
        run(command(folder.join("bin/pip")).args(quietly))
    };
    if let Err(error) = made.and_then(|()| pip()) {
        eprintln!("skipped: {SCHEMATHESIS}, which tests the HTTP interface, cannot be installed: {error:#}");
        return Ok(None);
    }
    fs::write(stamp, SCHEMATHESIS)?;
    Ok(Some(tool))
}

/// A `loom dev` process on a free port. Dropping it kills it.
struct Node {
    child: Child,
    url: String,
}

impl Node {
    fn start(loom: &Path, data: &Path) -> Result<Self> {
        let mut dev = command(loom);
        dev.args(["dev", "--listen", "127.0.0.1:0", "--data"]).arg(data).env("LOOM_LOG", "error");
        let mut child = dev.stderr(Stdio::piped()).spawn().with_context(|| format!("failed to start {loom:?}"))?;
        let mut lines = BufReader::new(child.stderr.take().context("no stderr")?).lines();
        let url = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, url) = line.split_once("listens on ")?;
            Some(url.to_owned())
        });
        let Some(url) = url else {
            child.wait()?;
            bail!("loom dev ended before it listened");
        };
        // What it says later goes where our own words go.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| eprintln!("node: {line}")));
        Ok(Self { child, url })
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
