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
    #[test]
    fn a_seed_and_a_step_give_the_same_bytes_for_ever() {
        let bytes = super::bytes(&[7; 32], 3, 40);
        assert_eq!(bytes.len(), 40);
        assert_eq!(bytes, super::bytes(&[7; 32], 3, 40));
        assert_eq!(bytes[..8], super::bytes(&[7; 32], 3, 8));
        assert_ne!(bytes, super::bytes(&[7; 32], 4, 40));
        expect_test::expect!["167d83d1-d2a8-474d-9e77-e6efdc8f3436"].assert_eq(&super::uuid(&[7; 32], 0));
    }
}
