//! Reading server-sent events: an actor's entries as they become durable.

use reqwest::Response;

use crate::{ClientError, Entry};

/// Longest line that is taken; an entry with its payloads is far below.
const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Entries that come. Made by [`Client::events`](crate::Client::events).
#[derive(Debug)]
pub struct Events {
    response: Response,
    lines: Lines,
}

impl Events {
    pub(crate) fn new(response: Response) -> Self {
        Self { response, lines: Lines::default() }
    }

    /// Waits for the next entry. None when the node ends the stream, as it does when it stops.
    pub async fn next(&mut self) -> Result<Option<Entry>, ClientError> {
        loop {
            while let Some(line) = self.lines.next() {
                // One event is one entry on one `data:` line; ids and kinds are inside it, the rest is heartbeats.
                if let Some(data) = line.strip_prefix("data:") {
                    let entry = serde_json::from_str(data.trim_start());
                    return entry.map(Some).map_err(|error| ClientError::Unexpected(error.to_string()));
                }
            }
            match self.response.chunk().await {
                Ok(Some(chunk)) => self.lines.push(&chunk)?,
                Ok(None) => return Ok(None),
                Err(error) => return Err(ClientError::Unexpected(format!("the stream broke: {error}"))),
            }
        }
    }
}

/// Cuts bytes into lines.
#[derive(Debug, Default)]
struct Lines {
    bytes: Vec<u8>,
    read: usize,
}

impl Lines {
    fn push(&mut self, chunk: &[u8]) -> Result<(), ClientError> {
        self.bytes.drain(..self.read);
        self.read = 0;
        if self.bytes.len() + chunk.len() > LINE_BYTES_MAX {
            return Err(ClientError::Unexpected("an event is too large".to_owned()));
        }
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }

    fn next(&mut self) -> Option<String> {
        let rest = &self.bytes[self.read..];
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let line = String::from_utf8_lossy(&rest[..end]).trim_end_matches('\r').to_owned();
        self.read += end + 1;
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_however_they_come() {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        for chunk in ["id: 1\nda", "ta: {\"a\":", "\"ä\"}\r\n\n: still", " here\n"] {
            lines.push(chunk.as_bytes()).unwrap();
            seen.extend(std::iter::from_fn(|| lines.next()));
        }
        assert_eq!(seen, ["id: 1", "data: {\"a\":\"ä\"}", "", ": still here"]);
    }
}
