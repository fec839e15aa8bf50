//! Lines of bounded length, from a reader of unbounded lines.

use std::io::{self, BufRead};

pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

pub(super) enum Line {
    /// Without its line end.
    Whole(Vec<u8>),
    /// Skipped up to its end; it had this many bytes.
    TooLong { bytes: u64 },
}

pub(super) struct Lines<R> {
    reader: R,
    bytes_max: usize,
    bytes_read: u64,
    line_number: u64,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(reader: R, bytes_max: usize) -> Self {
        Self { reader, bytes_max, bytes_read: 0, line_number: 0 }
    }

    pub(super) fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// The number of the line returned last, from 1.
    pub(super) fn line_number(&self) -> u64 {
        self.line_number
    }

    /// The next line that holds more than blanks.
    pub(super) fn next_not_blank(&mut self) -> io::Result<Option<Line>> {
        loop {
            match self.next_line()? {
                Some(Line::Whole(bytes)) if bytes.iter().all(u8::is_ascii_whitespace) => {}
                line => return Ok(line),
            }
        }
    }

    fn next_line(&mut self) -> io::Result<Option<Line>> {
        let mut bytes = Vec::new();
        let mut length: u64 = 0;
        loop {
            let buffer = match self.reader.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let line_end = buffer.iter().position(|byte| *byte == b'\n');
            let content = &buffer[..line_end.unwrap_or(buffer.len())];
            let room = (self.bytes_max + 1).saturating_sub(bytes.len());
            bytes.extend_from_slice(&content[..content.len().min(room)]);
            length += content.len() as u64;
            let at_end_of_file = buffer.is_empty();
            let consumed = content.len() + usize::from(line_end.is_some());
            self.reader.consume(consumed);
            self.bytes_read += consumed as u64;
            if at_end_of_file && length == 0 {
                return Ok(None);
            }
            if at_end_of_file || line_end.is_some() {
                return Ok(Some(self.finish(bytes, length)));
            }
        }
    }

    fn finish(&mut self, mut bytes: Vec<u8>, length: u64) -> Line {
        self.line_number += 1;
        if self.line_number == 1 && bytes.starts_with(BYTE_ORDER_MARK) {
            bytes.drain(..BYTE_ORDER_MARK.len());
        }
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
        if bytes.len() > self.bytes_max { Line::TooLong { bytes: length } } else { Line::Whole(bytes) }
    }
}
