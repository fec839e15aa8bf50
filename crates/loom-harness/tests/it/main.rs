//! Scripts against compiled guests, in the real sandbox.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod failures;
mod scripts;

use std::{collections::BTreeMap, path::PathBuf, sync::LazyLock};

use loom_harness::{Bench, Script};
use loom_machine::{
    ActivitySpec, ActorSpec, Deployment, GuestLimits, ImageId, ProgramSpec, VerifierKind, VerifierSpec,
};
use loom_types::{Cid, Codec};
use loom_wasmtime::{Settings, WasmtimeSandbox};

fn prebuilt(name: &str) -> Vec<u8> {
    let folder =
        PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../../guests/prebuilt");
    std::fs::read(folder.join(name)).unwrap()
}

/// The probe, whose messages are programs; echo as a pure and as an effectful activity, and as a verifier.
fn deployment() -> (Deployment, BTreeMap<Cid, Vec<u8>>) {
    let (probe, echo) = (prebuilt("probe.wasm"), prebuilt("echo.wasm"));
    let cid = |bytes: &[u8]| Cid::of(Codec::Raw, bytes);
    let limits = GuestLimits { fuel: 20_000_000, ..GuestLimits::default() };
    let activity = |capabilities: &[&str]| ActivitySpec {
        capabilities: capabilities.iter().map(|&name| name.to_owned()).collect(),
        ..ActivitySpec::pure(cid(&echo), limits)
    };
    let actors = [("probe".to_owned(), ActorSpec::new(cid(&probe), limits))].into();
    let activities = [("echo".to_owned(), activity(&[])), ("effect".to_owned(), activity(&["http"]))].into();
    let program = ProgramSpec { image_id: ImageId([7; 32]), binary: cid(b"program") };
    let deployment = Deployment::new("tests", actors, activities).unwrap();
    let deployment = deployment.with_programs([("dti".to_owned(), program)].into()).unwrap();
    // What echoes is no verifier, and shows that it was asked.
    let (kind, policy) = (VerifierKind::Risc0, "{}".to_owned());
    let verifier = VerifierSpec { kind, module: cid(&echo), limits, policy };
    let deployment = deployment.with_verifiers([("receipts".to_owned(), verifier)].into()).unwrap();
    (deployment, [(cid(&probe), probe), (cid(&echo), echo)].into())
}

/// Compiled once for all tests.
fn bench() -> &'static Bench<'static> {
    static SANDBOX: LazyLock<WasmtimeSandbox> =
        LazyLock::new(|| WasmtimeSandbox::new(Settings { instances_max: 64, ..Settings::default() }).unwrap());
    static BENCH: LazyLock<Bench<'static>> = LazyLock::new(|| {
        let (deployment, modules) = deployment();
        Bench::new(&*SANDBOX, deployment, &modules).unwrap()
    });
    &BENCH
}

/// Runs a script and shows what came of each case, a line or a paragraph each.
fn report(script: &str) -> String {
    let script = match Script::parse(script) {
        Ok(script) => script,
        Err(error) => return format!("invalid: {error}"),
    };
    let reports = bench().run(&script, &[b"a blob".to_vec()], None);
    let lines = reports.into_iter().map(|report| match report.result {
        Ok(passed) => format!("ok {} ({} runs)", report.name, passed.runs),
        Err(problem) => format!("FAILED {}\n{problem}", report.name),
    });
    lines.collect::<Vec<_>>().join("\n")
}
