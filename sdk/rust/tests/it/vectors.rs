//! The shape of `vectors.json`.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
pub(crate) struct Vectors {
    pub(crate) strings: Vec<Text>,
    pub(crate) operations: Vec<Operation>,
    pub(crate) outputs: Vec<Output>,
    pub(crate) hostile: Hostile,
}

/// A string that must survive the boundary: stored, or described because it is long.
#[derive(Deserialize)]
pub(crate) struct Text {
    pub(crate) name: String,
    text: Option<String>,
    repeat: Option<Repeat>,
}

#[derive(Deserialize)]
struct Repeat {
    text: String,
    count: usize,
}

/// What an SDK must send, and what it must make of the answer.
#[derive(Clone, Deserialize)]
pub(crate) struct Operation {
    pub(crate) name: String,
    pub(crate) request: String,
    pub(crate) answer: String,
    pub(crate) result: Value,
}

/// How the host reads a guest's output.
#[derive(Deserialize)]
pub(crate) struct Output {
    pub(crate) failure: Option<loom_guest::Error>,
}

#[derive(Deserialize)]
pub(crate) struct Hostile {
    pub(crate) modules: Vec<HostileModule>,
}

#[derive(Deserialize)]
pub(crate) struct HostileModule {
    pub(crate) file: String,
}

impl Vectors {
    pub(crate) fn read() -> Self {
        let path = contract_folder().join("vectors.json");
        let text = std::fs::read_to_string(&path).expect("vectors.json");
        serde_json::from_str(&text).expect("vectors.json has this shape")
    }
}

impl Text {
    pub(crate) fn text(&self) -> String {
        match (&self.text, &self.repeat) {
            (Some(text), None) => text.clone(),
            (None, Some(repeat)) => repeat.text.repeat(repeat.count),
            _ => panic!("{} is neither stored nor described", self.name),
        }
    }
}

pub(crate) fn contract_folder() -> PathBuf {
    // Resolved first, because the SDK may be reached through a link.
    let sdk = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"))
        .canonicalize()
        .expect("this package's folder");
    sdk.join("../abi")
}
