//! How fields become leaves, and leaves the root.

use sha2::{Digest as _, Sha256};
use sha3::Keccak256;

use crate::{
    encode::Layout,
    presentation::*,
    wire::{Wire, Writer},
};

/// A digest.
pub type Hash = [u8; 32];

/// Hashes parts as if they were one.
pub fn hash(algorithm: HashAlgorithm, parts: &[&[u8]]) -> Hash {
    match algorithm {
        HashAlgorithm::Sha256 => {
            let mut hasher = Sha256::new();
            parts.iter().for_each(|part| hasher.update(part));
            hasher.finalize().into()
        }
        HashAlgorithm::Keccak256 => {
            let mut hasher = Keccak256::new();
            parts.iter().for_each(|part| hasher.update(part));
            hasher.finalize().into()
        }
        HashAlgorithm::Blake3 => {
            let mut hasher = blake3::Hasher::new();
            parts.iter().for_each(|part| {
                hasher.update(part);
            });
            hasher.finalize().into()
        }
    }
}

/// What is hashed under the name of its type, so that one kind of field is never taken for another.
pub(crate) trait Named: Wire {
    /// The name in alpha.15.
    const NAME: &'static str;
}

macro_rules! names {
    ($($name:ident = $text:literal)+) => {$(
        impl Named for $name {
            const NAME: &'static str = $text;
        }
    )+};
}

names! {
    VerifyingKey = "VerifyingKey"
    ConnectionInfo = "tlsn_core::connection::ConnectionInfo"
    EphemeralKey = "tlsn_core::connection::ServerEphemKey"
    CertificateCommitment = "ServerCertCommitment"
    Extension = "Extension"
    Commitment = "tlsn_core::transcript::TranscriptCommitment"
    CertificateOpening = "ServerCertOpening"
}

fn named_hash<T: Named>(algorithm: HashAlgorithm, value: &T, layout: Layout) -> Hash {
    let name = match layout {
        Layout::Alpha15 => T::NAME,
        Layout::Alpha12 => T::NAME.rsplit("::").next().unwrap_or(T::NAME),
    };
    let mut writer = Writer::hash(layout);
    value.write(&mut writer);
    // The name's hash is always BLAKE3, whatever hashes the field.
    hash(algorithm, &[&blake3::hash(name.as_bytes()).as_bytes()[..16], &writer.finish()])
}

/// What a certificate commitment holds.
pub fn certificate_commitment(algorithm: HashAlgorithm, opening: &CertificateOpening, layout: Layout) -> TypedHash {
    TypedHash { algorithm, value: named_hash(algorithm, opening, layout) }
}

/// The root over a body's fields, in the order in which they stand.
pub fn root(algorithm: HashAlgorithm, body: &Body, layout: Layout) -> TypedHash {
    let mut leaves = vec![
        named_hash(algorithm, &body.verifying_key.data, layout),
        named_hash(algorithm, &body.connection.data, layout),
        named_hash(algorithm, &body.server_ephemeral_key.data, layout),
        named_hash(algorithm, &body.certificate_commitment.data, layout),
    ];
    leaves.extend(body.extensions.iter().map(|field| named_hash(algorithm, &field.data, layout)));
    leaves.extend(body.commitments.iter().map(|field| named_hash(algorithm, &field.data, layout)));
    TypedHash { algorithm, value: tree(algorithm, leaves) }
}

/// Pairs from the left; what has no partner moves up as it is.
fn tree(algorithm: HashAlgorithm, mut level: Vec<Hash>) -> Hash {
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => hash(algorithm, &[left, right]),
                alone => alone[0],
            })
            .collect();
    }
    level[0]
}

/// What a notary signs.
pub fn signed_message(header: &Header) -> Vec<u8> {
    let mut writer = Writer::hash(Layout::Alpha15);
    header.write(&mut writer);
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers: the digests of nothing.
    #[test]
    fn each_algorithm_is_what_its_name_says() {
        for (algorithm, empty) in [
            (HashAlgorithm::Sha256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (HashAlgorithm::Blake3, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"),
            (HashAlgorithm::Keccak256, "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
        ] {
            assert_eq!(data_encoding::HEXLOWER.encode(&hash(algorithm, &[])), empty);
            assert_eq!(hash(algorithm, &[b"a", b"", b"bc"]), hash(algorithm, &[b"abc"]));
        }
    }
}
