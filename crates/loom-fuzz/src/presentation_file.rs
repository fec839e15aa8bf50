//! Presentations: whatever can be read has one form, and what is accepted is genuine.

use std::sync::LazyLock;

use loom_tlsnotary::{NotaryKey, Policy, Roots, TimeWindow, decode, encode, fields::extract, verify};

/// A genuine presentation, its notary's key and its authority.
const GENUINE: &[u8] =
    include_bytes!("../../loom-tlsnotary/testdata/valid/s1-bank-blake3-k256.fields.presentation.tlsn");
pub(crate) const KEY: &str = "031b84c5567b126440995d3ed5aaba0565d71e1834604819ff9c17f5e9d5dd078f";
pub(crate) const ROOT: &[u8] = include_bytes!("../../loom-tlsnotary/testdata/pki/ec-root.der");

static TRUST: LazyLock<(Vec<NotaryKey>, Roots)> = LazyLock::new(|| {
    let mut roots = Roots::none();
    roots.add(ROOT).expect("it is a certificate");
    (NotaryKey::from_hex(KEY).expect("it is a key"), roots)
});

pub(crate) fn run(input: &[u8]) {
    if let Ok(presentation) = decode(input) {
        assert_eq!(encode(&presentation), input, "two files are one presentation");
    }
    let (notary_keys, roots) = &*TRUST;
    let policy = Policy { notary_keys, roots, server_names: &[], time: TimeWindow::ANY };
    let Ok(verified) = verify(input, &policy) else { return };
    let genuine = verify(GENUINE, &policy).expect("it is genuine");
    // The notary made a few files only; whatever is accepted is one of its attestations.
    assert_eq!(verified.time, genuine.time, "an attestation that nobody made");
    if let Some(transcript) = &verified.transcript {
        let _ = extract(&transcript.received, &["/closing_balance".to_owned(), "/account/holder".to_owned()]);
    }
}
