//! What a response says at a JSON pointer, and what is known about that place.
//!
//! A value counts as **placed** if everything from the response's first byte to the byte after the value is disclosed.
//! Then the head, the way from the document's root, the key and the value are what the server sent, and nothing before
//! them can mean something else. This is what [`Field::is_placed`] says.
//!
//! With holes before it a value can still be found, as long as each of them lies within one JSON string, or is one number
//! or word, or lies in one header's value, by what is disclosed on both sides. That a hole is no more than that is then an
//! *assumption*: what is hidden may as well close a string and open another object, and its holder chose what to hide.
//! Each such hole is in [`Field::assumes`].
//!
//! A value that is hidden as a whole, and nothing else by the same hole, has a place as well ([`Withheld`]): that the hole
//! is no more than one value is assumed here and can be proved elsewhere ([`committed`](crate::committed)).
//!
//! Nothing is said about what stands after a value. A hole there may hide the same key once more;
//! [`Field::hidden_after`] lists them. A key that is seen twice makes the whole document unreadable, as readers differ in
//! which one counts.

mod json;

use std::collections::BTreeMap;

pub use self::json::Unreadable as UnreadableJson;
use crate::{
    http::{Body, Unreadable, body},
    limits::POINTERS_MAX,
    ranges::Range,
    verify::Disclosed,
};

/// A response of which fields were wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extracted {
    /// Its status.
    pub status: u16,
    /// What was found, by pointer.
    pub fields: BTreeMap<String, Result<Field, Missing>>,
}

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// JSON, as it stands there.
    pub text: String,
    /// Where it stands in what was received.
    pub range: Range,
    /// Holes before it of which is assumed that they hide no more than a value.
    pub assumes: Vec<Range>,
    /// Holes after it.
    pub hidden_after: Vec<Range>,
}

impl Field {
    /// Whether the value is where it seems to be, without any assumption.
    pub fn is_placed(&self) -> bool {
        self.assumes.is_empty()
    }
}

/// Why there is no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// All of the document is there, and it has no such member.
    #[error("the document has no such member")]
    Absent,
    /// Something that is not disclosed stands before it, or in its place.
    #[error("byte {at}: what is not disclosed here may hide it, or where it is")]
    Hidden {
        /// Where the hole begins.
        at: u64,
    },
    /// Nothing of it is disclosed.
    #[error("it is hidden, by all appearances in bytes {} to {}", .0.range.start, .0.range.end)]
    Withheld(Withheld),
    /// A part of it is not disclosed.
    #[error("a part of it is not disclosed")]
    Partial,
}

/// The place of a value that is hidden, if the hole in its place is no more than that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withheld {
    /// The hole: within the value's quotes, if these are disclosed.
    pub range: Range,
    /// Holes before it of which is assumed that they hide no more than a value.
    pub assumes: Vec<Range>,
    /// Holes after it.
    pub hidden_after: Vec<Range>,
}

/// Why a response has no fields.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoFields {
    /// There is no telling where its body is.
    #[error(transparent)]
    Response(#[from] Unreadable),
    /// Its body is no JSON.
    #[error(transparent)]
    Json(#[from] UnreadableJson),
    /// More pointers than are looked up.
    #[error("{0} pointers, at most {POINTERS_MAX} are looked up")]
    TooManyPointers(usize),
    /// A pointer begins with a slash, or is empty.
    #[error("{0:?} is no JSON pointer")]
    Pointer(String),
}

/// Looks up JSON pointers (RFC 6901) in the response that a transcript begins with.
pub fn extract(received: &Disclosed, pointers: &[String]) -> Result<Extracted, NoFields> {
    if pointers.len() > POINTERS_MAX {
        return Err(NoFields::TooManyPointers(pointers.len()));
    }
    if let Some(pointer) = pointers.iter().find(|pointer| !pointer.is_empty() && !pointer.starts_with('/')) {
        return Err(NoFields::Pointer(pointer.chars().take(256).collect()));
    }
    let body = body(received)?;
    let scanned = json::scan(&body, &|pointer, _| pointers.iter().any(|wanted| wanted == pointer))?;
    let fields = pointers.iter().map(|pointer| {
        let field = match scanned.found.get(pointer) {
            Some(found) => field(&body, found),
            None => Err(scanned.stopped.map_or(Missing::Absent, |place| Missing::Hidden { at: body.position(place) })),
        };
        (pointer.clone(), field)
    });
    Ok(Extracted { status: body.status, fields: fields.collect() })
}

/// The value that takes up a range, with its pointer, and the response's status. The quotes of a text are part of it, or
/// stand around it.
pub(crate) fn standing_at(
    received: &Disclosed,
    wanted: &Range,
    is_quoted: bool,
) -> Result<(u16, Option<(String, Field)>), NoFields> {
    let body = body(received)?;
    let is_there = |_: &str, found: &std::ops::Range<usize>| {
        let Range { start, end } = range(&body, found);
        let is_text = body.text[found.start] == b'"';
        let within = if is_text && !is_quoted { start + 1..end - 1 } else { start..end };
        within == *wanted
    };
    let scanned = json::scan(&body, &is_there)?;
    let found = scanned.found.into_iter().next();
    let found = found.and_then(|(pointer, found)| Some((pointer, field(&body, &found).ok()?)));
    Ok((body.status, found))
}

fn field(body: &Body, found: &std::ops::Range<usize>) -> Result<Field, Missing> {
    let text = &body.text[found.clone()];
    if text.contains(&Body::HOLE) {
        return Err(withheld(body, found).map_or(Missing::Partial, Missing::Withheld));
    }
    let text = String::from_utf8(text.to_vec()).expect("the scanner has read it as JSON");
    let range = range(body, found);
    let (assumes, hidden_after) = other_holes(body, &range);
    Ok(Field { text, range, assumes, hidden_after })
}

/// The place of a value that is one hole, or one between its quotes.
fn withheld(body: &Body, found: &std::ops::Range<usize>) -> Option<Withheld> {
    let place = match body.text[found.clone()] {
        [Body::HOLE] => found.start,
        [b'"', Body::HOLE, b'"'] => found.start + 1,
        _ => return None,
    };
    let range = body.hole(place)?.clone();
    let (assumes, hidden_after) = other_holes(body, &range);
    Some(Withheld { range, assumes, hidden_after })
}

fn range(body: &Body, found: &std::ops::Range<usize>) -> Range {
    body.position(found.start)..body.position(found.end - 1) + 1
}

/// Holes before a value and after it.
fn other_holes(body: &Body, range: &Range) -> (Vec<Range>, Vec<Range>) {
    let all = body.head_holes.iter().chain(body.holes()).filter(|hole| *hole != range);
    all.cloned().partition(|hole| hole.start < range.start)
}

#[cfg(test)]
mod tests;
