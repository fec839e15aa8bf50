//! Walks through a guide: executes its console blocks as they stand and compares what they print.
//!
//! A block is fenced as `console`, then perhaps a language (it is executed only for that one), then perhaps
//! `node`: that one is the second terminal, which goes on beside the first. A line that begins with `$ ` is typed;
//! the lines below it are what is printed. `…` stands for any text within a line. The second terminal may print
//! more than the page shows, and a block without a command is what it prints next.

mod page;
mod terminal;

use std::{fs, net::TcpListener, path::Path};

use anyhow::{Context, Result, ensure};

use self::{
    page::Block,
    terminal::{Node, Shell},
};
use crate::interface::target;

const GUIDE: &str = "docs/guides/first-actor.md";
const LANGUAGES: [&str; 2] = ["assemblyscript", "rust"];

/// Where a walk takes place.
struct Place {
    folder: tempfile::TempDir,
    /// Variables of both terminals.
    variables: Vec<(&'static str, String)>,
}

/// Walks through the guide in every language.
pub(crate) fn walk(root: &Path) -> Result<()> {
    crate::setup::ensure(root)?;
    let programs = crate::test::programs(root)?;
    let text = fs::read_to_string(root.join(GUIDE)).with_context(|| format!("failed to read {GUIDE}"))?;
    let blocks = page::blocks(&text);
    for language in LANGUAGES {
        let chosen: Vec<_> = blocks.iter().filter(|block| block.is_for(language)).collect();
        ensure!(chosen.len() > 5, "{GUIDE} has next to nothing to execute for {language}");
        eprintln!("{GUIDE}: {} blocks for {language}", chosen.len());
        let place = Place::new(root, &programs)?;
        walk_blocks(&chosen, &place).with_context(|| format!("{GUIDE} does not hold for {language}"))?;
    }
    Ok(())
}

fn walk_blocks(blocks: &[&Block], place: &Place) -> Result<()> {
    let mut shell = Shell::start(place.folder.path(), &place.variables)?;
    let mut node: Option<Node> = None;
    for block in blocks {
        let result = if block.node { node_block(block, place, &mut node) } else { shell_block(block, &mut shell) };
        result.with_context(|| format!("line {}", block.line))?;
    }
    Ok(())
}

fn shell_block(block: &Block, shell: &mut Shell) -> Result<()> {
    for typed in &block.commands {
        let printed = shell.run(&typed.command)?;
        page::compare(&typed.printed, &printed).with_context(|| format!("$ {}", typed.command))?;
    }
    Ok(())
}

fn node_block(block: &Block, place: &Place, node: &mut Option<Node>) -> Result<()> {
    for typed in &block.commands {
        // What ran before was ended by the page, or is ended here.
        *node = None;
        *node = Some(Node::start(&typed.command, place.folder.path(), &place.variables)?);
        node.as_mut().expect("just started").expect_lines(&typed.printed)?;
    }
    if block.commands.is_empty() {
        node.as_mut().context("no node runs")?.expect_lines(&block.printed)?;
    }
    Ok(())
}

impl Place {
    fn new(root: &Path, programs: &Path) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        // Free now, and hardly taken by another in between.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let path = std::env::var("PATH").context("PATH is not set")?;
        let variables = vec![
            ("PATH", format!("{}:{path}", programs.display())),
            ("LOOM_LISTEN", address.to_string()),
            ("LOOM_URL", format!("http://{address}")),
            // A compiler without the target's standard library builds it; once for all walks.
            ("CARGO_TARGET_DIR", target(root).join("guide").display().to_string()),
        ];
        Ok(Self { folder, variables })
    }
}
