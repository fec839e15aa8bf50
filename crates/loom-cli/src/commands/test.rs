//! Running scripts against compiled modules.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use loom_harness::{Bench, CaseReport, Script, SetUpError};
use loom_machine::Deployment;
use loom_types::{Cid, Codec};
use loom_wasmtime::WasmtimeSandbox;

use super::build::build_modules;
use crate::{
    CliError,
    arguments::Test,
    manifest::{ProgramFile, Unresolved},
    output::{self, grouped},
    programs, verifiers,
};

/// Where scripts are, below the folder with the manifest.
const FOLDER: &str = "tests";
/// Guests that exist at once: an actor's, and an activity's that it runs.
const INSTANCES_MAX: u32 = 4;

/// How it went in all.
#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
}

pub(super) async fn test(arguments: Test) -> Result<(), CliError> {
    let manifest = Unresolved::read(&arguments.folder)?;
    if let Some(how) = manifest.build().filter(|_| !arguments.no_build) {
        build_modules(&arguments.folder, how.clone(), manifest.files()).await?;
    }
    // Guests run on this thread until they end.
    let run = tokio::task::spawn_blocking(move || run(&arguments, manifest)).await;
    run.map_err(|error| CliError::new("internal", error))?
}

fn run(arguments: &Test, manifest: Unresolved) -> Result<(), CliError> {
    let scripts = scripts(&arguments.folder)?;
    let (deployment, modules) = deployment(&arguments.folder, manifest)?;
    let settings = loom_wasmtime::Settings { instances_max: INSTANCES_MAX, ..loom_wasmtime::Settings::default() };
    let sandbox = WasmtimeSandbox::new(settings).map_err(|error| CliError::new("sandbox", error))?;
    let bench = Bench::new(&sandbox, deployment, &modules)?;
    let mut tally = Tally::default();
    for path in scripts {
        run_script(&bench, &path, arguments, &mut tally)?;
    }
    match tally {
        Tally { passed: 0, failed: 0 } => {
            let message = format!("no case in {}", arguments.folder.join(FOLDER).display());
            Err(CliError::new("no-tests", message)
                .hint("scripts are tests/*.json; docs/guides/testing.md has the format"))
        }
        Tally { failed: 0, passed } => {
            eprintln!("{} passed", counted(passed, "case"));
            Ok(())
        }
        Tally { failed, passed } => {
            Err(CliError::new("tests-failed", format!("{} of {} failed", failed, counted(failed + passed, "case"))))
        }
    }
}

fn run_script(bench: &Bench<'_>, path: &Path, arguments: &Test, tally: &mut Tally) -> Result<(), CliError> {
    let invalid =
        |error: &dyn std::fmt::Display| CliError::new("script-invalid", format!("{}: {error}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| CliError::file(path, error))?;
    let script = Script::parse(&text).map_err(|error| invalid(&error))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let read = |file: &String| {
        let path = folder.join(file);
        std::fs::read(&path).map_err(|error| CliError::file(&path, error))
    };
    let blobs = script.blobs.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let shown = path.strip_prefix(&arguments.folder).unwrap_or(path).display().to_string();
    if !arguments.json {
        output::outln!("{shown}  {}", script.subject_name());
    }
    for report in bench.run(&script, &blobs, arguments.only.as_deref()) {
        match &report.result {
            Ok(_) => tally.passed += 1,
            Err(_) => tally.failed += 1,
        }
        if arguments.json { print_json(&shown, &report) } else { print(&report) }
    }
    Ok(())
}

fn print(report: &CaseReport) {
    match &report.result {
        Ok(passed) => {
            let runs = counted(passed.runs, "run");
            output::outln!("  ok    {}  ({runs}, fuel {})", report.name, grouped(passed.fuel));
        }
        Err(problem) => {
            output::outln!("  FAIL  {}", report.name);
            for line in problem.to_string().lines() {
                output::outln!("        {line}");
            }
            for line in &report.logs {
                output::outln!("        log: {}", output::shortened(line, 200));
            }
        }
    }
}

fn print_json(script: &str, report: &CaseReport) {
    let (passed, problem) = match &report.result {
        Ok(passed) => (Some(passed), None),
        Err(problem) => (None, Some(problem.to_string())),
    };
    output::print_json(&serde_json::json!({
        "script": script,
        "case": report.name,
        "passed": passed.is_some(),
        "runs": passed.map(|passed| passed.runs),
        "fuel": passed.map(|passed| passed.fuel),
        "problem": problem,
        "logs": report.logs,
    }));
}

/// The scripts in their order.
fn scripts(folder: &Path) -> Result<Vec<PathBuf>, CliError> {
    let folder = folder.join(FOLDER);
    let entries = std::fs::read_dir(&folder).map_err(|error| {
        CliError::file(&folder, error).hint("scripts are tests/*.json; docs/guides/testing.md has the format")
    })?;
    let mut scripts = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| CliError::file(&folder, error))?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            scripts.push(path);
        }
    }
    scripts.sort();
    Ok(scripts)
}

/// The deployment as a node would have it, and the bytes of its modules.
fn deployment(folder: &Path, manifest: Unresolved) -> Result<(Deployment, BTreeMap<Cid, Vec<u8>>), CliError> {
    let mut cids = BTreeMap::new();
    let mut modules = BTreeMap::new();
    for file in manifest.files() {
        let path = folder.join(&file);
        let bytes = std::fs::read(&path).map_err(|error| CliError::file(&path, error).hint("build it: loom build"))?;
        let cid = Cid::of(Codec::Raw, &bytes);
        cids.insert(file, cid.to_string());
        modules.insert(cid, bytes);
    }
    let named =
        |program: ProgramFile<'_>| programs::read(folder, program).map(|(_, spec)| (program.name.to_owned(), spec));
    let named = manifest.programs().map(named).collect::<Result<_, _>>()?;
    let mut verifying = BTreeMap::new();
    for (name, verifier) in manifest.verifiers() {
        let (module, spec) = verifiers::read(folder, name, verifier, &named)?;
        modules.insert(Cid::of(Codec::Raw, &module), module.to_vec());
        verifying.insert(name.to_owned(), spec);
    }
    let deployment = loom_server::manifest(&manifest.resolve(&cids, named, verifying));
    Ok((deployment.map_err(|error| CliError::new("invalid-deployment", error))?, modules))
}

fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

impl From<SetUpError> for CliError {
    fn from(error: SetUpError) -> Self {
        match error {
            SetUpError::Unusable { .. } => Self::new("unusable-module", error),
            SetUpError::Limits { .. } => Self::new("limits-too-high", error),
            SetUpError::Host(_) => Self::new("sandbox", error),
        }
    }
}
