//! What a receipt says of itself, before anybody believes it.

use risc0_zkvm::{InnerReceipt, MaybePruned, Receipt, ReceiptClaim, sha::Digestible as _};

use crate::{
    Encoding, ImageId, Kind, Unreadable,
    wire::{WireInner, WireReceipt},
};

/// Where a segment's seal says how many cycles it is over: behind the circuit's 91 public words.
const SEGMENT_PO2_AT: usize = 91;
/// And a recursion's, behind its 32.
const SUCCINCT_PO2_AT: usize = 32;

/// A receipt as it describes itself. Nothing of it is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// How it is written.
    pub encoding: Encoding,
    /// How it proves.
    pub kind: Kind,
    /// Which program ran, if it says so.
    pub image_id: Option<ImageId>,
    /// The output that it has.
    pub journal: Vec<u8>,
    /// With which parameters its verifier is to work, in hex.
    pub verifier_parameters: String,
    /// Its segments, or its one seal.
    pub segments: Vec<SegmentSize>,
}

/// How large a seal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentSize {
    /// Log2 of the cycles it is over; none if it is no STARK, or too short.
    pub po2: Option<u32>,
    /// Bytes of the seal.
    pub seal_bytes: usize,
}

/// Reads a receipt without verifying it.
pub fn describe(bytes: &[u8]) -> Result<Described, Unreadable> {
    let (wire, encoding) = WireReceipt::read(bytes)?;
    let size = |seal: &[u32], at: usize| SegmentSize { po2: seal.get(at).copied(), seal_bytes: seal.len() * 4 };
    let segments = match &wire.inner {
        WireInner::Composite(composite) => {
            composite.segments.iter().map(|segment| size(&segment.seal, SEGMENT_PO2_AT)).collect()
        }
        WireInner::Succinct(succinct) => vec![size(&succinct.seal, SUCCINCT_PO2_AT)],
        WireInner::Groth16(groth16) => vec![SegmentSize { po2: None, seal_bytes: groth16.seal.len() }],
        WireInner::Fake(never) => match *never {},
    };
    let verifier_parameters = wire.metadata.verifier_parameters.to_string();
    let (kind, receipt) = (wire.kind(), wire.receipt()?);
    let image_id = image_id(&receipt);
    Ok(Described { encoding, kind, image_id, journal: receipt.journal.bytes, verifier_parameters, segments })
}

/// Log2 of the cycles that a segment's seal says it is over.
pub(crate) fn segment_po2(seal: &[u32]) -> Option<u32> {
    seal.get(SEGMENT_PO2_AT).copied()
}

/// The program that the receipt says ran.
pub(crate) fn image_id(receipt: &Receipt) -> Option<ImageId> {
    let of_claim = |claim: &ReceiptClaim| ImageId(claim.pre.digest().into());
    match &receipt.inner {
        InnerReceipt::Composite(composite) => composite.segments.first().map(|first| of_claim(&first.claim)),
        InnerReceipt::Succinct(succinct) => opened(&succinct.claim).map(of_claim),
        InnerReceipt::Groth16(groth16) => opened(&groth16.claim).map(of_claim),
        _ => None,
    }
}

fn opened(claim: &MaybePruned<ReceiptClaim>) -> Option<&ReceiptClaim> {
    match claim {
        MaybePruned::Value(claim) => Some(claim),
        MaybePruned::Pruned(_) => None,
    }
}
