//! Verdicts for others' tools: in-toto statements, which DSSE envelopes carry.
//! <https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md>

use bytes::Bytes;
use data_encoding::HEXLOWER;
use loom_evidence::PublicKey;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{Auditor, Report};

/// The media type of a statement, as the envelope names it.
pub const STATEMENT_TYPE: &str = "application/vnd.in-toto+json";
/// What a verdict's predicate is called. `docs/formats/verdict.md` describes it.
pub const PREDICATE_TYPE: &str = "https://loom.invalid/verdict/v1";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Statement<'a> {
    #[serde(rename = "_type")]
    statement_type: &'static str,
    subject: Vec<Subject<'a>>,
    predicate_type: &'static str,
    predicate: Predicate<'a>,
}

#[derive(Serialize)]
struct Subject<'a> {
    name: &'a str,
    digest: Digests,
}

#[derive(Serialize)]
struct Digests {
    sha256: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Predicate<'a> {
    verifier: Verifier<'a>,
    /// Whom the verifier was told to trust.
    trusted: Trusted,
    report: &'a Report,
}

#[derive(Serialize)]
struct Verifier<'a> {
    id: &'static str,
    version: &'static str,
    engine: &'a str,
}

#[derive(Serialize)]
struct Trusted {
    keys: Vec<String>,
    witnesses: Vec<String>,
    monitors: Vec<String>,
}

/// The statement that these files were verified with this result. `engine` ran their turns again.
pub fn statement(files: &[(&str, &Bytes)], auditor: &Auditor, engine: &str, report: &Report) -> Vec<u8> {
    let texts = |keys: &[PublicKey]| keys.iter().map(PublicKey::to_string).collect();
    let statement = Statement {
        statement_type: "https://in-toto.io/Statement/v1",
        subject: files
            .iter()
            .map(|(name, bytes)| Subject { name, digest: Digests { sha256: digest(bytes) } })
            .collect(),
        predicate_type: PREDICATE_TYPE,
        predicate: Predicate {
            verifier: Verifier { id: "loom-verify", version: env!("CARGO_PKG_VERSION"), engine },
            trusted: Trusted {
                keys: texts(&auditor.keys),
                witnesses: texts(&auditor.witnesses),
                monitors: texts(&auditor.monitors),
            },
            report,
        },
    };
    serde_json::to_vec(&statement).expect("our own types serialise")
}

/// SHA-256 of a file, in hex.
pub(crate) fn digest(bytes: &Bytes) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}
