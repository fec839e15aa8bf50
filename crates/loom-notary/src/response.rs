//! A response as it came over the wire: where its lines stand, and which of its bytes are the body's.
//!
//! This reads what one HTTP/1.1 response to one request can be, and nothing that two readers could understand in two
//! ways: one length, lines that end as they should, no other coding than chunks.

use std::{borrow::Cow, ops::Range};

use loom_tlsnotary::RangeSet;

use crate::limits::{RESPONSE_HEAD_BYTES_MAX, RESPONSE_HEADERS_MAX};

/// A whole response.
#[derive(Debug)]
pub(crate) struct Response {
    /// The status.
    pub(crate) status: u16,
    /// The lines of the head in order: status line, header fields, and the empty line.
    pub(crate) lines: Vec<Line>,
    /// Where the head ends.
    pub(crate) head_end: usize,
    /// The bytes of the body: one range, or one a chunk.
    pub(crate) body: Vec<Range<usize>>,
}

/// A line of a head with its end.
#[derive(Debug)]
pub(crate) struct Line {
    /// All of it.
    pub(crate) span: Range<usize>,
    /// A header field's name in lower case; empty for other lines.
    pub(crate) name: String,
    /// A header field's value.
    pub(crate) value: Option<Range<usize>>,
}

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// After so many bytes.
    Length(usize),
    /// After the last chunk.
    Chunks,
    /// When the server closes the connection.
    Close,
}

/// Reads a response while it comes in, each byte once.
#[derive(Default)]
pub(crate) struct Progress {
    head: Option<(Response, Framing)>,
    /// Where the next chunk begins.
    at: usize,
}

/// What is wrong with a response.
pub(crate) type Problem = &'static str;

impl Response {
    /// The response, if `bytes` are all of it and nothing else; `None` if it goes on.
    #[cfg(test)]
    pub(crate) fn read(bytes: &[u8]) -> Result<Option<Self>, Problem> {
        Progress::default().advance(bytes, false)
    }

    /// The response of a connection that was closed.
    pub(crate) fn read_to_end(bytes: &[u8]) -> Result<Self, Problem> {
        Progress::default().advance(bytes, true)?.ok_or("it ends early")
    }

    /// The body's bytes in one piece.
    pub(crate) fn body_of<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        match &self.body[..] {
            [] => Cow::Borrowed(&[]),
            [one] => Cow::Borrowed(&bytes[one.clone()]),
            many => Cow::Owned(many.iter().flat_map(|range| &bytes[range.clone()]).copied().collect()),
        }
    }

    /// Where in the response bytes of the body stand.
    pub(crate) fn located(&self, spans: &[Range<usize>]) -> RangeSet {
        let mut starts = Vec::with_capacity(self.body.len());
        let mut length = 0;
        for chunk in &self.body {
            starts.push(length);
            length += chunk.len();
        }
        let mut found = Vec::new();
        for span in spans.iter().filter(|span| !span.is_empty()) {
            let first = starts.partition_point(|start| *start <= span.start).saturating_sub(1);
            let chunks = self.body[first..].iter().zip(&starts[first..]);
            for (chunk, start) in chunks.take_while(|(_, start)| **start < span.end) {
                let from = chunk.start + span.start.saturating_sub(*start);
                let to = chunk.start + (span.end - start).min(chunk.len());
                found.push(from as u64..to as u64);
            }
        }
        RangeSet::union(found)
    }

    /// The value of a header field that may stand once.
    fn header<'a>(&self, bytes: &'a [u8], name: &str) -> Result<Option<&'a str>, Problem> {
        let mut found = self.lines.iter().filter(|line| line.name == name).filter_map(|line| line.value.clone());
        let Some(value) = found.next() else { return Ok(None) };
        if found.next().is_some() {
            return Err("a header that says where it ends is there twice");
        }
        std::str::from_utf8(&bytes[value]).map(Some).map_err(|_| "a header that says where it ends is no text")
    }

    fn framing(&self, bytes: &[u8]) -> Result<Framing, Problem> {
        let length = self.header(bytes, "content-length")?;
        match (self.header(bytes, "transfer-encoding")?, length) {
            _ if matches!(self.status, 204 | 304) => Ok(Framing::Length(0)),
            (Some(_), Some(_)) => Err("it has both a length and a transfer coding"),
            (Some(coding), None) if coding.eq_ignore_ascii_case("chunked") => Ok(Framing::Chunks),
            (Some(_), None) => Err("its transfer coding is not 'chunked'"),
            (None, None) => Ok(Framing::Close),
            (None, Some(digits)) => {
                let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
                let length = digits.parse().ok().filter(|_| is_number);
                length.map(Framing::Length).ok_or("its length is no number")
            }
        }
    }
}

impl Progress {
    /// Takes up what came in: all of it from the first byte on. `is_closed` says that nothing more will.
    pub(crate) fn advance(&mut self, bytes: &[u8], is_closed: bool) -> Result<Option<Response>, Problem> {
        if self.head.is_none() {
            let Some(response) = head(bytes)? else { return Ok(None) };
            let framing = response.framing(bytes)?;
            self.at = response.head_end;
            self.head = Some((response, framing));
        }
        let (response, framing) = self.head.as_mut().expect("it was just read");
        let end = match *framing {
            Framing::Close if !is_closed => return Ok(None),
            Framing::Close => bytes.len(),
            Framing::Length(length) => response.head_end.checked_add(length).ok_or("its length is no number")?,
            Framing::Chunks => match chunks(bytes, &mut self.at, &mut response.body)? {
                Some(end) => end,
                None => return Ok(None),
            },
        };
        if bytes.len() < end {
            return Ok(None);
        }
        if bytes.len() > end {
            return Err("bytes follow it");
        }
        if *framing != Framing::Chunks && end > response.head_end {
            response.body.push(response.head_end..end);
        }
        Ok(self.head.take().map(|(response, _)| response))
    }
}

/// Reads the head, if all of it is there.
fn head(bytes: &[u8]) -> Result<Option<Response>, Problem> {
    let mut lines = Vec::new();
    let mut at = 0;
    let mut status = None;
    while let Some(length) = line(&bytes[at..])? {
        let span = at..at + length + 2;
        let text = &bytes[at..at + length];
        at = span.end;
        if at > RESPONSE_HEAD_BYTES_MAX || lines.len() > RESPONSE_HEADERS_MAX {
            return Err("its head is too long");
        }
        match status {
            None => {
                status = Some(status_of(text)?);
                lines.push(Line { span, name: String::new(), value: None });
            }
            Some(status) if text.is_empty() => {
                lines.push(Line { span, name: String::new(), value: None });
                return Ok(Some(Response { status, lines, head_end: at, body: Vec::new() }));
            }
            Some(_) => lines.push(field(text, span)?),
        }
    }
    if bytes.len() > RESPONSE_HEAD_BYTES_MAX { Err("its head is too long") } else { Ok(None) }
}

/// The length of a line without its end, if that is there.
fn line(bytes: &[u8]) -> Result<Option<usize>, Problem> {
    match bytes.iter().position(|byte| *byte == b'\n') {
        None => Ok(None),
        Some(feed) if feed > 0 && bytes[feed - 1] == b'\r' && !bytes[..feed - 1].contains(&b'\r') => Ok(Some(feed - 1)),
        Some(_) => Err("a line does not end as it should"),
    }
}

fn status_of(line: &[u8]) -> Result<u16, Problem> {
    let digits = match line {
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'0' | b'1', b' ', a, b, c] => [*a, *b, *c],
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'0' | b'1', b' ', a, b, c, b' ', ..] => [*a, *b, *c],
        _ => return Err("it does not begin with a status line of HTTP/1.1"),
    };
    let status = std::str::from_utf8(&digits).ok().and_then(|digits| digits.parse().ok());
    match status {
        Some(status @ 200..=599) => Ok(status),
        _ => Err("its status is not one of an answer"),
    }
}

fn field(text: &[u8], span: Range<usize>) -> Result<Line, Problem> {
    let colon = text.iter().position(|byte| *byte == b':').ok_or("a header has no colon")?;
    let name = hyper::http::HeaderName::from_bytes(&text[..colon]).map_err(|_| "a header's name is none")?;
    let value = &text[colon + 1..];
    let is_space = |byte: &&u8| matches!(byte, b' ' | b'\t');
    let before = value.iter().take_while(is_space).count();
    let after = value[before..].iter().rev().take_while(is_space).count();
    let start = span.start + colon + 1 + before;
    let value = start..start + value.len() - before - after;
    Ok(Line { name: name.as_str().to_owned(), value: Some(value), span })
}

/// Goes on through the chunks that are there whole; says where the body ends once the last one is.
fn chunks(bytes: &[u8], at: &mut usize, body: &mut Vec<Range<usize>>) -> Result<Option<usize>, Problem> {
    loop {
        let rest = &bytes[*at..];
        let Some(length) = line(&rest[..rest.len().min(64)])? else {
            return if rest.len() > 64 { Err("a chunk's size is too long") } else { Ok(None) };
        };
        let start = *at + length + 2;
        let size = chunk_size(&rest[..length])?;
        let end = start.checked_add(size).ok_or("a chunk's size is no number")?;
        match bytes.get(end..end.saturating_add(2)) {
            None => return Ok(None),
            Some(b"\r\n") if size == 0 => return Ok(Some(end + 2)),
            Some(b"\r\n") => {}
            Some(_) if size == 0 => return Err("fields follow its last chunk"),
            Some(_) => return Err("a chunk does not end where it should"),
        }
        body.push(start..end);
        *at = end + 2;
    }
}

/// Digits alone: extensions of chunks mean nothing to anybody.
fn chunk_size(digits: &[u8]) -> Result<usize, Problem> {
    let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.is_empty() && !digits.starts_with('+'));
    digits.and_then(|digits| usize::from_str_radix(digits, 16).ok()).ok_or("a chunk's size is no number")
}

#[cfg(test)]
mod tests;
