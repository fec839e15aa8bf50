//! What was said, cut into pieces: each has a commitment of its own and is disclosed whole or not at all.
//!
//! What is in no piece is *sealed*: it was said, its place and length are known, and nothing can ever disclose it.

use std::iter;

use loom_client::Secret;
use loom_tlsnotary::{Range, RangeSet};

use crate::{
    json::Outline,
    limits::{ECHO_BYTES_MIN, PIECES_MAX, RANGES_MAX, SEALED_MAX, SPLITS_MAX},
    response::Response,
};

/// Response headers whose values are credentials: with a session's cookie anybody is its owner.
const CREDENTIALS: [&str; 3] = ["authentication-info", "set-cookie", "set-cookie2"];

/// A message that is being written, with its pieces.
#[derive(Default)]
pub(crate) struct Draft {
    bytes: Vec<u8>,
    pieces: Vec<RangeSet>,
}

impl Draft {
    /// Writes a piece.
    pub(crate) fn piece(&mut self, texts: &[&str]) {
        self.piece_of_bytes(texts.concat().as_bytes());
    }

    pub(crate) fn piece_of_bytes(&mut self, bytes: &[u8]) {
        let start = self.bytes.len() as u64;
        self.bytes.extend_from_slice(bytes);
        if !bytes.is_empty() {
            self.pieces.push(RangeSet::union(iter::once(start..self.bytes.len() as u64)));
        }
    }

    /// Writes something that belongs to the piece before it.
    pub(crate) fn more(&mut self, text: &str) {
        let last = self.pieces.pop().unwrap_or_default();
        let start = self.bytes.len() as u64;
        self.bytes.extend_from_slice(text.as_bytes());
        let more = iter::once(start..self.bytes.len() as u64);
        self.pieces.push(RangeSet::union(last.as_slice().iter().cloned().chain(more)));
    }

    /// Writes what is in no piece.
    pub(crate) fn seal(&mut self, text: &str) {
        self.seal_bytes(text.as_bytes());
    }

    pub(crate) fn seal_bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn pieces(&self) -> &[RangeSet] {
        &self.pieces
    }
}

/// The values of credentials, for finding where a server repeats them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sealed(Vec<Secret<String>>);

impl Sealed {
    /// Seals a value, and its last word: a server may repeat the token without `Bearer` before it.
    pub(crate) fn add(&mut self, value: &str) {
        let word = value.rsplit(' ').next().unwrap_or_default();
        for text in [value, word] {
            let is_known = self.0.iter().any(|known| known.expose() == text);
            if text.len() >= ECHO_BYTES_MIN && !is_known && self.0.len() < SEALED_MAX {
                self.0.push(Secret::new(text.to_owned()));
            }
        }
    }

    /// Where in `bytes` a sealed value stands.
    fn echoes(&self, bytes: &[u8]) -> RangeSet {
        let places = self.0.iter().flat_map(|value| {
            let value = value.expose().as_bytes();
            let is_there = move |(at, window): (usize, &[u8])| (window == value).then_some(at as u64);
            let places = bytes.windows(value.len()).enumerate().filter_map(is_there);
            places.map(move |at| at..at + value.len() as u64)
        });
        RangeSet::union(places)
    }
}

/// The pieces of a request, without what a sealed value repeats.
pub(crate) fn of_request(draft: &Draft, sealed: &Sealed) -> Vec<RangeSet> {
    without(draft.pieces().to_vec(), &sealed.echoes(draft.bytes()))
}

/// The pieces of a response: status line, header lines, and the body by its values where it is JSON.
pub(crate) fn of_response(bytes: &[u8], response: &Response, sealed: &Sealed) -> Vec<RangeSet> {
    let mut pieces = Vec::new();
    for line in &response.lines {
        let value = line.value.clone().filter(|_| CREDENTIALS.contains(&line.name.as_str()));
        let hidden = value.map_or(0..0, range);
        pieces.push(RangeSet::union(iter::once(range(line.span.clone()))));
        pieces = without(pieces, &RangeSet::union(iter::once(hidden)));
    }
    let end = bytes.len();
    let all_of_body = || vec![RangeSet::union(iter::once(range(response.head_end..end)))];
    pieces.extend(body(response, bytes).unwrap_or_else(all_of_body));
    without(pieces, &sealed.echoes(bytes))
}

fn range(span: std::ops::Range<usize>) -> Range {
    span.start as u64..span.end as u64
}

/// The pieces of a body of JSON. The last is whatever is in no other: what frames its chunks.
fn body(response: &Response, bytes: &[u8]) -> Option<Vec<RangeSet>> {
    let spans = Outline::read(&response.body_of(bytes))?.pieces(PIECES_MAX);
    let in_body: usize = spans.iter().map(Vec::len).sum();
    let mut pieces: Vec<RangeSet> = spans.iter().map(|spans| response.located(spans)).collect();
    let ranges: usize = pieces.iter().map(|piece| piece.as_slice().len()).sum();
    if ranges > RANGES_MAX || ranges.saturating_sub(in_body) > SPLITS_MAX {
        return None;
    }
    let head = 0..response.head_end as u64;
    let covered = RangeSet::union(pieces.iter().flat_map(|piece| piece.as_slice()).cloned().chain([head]));
    pieces.push(RangeSet::union(covered.gaps(bytes.len() as u64)));
    pieces.retain(|piece| !piece.is_empty());
    Some(pieces)
}

/// The pieces without these bytes; one of which nothing is left is none.
fn without(pieces: Vec<RangeSet>, taken: &RangeSet) -> Vec<RangeSet> {
    let pieces = pieces.into_iter().map(|piece| subtract(&piece, taken));
    pieces.filter(|piece| !piece.is_empty()).collect()
}

/// What is in one set and not in the other.
pub(crate) fn subtract(from: &RangeSet, taken: &RangeSet) -> RangeSet {
    let kept = from.as_slice().iter().flat_map(|range| {
        let first = taken.as_slice().partition_point(|taken| taken.end <= range.start);
        let mut start = range.start;
        let mut kept = Vec::new();
        for taken in taken.as_slice()[first..].iter().take_while(|taken| taken.start < range.end) {
            kept.push(start..taken.start.max(start));
            start = taken.end.min(range.end);
        }
        kept.push(start..range.end);
        kept
    });
    RangeSet::union(kept)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(ranges: &[Range]) -> RangeSet {
        RangeSet::union(ranges.iter().cloned())
    }

    #[test]
    #[expect(clippy::single_range_in_vec_init, reason = "sets, some of them of one range")]
    fn subtracting_leaves_what_is_not_taken() {
        for (from, taken, left) in [
            (vec![0..10], vec![], vec![0..10]),
            (vec![0..10], vec![0..10], vec![]),
            (vec![0..10], vec![3..5], vec![0..3, 5..10]),
            (vec![0..10], vec![0..1, 4..5, 9..12], vec![1..4, 5..9]),
            (vec![0..3, 5..8], vec![2..6], vec![0..2, 6..8]),
            (vec![5..8], vec![0..5, 8..9], vec![5..8]),
        ] {
            assert_eq!(subtract(&set(&from), &set(&taken)), set(&left), "{from:?} without {taken:?}");
        }
    }

    /// A response in its pieces, each as the text that it covers; what no piece covers is not among them.
    fn check(response: &str, secret: &str, expected: &[&str]) {
        let mut sealed = Sealed::default();
        sealed.add(secret);
        let bytes = response.as_bytes();
        let parsed = Response::read(bytes).unwrap().expect("it is whole");
        let pieces = of_response(bytes, &parsed, &sealed);
        let text = |piece: &RangeSet| -> String {
            let ranges = piece.as_slice().iter();
            ranges.map(|range| &response[range.start as usize..range.end as usize]).collect::<Vec<_>>().join("|")
        };
        assert_eq!(pieces.iter().map(text).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_response_is_cut_at_lines_and_values() {
        let body = r#"{"a":"x","b":[1,""]}"#;
        let response = format!("HTTP/1.1 200 OK\r\nSet-Cookie: sid=1\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let expected = [
            "HTTP/1.1 200 OK\r\n",
            "Set-Cookie: |\r\n",
            "Content-Length: 20\r\n",
            "\r\n",
            r#"{"a":"|","b":|}"#,
            "x",
            r#"[|,""]"#,
            "1",
        ];
        check(&response, "", &expected);
    }

    #[test]
    fn chunks_and_echoes_are_cut_out() {
        let response = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n{\"a\":\"\r\nd\r\nhi supersecret\"}\r\n0\r\n\r\n"
            .replace("\"}\r\n0", "\r\n2\r\n\"}\r\n0")
            .replace("d\r\nhi ", "e\r\nhi ");
        let expected = [
            "HTTP/1.1 200 OK\r\n",
            "Transfer-Encoding: chunked\r\n",
            "\r\n",
            "{\"a\":\"|\"}",
            "hi ",
            "6\r\n|\r\ne\r\n|\r\n2\r\n|\r\n0\r\n\r\n",
        ];
        check(&response, "supersecret", &expected);
    }

    #[test]
    fn what_is_no_json_is_one_piece() {
        check(
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{a}",
            "",
            &["HTTP/1.1 200 OK\r\n", "Content-Length: 3\r\n", "\r\n", "{a}"],
        );
        check("HTTP/1.1 204 No Content\r\n\r\n", "", &["HTTP/1.1 204 No Content\r\n", "\r\n"]);
    }

    proptest! {
        /// However a response is framed, each of its bytes is in one piece, or sealed.
        #[test]
        fn every_byte_is_in_one_piece(body in "[a-z\\[\\]{}\",:0-9 ]{0,40}", is_json: bool, size in 0..9usize) {
            let body = if is_json { serde_json::json!({ "a": body, "b": [1, [], {}] }).to_string() } else { body };
            let chunk = |chunk: &[u8]| format!("{:x}\r\n{}\r\n", chunk.len(), String::from_utf8_lossy(chunk));
            let response = match size {
                0 => format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()),
                size => {
                    let chunks: String = body.as_bytes().chunks(size).map(chunk).collect();
                    format!("HTTP/1.1 200 OK\r\nSet-Cookie: sid\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n")
                }
            };
            let parsed = Response::read(response.as_bytes()).unwrap().unwrap();
            let pieces = of_response(response.as_bytes(), &parsed, &Sealed::default());
            let union = RangeSet::union(pieces.iter().flat_map(|piece| piece.as_slice()).cloned());
            let bytes: u64 = pieces.iter().map(RangeSet::total).sum();
            prop_assert_eq!(bytes, union.total(), "no byte is in two");
            let sealed = if size == 0 { 0 } else { "sid".len() };
            prop_assert_eq!(bytes + sealed as u64, response.len() as u64);
        }
    }
}
