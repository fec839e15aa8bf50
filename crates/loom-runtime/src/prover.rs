//! The port to whoever proves runs of RISC Zero programs, and what a node with a prover has.
//!
//! A proof is work beside a turn: it is asked for after the step that wants it is durable, as often as it takes, and its
//! outcome is recorded once. Equal inputs to one program have one name on a node ([`Proving`]), so one run serves all
//! who ask for it.

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use futures::future::BoxFuture;
use loom_machine::{ImageId, InputSalts};
use loom_types::SALT_BYTES;
use sha2::{Digest as _, Sha256};

/// A run to be proved.
#[derive(Clone, PartialEq, Eq)]
pub struct ProofRequest {
    /// The program's name.
    pub image_id: ImageId,
    /// The program. Whether it has that name is for the prover to check.
    pub program: Bytes,
    /// The private input: the payload block, salt and all, byte for byte.
    pub input: Bytes,
    /// The public input; empty if there is none.
    pub public: Bytes,
}

impl fmt::Debug for ProofRequest {
    /// Without the input, which is private.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProofRequest").field("image_id", &self.image_id).finish_non_exhaustive()
    }
}

/// A run that was proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// What the program said to everybody. Its first 32 bytes are the SHA-256 of the input's block.
    pub public_output: Bytes,
    /// The receipt, in a form that `loom-risc0-verify` reads.
    pub receipt: Bytes,
    /// Segments that were proved.
    pub segments: u32,
}

/// Why a run was not proved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProveError {
    /// It cannot be proved, now or later: the program refuses its input, is none, or takes too long. The step fails.
    #[error("{reason}")]
    Refused {
        /// Why, for whoever asked. It must tell nothing about the input.
        reason: String,
    },
    /// The host failed. Nothing is recorded, and the run is asked for again after a pause.
    #[error("{reason}")]
    Fault {
        /// What happened.
        reason: String,
    },
}

/// Proves runs of programs.
pub trait Prover: Send + Sync {
    /// Runs the program and proves it. The receipt was verified against the image id when it is handed over.
    ///
    /// The same request may be made again: after a restart, after a fault, or long after it was proved. An
    /// implementation goes on where it was, and gives a finished proof at once if it still has it. The future may be
    /// polled on a thread without I/O. Dropping it says that nobody waits any more; the work may then stop.
    fn prove(&self, request: ProofRequest, progress: ProofProgress) -> BoxFuture<'static, Result<Proof, ProveError>>;
}

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProofStage {
    /// Others are before it.
    #[default]
    Queued,
    /// The program runs; how long the proof will be is not known yet.
    Executing,
    /// This segment is being proved.
    Segment {
        /// From 1.
        number: u32,
        /// How many there are.
        of: u32,
    },
    /// The segments' proofs become one.
    Joining,
}

impl fmt::Display for ProofStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProofStage::Queued => f.write_str("waiting for its turn"),
            ProofStage::Executing => f.write_str("running"),
            ProofStage::Segment { number, of } => write!(f, "segment {number} of {of}"),
            ProofStage::Joining => f.write_str("joining its segments"),
        }
    }
}

/// Where a prover says how far it is. Cheap to clone; nobody waits for it.
#[derive(Clone, Debug, Default)]
pub struct ProofProgress(Arc<Mutex<ProofStage>>);

impl ProofProgress {
    /// Says how far the run is.
    pub fn report(&self, stage: ProofStage) {
        *self.0.lock().expect("nothing panics under this lock") = stage;
    }

    /// What was said last.
    pub fn stage(&self) -> ProofStage {
        *self.0.lock().expect("nothing panics under this lock")
    }
}

/// What a node that proves has. Cheap to clone.
#[derive(Clone)]
pub struct Proving {
    key: [u8; 32],
    prover: Arc<dyn Prover>,
}

impl Proving {
    /// `key` is the node's secret from which salts of private inputs are derived. Under another key an equal input is
    /// proved again.
    pub fn new(key: [u8; 32], prover: Arc<dyn Prover>) -> Self {
        Self { key, prover }
    }

    pub(crate) fn prover(&self) -> &dyn Prover {
        &*self.prover
    }
}

impl InputSalts for Proving {
    fn salt(&self, image_id: ImageId, media_type: &str, value: &[u8]) -> [u8; SALT_BYTES] {
        let length = [media_type.len() as u8];
        let mac = hmac(&self.key, &[&image_id.0, &length, media_type.as_bytes(), value]);
        mac[..SALT_BYTES].try_into().expect("a digest is longer")
    }
}

/// HMAC-SHA-256 (RFC 2104) over the parts, one after the other.
fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    const BLOCK: usize = 64;
    let pad = |with: u8| {
        let mut block = [with; BLOCK];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        Sha256::new_with_prefix(block)
    };
    let inner = parts.iter().fold(pad(0x36), |hash, part| hash.chain_update(part));
    pad(0x5c).chain_update(inner.finalize()).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231 has no key of 32 bytes; this one is from Python's `hmac`.
    #[test]
    fn the_mac_is_hmac_sha_256() {
        let key = std::array::from_fn(|n| n as u8);
        let expected = "d6347af4ff8b077922cdd2b8ecd2dde02a45723b9bbbdfe57a683f64d435d395";
        assert_eq!(data_encoding::HEXLOWER.encode(&hmac(&key, &[b"one", b"", b"two"])), expected);
    }

    #[test]
    fn equal_inputs_have_equal_salts_and_others_do_not() {
        struct Nobody;
        impl Prover for Nobody {
            fn prove(&self, _: ProofRequest, _: ProofProgress) -> BoxFuture<'static, Result<Proof, ProveError>> {
                unreachable!()
            }
        }
        let proving = |key| Proving::new([key; 32], Arc::new(Nobody));
        let salt = proving(1).salt(ImageId([2; 32]), "text/plain", b"x");
        assert_eq!(proving(1).salt(ImageId([2; 32]), "text/plain", b"x"), salt);
        assert_ne!(proving(2).salt(ImageId([2; 32]), "text/plain", b"x"), salt);
        assert_ne!(proving(1).salt(ImageId([3; 32]), "text/plain", b"x"), salt);
        assert_ne!(proving(1).salt(ImageId([2; 32]), "text/plai", b"nx"), salt);
        assert_ne!(proving(1).salt(ImageId([2; 32]), "text/plain", b"y"), salt);
    }
}
