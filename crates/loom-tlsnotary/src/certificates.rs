//! The signature algorithms that webpki checks certificates and handshakes with, on RustCrypto: no C, no assembler, the
//! same in WebAssembly.

use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use rsa::{PublicKey, pkcs1::DecodeRsaPublicKey as _};
use rustls_pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id};
use sha2::{Digest, Sha256, Sha384, Sha512};
use webpki::EndEntityCert;

use crate::presentation::HandshakeAlgorithm;

/// RSA keys that count, in bits.
const RSA_BITS: std::ops::RangeInclusive<u32> = 2048..=8192;

/// What certificates may be signed with.
pub(crate) const ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[
    &Ecdsa::P256_SHA256,
    &Ecdsa::P256_SHA384,
    &Ecdsa::P384_SHA256,
    &Ecdsa::P384_SHA384,
    &Ed25519,
    &Rsa::PKCS1_SHA256,
    &Rsa::PKCS1_SHA384,
    &Rsa::PKCS1_SHA512,
    &Rsa::PSS_SHA256,
    &Rsa::PSS_SHA384,
    &Rsa::PSS_SHA512,
];

/// Whether the certificate's key made this signature in a handshake.
pub(crate) fn has_signed(
    certificate: &EndEntityCert<'_>,
    algorithm: HandshakeAlgorithm,
    message: &[u8],
    signature: &[u8],
) -> bool {
    // Their order is that of the format's numbers.
    let algorithm = ALGORITHMS[algorithm as usize];
    certificate.verify_signature(algorithm, message, signature).is_ok()
}

/// How a message is hashed.
#[derive(Clone, Copy, Debug)]
enum Hashed {
    Sha256,
    Sha384,
    Sha512,
}

impl Hashed {
    fn digest(self, message: &[u8]) -> Vec<u8> {
        match self {
            Hashed::Sha256 => Sha256::digest(message).to_vec(),
            Hashed::Sha384 => Sha384::digest(message).to_vec(),
            Hashed::Sha512 => Sha512::digest(message).to_vec(),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Curve {
    P256,
    P384,
}

#[derive(Debug)]
struct Ecdsa {
    curve: Curve,
    hashed: Hashed,
}

impl Ecdsa {
    const P256_SHA256: Self = Self { curve: Curve::P256, hashed: Hashed::Sha256 };
    const P256_SHA384: Self = Self { curve: Curve::P256, hashed: Hashed::Sha384 };
    const P384_SHA256: Self = Self { curve: Curve::P384, hashed: Hashed::Sha256 };
    const P384_SHA384: Self = Self { curve: Curve::P384, hashed: Hashed::Sha384 };

    fn check(&self, key: &[u8], digest: &[u8], signature: &[u8]) -> Option<()> {
        match self.curve {
            Curve::P256 => {
                let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(key).ok()?;
                key.verify_prehash(digest, &p256::ecdsa::Signature::from_der(signature).ok()?).ok()
            }
            Curve::P384 => {
                let key = p384::ecdsa::VerifyingKey::from_sec1_bytes(key).ok()?;
                key.verify_prehash(digest, &p384::ecdsa::Signature::from_der(signature).ok()?).ok()
            }
        }
    }
}

impl SignatureVerificationAlgorithm for Ecdsa {
    fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        self.check(key, &self.hashed.digest(message), signature).ok_or(InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        match self.curve {
            Curve::P256 => alg_id::ECDSA_P256,
            Curve::P384 => alg_id::ECDSA_P384,
        }
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        match self.hashed {
            Hashed::Sha256 => alg_id::ECDSA_SHA256,
            Hashed::Sha384 => alg_id::ECDSA_SHA384,
            Hashed::Sha512 => alg_id::ECDSA_SHA512,
        }
    }
}

#[derive(Debug)]
struct Ed25519;

impl Ed25519 {
    fn check(key: &[u8], message: &[u8], signature: &[u8]) -> Option<()> {
        let key = ed25519_dalek::VerifyingKey::from_bytes(key.try_into().ok()?).ok()?;
        key.verify_strict(message, &ed25519_dalek::Signature::from_slice(signature).ok()?).ok()
    }
}

impl SignatureVerificationAlgorithm for Ed25519 {
    fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        Self::check(key, message, signature).ok_or(InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ED25519
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ED25519
    }
}

#[derive(Debug)]
struct Rsa {
    is_pss: bool,
    hashed: Hashed,
}

impl Rsa {
    const PKCS1_SHA256: Self = Self { is_pss: false, hashed: Hashed::Sha256 };
    const PKCS1_SHA384: Self = Self { is_pss: false, hashed: Hashed::Sha384 };
    const PKCS1_SHA512: Self = Self { is_pss: false, hashed: Hashed::Sha512 };
    const PSS_SHA256: Self = Self { is_pss: true, hashed: Hashed::Sha256 };
    const PSS_SHA384: Self = Self { is_pss: true, hashed: Hashed::Sha384 };
    const PSS_SHA512: Self = Self { is_pss: true, hashed: Hashed::Sha512 };

    fn check(&self, key: &[u8], digest: &[u8], signature: &[u8]) -> Option<()> {
        let key = public_key(key)?;
        match (self.is_pss, self.hashed) {
            (false, Hashed::Sha256) => pkcs1::<Sha256>(key, digest, signature),
            (false, Hashed::Sha384) => pkcs1::<Sha384>(key, digest, signature),
            (false, Hashed::Sha512) => pkcs1::<Sha512>(key, digest, signature),
            (true, Hashed::Sha256) => pss::<Sha256>(key, digest, signature),
            (true, Hashed::Sha384) => pss::<Sha384>(key, digest, signature),
            (true, Hashed::Sha512) => pss::<Sha512>(key, digest, signature),
        }
    }
}

fn public_key(der: &[u8]) -> Option<PublicKey> {
    use rsa::traits::PublicKeyParts as _;
    let key = PublicKey::from_pkcs1_der(der).ok()?;
    RSA_BITS.contains(&key.n().bit_width()).then_some(key)
}

fn pkcs1<D>(key: PublicKey, digest: &[u8], signature: &[u8]) -> Option<()>
where
    D: Digest + rsa::pkcs8::AssociatedOid,
{
    let signature = rsa::pkcs1v15::Signature::try_from(signature).ok()?;
    rsa::pkcs1v15::VerifyingKey::<D>::new(key).verify_prehash(digest, &signature).ok()
}

/// With a salt as long as the digest, as TLS has it.
fn pss<D>(key: PublicKey, digest: &[u8], signature: &[u8]) -> Option<()>
where
    D: Digest + sha2::digest::FixedOutputReset,
{
    let signature = rsa::pss::Signature::try_from(signature).ok()?;
    rsa::pss::VerifyingKey::<D>::new(key).verify_prehash(digest, &signature).ok()
}

impl SignatureVerificationAlgorithm for Rsa {
    fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        self.check(key, &self.hashed.digest(message), signature).ok_or(InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::RSA_ENCRYPTION
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        match (self.is_pss, self.hashed) {
            (false, Hashed::Sha256) => alg_id::RSA_PKCS1_SHA256,
            (false, Hashed::Sha384) => alg_id::RSA_PKCS1_SHA384,
            (false, Hashed::Sha512) => alg_id::RSA_PKCS1_SHA512,
            (true, Hashed::Sha256) => alg_id::RSA_PSS_SHA256,
            (true, Hashed::Sha384) => alg_id::RSA_PSS_SHA384,
            (true, Hashed::Sha512) => alg_id::RSA_PSS_SHA512,
        }
    }
}

#[cfg(test)]
mod tests;
