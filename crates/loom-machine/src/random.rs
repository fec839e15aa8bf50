//! Randomness for guests: derived from the turn's journaled seed, so replay and re-execution agree.
//!
//! Block `i` for step `n` is `SHA-256("loom.random.v1" ‖ seed ‖ n as u32 BE ‖ i as u32 BE)`.

use sha2::{Digest, Sha256};

/// `length` bytes for step `n`.
pub(crate) fn bytes(seed: &[u8], n: u32, length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 32);
    for block in 0u32.. {
        if bytes.len() >= length {
            break;
        }
        let mut hash = Sha256::new();
        hash.update(b"loom.random.v1");
        hash.update(seed);
        hash.update(n.to_be_bytes());
        hash.update(block.to_be_bytes());
        bytes.extend_from_slice(&hash.finalize());
    }
    bytes.truncate(length);
    bytes
}

/// A version 4 UUID (RFC 9562) for step `n`.
pub(crate) fn uuid(seed: &[u8], n: u32) -> String {
    let mut raw = bytes(seed, n, 16);
    raw[6] = (raw[6] & 0x0f) | 0x40;
    raw[8] = (raw[8] & 0x3f) | 0x80;
    let hex = data_encoding::HEXLOWER.encode(&raw);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    /// The vectors of `docs/formats/vectors/derived.json`.
    #[test]
    fn a_seed_and_a_step_give_the_documented_bytes() {
        let path = std::path::PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"))
            .join("../../docs/formats/vectors/derived.json");
        let vectors: Vec<serde_json::Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        assert!(vectors.len() > 1);
        for vector in vectors {
            let seed = data_encoding::HEXLOWER.decode(vector["seed"].as_str().unwrap().as_bytes()).unwrap();
            let n = vector["n"].as_u64().unwrap() as u32;
            let result = match vector["kind"].as_str().unwrap() {
                "uuid" => super::uuid(&seed, n),
                _ => {
                    data_encoding::HEXLOWER.encode(&super::bytes(&seed, n, vector["bytes"].as_u64().unwrap() as usize))
                }
            };
            assert_eq!(result, vector["result"], "{vector}");
        }
    }
}
