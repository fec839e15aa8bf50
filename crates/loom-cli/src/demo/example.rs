//! The loan-review example as it stands in the repository, so that the binary needs nothing else.

use std::{collections::BTreeMap, fmt::Display, path::Path};

use loom_client::Manifest;
use loom_loan_review::{Applications, Format, sample};
use loom_runtime::Handle;
use loom_types::Namespace;
use serde_json::{Map, Value};

use crate::{
    CliError, arguments,
    manifest::{FILE, Unresolved},
    programs, verifiers,
};

const MANIFEST: &str = include_str!("../../../../examples/loan-review/loom.toml");
const PROGRAM: &[u8] = include_bytes!("../../../../examples/loan-review/criteria.json");
const SAMPLE: &[u8] = include_bytes!("../../../../examples/loan-review/applications.csv");
const MODULES: &[(&str, &[u8])] = &[
    ("loan-review.wasm", include_bytes!("../../../../guests/prebuilt/loan-review.wasm")),
    ("portfolio.wasm", include_bytes!("../../../../guests/prebuilt/portfolio.wasm")),
    ("attestation.wasm", include_bytes!("../../../../guests/prebuilt/attestation.wasm")),
    ("dti-batch.wasm", include_bytes!("../../../../guests/prebuilt/dti-batch.wasm")),
    ("normalise.wasm", include_bytes!("../../../../guests/prebuilt/normalise.wasm")),
    ("ratios.wasm", include_bytes!("../../../../guests/prebuilt/ratios.wasm")),
    ("criteria-reviewer.wasm", include_bytes!("../../../../guests/prebuilt/criteria-reviewer.wasm")),
];

/// The verifier of banks' statements.
const STATEMENTS: &str = "bank-statement";
/// How many applications are made up where ratios are to be proved: enough that one proof of all costs little for each.
const PROVED_COUNT: usize = 250;

/// What is reviewed.
pub(super) struct Source {
    pub(super) applications: Applications,
    /// How many there are, if that is known before.
    pub(super) rows: Option<u64>,
    /// Where they come from, for people.
    pub(super) name: String,
    pub(super) is_synthetic: bool,
}

impl Source {
    /// The file that was named, or what comes with Loom. The public data has no monthly debt and so no ratio to prove;
    /// where ratios are to be proved, applications are made up that state it.
    pub(super) fn open(arguments: &arguments::LoanReview) -> Result<Self, CliError> {
        let limit = arguments.count.map(|count| count as u64);
        let invalid = |error: &dyn Display| CliError::new("demo", format!("the synthetic applications: {error}"));
        let read = |bytes: Box<dyn std::io::BufRead + Send>, format| {
            Applications::from_reader(bytes, format).map_err(|error| invalid(&error))
        };
        if let Some(path) = &arguments.applications {
            let applications = Applications::open(path).map_err(|error| CliError::file(path, error))?;
            return Ok(Self { applications, rows: limit, name: path.display().to_string(), is_synthetic: false });
        }
        let (applications, rows, name) = if arguments.prove {
            let (count, mut lines) = (arguments.count.unwrap_or(PROVED_COUNT), Vec::new());
            sample::write_derived(sample::SEED, count, &mut lines).map_err(|error| invalid(&error))?;
            let applications = read(Box::new(std::io::Cursor::new(lines)), Format::JsonLines)?;
            (applications, count as u64, "synthetic applications that state income and debt")
        } else {
            let rows = SAMPLE.iter().filter(|byte| **byte == b'\n').count() as u64 - 1;
            let applications = read(Box::new(std::io::Cursor::new(SAMPLE)), Format::Csv)?;
            (applications, limit.unwrap_or(rows).min(rows), "synthetic applications that come with loom")
        };
        Ok(Self { applications, rows: Some(rows), name: name.to_owned(), is_synthetic: true })
    }
}

/// Uploads and deploys it; gives the CID of the criteria program. `statements` is whom to trust with statements of
/// income; as it stands in the repository the example trusts nobody.
pub(super) async fn deploy(handle: &Handle, statements: Option<Map<String, Value>>) -> Result<String, CliError> {
    let failed = |error: &dyn Display| CliError::new("demo", format!("deploying the example: {error}"));
    let source = Unresolved::parse(MANIFEST).map_err(|error| failed(&format!("{FILE}: {error}")))?;
    let mut cids = BTreeMap::new();
    for file in source.files() {
        let name = file.rsplit('/').next().unwrap_or(&file).to_owned();
        let bytes = MODULES.iter().find(|(module, _)| *module == name).map(|(_, bytes)| *bytes);
        let bytes = bytes.ok_or_else(|| failed(&format!("no module {name}")))?;
        let cid = handle.put_blob(bytes.into()).await.map_err(|error| failed(&error))?;
        cids.insert(file, cid.to_string());
    }
    let mut named = BTreeMap::new();
    for program in source.programs() {
        // All of them come with Loom, so no folder is looked into.
        let (binary, spec) = programs::read(Path::new(""), program)?;
        handle.put_blob(binary).await.map_err(|error| failed(&error))?;
        named.insert(program.name.to_owned(), spec);
    }
    let mut verifiers_named = BTreeMap::new();
    for (name, verifier) in source.verifiers() {
        let (module, mut spec) = verifiers::read(Path::new(""), name, verifier, &named)?;
        handle.put_blob(module).await.map_err(|error| failed(&error))?;
        if name == STATEMENTS
            && let Some(policy) = &statements
        {
            spec.policy = policy.clone();
        }
        verifiers_named.insert(name.to_owned(), spec);
    }
    let manifest: Manifest = source.resolve(&cids, named, verifiers_named);
    let deployment = loom_server::manifest(&manifest).map_err(|error| failed(&error))?;
    handle.deploy(&Namespace::default(), deployment).await.map_err(|error| failed(&error))?;
    let program = handle.put_blob(PROGRAM.into()).await.map_err(|error| failed(&error))?;
    Ok(program.to_string())
}
