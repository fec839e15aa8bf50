//! What stands in the log: for every turn that ended, how far its actor's history went.

use loom_types::{ActorAddress, Cid, Codec, DecodeError, SequenceNumber, canonical};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::tree::{self, Hash};

/// Largest encoded leaf, in bytes.
const LEAF_BYTES_MAX: usize = 128;

/// One line of the log: at entry `seq` the history of an actor had this head. The actor stands there as a digest, so
/// that a monitor can tell actors apart without learning whom a node serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// [`actor_id`] of the actor.
    pub actor: [u8; 32],
    /// The entry at which its history stood.
    pub seq: SequenceNumber,
    /// That entry's CID.
    pub head: Cid,
}

#[derive(Serialize, Deserialize)]
struct Wire(serde_bytes::ByteArray<32>, u64, Cid);

impl Leaf {
    /// The leaf of an actor.
    pub fn of(origin: &str, actor: &ActorAddress, seq: SequenceNumber, head: Cid) -> Self {
        Self { actor: actor_id(origin, actor), seq, head }
    }

    /// The bytes that the log holds: the DAG-CBOR list `[actor, seq, head]`.
    pub fn encode(&self) -> Vec<u8> {
        canonical::encode(&Wire(self.actor.into(), self.seq.0, self.head))
    }

    /// Reads [`Leaf::encode`]'s bytes; refuses anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let Wire(actor, seq, head) = canonical::decode("leaf", bytes, LEAF_BYTES_MAX)?;
        if head.codec() != Codec::DagCbor {
            return Err(DecodeError::Malformed { what: "leaf", detail: "the head is no entry".to_owned() });
        }
        Ok(Self { actor: actor.into_array(), seq: SequenceNumber(seq), head })
    }

    /// Its hash in the tree.
    pub fn hash(&self) -> Hash {
        tree::leaf_hash(&self.encode())
    }
}

/// Names an actor in the log: SHA-256 of the DAG-CBOR list `[origin, namespace, "type/key"]`.
pub fn actor_id(origin: &str, actor: &ActorAddress) -> [u8; 32] {
    Sha256::digest(canonical::encode(&(origin, actor.namespace(), actor.local()))).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaf_has_one_encoding() {
        let head = Cid::of(Codec::DagCbor, b"an entry");
        let actor = "default/loan-review/A1".parse().unwrap();
        let leaf = Leaf::of("log.example", &actor, SequenceNumber(7), head);
        let bytes = leaf.encode();
        assert_eq!(Leaf::decode(&bytes).unwrap(), leaf);
        assert!(Leaf::decode(&[&bytes[..], &[0]].concat()).is_err() && Leaf::decode(&bytes[1..]).is_err());
        assert_ne!(actor_id("log.example", &actor), actor_id("other.example", &actor), "logs do not share names");
    }
}
