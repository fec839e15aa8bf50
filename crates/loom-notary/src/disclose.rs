//! Leaving out what is nobody's business.
//!
//! A presentation opens commitments, and one with fewer openings is as good for what is left. So its holder needs
//! nothing but the file to make one that discloses less, and never the notary again.

use std::{fmt, str::FromStr};

use loom_tlsnotary::{
    RangeSet,
    limits::TRANSCRIPT_BYTES_MAX,
    presentation::{Direction, Opening, Presentation, TranscriptProof},
};

use crate::{json::Outline, pieces::subtract, response::Response};

/// What takes the place of bytes that are not disclosed, while positions are looked for. Within a text, a number or a
/// header's value it changes nothing about what stands where.
const FILLER: u8 = b'1';

/// A JSON pointer (RFC 6901) into a response's body.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pointer(Vec<String>);

/// Which values of a response's body are disclosed. Whatever else is in the presentation stays: status line and
/// headers, and of the body its shape: brackets, names of members, and how long the values are that are hidden.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    /// All.
    #[default]
    All,
    /// These, and what is within them.
    Only(Vec<Pointer>),
    /// All but these, and what is within them.
    AllBut(Vec<Pointer>),
}

/// Why a presentation cannot be made to disclose what is asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DisclosureError {
    /// There is nothing to choose from.
    #[error("the presentation discloses nothing that was said")]
    Nothing,
    /// It is not a response that could be read.
    #[error("the response cannot be read: {problem}")]
    Response {
        /// Why.
        problem: &'static str,
    },
    /// No values.
    #[error("the response's body is not JSON into which a pointer could lead")]
    NoJson,
    /// Nothing is there.
    #[error("there is nothing at '{pointer}'")]
    Missing {
        /// Where.
        pointer: Pointer,
    },
    /// It cannot be disclosed without something that is to be hidden.
    #[error("what is at '{pointer}' has no commitment of its own; only more of the body can be disclosed, or nothing")]
    TooCoarse {
        /// Where.
        pointer: Pointer,
    },
}

/// A text that is no JSON pointer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no JSON pointer, such as /account/balance")]
pub struct InvalidPointer(String);

impl FromStr for Pointer {
    type Err = InvalidPointer;

    fn from_str(text: &str) -> Result<Self, InvalidPointer> {
        if text.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let names = text.strip_prefix('/').ok_or_else(|| InvalidPointer(text.to_owned()))?;
        let name = |name: &str| {
            let is_escaped = name.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
            is_escaped.then(|| name.replace("~1", "/").replace("~0", "~"))
        };
        let names: Option<_> = names.split('/').map(name).collect();
        names.map(Self).ok_or_else(|| InvalidPointer(text.to_owned()))
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|name| write!(f, "/{}", name.replace('~', "~0").replace('/', "~1")))
    }
}

/// The same presentation with less of the response's body.
pub fn disclose(full: &Presentation, selection: &Selection) -> Result<Presentation, DisclosureError> {
    let pointers = match selection {
        Selection::All => return Ok(full.clone()),
        Selection::Only(pointers) | Selection::AllBut(pointers) => pointers,
    };
    let transcript = full.transcript.as_ref().ok_or(DisclosureError::Nothing)?;
    if !is_consistent(transcript) {
        return Err(DisclosureError::Response { problem: "its parts do not fit together" });
    }
    let values = Values::of(transcript, pointers)?;
    let hidden = match selection {
        Selection::AllBut(_) => values.chosen_all(),
        _ => subtract(&values.all, &values.chosen_all()),
    };
    let is_kept = |opening: &&Opening| opening.direction == Direction::Sent || !meet(&opening.ranges, &hidden);
    let openings: Vec<_> = transcript.openings.iter().filter(is_kept).cloned().collect();
    let kept = union_of(&openings, Direction::Received);
    let lost = subtract(&subtract(&transcript.received_ranges, &kept), &hidden);
    if let (Selection::Only(_), Some(pointer)) = (selection, values.first_in(&lost)) {
        return Err(DisclosureError::TooCoarse { pointer });
    }
    Ok(Presentation { transcript: Some(narrowed(transcript, openings, kept)), ..full.clone() })
}

/// The same presentation without the server's certificates: what was said stays, and who said it is then only what the
/// request's `host` header claims.
pub fn without_identity(full: &Presentation) -> Presentation {
    Presentation { identity: None, ..full.clone() }
}

/// Where the values of a response's body stand.
struct Values {
    /// Every value.
    all: RangeSet,
    /// Those at the pointers and within.
    chosen: Vec<(Pointer, RangeSet)>,
}

impl Values {
    fn of(transcript: &TranscriptProof, pointers: &[Pointer]) -> Result<Self, DisclosureError> {
        let mut bytes = vec![FILLER; transcript.received_total as usize];
        scatter(&transcript.received, &transcript.received_ranges, &mut bytes);
        let response = Response::read_to_end(&bytes).map_err(|problem| DisclosureError::Response { problem })?;
        let outline = Outline::read(&response.body_of(&bytes)).ok_or(DisclosureError::NoJson)?;
        let located = |outline: &Outline| response.located(&outline.scalars());
        let chosen = pointers.iter().map(|pointer| {
            let found = outline.at(&pointer.0).ok_or_else(|| DisclosureError::Missing { pointer: pointer.clone() })?;
            Ok((pointer.clone(), located(found)))
        });
        Ok(Self { all: located(&outline), chosen: chosen.collect::<Result<_, _>>()? })
    }

    fn chosen_all(&self) -> RangeSet {
        RangeSet::union(self.chosen.iter().flat_map(|(_, ranges)| ranges.as_slice()).cloned())
    }

    /// The first pointer that leads to any of these bytes.
    fn first_in(&self, ranges: &RangeSet) -> Option<Pointer> {
        self.chosen.iter().find(|(_, chosen)| meet(chosen, ranges)).map(|(pointer, _)| pointer.clone())
    }
}

/// Whether the bytes of a transcript are as many as it says, where it says, and no more than verifiers read.
pub(crate) fn is_consistent(transcript: &TranscriptProof) -> bool {
    let fits = |bytes: &[u8], ranges: &RangeSet, total: u64| {
        bytes.len() as u64 == ranges.total() && ranges.end() <= total && total <= TRANSCRIPT_BYTES_MAX
    };
    fits(&transcript.sent, &transcript.sent_ranges, transcript.sent_total)
        && fits(&transcript.received, &transcript.received_ranges, transcript.received_total)
}

fn narrowed(full: &TranscriptProof, openings: Vec<Opening>, kept: RangeSet) -> TranscriptProof {
    let mut bytes = vec![FILLER; full.received_total as usize];
    scatter(&full.received, &full.received_ranges, &mut bytes);
    TranscriptProof { received: gather(&bytes, &kept), received_ranges: kept, openings, ..full.clone() }
}

fn union_of(openings: &[Opening], direction: Direction) -> RangeSet {
    let openings = openings.iter().filter(|opening| opening.direction == direction);
    RangeSet::union(openings.flat_map(|opening| opening.ranges.as_slice()).cloned())
}

/// Whether two sets have a byte in common.
fn meet(one: &RangeSet, other: &RangeSet) -> bool {
    let other = other.as_slice();
    one.as_slice().iter().any(|range| {
        let next = other.partition_point(|other| other.end <= range.start);
        other.get(next).is_some_and(|other| other.start < range.end)
    })
}

/// The bytes in the ranges, one after the other.
pub(crate) fn gather(bytes: &[u8], ranges: &RangeSet) -> Vec<u8> {
    let ranges = ranges.as_slice().iter();
    ranges.flat_map(|range| &bytes[range.start as usize..range.end as usize]).copied().collect()
}

/// The contrary: puts bytes where they stood.
fn scatter(mut from: &[u8], ranges: &RangeSet, to: &mut [u8]) {
    for range in ranges.as_slice() {
        let to = &mut to[range.start as usize..range.end as usize];
        let (bytes, rest) = from.split_at(to.len());
        to.copy_from_slice(bytes);
        from = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_are_those_of_the_rfc() {
        for text in ["", "/", "/a", "/a/0/b", "/a~1b/m~0n", "/~01"] {
            assert_eq!(text.parse::<Pointer>().unwrap().to_string(), text);
        }
        assert_eq!("/~01/x".parse(), Ok(Pointer(vec!["~1".to_owned(), "x".to_owned()])));
        for text in ["a", "#/a", "/~", "/~2", "/a~"] {
            assert!(text.parse::<Pointer>().is_err(), "{text}");
        }
    }

    #[test]
    #[expect(clippy::single_range_in_vec_init, reason = "sets, some of them of one range")]
    fn sets_meet_where_they_share_a_byte() {
        let set = |ranges: &[loom_tlsnotary::Range]| RangeSet::union(ranges.iter().cloned());
        for (one, other, expected) in [
            (vec![0..2, 5..7], vec![2..5, 7..9], false),
            (vec![0..2, 5..7], vec![6..9], true),
            (vec![0..9], vec![3..4], true),
            (vec![3..4], vec![0..9], true),
            (vec![], vec![0..9], false),
        ] {
            assert_eq!(meet(&set(&one), &set(&other)), expected, "{one:?} {other:?}");
            assert_eq!(meet(&set(&other), &set(&one)), expected, "{other:?} {one:?}");
        }
    }
}
