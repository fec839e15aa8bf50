//! Content identifiers: CIDv1 over SHA-256, with one of two codecs.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// Multihash code of SHA-256, from the multicodec table.
const SHA2_256: u64 = 0x12;

/// What the bytes behind a [`Cid`] are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// Bytes as they are (blobs, modules): multicodec 0x55.
    Raw,
    /// Canonical DAG-CBOR (entries, payloads, deployments): multicodec 0x71.
    DagCbor,
}

impl Codec {
    fn code(self) -> u64 {
        match self {
            Codec::Raw => 0x55,
            Codec::DagCbor => 0x71,
        }
    }
}

/// Why a text or a block link is no CID of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCid {
    /// Not a CID at all.
    #[error("not a CID")]
    Malformed,
    /// A CID, but not version 1, SHA-256, raw or DAG-CBOR.
    #[error("not a CIDv1 of raw or dag-cbor bytes under sha2-256")]
    Unsupported,
}

/// Names immutable bytes by their SHA-256 digest. Copyable; its text form is base32 (`bafy…`, `bafk…`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cid {
    codec: Codec,
    digest: [u8; 32],
}

impl Cid {
    /// The CID of `bytes`.
    pub fn of(codec: Codec, bytes: &[u8]) -> Self {
        Self { codec, digest: Sha256::digest(bytes).into() }
    }

    /// A CID from a digest that is already known.
    pub fn from_digest(codec: Codec, digest: [u8; 32]) -> Self {
        Self { codec, digest }
    }

    /// What the bytes are.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// The SHA-256 digest of the bytes.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Whether `bytes` are the bytes this CID names.
    pub fn names(&self, bytes: &[u8]) -> bool {
        Self::of(self.codec, bytes) == *self
    }

    /// The 36 bytes of its binary form.
    pub fn to_bytes(&self) -> [u8; 36] {
        let mut bytes = [0u8; 36];
        bytes[..4].copy_from_slice(&[1, self.codec.code() as u8, SHA2_256 as u8, 32]);
        bytes[4..].copy_from_slice(&self.digest);
        bytes
    }

    /// Reads [`Cid::to_bytes`]'s bytes; refuses anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidCid> {
        let cid = cid::Cid::try_from(bytes).map_err(|_| InvalidCid::Malformed).and_then(|cid| Self::from_ipld(&cid))?;
        if cid.to_bytes() == bytes { Ok(cid) } else { Err(InvalidCid::Malformed) }
    }

    fn to_ipld(self) -> cid::Cid {
        let hash = multihash::Multihash::wrap(SHA2_256, &self.digest).expect("32 bytes fit a multihash");
        cid::Cid::new_v1(self.codec.code(), hash)
    }

    fn from_ipld(cid: &cid::Cid) -> Result<Self, InvalidCid> {
        let codec = match cid.codec() {
            0x55 => Codec::Raw,
            0x71 => Codec::DagCbor,
            _ => return Err(InvalidCid::Unsupported),
        };
        if cid.version() != cid::Version::V1 || cid.hash().code() != SHA2_256 {
            return Err(InvalidCid::Unsupported);
        }
        let digest = cid.hash().digest().try_into().map_err(|_| InvalidCid::Unsupported)?;
        Ok(Self { codec, digest })
    }
}

impl FromStr for Cid {
    type Err = InvalidCid;

    fn from_str(text: &str) -> Result<Self, InvalidCid> {
        // Only the canonical text: one value, one spelling.
        let parsed = cid::Cid::try_from(text).map_err(|_| InvalidCid::Malformed)?;
        let cid = Self::from_ipld(&parsed)?;
        if cid.to_string() == text { Ok(cid) } else { Err(InvalidCid::Malformed) }
    }
}

impl fmt::Display for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = data_encoding::BASE32_NOPAD.encode(&self.to_bytes()).to_ascii_lowercase();
        write!(f, "b{text}")
    }
}

impl fmt::Debug for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// As a DAG-CBOR link (tag 42). Only the canonical codec uses this; JSON carries the text form.
impl Serialize for Cid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_ipld().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Cid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let cid = ipld_core::cid::Cid::deserialize(deserializer)?;
        Self::from_ipld(&cid).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_is_the_one_other_tools_print() {
        // `ipfs block put --format raw` of "hello world\n" and of the empty DAG-CBOR map.
        let raw = Cid::of(Codec::Raw, b"hello world\n");
        assert_eq!(raw.to_string(), "bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4");
        let map = Cid::of(Codec::DagCbor, &[0xa0]);
        assert_eq!(map.to_string(), "bafyreigbtj4x7ip5legnfznufuopl4sg4knzc2cof6duas4b3q2fy6swua");
        assert_eq!(raw.to_string().parse(), Ok(raw));
        assert!(raw.names(b"hello world\n") && !raw.names(b"hello world"));
    }

    #[test]
    fn other_cids_are_refused() {
        // CIDv0, CIDv1 of dag-pb, upper-case base32, an empty text.
        for text in [
            "QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n",
            "bafybeihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
            "BAFKREIFJJCIE6LYPI6NY7AMXNFFTAGCLBUXNDQONFIPMB64F2KM2DEVEI4",
            "",
        ] {
            assert!(text.parse::<Cid>().is_err(), "{text:?} was accepted");
        }
    }
}
