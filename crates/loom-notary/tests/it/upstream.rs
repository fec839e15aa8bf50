//! The older layout, which upstream's verifier for JavaScript reads.
//!
//! Here it is written; `cargo xtask test` has that verifier read it (`tests/upstream`). It names a folder for the files in
//! `LOOM_PRESENTATIONS`.

use std::path::Path;

use loom_notary::{
    KeyAlgorithm, Layout, OsRandom, Presentation, Request, Selection, SigningKey, disclose, encode_with,
    without_identity,
};
use loom_tlsnotary::{Disclosed, encode, presentation::TranscriptProof};
use serde_json::{Value, json};

use crate::bank::{Bank, Key, NOW, Terms, chunked, response};

const STATEMENT: &str = r#"{"holder":"Jane Q. Public","balance":"5873.12","lines":[{"n":1},{"n":2}]}"#;

/// What is signed differs with the layout, so one is never taken for the other.
#[tokio::test]
async fn the_older_layout_is_another_attestation() {
    for (name, key, algorithm, answer, selection) in [
        ("full", Key::P256, KeyAlgorithm::K256, response("200 OK", &[], STATEMENT), Selection::All),
        (
            "chunked",
            Key::P384,
            KeyAlgorithm::P256,
            chunked(STATEMENT, 9),
            Selection::Only(vec!["/balance".parse().unwrap()]),
        ),
        ("cookie", Key::Rsa, KeyAlgorithm::K256, response("200 OK", &["Set-Cookie: a=b"], STATEMENT), Selection::All),
    ] {
        let bank = Bank::with(Terms { key, ..Terms::answering(answer) }).await;
        let notary = bank.notary_with(SigningKey::generate(algorithm, &OsRandom), |_| {});
        let full = notary.notarize(&Request::get(bank.url("/statement")), Layout::Alpha12).await.unwrap();
        let older = encode_with(&full, Layout::Alpha12);
        assert_ne!(older, encode(&full));
        for bytes in [&older, &encode(&full)] {
            assert!(bank.verify(&notary, bytes).is_err(), "{name}");
        }
        // Upstream's authorities are fixed, and none of them knows this bank.
        let shown = without_identity(&disclose(&full, &selection).unwrap());
        if let Some(folder) = std::env::var_os("LOOM_PRESENTATIONS") {
            write(Path::new(&folder), name, &shown, &notary.public_key_text());
        }
    }
}

fn write(folder: &Path, name: &str, presentation: &Presentation, key: &str) {
    let TranscriptProof { sent, received, sent_ranges, received_ranges, sent_total, received_total, .. } =
        presentation.transcript.clone().unwrap();
    let side = |bytes, ranges: loom_tlsnotary::RangeSet, total| -> Value {
        let pairs: Vec<_> = ranges.as_slice().iter().map(|range| [range.start, range.end]).collect();
        json!({ "text": Disclosed::new(bytes, ranges, total).unwrap().to_text('X'), "ranges": pairs })
    };
    let said = json!({
        "key": key, "time": NOW,
        "sent": side(sent, sent_ranges, sent_total),
        "received": side(received, received_ranges, received_total),
    });
    std::fs::write(folder.join(format!("{name}.json")), said.to_string()).unwrap();
    std::fs::write(folder.join(format!("{name}.tlsn")), encode_with(presentation, Layout::Alpha12)).unwrap();
}
