//! A notary's signature over its header.

use k256::ecdsa::signature::hazmat::PrehashVerifier as _;

use super::{NotaryKey, Rejected};
use crate::{
    hashing::hash,
    presentation::{HashAlgorithm, KeyAlgorithm, Signature, SignatureAlgorithm},
};

pub(super) fn check(key: &NotaryKey, signature: &Signature, message: &[u8]) -> Result<(), Rejected> {
    let data = &signature.data[..];
    match (key.algorithm(), signature.algorithm) {
        (KeyAlgorithm::K256, SignatureAlgorithm::Secp256k1) => {
            has_length(data, 64)?;
            secp256k1(key, data, &hash(HashAlgorithm::Sha256, &[message])).map(|_| ())
        }
        (KeyAlgorithm::K256, SignatureAlgorithm::Secp256k1Eth) => {
            has_length(data, 65)?;
            eth(key, data, &hash(HashAlgorithm::Keccak256, &[message]))
        }
        (KeyAlgorithm::P256, SignatureAlgorithm::Secp256r1) => {
            has_length(data, 64)?;
            secp256r1(key, data, &hash(HashAlgorithm::Sha256, &[message])).ok_or(Rejected::Signature)
        }
        _ => Err(Rejected::SignatureAlgorithm),
    }
}

fn has_length(data: &[u8], expected: usize) -> Result<(), Rejected> {
    if data.len() == expected { Ok(()) } else { Err(Rejected::SignatureLength { found: data.len(), expected }) }
}

/// Only the low form counts: the other one is the same signature for anybody who changes it.
fn secp256k1(key: &NotaryKey, data: &[u8], digest: &[u8]) -> Result<k256::ecdsa::Signature, Rejected> {
    let signature = k256::ecdsa::Signature::from_slice(data).map_err(|_| Rejected::Signature)?;
    if signature.normalize_s() != signature {
        return Err(Rejected::SignatureNotNormalised);
    }
    let key = k256::ecdsa::VerifyingKey::from_sec1_bytes(key.as_bytes()).map_err(|_| Rejected::Signature)?;
    key.verify_prehash(digest, &signature).map_err(|_| Rejected::Signature)?;
    Ok(signature)
}

/// Ethereum's form: a byte more, 27 or 28, from which the key can be recovered. It has to be the right one, or one
/// attestation could be written in two ways.
fn eth(key: &NotaryKey, data: &[u8], digest: &[u8]) -> Result<(), Rejected> {
    let signature = secp256k1(key, &data[..64], digest)?;
    let recovery = data[64].checked_sub(27).filter(|id| *id <= 1).and_then(k256::ecdsa::RecoveryId::from_byte);
    let recovered = recovery
        .and_then(|recovery| k256::ecdsa::VerifyingKey::recover_from_prehash(digest, &signature, recovery).ok());
    let is_same = recovered.is_some_and(|recovered| recovered.to_sec1_point(true).as_bytes() == key.as_bytes());
    if is_same { Ok(()) } else { Err(Rejected::SignatureRecovery) }
}

/// Either form counts: genuine notaries do not choose.
fn secp256r1(key: &NotaryKey, data: &[u8], digest: &[u8]) -> Option<()> {
    let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(key.as_bytes()).ok()?;
    key.verify_prehash(digest, &p256::ecdsa::Signature::from_slice(data).ok()?).ok()
}
