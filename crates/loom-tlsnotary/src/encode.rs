//! How each part of a presentation is written and read: one description, from which the file and what is hashed follow.

use crate::{
    limits::{
        CERTIFICATES_MAX, DIGEST_BYTES_MAX, FIELDS_MAX, NAME_BYTES_MAX, OPENINGS_MAX, PRESENTATION_BYTES_MAX,
        RANGES_MAX,
    },
    presentation::*,
    ranges::RangeSet,
    wire::{Element, Malformed, Problem, Reader, Wire, Writer, members},
};

/// Which release's bytes are written. The format has no number of its own that would change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// 0.1.0-alpha.15, which is also read.
    #[default]
    Alpha15,
    /// 0.1.0-alpha.12, for verifiers of that release.
    Alpha12,
}

/// A presentation's file.
pub fn encode(presentation: &Presentation) -> Vec<u8> {
    encode_with(presentation, Layout::Alpha15)
}

/// A presentation's file as a certain release has it. What was hashed and signed has to be of the same one.
pub fn encode_with(presentation: &Presentation, layout: Layout) -> Vec<u8> {
    let mut writer = Writer::file(layout);
    presentation.write(&mut writer);
    writer.finish()
}

members! {
    Presentation { signature, header, body, proof, identity, transcript }
    Header { id, version, root }
    Body { verifying_key, connection, server_ephemeral_key, certificate_commitment, extensions, commitments }
    ConnectionInfo { time, version, sent, received }
    Opening { direction, ranges, algorithm, blinder }
    CertificateOpening { certificates, signature, binding, blinder }
}

impl<T: Wire> Wire for Field<T> {
    fn write(&self, writer: &mut Writer) {
        self.id.write(writer);
        self.data.write(writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { id: Wire::read(reader)?, data: Wire::read(reader)? })
    }
}

/// Variants by number: of a byte (algorithms, which upstream keeps open) or of a tag.
macro_rules! variants {
    ($($name:ident as $kind:ident $what:literal { $($variant:ident = $tag:literal),+ })+) => {$(
        impl Wire for $name {
            fn write(&self, writer: &mut Writer) {
                let tag = match self { $($name::$variant => $tag),+ };
                variants!(@write $kind writer tag);
            }

            fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
                match variants!(@read $kind reader $what) {
                    $($tag => Ok($name::$variant),)+
                    tag => reader.fail(Problem::Unknown { what: $what, tag: u64::from(tag) }),
                }
            }
        }
    )+};
    (@write byte $writer:ident $tag:ident) => { $writer.raw(&[$tag]) };
    (@write tag $writer:ident $tag:ident) => { $writer.variant($tag) };
    (@read byte $reader:ident $what:literal) => { $reader.u8($what)? };
    (@read tag $reader:ident $what:literal) => { $reader.u32($what)? };
}

variants! {
    SignatureAlgorithm as byte "signature algorithm" { Secp256k1 = 1, Secp256r1 = 2, Secp256k1Eth = 3 }
    HashAlgorithm as byte "hash algorithm" { Sha256 = 1, Blake3 = 2, Keccak256 = 3 }
    KeyAlgorithm as byte "key algorithm" { K256 = 1, P256 = 2 }
    TlsVersion as tag "TLS version" { V12 = 0, V13 = 1 }
    Direction as tag "direction" { Sent = 0, Received = 1 }
}

/// By their numbers in alpha.15.
const HANDSHAKE_ALGORITHMS: [HandshakeAlgorithm; 11] = {
    use HandshakeAlgorithm::*;
    [
        EcdsaP256Sha256,
        EcdsaP256Sha384,
        EcdsaP384Sha256,
        EcdsaP384Sha384,
        Ed25519,
        RsaPkcs1Sha256,
        RsaPkcs1Sha384,
        RsaPkcs1Sha512,
        RsaPssSha256,
        RsaPssSha384,
        RsaPssSha512,
    ]
};

/// By their places in the table above, the numbers in alpha.12. There they are TLS' schemes, and one of ECDSA names the
/// hash alone.
const ALPHA12_SCHEMES: [u32; 11] = [3, 5, 3, 5, 11, 2, 4, 6, 8, 9, 10];

impl Wire for HandshakeAlgorithm {
    fn write(&self, writer: &mut Writer) {
        let place = HANDSHAKE_ALGORITHMS.iter().position(|known| known == self).expect("all are in the table");
        writer.variant(match writer.layout {
            Layout::Alpha15 => place as u32,
            Layout::Alpha12 => ALPHA12_SCHEMES[place],
        });
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let what = "handshake signature algorithm";
        let tag = reader.u32(what)?;
        match HANDSHAKE_ALGORITHMS.get(tag as usize) {
            Some(known) => Ok(*known),
            None => reader.fail(Problem::Unknown { what, tag: u64::from(tag) }),
        }
    }
}

impl Wire for Signature {
    fn write(&self, writer: &mut Writer) {
        self.algorithm.write(writer);
        writer.bytes(&self.data);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let algorithm = Wire::read(reader)?;
        Ok(Self { algorithm, data: reader.bytes("signature bytes", 65)?.to_vec() })
    }
}

impl Wire for TypedHash {
    fn write(&self, writer: &mut Writer) {
        self.algorithm.write(writer);
        writer.bytes(&self.value);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { algorithm: Wire::read(reader)?, value: reader.exactly("digest")? })
    }
}

impl Wire for VerifyingKey {
    fn write(&self, writer: &mut Writer) {
        self.algorithm.write(writer);
        writer.bytes(&self.data);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { algorithm: Wire::read(reader)?, data: reader.bytes("bytes of a key", 65)?.to_vec() })
    }
}

impl Wire for EphemeralKey {
    fn write(&self, writer: &mut Writer) {
        writer.variant(0);
        writer.bytes(&self.0);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        match reader.u32("key exchange group")? {
            0 => reader.exactly("ephemeral key").map(Self),
            tag => reader.fail(Problem::Unknown { what: "key exchange group", tag: u64::from(tag) }),
        }
    }
}

impl Wire for CertificateCommitment {
    fn write(&self, writer: &mut Writer) {
        self.0.write(writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Wire::read(reader).map(Self)
    }
}

impl Element for Field<Extension> {
    const LIST: &'static str = "extensions";
    const COUNT_MAX: usize = FIELDS_MAX;
}

impl Wire for Extension {
    fn write(&self, writer: &mut Writer) {
        writer.bytes(&self.id);
        writer.bytes(&self.value);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut bytes = || reader.bytes("bytes of an extension", PRESENTATION_BYTES_MAX).map(<[u8]>::to_vec);
        Ok(Self { id: bytes()?, value: bytes()? })
    }
}

impl Element for Field<Commitment> {
    const LIST: &'static str = "commitments";
    const COUNT_MAX: usize = FIELDS_MAX;
}

impl Wire for Commitment {
    fn write(&self, writer: &mut Writer) {
        // In alpha.12 another kind, of encodings, came first.
        writer.variant(u32::from(writer.layout == Layout::Alpha12));
        self.direction.write(writer);
        self.ranges.write(writer);
        self.hash.write(writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        match reader.u32("kind of commitment")? {
            0 => Ok(Self { direction: Wire::read(reader)?, ranges: Wire::read(reader)?, hash: Wire::read(reader)? }),
            tag => reader.fail(Problem::Unknown { what: "kind of commitment", tag: u64::from(tag) }),
        }
    }
}

impl Wire for RangeSet {
    fn write(&self, writer: &mut Writer) {
        writer.length(self.as_slice().len());
        for range in self.as_slice() {
            range.start.write(writer);
            range.end.write(writer);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let count = reader.count("ranges", RANGES_MAX)?;
        let ranges: Result<Vec<_>, _> =
            (0..count).map(|_| Ok(reader.u64("range's start")?..reader.u64("range's end")?)).collect();
        match RangeSet::new(ranges?) {
            Some(set) => Ok(set),
            None => reader.fail(Problem::Ranges),
        }
    }
}

impl Wire for MerkleProof {
    fn write(&self, writer: &mut Writer) {
        self.algorithm.write(writer);
        self.leaf_count.write(writer);
        writer.length(self.hashes.len());
        self.hashes.iter().for_each(|hash| writer.bytes(hash));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (algorithm, leaf_count) = (Wire::read(reader)?, reader.u64("number of leaves")?);
        let count = reader.count("proof hashes", FIELDS_MAX)?;
        let hashes: Result<_, _> =
            (0..count).map(|_| reader.bytes("bytes of a proof hash", DIGEST_BYTES_MAX).map(<[u8]>::to_vec)).collect();
        Ok(Self { algorithm, leaf_count, hashes: hashes? })
    }
}

impl Wire for Identity {
    fn write(&self, writer: &mut Writer) {
        if writer.layout == Layout::Alpha15 {
            writer.variant(0);
        }
        writer.bytes(self.name.as_bytes());
        self.opening.write(writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let tag = reader.u32("kind of server name")?;
        if tag != 0 {
            return reader.fail(Problem::Unknown { what: "kind of server name", tag: u64::from(tag) });
        }
        let name = reader.bytes("bytes of a server name", NAME_BYTES_MAX)?;
        let Ok(name) = std::str::from_utf8(name) else { return reader.fail(Problem::Text("the server's name")) };
        Ok(Self { name: name.to_owned(), opening: Wire::read(reader)? })
    }
}

/// A certificate in DER.
impl Element for Vec<u8> {
    const LIST: &'static str = "certificates";
    const COUNT_MAX: usize = CERTIFICATES_MAX;
}

impl Wire for Vec<u8> {
    fn write(&self, writer: &mut Writer) {
        writer.bytes(self);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(reader.bytes("bytes", PRESENTATION_BYTES_MAX)?.to_vec())
    }
}

impl Wire for HandshakeSignature {
    fn write(&self, writer: &mut Writer) {
        self.algorithm.write(writer);
        writer.bytes(&self.data);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { algorithm: Wire::read(reader)?, data: Wire::read(reader)? })
    }
}

impl Wire for Binding {
    fn write(&self, writer: &mut Writer) {
        writer.variant(0);
        self.client_random.write(writer);
        self.server_random.write(writer);
        self.server_ephemeral_key.write(writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        match reader.u32("kind of handshake")? {
            0 => Ok(Self {
                client_random: Wire::read(reader)?,
                server_random: Wire::read(reader)?,
                server_ephemeral_key: Wire::read(reader)?,
            }),
            tag => reader.fail(Problem::Unknown { what: "kind of handshake", tag: u64::from(tag) }),
        }
    }
}

impl Wire for TranscriptProof {
    fn write(&self, writer: &mut Writer) {
        writer.bytes(&self.sent);
        writer.bytes(&self.received);
        self.sent_ranges.write(writer);
        self.received_ranges.write(writer);
        self.sent_total.write(writer);
        self.received_total.write(writer);
        if writer.layout == Layout::Alpha12 {
            // No proof of encodings.
            writer.raw(&[0]);
        }
        self.openings.write(writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            sent: Wire::read(reader)?,
            received: Wire::read(reader)?,
            sent_ranges: Wire::read(reader)?,
            received_ranges: Wire::read(reader)?,
            sent_total: Wire::read(reader)?,
            received_total: Wire::read(reader)?,
            openings: Wire::read(reader)?,
        })
    }
}

impl Element for Opening {
    const LIST: &'static str = "openings";
    const COUNT_MAX: usize = OPENINGS_MAX;
}
