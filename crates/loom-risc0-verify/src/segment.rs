//! Single segments, for whoever makes receipts: checking a seal as soon as it is made, and putting seals together.

use risc0_circuit_rv32im::{Rv32imV2Claim, TerminateState};
use risc0_zkvm::{
    Assumptions, CompositeReceiptVerifierParameters, ExitCode, MaybePruned, Output, ReceiptClaim, SegmentReceipt,
    SegmentReceiptVerifierParameters, SystemState,
    sha::{Digest, Digestible as _, Impl, Sha256 as _},
};

use crate::{
    Rejected, Unreadable,
    verify::{HASH, SEAL_WORDS_MIN, caught, context},
    wire::{WireComposite, WireInner, WireJournal, WireMetadata, WireReceipt, WireSegment},
};

/// How a program says that it has ended.
const HALTED: u16 = 0;

/// What a segment's seal proves.
#[derive(Clone, Debug, PartialEq)]
pub struct SegmentClaim(pub Rv32imV2Claim);

impl SegmentClaim {
    /// Whether both are about the same stretch of the same run. When the circuit shut down says nothing about it, and
    /// only a seal knows.
    pub fn is_same_stretch(&self, other: &Self) -> bool {
        let key = |claim: &Rv32imV2Claim| (claim.pre_state, claim.post_state, claim.input, claim.output);
        key(&self.0) == key(&other.0) && self.0.terminate_state == other.0.terminate_state
    }
}

/// Verifies the seal of one segment, and says what it proves.
pub fn verify_segment(seal: &[u32]) -> Result<SegmentClaim, Rejected> {
    let wire = wire(seal.to_vec(), 0, None)?;
    let receipt =
        borsh::to_vec(&wire).and_then(|bytes| borsh::from_slice::<SegmentReceipt>(&bytes)).map_err(written)?;
    caught(|| receipt.verify_integrity_with_context(&context()))?
        .map_err(|error| Rejected::Invalid(error.to_string()))?;
    claim(seal)
}

/// The composite receipt of a run with these seals, in order, and this output; as borsh. Nothing is verified.
pub fn composite(seals: Vec<Vec<u32>>, journal: Vec<u8>) -> Result<Vec<u8>, Rejected> {
    let last = seals.len().checked_sub(1).ok_or(Rejected::NoSeal)?;
    let mut segments = Vec::new();
    for (index, seal) in seals.into_iter().enumerate() {
        segments.push(wire(seal, index, (index == last).then_some(&journal[..]))?);
    }
    let verifier_parameters = CompositeReceiptVerifierParameters::default().digest();
    let composite = WireComposite { segments, assumption_receipts: Vec::new(), verifier_parameters };
    let receipt = WireReceipt {
        inner: WireInner::Composite(composite),
        journal: WireJournal { bytes: journal },
        metadata: WireMetadata { verifier_parameters },
    };
    borsh::to_vec(&receipt).map_err(written)
}

fn written(error: impl std::fmt::Display) -> Rejected {
    Rejected::Unreadable(Unreadable::Malformed(error.to_string()))
}

fn claim(seal: &[u32]) -> Result<SegmentClaim, Rejected> {
    if seal.len() < SEAL_WORDS_MIN {
        return Err(Rejected::NoSeal);
    }
    let claim = caught(|| Rv32imV2Claim::decode(seal))?;
    claim.map(SegmentClaim).map_err(|error| Rejected::Invalid(error.to_string()))
}

/// A segment as a receipt has it. The claim is the seal's own; only the last one's names the output.
fn wire(seal: Vec<u32>, index: usize, journal: Option<&[u8]>) -> Result<WireSegment, Rejected> {
    let SegmentClaim(claim) = claim(&seal)?;
    let output = match (journal, claim.output) {
        (Some(journal), _) => Some(Output {
            journal: MaybePruned::Pruned(*Impl::hash_bytes(journal)),
            assumptions: Assumptions(Vec::new()).into(),
        })
        .into(),
        (None, Some(digest)) => MaybePruned::Pruned(digest),
        (None, None) => MaybePruned::Value(None),
    };
    let exit_code = match claim.terminate_state {
        Some(TerminateState { a0, .. }) if a0.1 == HALTED => ExitCode::Halted(a0.0.into()),
        Some(_) => return Err(Rejected::Inconsistent("the program did not run to its end")),
        None => ExitCode::SystemSplit,
    };
    // The library takes the state after the end for nothing.
    let post = if claim.terminate_state.is_some() { Digest::ZERO } else { claim.post_state };
    let state = |merkle_root| SystemState { pc: 0, merkle_root }.into();
    Ok(WireSegment {
        seal,
        index: u32::try_from(index).unwrap_or(u32::MAX),
        hashfn: HASH.to_owned(),
        verifier_parameters: SegmentReceiptVerifierParameters::default().digest(),
        claim: ReceiptClaim {
            pre: state(claim.pre_state),
            post: state(post),
            exit_code,
            input: MaybePruned::Pruned(claim.input),
            output,
        },
    })
}
