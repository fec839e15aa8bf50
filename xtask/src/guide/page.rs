//! The executable blocks of a page.

use anyhow::{Result, bail, ensure};

/// What stands for any text within a line.
const ANYTHING: char = '…';

/// A fenced block that is executed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Block {
    /// Its line in the page.
    pub(super) line: usize,
    language: Option<String>,
    /// Whether it is the second terminal.
    pub(super) node: bool,
    pub(super) commands: Vec<Typed>,
    /// What stands above the first command.
    pub(super) printed: Vec<String>,
}

/// A command and what it prints.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Typed {
    pub(super) command: String,
    pub(super) printed: Vec<String>,
}

impl Block {
    pub(super) fn is_for(&self, language: &str) -> bool {
        self.language.as_deref().is_none_or(|own| own == language)
    }
}

/// The page's console blocks, in order.
pub(super) fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (index, line) in text.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(tags)) => open = block(index + 1, tags),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => match line.strip_prefix("$ ") {
                Some(command) => {
                    block.commands.push(Typed { command: command.to_owned(), printed: Vec::new() });
                }
                None => {
                    let printed = block.commands.last_mut().map_or(&mut block.printed, |typed| &mut typed.printed);
                    printed.push(line.to_owned());
                }
            },
            (None, None) => {}
        }
    }
    blocks
}

fn block(line: usize, tags: &str) -> Option<Block> {
    let mut tags = tags.split_whitespace();
    if tags.next() != Some("console") {
        return None;
    }
    let mut block = Block { line, ..Block::default() };
    for tag in tags {
        match tag {
            "node" => block.node = true,
            language => block.language = Some(language.to_owned()),
        }
    }
    Some(block)
}

/// Compares what was printed with what the page shows, line by line.
pub(super) fn compare(expected: &[String], printed: &[String]) -> Result<()> {
    let shown = || format!("the page shows\n{}\nand it prints\n{}", expected.join("\n"), printed.join("\n"));
    ensure!(expected.len() == printed.len(), "{}", shown());
    for (expected, printed) in expected.iter().zip(printed) {
        if !matches(expected, printed) {
            bail!("'{printed}' is not '{expected}'; {}", shown());
        }
    }
    Ok(())
}

/// Whether a line is the expected one; spaces at its end do not count.
pub(super) fn matches(expected: &str, line: &str) -> bool {
    let line = line.trim_end();
    let Some((start, rest)) = expected.split_once(ANYTHING) else { return line == expected };
    let Some(mut line) = line.strip_prefix(start) else { return false };
    let mut parts = rest.split(ANYTHING).peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return line.ends_with(part);
        }
        let Some(at) = line.find(part) else { return false };
        line = &line[at + part.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_have_commands_and_what_they_print() {
        let page = "text\n```toml\n$ not this\n```\n```console rust node\n$ a\n1\n2\n$ b\n```\n```console\nx\n```\n";
        let blocks = blocks(page);
        assert_eq!(blocks.len(), 2);
        assert!(blocks[0].node && blocks[0].is_for("rust") && !blocks[0].is_for("c") && blocks[1].is_for("c"));
        let typed = |command: &str, printed: &[&str]| Typed {
            command: command.to_owned(),
            printed: printed.iter().map(|&line| line.to_owned()).collect(),
        };
        assert_eq!(blocks[0].commands, [typed("a", &["1", "2"]), typed("b", &[])]);
        assert_eq!((blocks[1].line, &blocks[1].printed[..]), (11, &["x".to_owned()][..]));
    }

    #[test]
    fn an_ellipsis_is_any_text() {
        for (expected, line) in [("a", "a "), ("a…", "abc"), ("…c", "abc"), ("a … c…", "a b c"), ("a…c…e", "abcde")]
        {
            assert!(matches(expected, line), "{expected}: {line}");
        }
        for (expected, line) in [("a", "ab"), ("a…b", "ac"), ("…b", "bc"), ("a…c…e", "ace f")] {
            assert!(!matches(expected, line), "{expected}: {line}");
        }
        assert!(compare(&["a".to_owned()], &[]).is_err());
    }
}
