//! Whether a receipt proves what is asked of it.

use std::{collections::BTreeMap, panic::AssertUnwindSafe};

use risc0_zkp::{core::hash::poseidon2::Poseidon2HashSuite, verify::VerificationError};
use risc0_zkvm::{
    Receipt, SegmentReceiptVerifierParameters, VerifierContext,
    sha::{Digest, Digestible as _},
};

use crate::{
    ImageId, Kind, Unreadable,
    claim::segment_po2,
    limits::{GROTH16_SEAL_BYTES, SEGMENT_PO2},
    wire::{WireComposite, WireGroth16, WireInner, WireReceipt, WireSuccinct},
};

/// The only hash of seals that is taken.
pub(crate) const HASH: &str = "poseidon2";
/// Words of a hash are elements of this field, and the library insists on it.
const FIELD: u32 = 2_013_265_921;
/// The shortest seal in which the library looks for anything.
pub(crate) const SEAL_WORDS_MIN: usize = 128;

/// What a receipt proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// How it proves it.
    pub kind: Kind,
    /// The program's output, byte by byte.
    pub journal: Vec<u8>,
}

/// Why a receipt does not count. It may still be one, of another program or another version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// It is in no form that is read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// There is no proof in it.
    #[error("a seal is empty, or too short for one")]
    NoSeal,
    /// Its parts do not belong together, or belong to another version of the proof system.
    #[error("{0}")]
    Inconsistent(&'static str),
    /// It proves something, but of another program.
    #[error("it proves a run of {found}, not of {expected}")]
    OtherProgram {
        /// Whose run it proves.
        found: ImageId,
        /// Whose was asked for.
        expected: ImageId,
    },
    /// The proof does not hold.
    #[error("the proof does not hold: {0}")]
    Invalid(String),
    /// The library gave up in a way that it should not.
    #[error("the verifier could not finish: {0}")]
    Panicked(String),
}

/// Checks that the program with this image id ran to its end, without resting on other receipts, and gave the output
/// that the receipt has.
pub fn verify(bytes: &[u8], image_id: ImageId) -> Result<Verified, Rejected> {
    verify_as(bytes, |_| Ok(image_id)).map(|(_, verified)| verified)
}

/// The same for the program that `choose` makes of the one that the receipt says it is about.
pub(crate) fn verify_as<E: From<Rejected>>(
    bytes: &[u8],
    choose: impl FnOnce(Option<ImageId>) -> Result<ImageId, E>,
) -> Result<(ImageId, Verified), E> {
    let (kind, receipt) = read(bytes)?;
    let image_id = choose(caught(|| crate::claim::image_id(&receipt))?)?;
    match caught(|| receipt.verify_with_context(&context(), Digest::from(image_id.0)))? {
        Ok(()) => Ok((image_id, Verified { kind, journal: receipt.journal.bytes })),
        Err(error) => Err(rejected(&receipt, image_id, error).into()),
    }
}

/// A receipt for the library, with what that does not look at checked.
fn read(bytes: &[u8]) -> Result<(Kind, Receipt), Rejected> {
    let (wire, _) = WireReceipt::read(bytes)?;
    check(&wire)?;
    Ok((wire.kind(), wire.receipt()?))
}

/// Calls into the library, which must not take anybody down with it.
pub(crate) fn caught<T>(call: impl FnOnce() -> T) -> Result<T, Rejected> {
    std::panic::catch_unwind(AssertUnwindSafe(call)).map_err(|panic| Rejected::Panicked(message(panic.as_ref())))
}

/// A context that owes nothing to the environment.
pub(crate) fn context() -> VerifierContext {
    VerifierContext::empty()
        .with_suites(BTreeMap::from([(HASH.to_owned(), Poseidon2HashSuite::new_suite())]))
        .with_segment_verifier_parameters(Default::default())
        .with_succinct_verifier_parameters(Default::default())
        .with_groth16_verifier_parameters(Default::default())
}

/// What the library does not look at, or looks at too late.
fn check(receipt: &WireReceipt) -> Result<(), Rejected> {
    match &receipt.inner {
        WireInner::Composite(composite) => check_composite(composite),
        WireInner::Succinct(succinct) => check_succinct(succinct),
        WireInner::Groth16(WireGroth16 { seal, .. }) => match seal.len() {
            GROTH16_SEAL_BYTES => Ok(()),
            _ => Err(Rejected::NoSeal),
        },
        WireInner::Fake(never) => match *never {},
    }
}

fn check_composite(composite: &WireComposite) -> Result<(), Rejected> {
    if composite.segments.is_empty() {
        return Err(Rejected::NoSeal);
    }
    if !composite.assumption_receipts.is_empty() {
        return Err(Rejected::Inconsistent("it rests on other receipts"));
    }
    let parameters = SegmentReceiptVerifierParameters::default().digest();
    for (index, segment) in composite.segments.iter().enumerate() {
        if segment.seal.len() < SEAL_WORDS_MIN {
            return Err(Rejected::NoSeal);
        }
        if segment.index as usize != index {
            return Err(Rejected::Inconsistent("its segments are not in order"));
        }
        if segment.hashfn != HASH {
            return Err(Rejected::Inconsistent("a segment is sealed with another hash than Poseidon2"));
        }
        if segment.verifier_parameters != parameters {
            return Err(Rejected::Inconsistent("a segment is of another version of the proof system"));
        }
        if !segment_po2(&segment.seal).is_some_and(|po2| SEGMENT_PO2.contains(&po2)) {
            return Err(Rejected::Inconsistent("a segment is shorter or longer than is taken"));
        }
    }
    Ok(())
}

fn check_succinct(succinct: &WireSuccinct) -> Result<(), Rejected> {
    if succinct.seal.len() < SEAL_WORDS_MIN {
        return Err(Rejected::NoSeal);
    }
    if succinct.hashfn != HASH {
        return Err(Rejected::Inconsistent("it is sealed with another hash than Poseidon2"));
    }
    let digests = &succinct.control_inclusion_proof.digests;
    if digests.iter().flat_map(|digest| digest.as_words()).any(|word| *word >= FIELD) {
        return Err(Rejected::Inconsistent("the proof of its program has a hash that is none"));
    }
    Ok(())
}

fn rejected(receipt: &Receipt, expected: ImageId, error: VerificationError) -> Rejected {
    match (error, crate::claim::image_id(receipt)) {
        (VerificationError::ClaimDigestMismatch { .. }, Some(found)) if found != expected => {
            Rejected::OtherProgram { found, expected }
        }
        (VerificationError::ClaimDigestMismatch { .. }, _) => {
            Rejected::Invalid("it is not one of this program's runs to its end with this output".to_owned())
        }
        (error, _) => Rejected::Invalid(error.to_string()),
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic").chars().take(200).collect()
}
