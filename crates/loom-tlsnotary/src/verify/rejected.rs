//! Why a presentation does not count.

use super::policy::InvalidNotaryKey;
use crate::{
    decode::Malformed,
    limits::{FIELDS_MAX, OPENED_BYTES_MAX, TRANSCRIPT_BYTES_MAX},
};

/// Why a presentation does not count, in the order in which it is looked at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejected {
    /// The bytes are no presentation.
    #[error("not a presentation of 0.1.0-alpha.15: {0}")]
    Malformed(#[from] Malformed),
    /// A header of another kind.
    #[error("the header says version {found}; 0 is known")]
    Version {
        /// What it says.
        found: u32,
    },
    /// Fields are numbered by their places.
    #[error("field {place} has the id {found}")]
    FieldId {
        /// Its place.
        place: u32,
        /// Its id.
        found: u32,
    },
    /// All fields are leaves.
    #[error("the proof is over {found} leaves, the body has {expected} fields")]
    LeafCount {
        /// How many fields there are.
        expected: u32,
        /// What the proof says.
        found: u64,
    },
    /// More fields than are hashed.
    #[error("the body has more than {FIELDS_MAX} fields")]
    TooManyFields,
    /// All fields are disclosed.
    #[error("the proof has {count} hashes of fields that are not there; all fields have to be")]
    ProofHashes {
        /// How many.
        count: usize,
    },
    /// One tree has one algorithm.
    #[error("the proof has another hash algorithm than the root")]
    ProofAlgorithm,
    /// A field was changed, or the root.
    #[error("the fields do not hash to the root that is signed")]
    Root,
    /// The key in the body is none.
    #[error("the notary's key: {0}")]
    NotaryKey(#[from] InvalidNotaryKey),
    /// A key signs in one way only.
    #[error("the signature is not of the kind that the notary's key makes")]
    SignatureAlgorithm,
    /// A signature of another length.
    #[error("the signature has {found} bytes, not {expected}")]
    SignatureLength {
        /// What it has.
        found: usize,
        /// What it must have.
        expected: usize,
    },
    /// secp256k1's other form of the same signature.
    #[error("the signature is not in its low form")]
    SignatureNotNormalised,
    /// Somebody else signed, or something else.
    #[error("the notary's key did not make the signature")]
    Signature,
    /// The byte that recovers the key recovers another.
    #[error("the signature's recovery byte does not give the notary's key")]
    SignatureRecovery,
    /// Nobody trusts this notary.
    #[error("notary {key} is not among the trusted ones")]
    NotaryUntrusted {
        /// Its key.
        key: String,
    },
    /// The opening is of other certificates, or of another session.
    #[error("the server's certificates are not those that the notary committed to")]
    CertificateCommitment,
    /// The identity is of another session.
    #[error("the server's certificates are bound to another key exchange")]
    EphemeralKey,
    /// There is no identity for TLS 1.3 in this format.
    #[error("the connection was TLS 1.3, the server's identity is of TLS 1.2")]
    TlsVersion,
    /// A name that cannot be one.
    #[error("{name:?} is no server name")]
    NameInvalid {
        /// What it says.
        name: String,
    },
    /// There is no certificate.
    #[error("the server showed no certificate")]
    NoCertificate,
    /// A certificate that is none, has expired, or leads to no trusted root.
    #[error("the server's certificate does not count: {problem}")]
    Certificate {
        /// Why, in webpki's words.
        problem: String,
    },
    /// A certificate of another server.
    #[error("the server's certificate is not for {name}")]
    NameNotCovered {
        /// The name.
        name: String,
    },
    /// The certificate's owner did not take part in the session.
    #[error("the certificate's key did not sign this key exchange")]
    HandshakeSignature,
    /// Disclosed bytes and where they stand do not fit.
    #[error("{found} bytes that were {direction} are disclosed, their ranges have {expected}")]
    DisclosedLength {
        /// `sent` or `received`.
        direction: &'static str,
        /// What the ranges have.
        expected: u64,
        /// What there is.
        found: usize,
    },
    /// Bytes from outside the transcript.
    #[error("bytes up to {end} are disclosed, {total} were {direction}")]
    OutOfBounds {
        /// `sent` or `received`.
        direction: &'static str,
        /// Where they end.
        end: u64,
        /// How much was said.
        total: u64,
    },
    /// The notary counted otherwise.
    #[error("{found} bytes are said to be {direction}, the notary saw {expected}")]
    Total {
        /// `sent` or `received`.
        direction: &'static str,
        /// What the notary saw.
        expected: u32,
        /// What the proof says.
        found: u64,
    },
    /// More than is looked at.
    #[error("the transcript has more than {TRANSCRIPT_BYTES_MAX} bytes")]
    TranscriptTooLarge,
    /// One commitment is opened once.
    #[error("opening {place} stands there twice")]
    OpeningRepeated {
        /// Its place.
        place: usize,
    },
    /// It opens bytes that are not disclosed.
    #[error("opening {place} is over bytes that are not disclosed")]
    OpeningUndisclosed {
        /// Its place.
        place: usize,
    },
    /// The text, the blinder or the commitment was changed.
    #[error("opening {place} opens none of the notary's commitments")]
    OpeningUncommitted {
        /// Its place.
        place: usize,
    },
    /// Overlapping openings of more than is hashed.
    #[error("the openings are over more than {OPENED_BYTES_MAX} bytes together")]
    OpenedTooMuch,
    /// Disclosed bytes that nothing vouches for.
    #[error("bytes that were {direction} are disclosed without an opening")]
    Uncommitted {
        /// `sent` or `received`.
        direction: &'static str,
    },
    /// Before the time that the policy allows.
    #[error("it is of {time}, before {not_before}")]
    TooOld {
        /// The attestation's.
        time: u64,
        /// The policy's.
        not_before: u64,
    },
    /// After the time that the policy allows.
    #[error("it is of {time}, after {not_after}")]
    TooNew {
        /// The attestation's.
        time: u64,
        /// The policy's.
        not_after: u64,
    },
    /// The policy wants to know the server.
    #[error("it does not disclose who the server was")]
    NameMissing,
    /// The policy wants another server.
    #[error("it is of {name}, which is not among the expected servers")]
    NameUnexpected {
        /// The name.
        name: String,
    },
}

impl Rejected {
    /// A word that stays the same.
    pub fn code(&self) -> &'static str {
        match self {
            Rejected::Malformed(_) => "malformed",
            Rejected::Version { .. } => "version",
            Rejected::FieldId { .. } => "field-id",
            Rejected::LeafCount { .. } => "leaf-count",
            Rejected::TooManyFields => "too-many-fields",
            Rejected::ProofHashes { .. } => "proof-hashes",
            Rejected::ProofAlgorithm => "proof-algorithm",
            Rejected::Root => "root",
            Rejected::NotaryKey(_) => "notary-key",
            Rejected::SignatureAlgorithm => "signature-algorithm",
            Rejected::SignatureLength { .. } => "signature-length",
            Rejected::SignatureNotNormalised => "signature-not-normalised",
            Rejected::Signature => "signature",
            Rejected::SignatureRecovery => "signature-recovery",
            Rejected::NotaryUntrusted { .. } => "notary-untrusted",
            Rejected::CertificateCommitment => "certificate-commitment",
            Rejected::EphemeralKey => "ephemeral-key",
            Rejected::TlsVersion => "tls-version",
            Rejected::NameInvalid { .. } => "name-invalid",
            Rejected::NoCertificate => "no-certificate",
            Rejected::Certificate { .. } => "certificate",
            Rejected::NameNotCovered { .. } => "name-not-covered",
            Rejected::HandshakeSignature => "handshake-signature",
            Rejected::DisclosedLength { .. } => "disclosed-length",
            Rejected::OutOfBounds { .. } => "out-of-bounds",
            Rejected::Total { .. } => "total",
            Rejected::TranscriptTooLarge => "transcript-too-large",
            Rejected::OpeningRepeated { .. } => "opening-repeated",
            Rejected::OpeningUndisclosed { .. } => "opening-undisclosed",
            Rejected::OpeningUncommitted { .. } => "opening-uncommitted",
            Rejected::OpenedTooMuch => "opened-too-much",
            Rejected::Uncommitted { .. } => "uncommitted",
            Rejected::TooOld { .. } => "too-old",
            Rejected::TooNew { .. } => "too-new",
            Rejected::NameMissing => "name-missing",
            Rejected::NameUnexpected { .. } => "name-unexpected",
        }
    }
}
