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
    /// A part of it is not disclosed.
    #[error("a part of it is not disclosed")]
    Partial,
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
    let scanned = json::scan(&body, pointers)?;
    let fields = pointers.iter().map(|pointer| {
        let field = match scanned.found.get(pointer) {
            Some(found) => field(&body, found),
            None => Err(scanned.stopped.map_or(Missing::Absent, |place| Missing::Hidden { at: body.position(place) })),
        };
        (pointer.clone(), field)
    });
    Ok(Extracted { status: body.status, fields: fields.collect() })
}

fn field(body: &Body, found: &std::ops::Range<usize>) -> Result<Field, Missing> {
    let text = &body.text[found.clone()];
    if text.contains(&Body::HOLE) {
        return Err(Missing::Partial);
    }
    let text = String::from_utf8(text.to_vec()).expect("the scanner has read it as JSON");
    let range = body.position(found.start)..body.position(found.end - 1) + 1;
    let all = body.head_holes.iter().chain(body.holes());
    let (assumes, hidden_after): (Vec<_>, Vec<_>) = all.cloned().partition(|hole| hole.start < range.start);
    Ok(Field { text, range, assumes, hidden_after })
}

#[cfg(test)]
mod tests;
