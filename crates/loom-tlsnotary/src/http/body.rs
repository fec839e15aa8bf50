//! A response's body, out of its head's framing.

use super::{
    cursor::{Cursor, Symbol},
    split_once,
};
use crate::{ranges::Range, verify::Disclosed};

/// A body, with a mark in place of each hole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// The response's status.
    pub status: u16,
    /// Holes in values of the head: that they are within those values is assumed.
    pub head_holes: Vec<Range>,
    /// The body's bytes; [`Body::HOLE`] stands for a whole hole. JSON has no use for that byte.
    pub text: Vec<u8>,
    /// By their places in `text`.
    holes: Vec<(usize, Range)>,
    /// Pieces of `text` by where they begin, with where that is in the transcript.
    pieces: Vec<(usize, u64)>,
}

/// Why there is no telling where a response's body is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Framing that is not disclosed.
    #[error("byte {at}: a part that is not disclosed may hide where the response's {what} ends")]
    Hidden {
        /// Where the hole begins.
        at: u64,
        /// Which part.
        what: &'static str,
    },
    /// It is no response of HTTP/1.
    #[error("byte {at}: {problem}")]
    Invalid {
        /// Where.
        at: u64,
        /// What is wrong.
        problem: &'static str,
    },
}

impl Body {
    /// What stands for a hole.
    pub const HOLE: u8 = 0;

    /// The hole at a place of `text`.
    pub fn hole(&self, place: usize) -> Option<&Range> {
        let found = self.holes.binary_search_by_key(&place, |(place, _)| *place).ok()?;
        Some(&self.holes[found].1)
    }

    /// All holes, in order.
    pub fn holes(&self) -> impl Iterator<Item = &Range> {
        self.holes.iter().map(|(_, hole)| hole)
    }

    /// Where a byte of `text` stands in the transcript.
    pub fn position(&self, place: usize) -> u64 {
        let piece = self.pieces.partition_point(|(start, _)| *start <= place).checked_sub(1);
        piece.map_or(0, |piece| {
            let (start, position) = self.pieces[piece];
            position + (place - start) as u64
        })
    }

    fn push(&mut self, symbol: Symbol, at: u64) {
        let follows =
            self.pieces.last().is_some_and(|(start, position)| position + (self.text.len() - start) as u64 == at);
        if !follows {
            self.pieces.push((self.text.len(), at));
        }
        match symbol {
            Symbol::Byte(byte) => self.text.push(byte),
            Symbol::Hole(hole) => {
                self.holes.push((self.text.len(), hole));
                self.text.push(Self::HOLE);
            }
        }
    }
}

/// How a body ends.
enum Framing {
    Length(u64),
    Chunked,
    UntilClose,
}

/// Finds the body of the response that a transcript begins with.
pub fn body(received: &Disclosed) -> Result<Body, Unreadable> {
    let mut cursor = Cursor::new(received);
    let status = status(&line(&mut cursor, None)?, cursor.at())?;
    let mut body = Body { status, head_holes: Vec::new(), text: Vec::new(), holes: Vec::new(), pieces: Vec::new() };
    let framing = headers(&mut cursor, &mut body.head_holes)?;
    match framing {
        Framing::Length(length) => {
            take(&mut cursor, &mut body, length)?;
            ends(&mut cursor)?;
        }
        Framing::Chunked => chunks(&mut cursor, &mut body)?,
        Framing::UntilClose => {
            let left = received.total() - cursor.at();
            take(&mut cursor, &mut body, left)?;
        }
    }
    Ok(body)
}

/// A header's line is longer than this only if something is wrong.
const LINE_BYTES_MAX: usize = 16 * 1024;
/// Lines of a head.
const LINES_MAX: usize = 256;

/// A line without its end. A hole in it goes to `holes` if it stands in a header's value; elsewhere it could hide the
/// line's own end.
fn line(cursor: &mut Cursor<'_>, mut holes: Option<&mut Vec<Range>>) -> Result<Vec<u8>, Unreadable> {
    let mut line = Vec::new();
    loop {
        let at = cursor.at();
        match cursor.next() {
            None => return Err(Unreadable::Invalid { at, problem: "the response ends within its head" }),
            Some(Symbol::Hole(hole)) => match holes.as_mut().filter(|_| line.contains(&b':')) {
                Some(holes) => {
                    holes.push(hole);
                    line.push(Body::HOLE);
                }
                None => return Err(Unreadable::Hidden { at, what: "head" }),
            },
            Some(Symbol::Byte(b'\n')) if line.last() == Some(&b'\r') => {
                line.pop();
                return Ok(line);
            }
            Some(Symbol::Byte(Body::HOLE | b'\n')) => {
                return Err(Unreadable::Invalid { at, problem: "a byte that no line of a head has" });
            }
            Some(Symbol::Byte(byte)) => line.push(byte),
        }
        if line.len() > LINE_BYTES_MAX {
            return Err(Unreadable::Invalid { at, problem: "a line of the head is too long" });
        }
    }
}

fn status(line: &[u8], at: u64) -> Result<u16, Unreadable> {
    let invalid = Unreadable::Invalid { at, problem: "not the beginning of a response of HTTP/1" };
    let rest = line.strip_prefix(b"HTTP/1.1 ").or_else(|| line.strip_prefix(b"HTTP/1.0 "));
    let digits = rest.and_then(|rest| rest.get(..3)).filter(|digits| digits.iter().all(u8::is_ascii_digit));
    let Some(digits) = digits else { return Err(invalid) };
    let status = digits.iter().fold(0, |status, digit| status * 10 + u16::from(digit - b'0'));
    if status >= 200 { Ok(status) } else { Err(invalid) }
}

fn headers(cursor: &mut Cursor<'_>, holes: &mut Vec<Range>) -> Result<Framing, Unreadable> {
    let mut framing = None;
    for _ in 0..LINES_MAX {
        let at = cursor.at();
        let invalid = |problem: &'static str| Unreadable::Invalid { at, problem };
        let line = line(cursor, Some(holes))?;
        if line.is_empty() {
            return Ok(framing.unwrap_or(Framing::UntilClose));
        }
        let (name, value) = split_once(&line, b':').ok_or(invalid("a line of the head without a colon"))?;
        let value = value.trim_ascii();
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        let this = if is("content-length") {
            Framing::Length(number(value, 10).ok_or(invalid("a Content-Length that is no number, or not disclosed"))?)
        } else if is("transfer-encoding") {
            let is_chunked = value.eq_ignore_ascii_case(b"chunked");
            is_chunked.then_some(Framing::Chunked).ok_or(invalid("a Transfer-Encoding that is not read"))?
        } else if is("content-encoding") && !value.eq_ignore_ascii_case(b"identity") {
            return Err(invalid("a Content-Encoding that is not read; ask for 'identity'"));
        } else {
            continue;
        };
        if framing.replace(this).is_some() {
            return Err(invalid("a second word on where the response ends"));
        }
    }
    Err(Unreadable::Invalid { at: cursor.at(), problem: "the head has too many lines" })
}

fn number(digits: &[u8], radix: u32) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.iter().all(|digit| char::from(*digit).is_digit(radix));
    is_number.then(|| u64::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok())?
}

/// Takes over `length` bytes, disclosed or not.
fn take(cursor: &mut Cursor<'_>, body: &mut Body, length: u64) -> Result<(), Unreadable> {
    let from = cursor.at();
    let invalid = |problem| Unreadable::Invalid { at: from, problem };
    let end = from.checked_add(length).ok_or(invalid("a length beyond everything"))?;
    while cursor.at() < end {
        let at = cursor.at();
        let symbol = cursor.next().ok_or(invalid("the body ends before its length"))?;
        if cursor.at() > end {
            return Err(Unreadable::Hidden { at, what: "body" });
        }
        body.push(symbol, at);
    }
    Ok(())
}

fn chunks(cursor: &mut Cursor<'_>, body: &mut Body) -> Result<(), Unreadable> {
    loop {
        let at = cursor.at();
        let size = line(cursor, None)?;
        let digits = split_once(&size, b';').map_or(&size[..], |(digits, _)| digits).trim_ascii();
        let size = number(digits, 16).ok_or(Unreadable::Invalid { at, problem: "a chunk without its size" })?;
        if size == 0 {
            break;
        }
        take(cursor, body, size)?;
        if !line(cursor, None)?.is_empty() {
            return Err(Unreadable::Invalid { at, problem: "a chunk that is longer than its size" });
        }
    }
    for _ in 0..LINES_MAX {
        if line(cursor, None)?.is_empty() {
            return ends(cursor);
        }
    }
    Err(Unreadable::Invalid { at: cursor.at(), problem: "too many lines after the last chunk" })
}

/// A second response would be an answer to another question.
fn ends(cursor: &mut Cursor<'_>) -> Result<(), Unreadable> {
    let at = cursor.at();
    match cursor.next() {
        None => Ok(()),
        Some(_) => Err(Unreadable::Invalid { at, problem: "more follows the response" }),
    }
}
