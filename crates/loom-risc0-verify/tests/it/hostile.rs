//! What strangers send.

use loom_risc0_verify::{Rejected, Unreadable, describe, limits::RECEIPT_BYTES_MAX, parameters, verify};

use crate::vectors::{Vector, all, groth16};

/// A number sequence that is the same in every run.
fn numbers(seed: u64) -> impl Iterator<Item = u64> {
    std::iter::successors(Some(seed), |n| {
        Some(n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407))
    })
    .skip(1)
    .map(|n| n >> 20)
}

#[test]
fn no_truncation_is_a_receipt() {
    for Vector { name, bytes, image_id, .. } in all() {
        let every = 1 + bytes.len() / 2000;
        for length in (0..bytes.len()).step_by(every).chain([bytes.len() - 1]) {
            let cut = &bytes[..length];
            assert!(matches!(verify(cut, image_id), Err(Rejected::Unreadable(_))), "{name} {length}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(matches!(verify(&longer, image_id), Err(Rejected::Unreadable(_))), "{name}");
    }
}

#[test]
fn flips_are_rejected() {
    for Vector { name, bytes, image_id, .. } in all() {
        for n in numbers(bytes.len() as u64).take(200) {
            let mut changed = bytes.clone();
            let at = n as usize % bytes.len();
            changed[at] ^= 1 << (n >> 32 & 7);
            let result = verify(&changed, image_id);
            assert!(result.is_err() && !matches!(result, Err(Rejected::Panicked(_))), "{name} at {at}: {result:?}");
        }
    }
}

#[test]
fn a_receipt_without_a_proof_is_none() {
    // Variant 3, then a claim as the library writes it.
    let fake = [&[3u8][..], &[0; 200]].concat();
    assert!(matches!(describe(&fake), Err(Unreadable::Malformed(_))));
    let mut empty = groth16();
    // The seal's length stands behind the variant's number.
    empty.bytes.splice(1..5 + 256, [0, 0, 0, 0]);
    assert_eq!(verify(&empty.bytes, empty.image_id), Err(Rejected::NoSeal));
    // No segments, no assumptions, an empty output.
    let composite = [&[0u8; 9][..], &[0; 32], &[0; 4], &[0; 32]].concat();
    assert_eq!(verify(&composite, empty.image_id), Err(Rejected::NoSeal));
}

/// A composite receipt that rests on one that rests on one, and so on: bytes for a hundred thousand of them.
#[test]
fn nesting_is_not_followed() {
    let mut nested = Vec::new();
    for _ in 0..100_000 {
        // Composite, no segments, one assumption.
        nested.extend([0, 0, 0, 0, 0, 1, 0, 0, 0]);
    }
    assert!(matches!(describe(&nested), Err(Unreadable::Malformed(_))));
    let in_cbor = [&b"\xa3\x65inner\xa1\x69Composite"[..], &vec![0x81; 1_000_000]].concat();
    assert!(matches!(describe(&in_cbor), Err(Unreadable::Malformed(_))));
}

/// Lengths that promise more than there is.
#[test]
fn nothing_is_allocated_on_a_promise() {
    for bytes in [
        vec![0, 0xff, 0xff, 0xff, 0xff],
        vec![2, 0xff, 0xff, 0xff, 0xff],
        b"\xa3\x65inner\xa1\x67Groth16\xa3\x64seal\x9b\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(),
        b"\xbf\x65inner\x7b\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(),
    ] {
        assert!(matches!(describe(&bytes), Err(Unreadable::Malformed(_))), "{bytes:?}");
    }
    let large = vec![0; RECEIPT_BYTES_MAX + 1];
    assert_eq!(describe(&large), Err(Unreadable::TooLarge { bytes: large.len() }));
    for bytes in [&b""[..], b"{}", b"\x04", b"PK"] {
        assert_eq!(describe(bytes), Err(Unreadable::Encoding));
    }
}

/// With this in the environment other programs accept receipts without proofs, or panic. A child of this process has
/// it, for a process must not change its own.
#[test]
fn the_environment_decides_nothing() {
    if std::env::var_os("RISC0_DEV_MODE").is_some() {
        let Vector { bytes, image_id, .. } = groth16();
        verify(&bytes, image_id).unwrap();
        a_receipt_without_a_proof_is_none();
        return;
    }
    let test = std::env::current_exe().unwrap();
    let child = std::process::Command::new(test)
        .args(["hostile::the_environment_decides_nothing", "--exact"])
        .env("RISC0_DEV_MODE", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && said.contains("1 passed"), "{said}");
}

/// What is pinned is what the library has.
#[test]
fn parameters_are_those_of_the_library() {
    use risc0_zkvm::{
        CompositeReceiptVerifierParameters, Groth16ReceiptVerifierParameters, SegmentReceiptVerifierParameters,
        sha::Digestible as _,
    };
    let found = [
        risc0_zkvm::VERSION.to_owned(),
        SegmentReceiptVerifierParameters::default().digest().to_string(),
        CompositeReceiptVerifierParameters::default().digest().to_string(),
        Groth16ReceiptVerifierParameters::default().digest().to_string(),
    ];
    assert_eq!(found, [parameters::LIBRARY, parameters::SEGMENT, parameters::COMPOSITE, parameters::GROTH16]);
}
