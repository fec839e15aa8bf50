//! Values that a notary committed to alone: they can be left out of a presentation and something be proved of them.
//!
//! Its holder takes the opening of such a value out of a full presentation ([`opened`]) and proves with it, elsewhere,
//! that the bytes are an amount and what that amount reaches. Who reads the presentation without the value finds the
//! commitment that was opened among the notary's, and where it stands ([`place`]).
//!
//! As the bytes are proved to be an amount and nothing else, the response is read as if some other amount of this length
//! stood there. That is no assumption: an amount opens and closes nothing.
//!
//! Deliberately absent: proofs, receipts, amounts. What is proved is the caller's to know.

use std::fmt;

use crate::{
    fields::{Field, Missing, NoFields, extract, standing_at},
    hashing::hash,
    presentation::{Commitment, Direction, HashAlgorithm, Opening, Presentation},
    ranges::Range,
    verify::{Disclosed, Verified},
};

/// The algorithm of commitments of which something can be proved.
pub const ALGORITHM: HashAlgorithm = HashAlgorithm::Sha256;

/// What opens the commitment to one value. It is private: whoever has it has the value.
#[derive(Clone, PartialEq, Eq)]
pub struct Opened {
    /// Whose commitment it is.
    pub attestation_id: [u8; 16],
    /// Where the committed bytes stand in what was received.
    pub range: Range,
    /// What was hashed after them.
    pub blinder: [u8; 16],
    /// The committed bytes: the value as it stands there, with its quotes if the commitment is to them too.
    pub text: String,
}

impl fmt::Debug for Opened {
    /// Without what is private.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Opened").field("range", &self.range).finish_non_exhaustive()
    }
}

/// Why there is nothing that opens a value alone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotOpened {
    /// The presentation has no transcript, or one that cannot be.
    #[error("the presentation discloses nothing that was said")]
    NothingDisclosed,
    /// The response cannot be read.
    #[error(transparent)]
    NoFields(#[from] NoFields),
    /// The value is not there to be opened.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// The value cannot be opened without what is around it.
    #[error("the notary has no commitment to this value alone")]
    TooCoarse,
    /// The commitment is hashed in another way.
    #[error("the notary's commitment is made with {0}, and only of {ALGORITHM} something can be proved")]
    Algorithm(HashAlgorithm),
    /// The opening is of no commitment of this presentation.
    #[error("the opening of this value opens none of the notary's commitments")]
    Uncommitted,
}

/// Takes what opens a single value out of a presentation in which it is disclosed. The presentation is not verified.
pub fn opened(presentation: &Presentation, pointer: &str) -> Result<Opened, NotOpened> {
    let proof = presentation.transcript.as_ref().ok_or(NotOpened::NothingDisclosed)?;
    let received = Disclosed::new(proof.received.clone(), proof.received_ranges.clone(), proof.received_total);
    let received = received.ok_or(NotOpened::NothingDisclosed)?;
    let extracted = extract(&received, &[pointer.to_owned()])?;
    let field = extracted.fields.into_values().next().unwrap_or(Err(Missing::Absent))?;
    let openings: Vec<_> = forms(&field).into_iter().flat_map(|form| openings_of(&proof.openings, form)).collect();
    let Some(((range, text), opening)) = openings.iter().find(|(_, opening)| opening.algorithm == ALGORITHM) else {
        let other = openings.first().map(|(_, opening)| NotOpened::Algorithm(opening.algorithm));
        return Err(other.unwrap_or(NotOpened::TooCoarse));
    };
    let value = hash(ALGORITHM, &[text.as_bytes(), &opening.blinder]);
    let commitments = presentation.body.commitments.iter().map(|field| &field.data);
    if !commitments_to(commitments, range).any(|commitment| commitment == value) {
        return Err(NotOpened::Uncommitted);
    }
    let (attestation_id, blinder) = (presentation.header.id, opening.blinder);
    Ok(Opened { attestation_id, range: range.clone(), blinder, text: (*text).to_owned() })
}

/// A value's bytes as a commitment may be to them: without its quotes, and with them.
fn forms(field: &Field) -> Vec<(Range, &str)> {
    let Field { text, range, .. } = field;
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let inner = inner.map(|inner| (range.start + 1..range.end - 1, inner));
    inner.into_iter().chain([(range.clone(), &text[..])]).collect()
}

/// Openings of just these bytes.
fn openings_of<'a, 'b>(
    openings: &'a [Opening],
    form: (Range, &'b str),
) -> impl Iterator<Item = ((Range, &'b str), &'a Opening)> {
    let range = form.0.clone();
    let is_alone = move |opening: &&Opening| {
        opening.direction == Direction::Received && *opening.ranges.as_slice() == [range.clone()]
    };
    openings.iter().filter(is_alone).map(move |opening| (form.clone(), opening))
}

/// Commitments to just these bytes of what was received, of which something can be proved.
pub(crate) fn commitments_to<'a>(
    commitments: impl IntoIterator<Item = &'a Commitment>,
    range: &Range,
) -> impl Iterator<Item = [u8; 32]> {
    let is_alone = move |commitment: &&Commitment| {
        commitment.direction == Direction::Received
            && *commitment.ranges.as_slice() == [range.clone()]
            && commitment.hash.algorithm == ALGORITHM
    };
    commitments.into_iter().filter(is_alone).map(|commitment| commitment.hash.value)
}

/// What is proved of a commitment: that its bytes are an amount, and nothing but it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proved {
    /// The attestation that the commitment is said to be of.
    pub attestation_id: [u8; 16],
    /// Where the bytes are said to stand in what was received.
    pub range: Range,
    /// The commitment that was opened.
    pub commitment: [u8; 32],
    /// Whether the first byte is a quote, and the last.
    pub is_quoted: bool,
}

/// Where the amount of a notary's commitment stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// In which member of the response, or why that is not known.
    pub member: Result<Member, NoMember>,
    /// Whether the presentation shows the amount.
    pub is_disclosed: bool,
}

/// A member of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its JSON pointer.
    pub pointer: String,
    /// Holes before it of which is assumed that they hide no more than a value.
    pub assumes: Vec<Range>,
    /// Holes after it.
    pub hidden_after: Vec<Range>,
}

/// Why a proof is of no commitment of this notary's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotCommitted {
    /// It is about another attestation.
    #[error("it is of another attestation")]
    OtherAttestation,
    /// The attestation has no such commitment.
    #[error("the notary made no such commitment to these bytes")]
    OtherCommitment,
}

/// Why a place of bytes is no place of a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoMember {
    /// Nothing around it is disclosed.
    #[error("nothing of the response is disclosed")]
    NothingDisclosed,
    /// The response cannot be read.
    #[error(transparent)]
    NoFields(#[from] NoFields),
    /// The response is no answer to what was asked.
    #[error("the response has status {0}")]
    Status(u16),
    /// What is disclosed around it does not show that a value stands just there.
    #[error("what is disclosed does not show that a value stands just there")]
    NotAlone,
}

/// Finds what was proved among the commitments of a verified presentation, and the member whose value it is.
pub fn place(verified: &Verified, proved: &Proved) -> Result<Placed, NotCommitted> {
    if verified.attestation_id != proved.attestation_id {
        return Err(NotCommitted::OtherAttestation);
    }
    if !commitments_to(&verified.commitments, &proved.range).any(|commitment| commitment == proved.commitment) {
        return Err(NotCommitted::OtherCommitment);
    }
    let Some(transcript) = &verified.transcript else {
        return Ok(Placed { member: Err(NoMember::NothingDisclosed), is_disclosed: false });
    };
    let is_disclosed = transcript.received.bytes(&proved.range).is_some();
    Ok(Placed { member: member(&transcript.received, proved, is_disclosed), is_disclosed })
}

fn member(received: &Disclosed, proved: &Proved, is_disclosed: bool) -> Result<Member, NoMember> {
    let Proved { range, is_quoted, .. } = proved;
    if received.ranges().is_empty() {
        return Err(NoMember::NothingDisclosed);
    }
    // Of the length of commitments that nothing opens, only their notary knows.
    if range.end > received.total() {
        return Err(NoMember::NotAlone);
    }
    let as_if = match is_disclosed {
        true => received.clone(),
        false => received.filled(range.start, &any_amount(range, *is_quoted)).ok_or(NoMember::NotAlone)?,
    };
    let (status, found) = standing_at(&as_if, range, *is_quoted)?;
    if status != 200 {
        return Err(NoMember::Status(status));
    }
    let (pointer, Field { assumes, hidden_after, .. }) = found.ok_or(NoMember::NotAlone)?;
    Ok(Member { pointer, assumes, hidden_after })
}

/// Some amount that takes up a range.
fn any_amount(range: &Range, is_quoted: bool) -> Vec<u8> {
    let mut text = vec![b'1'; (range.end - range.start) as usize];
    if let ([first, .., last], true) = (&mut text[..], is_quoted) {
        (*first, *last) = (b'"', b'"');
    }
    text
}

#[cfg(test)]
mod tests;
