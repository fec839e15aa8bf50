//! Receipts of others: accepted as they are, and rejected otherwise.

use std::path::{Path, PathBuf};

use loom_risc0_verify::{ImageId, Kind, Rejected, Verified, describe, verify};

/// A receipt with what is known about it from elsewhere.
pub(crate) struct Vector {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) bytes: Vec<u8>,
    pub(crate) image_id: ImageId,
    pub(crate) journal: Vec<u8>,
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn groth16() -> Vector {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let image_id = String::from_utf8(read(&folder.join("groth16_3.0.image_id"))).unwrap();
    Vector {
        name: "groth16",
        kind: Kind::Groth16,
        bytes: read(&folder.join("groth16_3.0.receipt.borsh")),
        image_id: image_id.trim().parse().unwrap(),
        journal: b"just a simple receipt".to_vec(),
    }
}

/// The receipts that are here, and those beside the repository where it is told of them.
pub(crate) fn all() -> Vec<Vector> {
    let Some(folder) = std::env::var_os("LOOM_TEST_VECTORS") else {
        eprintln!("LOOM_TEST_VECTORS is not set: composite and succinct receipts of others are not looked at");
        return vec![groth16()];
    };
    // Relative to the repository, for tests run elsewhere.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(PathBuf::from(folder)).join("risc0");
    let zkverify = |name: &'static str, kind: Kind| {
        let bytes = read(&folder.join(format!("zkverify_3.0.0_{name}_16.bin")));
        let known: serde_json::Value =
            serde_json::from_slice(&read(&folder.join(format!("zkverify_3.0.0_{name}_16.json")))).unwrap();
        let numbers = |value: &serde_json::Value| -> Vec<u64> {
            value.as_array().unwrap().iter().map(|number| number.as_u64().unwrap()).collect()
        };
        let words = numbers(&known["vk"]);
        let id: Vec<u8> = words.iter().flat_map(|word| u32::try_from(*word).unwrap().to_le_bytes()).collect();
        let journal = numbers(&known["journal"]["bytes"]).into_iter().map(|byte| u8::try_from(byte).unwrap());
        Vector { name, kind, bytes, image_id: ImageId(id.try_into().unwrap()), journal: journal.collect() }
    };
    vec![groth16(), zkverify("poseidon2", Kind::Composite), zkverify("succinct", Kind::Succinct)]
}

#[test]
fn receipts_of_others_are_accepted() {
    for Vector { name, kind, bytes, image_id, journal } in all() {
        assert_eq!(verify(&bytes, image_id), Ok(Verified { kind, journal: journal.clone() }), "{name}");
        let described = describe(&bytes).unwrap();
        assert_eq!((described.kind, described.image_id, described.journal), (kind, Some(image_id), journal), "{name}");
    }
}

#[test]
fn another_program_did_not_run() {
    for Vector { name, bytes, image_id, .. } in all() {
        let mut other = image_id;
        other.0[31] ^= 1;
        let expected = Rejected::OtherProgram { found: image_id, expected: other };
        assert_eq!(verify(&bytes, other), Err(expected), "{name}");
    }
}

/// The output is part of what is proved, wherever it stands in the file.
#[test]
fn another_output_was_not_given() {
    for Vector { name, bytes, image_id, journal, .. } in all() {
        let changed = (0..bytes.len().saturating_sub(journal.len()))
            .filter(|at| bytes[*at..].starts_with(&journal))
            .map(|at| {
                let mut changed = bytes.clone();
                changed[at] ^= 1;
                changed
            })
            .collect::<Vec<_>>();
        // CBOR writes most bytes of a list as two. In borsh they are as they are, here and in what the receipt claims.
        assert!(name != "groth16" || changed.len() == 2, "{name}: {}", changed.len());
        for changed in changed {
            assert!(verify(&changed, image_id).is_err(), "{name}");
        }
    }
}
