//! Segments: what one commit appends, as one row.
//!
//! A segment is the DAG-CBOR list `[1, [entry bytes …], [payload block bytes …]]`. CIDs are not stored: whoever
//! reads a segment computes them, which checks the bytes at the same time.

use serde::{Deserialize, Serialize};

use crate::{
    canonical::{self, DecodeError},
    entry::{EncodedEntry, Entry},
    limits::SEGMENT_BYTES_MAX,
    payload::Payload,
};

const VERSION: u64 = 1;

/// Entries in order, and the payloads they name that were not stored before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// Encoded entries, consecutive and linked.
    pub entries: Vec<EncodedEntry>,
    /// Payloads the entries name.
    pub payloads: Vec<Payload>,
}

#[derive(Serialize, Deserialize)]
struct Wire(u64, Vec<serde_bytes::ByteBuf>, Vec<serde_bytes::ByteBuf>);

/// The same list, borrowed, so that writing copies each block once.
#[derive(Serialize)]
struct WireRef<'a>(u64, Vec<&'a serde_bytes::Bytes>, Vec<&'a serde_bytes::Bytes>);

impl Segment {
    /// The stored bytes.
    pub fn encode(&self) -> Vec<u8> {
        canonical::encode(&WireRef(
            VERSION,
            self.entries.iter().map(|entry| serde_bytes::Bytes::new(&entry.bytes)).collect(),
            self.payloads.iter().map(|payload| serde_bytes::Bytes::new(payload.block())).collect(),
        ))
    }

    /// Reads stored bytes, every block in them checked to be canonical.
    pub fn decode(bytes: &[u8]) -> Result<(Vec<Entry>, Self), DecodeError> {
        let Wire(version, entry_bytes, blocks) = canonical::decode("segment", bytes, 2 * SEGMENT_BYTES_MAX)?;
        if version != VERSION {
            return Err(DecodeError::Version { what: "segment", found: version, known: VERSION });
        }
        let mut entries = Vec::with_capacity(entry_bytes.len());
        let mut segment = Self::default();
        for bytes in entry_bytes {
            let entry = Entry::decode(&bytes)?;
            segment.entries.push(entry.encode());
            entries.push(entry);
        }
        for block in blocks {
            segment.payloads.push(Payload::from_block(block.into_vec().into())?);
        }
        Ok((entries, segment))
    }
}
