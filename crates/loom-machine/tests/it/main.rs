//! The vectors of `docs/formats/vectors`, which others can check without any code of ours, hold here too.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use loom_machine::Deployment;
use loom_types::{Cid, Codec, Entry, Payload, Segment};
use serde_json::Value;

fn vectors(file: &str) -> Vec<Value> {
    let path = std::path::PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"))
        .join("../../docs/formats/vectors")
        .join(file);
    let vectors: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(!vectors.is_empty());
    vectors
}

fn bytes(vector: &Value) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(vector["hex"].as_str().unwrap().as_bytes()).unwrap()
}

/// What the bytes decode to and encode to again.
fn again(kind: &str, bytes: &[u8]) -> Result<Vec<u8>, String> {
    match kind {
        "entry" => Entry::decode(bytes).map(|entry| entry.encode().bytes.to_vec()).map_err(|error| error.to_string()),
        "payload" => Payload::from_block(bytes.to_vec().into())
            .map(|payload| payload.block().to_vec())
            .map_err(|error| error.to_string()),
        "segment" => Segment::decode(bytes).map(|(_, segment)| segment.encode()).map_err(|error| error.to_string()),
        "deployment" => {
            Deployment::decode(bytes).map(|deployment| deployment.encode()).map_err(|error| error.to_string())
        }
        kind => panic!("no such kind: {kind}"),
    }
}

#[test]
fn every_vector_is_read_and_written_the_same() {
    for vector in vectors("vectors.json") {
        let (name, kind, bytes) = (&vector["name"], vector["kind"].as_str().unwrap(), bytes(&vector));
        assert_eq!(again(kind, &bytes).unwrap_or_else(|error| panic!("{name}: {error}")), bytes, "{name}");
        if let Some(cid) = vector["cid"].as_str() {
            assert_eq!(Cid::of(Codec::DagCbor, &bytes).to_string(), cid, "{name}");
        }
        match kind {
            "entry" => {
                let entry = Entry::decode(&bytes).unwrap();
                let prev = entry.prev.map(|prev| prev.to_string());
                assert_eq!(entry.actor.as_str(), vector["actor"], "{name}");
                assert_eq!((entry.seq.0, entry.turn.0, entry.at_ms), {
                    let number = |member: &str| vector[member].as_u64().unwrap();
                    (number("seq"), number("turn"), number("at"))
                });
                assert_eq!(prev.as_deref(), vector["prev"].as_str(), "{name}");
                assert!(vector["body"].get(entry.body.kind()).is_some(), "{name}");
            }
            "payload" => {
                let payload = Payload::from_block(bytes.into()).unwrap();
                assert_eq!(payload.media_type(), vector["media_type"], "{name}");
                assert_eq!(data_encoding::HEXLOWER.encode(payload.value()), vector["value"], "{name}");
            }
            _ => {}
        }
    }
}

#[test]
fn what_a_reader_must_refuse_is_refused() {
    for vector in vectors("refused.json") {
        let kind = vector["kind"].as_str().unwrap();
        assert!(again(kind, &bytes(&vector)).is_err(), "{} was accepted: {}", vector["name"], vector["why"]);
    }
}
