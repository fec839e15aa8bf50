//! What its reader trusts and wants of a presentation: all of it comes from the caller.

use rustls_pki_types::{CertificateDer, TrustAnchor};

use super::Rejected;
use crate::presentation::{KeyAlgorithm, VerifyingKey};

/// What a reader trusts and wants.
#[derive(Clone, Copy, Debug)]
pub struct Policy<'a> {
    /// Whose word counts. Without any, nothing does.
    pub notary_keys: &'a [NotaryKey],
    /// Which authorities' certificates count.
    pub roots: &'a Roots,
    /// Which servers are wanted. With none, any will do, and so will one that is not disclosed.
    pub server_names: &'a [String],
    /// When the session may have been.
    pub time: TimeWindow,
}

impl Policy<'_> {
    pub(super) fn check_time(&self, time: u64) -> Result<(), Rejected> {
        let TimeWindow { not_before, not_after } = self.time;
        if time < not_before {
            return Err(Rejected::TooOld { time, not_before });
        }
        if time > not_after {
            return Err(Rejected::TooNew { time, not_after });
        }
        Ok(())
    }

    pub(super) fn check_name(&self, name: Option<&str>) -> Result<(), Rejected> {
        match name {
            _ if self.server_names.is_empty() => Ok(()),
            None => Err(Rejected::NameMissing),
            Some(name) if self.server_names.iter().any(|wanted| wanted.eq_ignore_ascii_case(name)) => Ok(()),
            Some(name) => Err(Rejected::NameUnexpected { name: name.to_owned() }),
        }
    }
}

/// From one time to another, both included, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeWindow {
    /// The first that counts.
    pub not_before: u64,
    /// The last that counts.
    pub not_after: u64,
}

impl TimeWindow {
    /// Any time.
    pub const ANY: Self = Self { not_before: 0, not_after: u64::MAX };
}

/// A notary's public key. One key has one value, however its point is written.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NotaryKey(Kind);

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kind {
    /// A compressed point.
    K256([u8; 33]),
    /// An uncompressed point.
    P256([u8; 65]),
}

/// Why something is no notary's key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNotaryKey {
    /// It is not in hexadecimal digits.
    #[error("a key is an even number of hex digits")]
    Hex,
    /// It is on neither curve.
    #[error("not a point on secp256k1 or secp256r1, in SEC1's form")]
    Point,
}

impl NotaryKey {
    /// Reads a key on secp256k1.
    pub fn k256(sec1: &[u8]) -> Result<Self, InvalidNotaryKey> {
        let key = k256::ecdsa::VerifyingKey::from_sec1_bytes(sec1).map_err(|_| InvalidNotaryKey::Point)?;
        let point = key.to_sec1_point(true);
        Ok(Self(Kind::K256(point.as_bytes().try_into().map_err(|_| InvalidNotaryKey::Point)?)))
    }

    /// Reads a key on secp256r1.
    pub fn p256(sec1: &[u8]) -> Result<Self, InvalidNotaryKey> {
        let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(sec1).map_err(|_| InvalidNotaryKey::Point)?;
        let point = key.to_sec1_point(false);
        Ok(Self(Kind::P256(point.as_bytes().try_into().map_err(|_| InvalidNotaryKey::Point)?)))
    }

    pub(super) fn of(key: &VerifyingKey) -> Result<Self, InvalidNotaryKey> {
        match key.algorithm {
            KeyAlgorithm::K256 => Self::k256(&key.data),
            KeyAlgorithm::P256 => Self::p256(&key.data),
        }
    }

    /// Its curve.
    pub fn algorithm(&self) -> KeyAlgorithm {
        match self.0 {
            Kind::K256(_) => KeyAlgorithm::K256,
            Kind::P256(_) => KeyAlgorithm::P256,
        }
    }

    /// The key as a body has it: compressed on secp256k1, uncompressed on secp256r1.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Kind::K256(point) => point,
            Kind::P256(point) => point,
        }
    }
}

/// All forms of a key that could be read from these digits: a compressed point does not say on which curve it is.
impl NotaryKey {
    /// Reads hexadecimal digits. A point is on one of the two curves, or by chance on both; then both keys are meant.
    pub fn from_hex(text: &str) -> Result<Vec<Self>, InvalidNotaryKey> {
        let bytes = base16ct::mixed::decode_vec(text).map_err(|_| InvalidNotaryKey::Hex)?;
        let keys: Vec<_> = [Self::k256(&bytes), Self::p256(&bytes)].into_iter().flatten().collect();
        if keys.is_empty() { Err(InvalidNotaryKey::Point) } else { Ok(keys) }
    }
}

impl std::fmt::Display for NotaryKey {
    /// In lower-case hexadecimal digits.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&base16ct::lower::encode_string(self.as_bytes()))
    }
}

impl std::fmt::Debug for NotaryKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// Authorities whose certificates count.
#[derive(Clone, Debug, Default)]
pub struct Roots(Vec<TrustAnchor<'static>>);

/// A root that is no certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a root certificate: {0}")]
pub struct InvalidRoot(String);

impl Roots {
    /// None: no server's name can be verified.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds a certificate in DER.
    pub fn add(&mut self, der: &[u8]) -> Result<(), InvalidRoot> {
        let certificate = CertificateDer::from(der);
        let anchor = webpki::anchor_from_trusted_cert(&certificate).map_err(|error| InvalidRoot(error.to_string()))?;
        self.0.push(anchor.to_owned());
        Ok(())
    }

    /// Adds what counts of an authority: contents of its certificate's fields.
    pub fn add_anchor(&mut self, subject: Vec<u8>, public_key_info: Vec<u8>, name_constraints: Option<Vec<u8>>) {
        self.0.push(TrustAnchor {
            subject: subject.into(),
            subject_public_key_info: public_key_info.into(),
            name_constraints: name_constraints.map(Into::into),
        });
    }

    /// All certificates of a file: see [`certificates_of`].
    pub fn add_file(&mut self, bytes: &[u8]) -> Result<(), InvalidRoot> {
        certificates_of(bytes)?.iter().try_for_each(|der| self.add(der))
    }

    pub(super) fn as_slice(&self) -> &[TrustAnchor<'static>] {
        &self.0
    }
}

impl FromIterator<TrustAnchor<'static>> for Roots {
    fn from_iter<T: IntoIterator<Item = TrustAnchor<'static>>>(anchors: T) -> Self {
        Self(anchors.into_iter().collect())
    }
}

/// The certificates of a file, which is in PEM or a single one in DER. They are looked at when they are trusted.
pub fn certificates_of(bytes: &[u8]) -> Result<Vec<Vec<u8>>, InvalidRoot> {
    use rustls_pki_types::pem::PemObject as _;
    if !contains(bytes, b"-----BEGIN CERTIFICATE-----") {
        return Ok(vec![bytes.to_vec()]);
    }
    let certificates = CertificateDer::pem_slice_iter(bytes).map(|certificate| Ok(certificate?.to_vec()));
    let certificates: Result<_, rustls_pki_types::pem::Error> = certificates.collect();
    certificates.map_err(|error| InvalidRoot(error.to_string()))
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}
