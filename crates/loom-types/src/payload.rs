//! Payloads: salted, content-addressed values.
//!
//! A payload block is the DAG-CBOR list `[salt, media type, bytes]` (see `docs/formats/payload.md`). Because
//! the salt is inside the block, its CID tells nobody the value, not even by guessing; a bundle can leave the
//! block out and the chain of entries still verifies. The same value carried by two entries is one block.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    canonical::{self, DecodeError},
    cid::{Cid, Codec},
    limits::{MEDIA_TYPE_BYTES_MAX, PAYLOAD_BYTES_MAX},
};

/// Length of a payload's salt, in bytes.
pub const SALT_BYTES: usize = 16;

/// Media types the runtime itself writes.
pub mod media_type {
    /// JSON text: bodies, requests, outcomes, replies, state.
    pub const JSON: &str = "application/json";
    /// A message envelope, `docs/formats/payload.md`.
    pub const MESSAGE: &str = "application/vnd.loom.message+json";
    /// 32 random bytes from which a turn's `random` and `uuid` are derived.
    pub const SEED: &str = "application/vnd.loom.seed";
    /// What the runtime's own media types begin with. Nobody else names a value so.
    pub const OWN: &str = "application/vnd.loom.";
    /// A marker: the block is in the blob store.
    pub const SPILLED: &str = "application/vnd.loom.spilled";
    /// A marker: the block was erased.
    pub const ERASED: &str = "application/vnd.loom.erased";
}

/// What a store keeps in the place of a payload that is not there. A marker is a payload block of its own media
/// type whose value is the name of the block it stands for. Entries never name one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    /// The block is in the blob store, under this name.
    Spilled(Cid),
    /// The block was erased on purpose.
    Erased(Cid),
}

impl Marker {
    /// The block that is stored. Its salt is zero: a name gives nothing away.
    pub fn to_payload(self) -> Payload {
        struct Zero;
        impl SaltSource for Zero {
            fn fill(&mut self, bytes: &mut [u8]) {
                bytes.fill(0);
            }
        }
        let (media_type, cid) = match self {
            Marker::Spilled(cid) => (media_type::SPILLED, cid),
            Marker::Erased(cid) => (media_type::ERASED, cid),
        };
        Payload::seal(media_type, cid.to_string().as_bytes(), &mut Zero)
    }

    /// The block it stands for.
    pub fn names(self) -> Cid {
        let (Marker::Spilled(cid) | Marker::Erased(cid)) = self;
        cid
    }
}

/// Where salts come from: the operating system's generator in production, a seeded one in simulation.
/// Never a turn's own seed, or whoever re-executes the turn could guess redacted values.
pub trait SaltSource {
    /// Fills `bytes` with unpredictable data.
    fn fill(&mut self, bytes: &mut [u8]);
}

impl<T: SaltSource + ?Sized> SaltSource for Box<T> {
    fn fill(&mut self, bytes: &mut [u8]) {
        (**self).fill(bytes);
    }
}

/// A salted value and the block it is stored in. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload {
    cid: Cid,
    block: Bytes,
    media_type: String,
    value: Bytes,
}

#[derive(Serialize, Deserialize)]
struct Block(serde_bytes::ByteArray<SALT_BYTES>, String, serde_bytes::ByteBuf);

impl Payload {
    /// Salts and seals `value`. Panics over [`PAYLOAD_BYTES_MAX`], which callers check where the value enters.
    pub fn seal(media_type: &str, value: &[u8], salts: &mut dyn SaltSource) -> Self {
        let mut salt = [0u8; SALT_BYTES];
        salts.fill(&mut salt);
        Self::salted(media_type, value, salt)
    }

    /// Seals `value` under a salt that nobody outside can know, so that an equal value gets the same name again.
    pub fn salted(media_type: &str, value: &[u8], salt: [u8; SALT_BYTES]) -> Self {
        assert!(value.len() <= PAYLOAD_BYTES_MAX, "the size of a value is checked where it enters");
        assert!(media_type.len() <= MEDIA_TYPE_BYTES_MAX, "media types are ours, or checked where they enter");
        let block = Block(salt.into(), media_type.to_owned(), serde_bytes::ByteBuf::from(value));
        let block: Bytes = canonical::encode(&block).into();
        let value = block.slice(block.len() - value.len()..);
        Self { cid: Cid::of(Codec::DagCbor, &block), block, media_type: media_type.to_owned(), value }
    }

    /// Seals JSON text.
    pub fn json(text: &str, salts: &mut dyn SaltSource) -> Self {
        Self::seal(media_type::JSON, text.as_bytes(), salts)
    }

    /// Reads a stored block and names it.
    pub fn from_block(block: Bytes) -> Result<Self, DecodeError> {
        let limit = PAYLOAD_BYTES_MAX + MEDIA_TYPE_BYTES_MAX + 64;
        let Block(_, media_type, value) = canonical::decode("payload", &block, limit)?;
        // The byte string is the last item of the list, so the value is the block's tail.
        let value = block.slice(block.len() - value.len()..);
        Ok(Self { cid: Cid::of(Codec::DagCbor, &block), block, media_type, value })
    }

    /// The block's name.
    pub fn cid(&self) -> Cid {
        self.cid
    }

    /// The stored bytes, salt included.
    pub fn block(&self) -> &Bytes {
        &self.block
    }

    /// What the value is.
    pub fn media_type(&self) -> &str {
        &self.media_type
    }

    /// The value without its salt.
    pub fn value(&self) -> &Bytes {
        &self.value
    }

    /// What this stands for, if it is a marker.
    pub fn marker(&self) -> Option<Marker> {
        let of = match self.media_type.as_str() {
            media_type::SPILLED => Marker::Spilled,
            media_type::ERASED => Marker::Erased,
            _ => return None,
        };
        self.text()?.parse().ok().map(of)
    }

    /// The value as text, when it is UTF-8.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.value).ok()
    }
}

impl std::fmt::Debug for Payload {
    /// Only the name: values may be private and must not reach logs through `{:?}`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Payload").field("cid", &self.cid).field("bytes", &self.value.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting(u8);

    impl SaltSource for Counting {
        fn fill(&mut self, bytes: &mut [u8]) {
            for byte in bytes {
                *byte = self.0;
                self.0 = self.0.wrapping_add(1);
            }
        }
    }

    #[test]
    fn the_block_is_the_documented_list() {
        let payload = Payload::json("{}", &mut Counting(0));
        let expected =
            [&[0x83, 0x50][..], &(0..16).collect::<Vec<u8>>(), &[0x70], b"application/json", &[0x42], b"{}"].concat();
        assert_eq!(payload.block(), &expected);
        assert_eq!(Payload::from_block(expected.into()).unwrap(), payload);
    }

    #[test]
    fn equal_values_have_different_names() {
        let mut salts = Counting(0);
        assert_ne!(Payload::json("1", &mut salts).cid(), Payload::json("1", &mut salts).cid());
    }

    #[test]
    fn a_marker_names_what_it_stands_for() {
        let payload = Payload::json("{}", &mut Counting(0));
        assert_eq!(payload.marker(), None);
        for marker in [Marker::Spilled(payload.cid()), Marker::Erased(payload.cid())] {
            let stored = Payload::from_block(marker.to_payload().block().clone()).unwrap();
            assert_eq!((stored.marker(), marker.names()), (Some(marker), payload.cid()));
        }
    }

    #[test]
    fn only_canonical_blocks_are_read() {
        let block = Payload::json("{}", &mut Counting(0)).block().to_vec();
        let mut long_form = block.clone();
        long_form.splice(0..1, [0x98, 0x03]);
        let mut extra = block.clone();
        extra.push(0);
        for bytes in [long_form, extra, block[..block.len() - 1].to_vec(), vec![], vec![0x80]] {
            assert!(Payload::from_block(bytes.clone().into()).is_err(), "{bytes:x?} was accepted");
        }
    }
}
