//! Canonical bytes: DAG-CBOR, and nothing but the one encoding of each value.

use serde::{Serialize, de::DeserializeOwned};

/// Why bytes are not the canonical encoding of what they should be. Always corrupt or hostile data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// More bytes than the named limit allows.
    #[error("{what} has {bytes} bytes, more than {limit}")]
    TooLarge {
        /// What was being decoded.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Not DAG-CBOR of the expected shape.
    #[error("{what} is malformed: {detail}")]
    Malformed {
        /// What was being decoded.
        what: &'static str,
        /// Where it went wrong.
        detail: String,
    },
    /// Decodes, but is not the encoding this value has.
    #[error("{what} is not in canonical form")]
    NotCanonical {
        /// What was being decoded.
        what: &'static str,
    },
    /// Written by a version this one does not know.
    #[error("{what} has version {found}, this program knows {known}")]
    Version {
        /// What was being decoded.
        what: &'static str,
        /// The version in the bytes.
        found: u64,
        /// The version known here.
        known: u64,
    },
}

/// The canonical bytes of a value. Panics only for values DAG-CBOR cannot hold, which our types exclude.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    serde_ipld_dagcbor::to_vec(value).expect("our own types encode")
}

/// Decodes and insists that encoding the value again gives the same bytes.
pub fn decode<T>(what: &'static str, bytes: &[u8], limit: usize) -> Result<T, DecodeError>
where
    T: Serialize + DeserializeOwned,
{
    if bytes.len() > limit {
        return Err(DecodeError::TooLarge { what, bytes: bytes.len(), limit });
    }
    let value: T = serde_ipld_dagcbor::from_slice(bytes)
        .map_err(|error| DecodeError::Malformed { what, detail: error.to_string() })?;
    if encode(&value) == bytes { Ok(value) } else { Err(DecodeError::NotCanonical { what }) }
}
