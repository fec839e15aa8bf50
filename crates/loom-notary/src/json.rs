//! Where in a text of JSON its values stand.
//!
//! The text is known to be JSON before it is looked at. What is found is an outline: for every value the bytes that
//! are worth hiding (a string without its quotes), and for every object and list its brackets, commas and keys.

use std::{
    collections::{HashSet, VecDeque},
    ops::Range,
};

use serde::de::IgnoredAny;

use crate::limits::JSON_DEPTH_MAX;

/// A value, and those within it.
pub(crate) enum Outline {
    /// Text, number, `true`, `false` or `null`; the bytes between the quotes of a text, which may be none.
    Scalar(Range<usize>),
    /// An object or list, from bracket to bracket; members of lists are named by number, as pointers name them.
    Container(Range<usize>, Vec<(String, Outline)>),
}

impl Outline {
    /// The outline of a text; `None` if it is no JSON, too deep, or has two members of one name somewhere: a pointer
    /// would not say which.
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        serde_json::from_str::<IgnoredAny>(text).ok()?;
        let mut scanner = Scanner { text, at: 0 };
        let mut outline = scanner.value(0)?;
        if let Outline::Container(span, _) = &mut outline {
            // Space around the document is of no value.
            *span = 0..text.len();
        }
        Some(outline)
    }

    /// The bytes of it, seen from the container it is in.
    pub(crate) fn span(&self) -> Range<usize> {
        match self {
            Outline::Scalar(span) | Outline::Container(span, _) => span.clone(),
        }
    }

    /// The value at a pointer, taken apart.
    pub(crate) fn at(&self, pointer: &[String]) -> Option<&Self> {
        let Some((name, rest)) = pointer.split_first() else { return Some(self) };
        let Outline::Container(_, members) = self else { return None };
        members.iter().find(|(member, _)| member == name)?.1.at(rest)
    }

    /// The bytes of every scalar within it.
    pub(crate) fn scalars(&self) -> Vec<Range<usize>> {
        match self {
            Outline::Scalar(span) => vec![span.clone()],
            Outline::Container(_, members) => members.iter().flat_map(|(_, member)| member.scalars()).collect(),
        }
    }

    /// Cut into at most `max` pieces, from the outside in: scalars, what containers have of their own, and containers
    /// that are not cut further.
    pub(crate) fn pieces(&self, max: usize) -> Vec<Vec<Range<usize>>> {
        let mut pieces = Vec::new();
        let mut waiting = VecDeque::from([self]);
        while let Some(outline) = waiting.pop_front() {
            match outline {
                Outline::Container(span, members) if pieces.len() + waiting.len() + 1 + members.len() <= max => {
                    pieces.push(gaps(span, members));
                    waiting.extend(members.iter().map(|(_, member)| member));
                }
                whole => pieces.push(vec![whole.span()]),
            }
        }
        pieces
    }
}

/// What a container has besides its members' bytes.
fn gaps(span: &Range<usize>, members: &[(String, Outline)]) -> Vec<Range<usize>> {
    let mut gaps = Vec::with_capacity(members.len() + 1);
    let mut from = span.start;
    for member in members.iter().map(|(_, member)| member.span()) {
        gaps.push(from..member.start);
        from = member.end;
    }
    gaps.push(from..span.end);
    gaps
}

/// Goes through a text that is JSON.
struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl Scanner<'_> {
    fn value(&mut self, depth: usize) -> Option<Outline> {
        self.space();
        match self.next()? {
            _ if depth > JSON_DEPTH_MAX => None,
            b'{' => self.container(depth, b'}'),
            b'[' => self.container(depth, b']'),
            b'"' => {
                let quoted = self.string();
                Some(Outline::Scalar(quoted.start + 1..quoted.end - 1))
            }
            _ => {
                let start = self.at;
                while self.next().is_some_and(|byte| !b",]} \t\r\n".contains(&byte)) {
                    self.at += 1;
                }
                Some(Outline::Scalar(start..self.at))
            }
        }
    }

    fn container(&mut self, depth: usize, close: u8) -> Option<Outline> {
        let start = self.at;
        let mut members = Vec::new();
        let mut names = HashSet::new();
        self.at += 1;
        loop {
            self.space();
            match self.next()? {
                byte if byte == close => break,
                b',' => self.at += 1,
                _ => {
                    let name = if close == b'}' { self.name()? } else { members.len().to_string() };
                    if !names.insert(name.clone()) {
                        return None;
                    }
                    members.push((name, self.value(depth + 1)?));
                }
            }
        }
        self.at += 1;
        Some(Outline::Container(start..self.at, members))
    }

    /// A member's name, and the colon after it.
    fn name(&mut self) -> Option<String> {
        let quoted = self.string();
        self.space();
        self.at += 1;
        serde_json::from_str(&self.text[quoted]).ok()
    }

    /// A string with its quotes.
    fn string(&mut self) -> Range<usize> {
        let start = self.at;
        self.at += 1;
        while self.next().is_some_and(|byte| byte != b'"') {
            self.at += if self.next() == Some(b'\\') { 2 } else { 1 };
        }
        self.at += 1;
        start..self.at
    }

    fn space(&mut self) {
        while self.next().is_some_and(|byte| b" \t\r\n".contains(&byte)) {
            self.at += 1;
        }
    }

    fn next(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

#[cfg(test)]
mod tests;
