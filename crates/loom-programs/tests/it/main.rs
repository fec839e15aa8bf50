//! The program `compliance` decides as the activity `criteria-reviewer` does, on every application there is.
//!
//! The actor `loan-review` runs in the real sandbox with its real activities. What it asks `criteria-reviewer`, the
//! program is asked as well, natively.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use loom_loan_review::Applications;
use loom_machine::{GuestLimits, Module, Progress, Sandbox as _};
use loom_programs::{Program, compliance, stdin};
use loom_types::{Cid, Codec};
use loom_wasmtime::{Settings, WasmtimeSandbox};
use serde_json::{Value, json};

/// Rows of a file that are compared; a longer one is cut off.
const ROWS_MAX: usize = 12_000;

fn root() -> PathBuf {
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../..")
}

#[test]
fn the_example_is_decided_as_the_activity_decides_it() {
    for (file, rows) in [("applications.csv", 1000), ("derived-dti.jsonl", 40)] {
        let decided = compare(&root().join("examples/loan-review").join(file));
        assert_eq!(decided.values().sum::<usize>(), rows, "{file}: {decided:?}");
        assert_eq!(decided.len(), 3, "{file}: each decision occurs in {decided:?}");
    }
}

/// The same on real applications, where they are at hand: `LOOM_TEST_DATA` names the folder they are in.
#[test]
fn real_applications_are_decided_as_the_activity_decides_them() {
    let Some(folder) = std::env::var_os("LOOM_TEST_DATA") else {
        eprintln!("LOOM_TEST_DATA is not set: real applications are not at hand, nothing is checked here");
        return;
    };
    for file in ["hmda/applications.csv", "hmda/full_schema.csv"] {
        // Tests run in their crate's folder; the variable is relative to the project.
        let decided = compare(&root().join(&folder).join(file));
        assert!(decided.values().sum::<usize>() > 800, "{file}: {decided:?}");
    }
}

/// Compares all reviews of a file's applications, and counts decisions.
fn compare(path: &Path) -> BTreeMap<String, usize> {
    let criteria = std::fs::read_to_string(root().join("examples/loan-review/criteria.json")).unwrap();
    let guests = Guests::new();
    let mut decided = BTreeMap::new();
    for application in Applications::open(path).unwrap().take(ROWS_MAX).flatten() {
        let Some((input, review)) = guests.review(&application.message("CID"), &criteria) else { continue };
        let output = program(&input, &criteria);
        let of_review = |member: &str| serde_json::from_value(review[member].clone()).unwrap();
        let decision: compliance::Decision = serde_json::from_value(review["decision"].clone()).unwrap();
        assert_eq!((output.decision, &output.missed), (decision, &of_review("missed")), "{}", application.id);
        *decided.entry(review["decision"].to_string()).or_default() += 1;
    }
    decided
}

/// What the program says of the activity's input.
fn program(input: &Value, criteria: &str) -> compliance::Output {
    let private = json!({"state": input["state"], "facts": input["facts"]});
    let value = Program::Compliance.encode(&private).unwrap();
    let block = kit::host::block([5; 16], compliance::MEDIA_TYPE, &value);
    let output = kit::host::run(&stdin(&block, criteria.as_bytes()), ::compliance::run).expect("the activity answered");
    compliance::Output::decode(&output.journal).unwrap()
}

/// The example's modules.
struct Guests {
    modules: BTreeMap<&'static str, Arc<dyn Module>>,
    limits: GuestLimits,
}

impl Guests {
    fn new() -> Self {
        let sandbox = WasmtimeSandbox::new(Settings { instances_max: 4, ..Settings::default() }).unwrap();
        let compile = |name| {
            let bytes = std::fs::read(root().join(format!("guests/prebuilt/{name}.wasm"))).unwrap();
            (name, sandbox.compile(Cid::of(Codec::Raw, &bytes), &bytes).unwrap().unwrap())
        };
        let modules = ["loan-review", "normalise", "ratios", "criteria-reviewer"].map(compile).into();
        Self { modules, limits: GuestLimits::default() }
    }

    /// What the actor asks `criteria-reviewer` about an application, and what that answers; nothing if the application
    /// does not come so far.
    fn review(&self, message: &Value, criteria: &str) -> Option<(Value, Value)> {
        let mut actor = self.modules["loan-review"].start(&self.limits, &message.to_string()).unwrap();
        let mut answer = None;
        loop {
            let request: Value = match actor.resume(answer.as_deref()).unwrap() {
                Progress::Yielded => {
                    answer = None;
                    continue;
                }
                Progress::Called(request) => serde_json::from_str(&request).unwrap(),
                _ => return None,
            };
            let name = request["name"].as_str();
            let value = match (request["op"].as_str().unwrap(), name) {
                ("activity", Some(name)) => self.compute(name, &request["input"]),
                ("blob.get", _) => Ok(json!(criteria)),
                other => panic!("asked for {other:?} before the review"),
            };
            if name == Some("criteria-reviewer") {
                return Some((request["input"].clone(), value.unwrap()));
            }
            answer = Some(value.map_or_else(|err| json!({"err": err}), |ok| json!({"ok": ok})).to_string());
        }
    }

    fn compute(&self, name: &str, input: &Value) -> Result<Value, Value> {
        let output = loom_machine::compute(&*self.modules[name], &self.limits, &input.to_string()).unwrap();
        match output {
            Ok(output) => Ok(serde_json::from_str(&output).unwrap()),
            Err(failure) => {
                Err(json!({"kind": failure.kind, "message": failure.message, "retryable": failure.retryable}))
            }
        }
    }
}
