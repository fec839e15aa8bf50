//! Checkpoints, keys and envelopes: refused, or written as they were read; and no signature is anybody's who did not sign.

use loom_evidence::{Checkpoint, Envelope, PublicKey, SignedCheckpoint, SigningKey};

/// A checkpoint, a key or an envelope.
pub(crate) fn run(input: &[u8]) {
    if let Ok(envelope) = serde_json::from_slice::<Envelope>(input) {
        assert_eq!(envelope.open("text/plain", &log().public()), None, "this key signed no envelope");
    }
    let Ok(text) = std::str::from_utf8(input) else { return };
    keys(text);
    let Ok(signed) = SignedCheckpoint::read(text) else { return };
    assert_eq!(signed.text(), text, "a checkpoint has one form");
    assert_eq!(SignedCheckpoint::read(signed.text()).as_ref(), Ok(&signed));
    assert_eq!(signed.with_signatures::<&str>(&[]).as_ref(), Ok(&signed));
    assert!(!signed.signers().is_empty(), "a note has a signature");
    let keys = [log().public(), witness().public()];
    if let Ok(by) = signed.signed_by(&keys) {
        assert!(by.is_empty() || *signed.checkpoint() == known(), "neither key signed anything else");
    }
    if let Ok(by) = signed.cosigned_by(&keys) {
        assert!(by.iter().all(|cosigned| *cosigned.key == keys[1]), "logs cosign nothing");
    }
    cosigned(&signed);
    if let Ok(own) = signed.only_of(&keys) {
        assert_eq!(own.checkpoint(), signed.checkpoint());
        assert!(own.signers().len() <= signed.signers().len());
    }
}

/// A witness cosigns it, if it has not yet.
fn cosigned(signed: &SignedCheckpoint) {
    let other = SigningKey::witness_from_secret("other.example", &[9; 32]).expect("a good name");
    let line = signed.cosign(&other, 7);
    assert_eq!(signed.cosignature_time(&line, &other.public()), Ok(7));
    let Ok(more) = signed.with_signatures(&[&line]) else { return };
    assert_eq!(more.checkpoint(), signed.checkpoint());
    let keys = [other.public()];
    let by = more.cosigned_by(&keys).map(|by| by.iter().map(|cosigned| cosigned.time).collect::<Vec<_>>());
    assert_eq!(by, Ok(vec![7]));
}

/// Keys have one text.
fn keys(text: &str) {
    let public = text.parse::<PublicKey>().map(|key| key.to_string());
    assert!(public.is_err() || public.as_deref() == Ok(text));
    for key in [text.parse::<SigningKey>(), SigningKey::read_witness(text)] {
        assert!(key.is_err() || key.is_ok_and(|key| key.to_secret_text() == text));
    }
}

fn log() -> SigningKey {
    SigningKey::from_secret("log.example/fuzz", &[7; 32]).expect("a good name")
}

fn witness() -> SigningKey {
    SigningKey::witness_from_secret("witness.example/fuzz", &[3; 32]).expect("a good name")
}

/// The one checkpoint that the keys signed: it is in the corpus.
fn known() -> Checkpoint {
    Checkpoint { origin: "log.example/fuzz".to_owned(), size: 5, root: [9; 32] }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Otherwise the fuzzer would never see a good signature.
    #[test]
    fn the_corpus_has_what_the_keys_signed() {
        let signed = known().sign(&log());
        let cosigned = signed.with_signatures(&[signed.cosign(&witness(), 1_700_000_000)]).expect("a line");
        let folder = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
        for (name, text) in [("signed", signed.text()), ("cosigned", cosigned.text())] {
            let path = format!("{folder}/../../fuzz/corpus/checkpoint/{name}");
            assert_eq!(std::fs::read_to_string(&path).ok().as_deref(), Some(text), "{path}");
        }
    }
}
