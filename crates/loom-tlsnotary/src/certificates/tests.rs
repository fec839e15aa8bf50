use data_encoding::BASE64;
use serde_json::Value;

use super::*;

fn vectors() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/signatures.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn part(vector: &Value, name: &str) -> Vec<u8> {
    BASE64.decode(vector[name].as_str().unwrap().as_bytes()).unwrap()
}

/// OpenSSL made each in the order of the format's numbers; no algorithm takes another's, or a changed one.
#[test]
fn each_algorithm_accepts_its_own_signature_alone() {
    let vectors = vectors();
    let message = vectors["message"].as_str().unwrap().as_bytes();
    let accepted = vectors["accepted"].as_array().unwrap();
    assert_eq!(accepted.len(), ALGORITHMS.len());
    for (place, vector) in accepted.iter().enumerate() {
        let (key, signature) = (part(vector, "key"), part(vector, "signature"));
        for (other, algorithm) in ALGORITHMS.iter().enumerate() {
            let is_accepted = algorithm.verify_signature(&key, message, &signature).is_ok();
            assert_eq!(is_accepted, place == other, "{} by algorithm {other}", vector["algorithm"]);
        }
        let algorithm = ALGORITHMS[place];
        assert!(algorithm.verify_signature(&key, b"another message", &signature).is_err());
        for at in 0..signature.len() {
            let mut changed = signature.clone();
            changed[at] ^= 1;
            assert!(algorithm.verify_signature(&key, message, &changed).is_err(), "{} at {at}", vector["algorithm"]);
        }
    }
}

#[test]
fn keys_and_salts_that_are_too_short_do_not_count() {
    let vectors = vectors();
    let message = vectors["message"].as_str().unwrap().as_bytes();
    for vector in vectors["rejected"].as_array().unwrap() {
        let known = vectors["accepted"].as_array().unwrap();
        let place = known.iter().position(|known| known["algorithm"] == vector["algorithm"]).unwrap();
        let result = ALGORITHMS[place].verify_signature(&part(vector, "key"), message, &part(vector, "signature"));
        assert!(result.is_err(), "{}", vector["why"]);
    }
}
