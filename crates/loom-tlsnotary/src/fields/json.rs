//! JSON with holes, read once from its beginning, noting where wanted values stand.
//!
//! The grammar is RFC 8259's. Strings and scalars are left to serde_json, so what counts as one is what it counts as one.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use serde::de::IgnoredAny;

use crate::{http::Body, limits::JSON_DEPTH_MAX};

/// Why a body is no JSON document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte {at}: the response's body is not read as JSON: {problem}")]
pub struct Unreadable {
    /// Where, in what was received.
    pub at: u64,
    /// What is wrong.
    pub problem: &'static str,
}

/// Where wanted values stand in the body's text.
pub(super) struct Scanned {
    pub(super) found: BTreeMap<String, Range<usize>>,
    /// The hole behind which nothing can be told any more.
    pub(super) stopped: Option<usize>,
}

/// Whether a value is wanted, by its pointer and where it stands in the body's text.
pub(super) type IsWanted<'a> = &'a dyn Fn(&str, &Range<usize>) -> bool;

pub(super) fn scan(body: &Body, is_wanted: IsWanted<'_>) -> Result<Scanned, Unreadable> {
    let mut scanner = Scanner { body, at: 0, path: String::new(), depth: 0, is_wanted, found: BTreeMap::new() };
    let stopped = match scanner.document() {
        Ok(()) => None,
        Err(Stop::Hole(place)) => Some(place),
        Err(Stop::Invalid(problem)) => return Err(Unreadable { at: body.position(scanner.at), problem }),
    };
    Ok(Scanned { found: scanner.found, stopped })
}

enum Stop {
    /// A hole that could be anything.
    Hole(usize),
    Invalid(&'static str),
}

struct Scanner<'a> {
    body: &'a Body,
    at: usize,
    /// The pointer to the value that is read.
    path: String,
    depth: usize,
    is_wanted: IsWanted<'a>,
    found: BTreeMap<String, Range<usize>>,
}

impl Scanner<'_> {
    fn document(&mut self) -> Result<(), Stop> {
        self.value()?;
        self.space();
        match self.peek() {
            None => Ok(()),
            Some(_) => self.unexpected("more follows the document"),
        }
    }

    fn value(&mut self) -> Result<(), Stop> {
        self.space();
        let start = self.at;
        match self.peek() {
            Some(b'{') => self.nested(Self::object)?,
            Some(b'[') => self.nested(Self::array)?,
            Some(b'"') => {
                let text = self.string()?;
                // One with a hole is looked at by nobody.
                if !text.contains(&Body::HOLE) {
                    serde_json::from_slice::<String>(text).map_err(|_| Stop::Invalid("not a string"))?;
                }
            }
            Some(_) => self.scalar()?,
            None => return Err(Stop::Invalid("it ends where a value is expected")),
        }
        let place = start..self.at;
        if (self.is_wanted)(&self.path, &place) {
            self.found.insert(self.path.clone(), place);
        }
        Ok(())
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<(), Stop>) -> Result<(), Stop> {
        self.depth += 1;
        if self.depth > JSON_DEPTH_MAX {
            return Err(Stop::Invalid("objects and lists are nested too deep"));
        }
        self.at += 1;
        read(self)?;
        self.depth -= 1;
        Ok(())
    }

    fn object(&mut self) -> Result<(), Stop> {
        let mut keys = BTreeSet::new();
        if self.is_next(b'}') {
            return Ok(());
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return self.unexpected("a key is expected");
            }
            let start = self.at;
            let text = self.string()?;
            if text.contains(&Body::HOLE) {
                return Err(Stop::Hole(start + text.iter().position(|byte| *byte == Body::HOLE).unwrap_or(0)));
            }
            let key: String = serde_json::from_slice(text).map_err(|_| Stop::Invalid("not a key"))?;
            if !self.is_next(b':') {
                return self.unexpected("':' is expected");
            }
            self.member(&key)?;
            if !keys.insert(key) {
                return Err(Stop::Invalid("a key stands there twice"));
            }
            if self.is_next(b'}') {
                return Ok(());
            }
            if !self.is_next(b',') {
                return self.unexpected("',' or '}' is expected");
            }
        }
    }

    fn array(&mut self) -> Result<(), Stop> {
        if self.is_next(b']') {
            return Ok(());
        }
        for place in 0u64.. {
            self.member(&place.to_string())?;
            if self.is_next(b']') {
                break;
            }
            if !self.is_next(b',') {
                return self.unexpected("',' or ']' is expected");
            }
        }
        Ok(())
    }

    /// The value under a key, or at a place.
    fn member(&mut self, name: &str) -> Result<(), Stop> {
        let length = self.path.len();
        self.path.push('/');
        self.path.push_str(&name.replace('~', "~0").replace('/', "~1"));
        self.value()?;
        self.path.truncate(length);
        Ok(())
    }

    /// A string with its quotes, holes and all.
    fn string(&mut self) -> Result<&[u8], Stop> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.body.text.get(self.at) {
                None => return Err(Stop::Invalid("a string does not end")),
                Some(b'"') => break,
                // A hole after a backslash: what is escaped is not known, and so not whether it is the closing quote.
                Some(b'\\') if self.hole_at(self.at + 1) => return Err(Stop::Hole(self.at + 1)),
                Some(b'\\') => self.at += 2,
                Some(byte) if *byte < 0x20 && !self.hole_at(self.at) => {
                    return Err(Stop::Invalid("a control character in a string"));
                }
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        Ok(&self.body.text[start..self.at])
    }

    /// A number or word, or a single hole in its place.
    fn scalar(&mut self) -> Result<(), Stop> {
        let start = self.at;
        let rest = &self.body.text[start..];
        let length = rest.iter().position(|byte| b",]} \t\r\n".contains(byte)).unwrap_or(rest.len());
        let text = &rest[..length];
        match text.iter().position(|byte| *byte == Body::HOLE) {
            // Nothing after it: the hole may as well go on as something else.
            Some(place) if length == rest.len() || !text.iter().all(is_of_scalar) => Err(Stop::Hole(start + place)),
            Some(_) => {
                self.at += length;
                Ok(())
            }
            None => {
                serde_json::from_slice::<IgnoredAny>(text).map_err(|_| Stop::Invalid("not a value"))?;
                self.at += length;
                Ok(())
            }
        }
    }

    fn space(&mut self) {
        while self.peek().is_some_and(|byte| b" \t\r\n".contains(&byte)) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.body.text.get(self.at).copied()
    }

    fn is_next(&mut self, expected: u8) -> bool {
        self.space();
        let is_next = self.peek() == Some(expected);
        self.at += usize::from(is_next);
        is_next
    }

    fn hole_at(&self, place: usize) -> bool {
        self.body.hole(place).is_some()
    }

    fn unexpected(&self, problem: &'static str) -> Result<(), Stop> {
        Err(if self.hole_at(self.at) { Stop::Hole(self.at) } else { Stop::Invalid(problem) })
    }
}

/// What numbers and words are made of, and holes.
fn is_of_scalar(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(*byte, b'-' | b'+' | b'.' | Body::HOLE)
}
