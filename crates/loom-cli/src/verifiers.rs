//! Verifiers that a deployment can have: from what `loom.toml` says to what a manifest does.

use std::{collections::BTreeMap, fmt::Display, path::Path};

use bytes::Bytes;
use data_encoding::BASE64;
use loom_client::{ManifestProgram, ManifestVerifier};
use loom_types::{Cid, Codec};
use serde_json::{Value, json};

use crate::{
    CliError,
    manifest::Verifier,
    programs::{KNOWN, Known},
};

/// The module of RISC Zero's verifier.
static RISC0: &[u8] = include_bytes!("../../../guests/prebuilt/risc0-verifier.wasm");

/// The module of TLSNotary's verifier.
static TLSNOTARY: &[u8] = include_bytes!("../../../guests/prebuilt/tls-notary-verifier.wasm");

/// Modules that come with Loom: the kind they are for, the name they have in `loom.toml`, their bytes.
const MODULES: [(&str, &str, &[u8]); 2] =
    [("risc0", "loom:risc0-verifier", RISC0), ("tlsnotary", "loom:tls-notary-verifier", TLSNOTARY)];

/// A verifier's module, and what the manifest says of it.
pub(crate) fn read(
    folder: &Path,
    name: &str,
    verifier: &Verifier,
    programs: &BTreeMap<String, ManifestProgram>,
) -> Result<(Bytes, ManifestVerifier), CliError> {
    let invalid = |problem: &dyn Display| CliError::new("config-invalid", format!("verifiers.{name}: {problem}"));
    let module = match verifier.module.as_deref() {
        Some(file) if !file.starts_with(KNOWN) => {
            let path = folder.join(file);
            std::fs::read(&path).map_err(|error| CliError::file(&path, error))?.into()
        }
        module => Bytes::from_static(shipped(&verifier.kind, module).ok_or_else(|| {
            let names = MODULES.map(|(kind, name, _)| format!("{name} (for kind {kind})")).join(", ");
            invalid(&"no such verifier comes with Loom").hint(format!("there are {names}"))
        })?),
    };
    let mut policy = verifier.policy.clone();
    if let Some(Value::Array(ids)) = policy.get_mut("image_ids") {
        for id in ids {
            let text = id.as_str().ok_or_else(|| invalid(&"'image_ids' are texts"))?;
            *id = image_id(text, programs).ok_or_else(|| invalid(&unknown_program(text)))?.into();
        }
    }
    if verifier.kind == "tlsnotary" {
        let named = policy.remove("roots");
        policy.insert("roots".to_owned(), roots(folder, named).map_err(|problem| invalid(&problem))?);
    }
    let spec = ManifestVerifier {
        kind: verifier.kind.clone(),
        module: Cid::of(Codec::Raw, &module).to_string(),
        limits: verifier.limits,
        policy,
    };
    Ok((module, spec))
}

/// The module of a kind; by its name where one is given.
fn shipped(kind: &str, name: Option<&str>) -> Option<&'static [u8]> {
    let is_meant = |of: &str, known: &str| name.map_or(of == kind, |name| known == name);
    MODULES.into_iter().find(|(of, known, _)| is_meant(of, known)).map(|(_, _, module)| module)
}

/// The image id that a policy names: in hex, or by a program of the deployment or of Loom's.
fn image_id(text: &str, programs: &BTreeMap<String, ManifestProgram>) -> Option<String> {
    if let Ok(id) = text.parse::<loom_risc0_verify::ImageId>() {
        return Some(id.to_string());
    }
    match text.strip_prefix(KNOWN) {
        Some(name) => Some(Known::named(name)?.program().image_id().to_string()),
        None => programs.get(text).map(|program| program.image_id.clone()),
    }
}

/// Authorities as a policy has them: of files in PEM or DER, or Mozilla's list if none are named.
fn roots(folder: &Path, named: Option<Value>) -> Result<Value, String> {
    let Some(named) = named else { return Ok(mozilla()) };
    let files: Vec<String> = serde_json::from_value(named).map_err(|_| "'roots' are names of files")?;
    let mut roots = Vec::new();
    for file in files {
        let path = folder.join(file);
        let bytes = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let certificates = loom_tlsnotary::certificates_of(&bytes);
        let certificates = certificates.map_err(|error| format!("{}: {error}", path.display()))?;
        roots.extend(certificates.iter().map(|der| Value::from(BASE64.encode(der))));
    }
    Ok(roots.into())
}

/// What counts of each authority on Mozilla's list.
fn mozilla() -> Value {
    let anchor = |anchor: &rustls_pki_types::TrustAnchor<'_>| {
        json!({
            "subject": BASE64.encode(&anchor.subject),
            "subject_public_key_info": BASE64.encode(&anchor.subject_public_key_info),
            "name_constraints": anchor.name_constraints.as_ref().map(|constraints| BASE64.encode(constraints)),
        })
    };
    webpki_roots::TLS_SERVER_ROOTS.iter().map(anchor).collect()
}

fn unknown_program(text: &str) -> String {
    format!("'{text}' is no image id, which is 64 hex digits, and no program of the deployment or of Loom's")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verifier(text: &str) -> Verifier {
        toml::from_str(text).unwrap()
    }

    fn read_one(text: &str) -> Result<(Bytes, ManifestVerifier), CliError> {
        let program = ManifestProgram { image_id: "07".repeat(32), binary: String::new() };
        read(Path::new("."), "receipts", &verifier(text), &[("own".to_owned(), program)].into())
    }

    #[test]
    fn the_module_of_a_kind_comes_with_loom() {
        let (module, spec) = read_one("kind = 'risc0'").unwrap();
        assert_eq!((&module[..4], spec.module), (&b"\0asm"[..], Cid::of(Codec::Raw, &module).to_string()));
        let (other, _) = read_one("kind = 'tlsnotary'").unwrap();
        assert_ne!(other, module);
        let (named, _) = read_one("kind = 'risc0'\nmodule = 'loom:risc0-verifier'").unwrap();
        assert_eq!(named, module);
        for other in ["kind = 'fhe'", "kind = 'risc0'\nmodule = 'loom:verifier'"] {
            assert!(read_one(other).unwrap_err().to_string().contains("no such verifier"), "{other}");
        }
    }

    #[test]
    fn a_policy_may_name_programs() {
        let hex = "AB".repeat(32);
        let (_, spec) = read_one(&format!("kind = 'risc0'\npolicy.image_ids = ['{hex}', 'own', 'loom:dti']")).unwrap();
        let dti = Known::named("dti").unwrap().program().image_id().to_string();
        assert_eq!(spec.policy["image_ids"], serde_json::json!([hex.to_lowercase(), "07".repeat(32), dti]));
        for other in ["'other'", "'loom:other'", "7"] {
            assert!(read_one(&format!("kind = 'risc0'\npolicy.image_ids = [{other}]")).is_err(), "{other}");
        }
    }

    /// They are in every request that is journaled, so it matters how long they are.
    #[test]
    fn authorities_are_mozillas_unless_some_are_named() {
        let bank = concat!(env!("CARGO_MANIFEST_DIR"), "/../loom-tlsnotary/testdata/pki/ec-root.pem");
        let (_, spec) = read_one(&format!("kind = 'tlsnotary'\npolicy.roots = ['{bank}']")).unwrap();
        assert_eq!(spec.policy["roots"].as_array().unwrap().len(), 1);
        let (_, spec) = read_one("kind = 'tlsnotary'").unwrap();
        assert!(spec.policy["roots"].as_array().unwrap().len() > 100);
        let bytes = serde_json::to_string(&spec.policy).unwrap().len();
        assert!(bytes < loom_machine::limits::VERIFY_POLICY_BYTES_MAX, "{bytes}");
        for other in ["['/nowhere']", "[7]", "'web'"] {
            assert!(read_one(&format!("kind = 'tlsnotary'\npolicy.roots = {other}")).is_err(), "{other}");
        }
    }
}
