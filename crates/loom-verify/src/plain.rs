//! Text from strangers, for a person to read.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// Characters of a line that are shown.
const LINE_CHARS_MAX: usize = 1_000;

/// The text without what could move a cursor, turn the direction of writing, or not be seen: what stands in a report may
/// come from whoever made the file.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if is_hidden(c) { '\u{fffd}' } else { c }).collect()
}

/// The same as one line of a table: what is long is cut.
pub(crate) fn line(text: &str) -> String {
    let mut shown = plain(text);
    if let Some((end, _)) = shown.char_indices().nth(LINE_CHARS_MAX) {
        shown.truncate(end);
        shown.push('…');
    }
    shown
}

/// Writes the same as JSON, which keeps its meaning: such characters stand in strings alone, as escapes.
pub(crate) fn write_json(value: &impl Serialize, sink: &mut impl Write) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(&mut *sink, Escaping))?;
    sink.write_all(b"\n")
}

struct Escaping;

impl Formatter for Escaping {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, hidden)) = rest.char_indices().find(|(_, c)| is_hidden(*c)) {
            writer.write_all(&rest.as_bytes()[..at])?;
            hidden.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(writer, "\\u{unit:04x}"))?;
            rest = &rest[at + hidden.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }
}

/// Controls, separators of lines, and what Unicode calls ignorable by default, with marks that turn or isolate
/// directions among it.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_moves_or_hides() {
        let hostile = "a\u{1b}[2J\u{9b}m\u{61c}\u{202e}\r\nb\u{ad}\u{e0041}";
        assert_eq!(plain(hostile), "a\u{fffd}[2J\u{fffd}m\u{fffd}\u{fffd}\u{fffd}\u{fffd}b\u{fffd}\u{fffd}");
        assert_eq!(plain("Zoë – 決定 🏦"), "Zoë – 決定 🏦");
        assert_eq!(line(&"ä".repeat(1_001)).chars().count(), 1_001);
        let mut json = Vec::new();
        write_json(&hostile, &mut json).unwrap();
        let json = String::from_utf8(json).unwrap();
        assert!(json.trim_end().chars().all(|c| !is_hidden(c)), "{json}");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), hostile);
    }
}
