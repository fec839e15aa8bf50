//! Reading receipts from strangers' bytes.
//!
//! The library's own types nest: a composite receipt may rest on composite receipts, as deep as the bytes say, and
//! reading that overflows the stack, which nothing catches. These do not. They have the same form in every encoding, so
//! what was read is written again as borsh for the library to read.

use borsh::{BorshDeserialize, BorshSerialize};
use risc0_zkvm::{MaybePruned, Receipt, ReceiptClaim, Unknown, sha::Digest};
use serde::{Deserialize, Serialize};

use crate::limits::{
    CONTROL_PROOF_HASHES_MAX, DEPTH_MAX, GROTH16_SEAL_BYTES, JOURNAL_BYTES_MAX, RECEIPT_BYTES_MAX, SEAL_WORDS_MAX,
    SEGMENTS_MAX,
};

/// How a receipt is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// borsh.
    Borsh,
    /// CBOR.
    Cbor,
}

/// How a receipt proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A STARK for each segment of the run.
    Composite,
    /// One STARK for all.
    Succinct,
    /// One SNARK for all, over BN254.
    Groth16,
}

impl Kind {
    /// In one word.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Composite => "composite",
            Kind::Succinct => "succinct",
            Kind::Groth16 => "groth16",
        }
    }
}

/// Not a receipt that this version reads.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Too many bytes.
    #[error("it has {bytes} bytes, at most {RECEIPT_BYTES_MAX} are read")]
    TooLarge {
        /// How many.
        bytes: usize,
    },
    /// Neither borsh nor CBOR.
    #[error("it begins like neither of the encodings of a receipt, borsh and CBOR")]
    Encoding,
    /// Bytes that are no receipt in the encoding that they begin with.
    #[error("not a receipt: {0}")]
    Malformed(String),
    /// A part is larger than it can be.
    #[error("{what} is more than is read of a receipt")]
    Limit {
        /// Which part.
        what: &'static str,
    },
}

#[derive(BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WireReceipt {
    pub(crate) inner: WireInner,
    pub(crate) journal: WireJournal,
    pub(crate) metadata: WireMetadata,
}

#[derive(BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WireJournal {
    pub(crate) bytes: Vec<u8>,
}

#[derive(BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WireMetadata {
    pub(crate) verifier_parameters: Digest,
}

/// The last variant, a receipt without a proof, can be told but not read: it holds a type that has no values.
#[derive(BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub(crate) enum WireInner {
    Composite(WireComposite),
    Succinct(WireSuccinct),
    Groth16(WireGroth16),
    Fake(Unknown),
}

#[derive(BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WireComposite {
    pub(crate) segments: Vec<WireSegment>,
    /// Receipts that this one rests on. None are read.
    pub(crate) assumption_receipts: Vec<WireAssumption>,
    pub(crate) verifier_parameters: Digest,
}

/// There is none. The byte is where its kind would stand: borsh reads no list of things without a size.
#[derive(BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub(crate) struct WireAssumption(u8, Unknown);

#[derive(BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WireSegment {
    pub(crate) seal: Vec<u32>,
    pub(crate) index: u32,
    pub(crate) hashfn: String,
    pub(crate) verifier_parameters: Digest,
    pub(crate) claim: ReceiptClaim,
}

#[derive(BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WireSuccinct {
    pub(crate) seal: Vec<u32>,
    pub(crate) control_id: Digest,
    pub(crate) claim: MaybePruned<ReceiptClaim>,
    pub(crate) hashfn: String,
    pub(crate) verifier_parameters: Digest,
    pub(crate) control_inclusion_proof: WireControlProof,
}

#[derive(BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WireControlProof {
    pub(crate) index: u32,
    pub(crate) digests: Vec<Digest>,
}

#[derive(BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WireGroth16 {
    pub(crate) seal: Vec<u8>,
    pub(crate) claim: MaybePruned<ReceiptClaim>,
    pub(crate) verifier_parameters: Digest,
}

impl WireReceipt {
    /// Reads either encoding, to the last byte.
    pub(crate) fn read(bytes: &[u8]) -> Result<(Self, Encoding), Unreadable> {
        if bytes.len() > RECEIPT_BYTES_MAX {
            return Err(Unreadable::TooLarge { bytes: bytes.len() });
        }
        let malformed = |error: String| Unreadable::Malformed(error);
        let (receipt, encoding): (Self, _) = match bytes.first() {
            // The number of a variant.
            Some(0..=3) => (borsh::from_slice(bytes).map_err(|error| malformed(error.to_string()))?, Encoding::Borsh),
            // A map of three, or one whose end is marked.
            Some(0xa3 | 0xbf) => {
                let mut rest = bytes;
                let read = ciborium::de::from_reader_with_recursion_limit(&mut rest, DEPTH_MAX);
                let receipt = read.map_err(|error| malformed(error.to_string()))?;
                if !rest.is_empty() {
                    return Err(malformed(format!("{} bytes after its end", rest.len())));
                }
                (receipt, Encoding::Cbor)
            }
            _ => return Err(Unreadable::Encoding),
        };
        receipt.within_limits()?;
        Ok((receipt, encoding))
    }

    fn within_limits(&self) -> Result<(), Unreadable> {
        let limit = |holds: bool, what| if holds { Ok(()) } else { Err(Unreadable::Limit { what }) };
        limit(self.journal.bytes.len() <= JOURNAL_BYTES_MAX, "the output")?;
        match &self.inner {
            WireInner::Composite(composite) => {
                limit(composite.segments.len() <= SEGMENTS_MAX, "the number of segments")?;
                let seals = &mut composite.segments.iter().map(|segment| segment.seal.len());
                limit(seals.all(|words| words <= SEAL_WORDS_MAX), "a seal")
            }
            WireInner::Succinct(succinct) => {
                limit(succinct.seal.len() <= SEAL_WORDS_MAX, "the seal")?;
                let hashes = succinct.control_inclusion_proof.digests.len();
                limit(hashes <= CONTROL_PROOF_HASHES_MAX, "the proof of its program")
            }
            WireInner::Groth16(groth16) => limit(groth16.seal.len() <= GROTH16_SEAL_BYTES, "the seal"),
            WireInner::Fake(never) => match *never {},
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        match &self.inner {
            WireInner::Composite(_) => Kind::Composite,
            WireInner::Succinct(_) => Kind::Succinct,
            WireInner::Groth16(_) => Kind::Groth16,
            WireInner::Fake(never) => match *never {},
        }
    }

    /// The same for the library.
    pub(crate) fn receipt(&self) -> Result<Receipt, Unreadable> {
        let bytes = borsh::to_vec(self).map_err(|error| Unreadable::Malformed(error.to_string()))?;
        borsh::from_slice(&bytes).map_err(|error| Unreadable::Malformed(error.to_string()))
    }
}
