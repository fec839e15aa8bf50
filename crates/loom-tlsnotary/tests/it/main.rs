//! Presentations that others made, and what becomes of them when somebody changes them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod activity;
mod changed;
mod committed;
mod vectors;

use std::path::PathBuf;

use loom_tlsnotary::{NotaryKey, Policy, Rejected, Roots, TimeWindow, Verified, verify};
use serde_json::Value;

fn testdata(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name)
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(testdata(name)).unwrap()
}

fn manifest() -> Value {
    serde_json::from_slice(&bytes("manifest.json")).unwrap()
}

/// Whom the manifest trusts with this file.
struct Trust {
    keys: Vec<NotaryKey>,
    roots: Roots,
}

impl Trust {
    fn of(vector: &Value) -> Self {
        let mut roots = Roots::none();
        roots.add_file(&bytes(vector["root_ca_der"].as_str().unwrap())).unwrap();
        let keys = match vector["notary_key_hex"].as_str() {
            Some(hex) => NotaryKey::from_hex(hex).unwrap(),
            None => manifest()["notary_keys"].as_array().unwrap().iter().flat_map(known).collect(),
        };
        Self { keys, roots }
    }

    fn verify(&self, bytes: &[u8]) -> Result<Verified, Rejected> {
        verify(bytes, &self.policy())
    }

    fn policy(&self) -> Policy<'_> {
        Policy { notary_keys: &self.keys, roots: &self.roots, server_names: &[], time: TimeWindow::ANY }
    }
}

fn known(key: &Value) -> Vec<NotaryKey> {
    NotaryKey::from_hex(key[1].as_str().unwrap()).unwrap()
}
