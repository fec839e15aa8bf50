//! Text from strangers, for a person to read.

/// The text without what could move a cursor or turn the direction of writing: what stands in a report may come from
/// whoever made the file.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if is_hidden(c) { '\u{fffd}' } else { c }).collect()
}

fn is_hidden(c: char) -> bool {
    // Marks that turn or isolate directions, and those that take no room.
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}
