//! What a presentation is made of, member by member as it stands in the file.
//!
//! Plain data: having one of these says nothing about whether it holds.

use crate::ranges::RangeSet;

/// An attestation with what its holder chose to disclose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presentation {
    /// The notary's, over the header.
    pub signature: Signature,
    /// What is signed.
    pub header: Header,
    /// What the header's root commits to.
    pub body: Body,
    /// That the body's fields are those of the root.
    pub proof: MerkleProof,
    /// Who the server was, if disclosed.
    pub identity: Option<Identity>,
    /// What was said, if disclosed.
    pub transcript: Option<TranscriptProof>,
}

/// A notary's signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// How it was made.
    pub algorithm: SignatureAlgorithm,
    /// `r || s`, and `v` for [`SignatureAlgorithm::Secp256k1Eth`].
    pub data: Vec<u8>,
}

/// How notaries sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureAlgorithm {
    /// Over SHA-256, low `s`.
    Secp256k1,
    /// Over SHA-256.
    Secp256r1,
    /// Over Keccak-256, with the byte that recovers the key.
    Secp256k1Eth,
}

/// What a notary signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The attestation's id, chosen at random.
    pub id: [u8; 16],
    /// Always 0.
    pub version: u32,
    /// Over the body's fields.
    pub root: TypedHash,
}

/// A digest and how it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TypedHash {
    /// How.
    pub algorithm: HashAlgorithm,
    /// All three algorithms make 32 bytes.
    pub value: [u8; 32],
}

/// How things are hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HashAlgorithm {
    /// SHA-256.
    Sha256,
    /// BLAKE3.
    Blake3,
    /// Keccak-256, with Keccak's own padding.
    Keccak256,
}

/// What a notary states, one leaf a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// The notary's key.
    pub verifying_key: Field<VerifyingKey>,
    /// When, and how much was said.
    pub connection: Field<ConnectionInfo>,
    /// The server's half of the key exchange.
    pub server_ephemeral_key: Field<EphemeralKey>,
    /// Hides who the server was: [`Identity`] opens it.
    pub certificate_commitment: Field<CertificateCommitment>,
    /// What the notary or the session's owner added.
    pub extensions: Vec<Field<Extension>>,
    /// Hide what was said: [`Opening`]s open them.
    pub commitments: Vec<Field<Commitment>>,
}

/// A leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field<T> {
    /// Its place among the leaves.
    pub id: u32,
    /// What it says.
    pub data: T,
}

/// A notary's public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyingKey {
    /// Its curve.
    pub algorithm: KeyAlgorithm,
    /// In SEC1.
    pub data: Vec<u8>,
}

/// Curves of notaries' keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyAlgorithm {
    /// secp256k1.
    K256,
    /// secp256r1.
    P256,
}

/// What the notary saw of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionInfo {
    /// When it began, in seconds since 1970.
    pub time: u64,
    /// TLS' version.
    pub version: TlsVersion,
    /// Bytes that were sent.
    pub sent: u32,
    /// Bytes that were received.
    pub received: u32,
}

/// Versions of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    /// 1.2.
    V12,
    /// 1.3.
    V13,
}

/// The server's half of the key exchange: an uncompressed point on secp256r1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EphemeralKey(pub [u8; 65]);

/// A hash of a [`CertificateOpening`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateCommitment(pub TypedHash);

/// Something added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// What it is.
    pub id: Vec<u8>,
    /// What it says.
    pub value: Vec<u8>,
}

/// A hash of bytes that were said, and a blinder after them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commitment {
    /// Who said them.
    pub direction: Direction,
    /// Where they stand.
    pub ranges: RangeSet,
    /// The hash.
    pub hash: TypedHash,
}

/// Who spoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// The client.
    Sent,
    /// The server.
    Received,
}

/// That the body's fields are those of the root. As all of them are disclosed, there is nothing in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MerkleProof {
    /// The root's.
    pub algorithm: HashAlgorithm,
    /// How many fields.
    pub leaf_count: u64,
    /// None.
    pub hashes: Vec<Vec<u8>>,
}

/// Who the server was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The name that its holder claims for it. No commitment covers it.
    pub name: String,
    /// What the certificate commitment hides.
    pub opening: CertificateOpening,
}

/// A server's certificates, and its signature over the key exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateOpening {
    /// In DER, the server's own first.
    pub certificates: Vec<Vec<u8>>,
    /// Made by the server's key.
    pub signature: HandshakeSignature,
    /// What it signed.
    pub binding: Binding,
    /// Keeps the commitment from being guessed.
    pub blinder: [u8; 16],
}

/// A server's signature over the key exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandshakeSignature {
    /// How it was made.
    pub algorithm: HandshakeAlgorithm,
    /// ECDSA's in DER.
    pub data: Vec<u8>,
}

/// How servers sign in TLS 1.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeAlgorithm {
    /// secp256r1 over SHA-256.
    EcdsaP256Sha256,
    /// secp256r1 over SHA-384.
    EcdsaP256Sha384,
    /// secp384r1 over SHA-256.
    EcdsaP384Sha256,
    /// secp384r1 over SHA-384.
    EcdsaP384Sha384,
    /// Ed25519.
    Ed25519,
    /// PKCS #1 v1.5 over SHA-256.
    RsaPkcs1Sha256,
    /// PKCS #1 v1.5 over SHA-384.
    RsaPkcs1Sha384,
    /// PKCS #1 v1.5 over SHA-512.
    RsaPkcs1Sha512,
    /// PSS over SHA-256.
    RsaPssSha256,
    /// PSS over SHA-384.
    RsaPssSha384,
    /// PSS over SHA-512.
    RsaPssSha512,
}

/// What binds the server's signature to the session: TLS 1.2's key exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// From the client's hello.
    pub client_random: [u8; 32],
    /// From the server's hello.
    pub server_random: [u8; 32],
    /// The server's half of the key exchange.
    pub server_ephemeral_key: EphemeralKey,
}

/// What was said, as far as it is disclosed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TranscriptProof {
    /// Disclosed bytes that were sent, the ranges one after the other.
    pub sent: Vec<u8>,
    /// Disclosed bytes that were received.
    pub received: Vec<u8>,
    /// Where the sent ones stand.
    pub sent_ranges: RangeSet,
    /// Where the received ones stand.
    pub received_ranges: RangeSet,
    /// Bytes that were sent, disclosed or not.
    pub sent_total: u64,
    /// Bytes that were received, disclosed or not.
    pub received_total: u64,
    /// That the disclosed bytes are those of the commitments.
    pub openings: Vec<Opening>,
}

/// Opens a [`Commitment`] over disclosed bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The commitment's.
    pub direction: Direction,
    /// The commitment's.
    pub ranges: RangeSet,
    /// The commitment's.
    pub algorithm: HashAlgorithm,
    /// Hashed after the bytes.
    pub blinder: [u8; 16],
}

impl std::fmt::Display for SignatureAlgorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            SignatureAlgorithm::Secp256k1 => "secp256k1",
            SignatureAlgorithm::Secp256r1 => "secp256r1",
            SignatureAlgorithm::Secp256k1Eth => "secp256k1eth",
        })
    }
}

impl std::fmt::Display for HashAlgorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            HashAlgorithm::Sha256 => "SHA-256",
            HashAlgorithm::Blake3 => "BLAKE3",
            HashAlgorithm::Keccak256 => "Keccak-256",
        })
    }
}

impl std::fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            TlsVersion::V12 => "1.2",
            TlsVersion::V13 => "1.3",
        })
    }
}
