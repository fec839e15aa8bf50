//! What was said: disclosed bytes, each of which an opened commitment of the notary's covers.

use std::collections::BTreeSet;

use super::{Disclosed, Rejected, Transcript};
use crate::{
    hashing::hash,
    limits::{OPENED_BYTES_MAX, TRANSCRIPT_BYTES_MAX},
    presentation::{Body, Commitment, Direction, HashAlgorithm, Opening, TranscriptProof},
    ranges::{Range, RangeSet},
};

pub(super) fn check(proof: TranscriptProof, body: &Body) -> Result<Transcript, Rejected> {
    let TranscriptProof { sent, received, sent_ranges, received_ranges, sent_total, received_total, openings } = proof;
    let connection = body.connection.data;
    let sent = disclosed("sent", sent, sent_ranges, sent_total, connection.sent)?;
    let received = disclosed("received", received, received_ranges, received_total, connection.received)?;
    let transcript = Transcript { sent, received };
    check_openings(&openings, &transcript, body)?;
    Ok(transcript)
}

fn disclosed(
    direction: &'static str,
    bytes: Vec<u8>,
    ranges: RangeSet,
    total: u64,
    seen: u32,
) -> Result<Disclosed, Rejected> {
    if bytes.len() as u64 != ranges.total() {
        return Err(Rejected::DisclosedLength { direction, expected: ranges.total(), found: bytes.len() });
    }
    if ranges.end() > total {
        return Err(Rejected::OutOfBounds { direction, end: ranges.end(), total });
    }
    if total != u64::from(seen) {
        return Err(Rejected::Total { direction, expected: seen, found: total });
    }
    if total > TRANSCRIPT_BYTES_MAX {
        return Err(Rejected::TranscriptTooLarge);
    }
    Ok(Disclosed::new(bytes, ranges, total).expect("the lengths were compared"))
}

/// A commitment, as far as an opening has to be equal to it.
type Key = (Direction, HashAlgorithm, [u8; 32], Vec<(u64, u64)>);

fn check_openings(openings: &[Opening], transcript: &Transcript, body: &Body) -> Result<(), Rejected> {
    // One by one: to collect them would bring a whole sorting algorithm into the module.
    let mut committed = BTreeSet::new();
    for field in &body.commitments {
        committed.insert(key(&field.data));
    }
    let mut opened = BTreeSet::new();
    let mut hashed = 0u64;
    for (place, opening) in openings.iter().enumerate() {
        let said = transcript.of(opening.direction);
        // What is stated of bytes that are not there yet.
        hashed = hashed.saturating_add(opening.ranges.total());
        if hashed > OPENED_BYTES_MAX {
            return Err(Rejected::OpenedTooMuch);
        }
        let parts: Option<Vec<_>> = opening.ranges.as_slice().iter().map(|range| said.bytes(range)).collect();
        let Some(mut parts) = parts else { return Err(Rejected::OpeningUndisclosed { place }) };
        parts.push(&opening.blinder);
        let key =
            Key::from((opening.direction, opening.algorithm, hash(opening.algorithm, &parts), pairs(&opening.ranges)));
        if !committed.contains(&key) {
            return Err(Rejected::OpeningUncommitted { place });
        }
        if !opened.insert(key) {
            return Err(Rejected::OpeningRepeated { place });
        }
    }
    covers_all("sent", Direction::Sent, openings, &transcript.sent)?;
    covers_all("received", Direction::Received, openings, &transcript.received)
}

fn key(commitment: &Commitment) -> Key {
    let Commitment { direction, ranges, hash } = commitment;
    (*direction, hash.algorithm, hash.value, pairs(ranges))
}

fn pairs(ranges: &RangeSet) -> Vec<(u64, u64)> {
    ranges.as_slice().iter().map(|range| (range.start, range.end)).collect()
}

/// Openings lie within what is disclosed, so it is enough that nothing is left over.
fn covers_all(
    name: &'static str,
    direction: Direction,
    openings: &[Opening],
    said: &Disclosed,
) -> Result<(), Rejected> {
    let of_direction = openings.iter().filter(|opening| opening.direction == direction);
    let ranges = of_direction.flat_map(|opening| opening.ranges.as_slice().iter().cloned());
    let covered = RangeSet::union(ranges.collect::<Vec<Range>>());
    if covered == *said.ranges() { Ok(()) } else { Err(Rejected::Uncommitted { direction: name }) }
}
