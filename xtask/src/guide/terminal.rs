//! The two terminals of a walk: one that is typed into, one where a node runs.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use anyhow::{Context, Result, bail};

use super::page::matches;
use crate::process::command;

/// Longest wait for a line; a compiler without the target's standard library builds it first.
const PATIENCE: Duration = Duration::from_secs(900);
/// Printed by the shell when a command is over.
const OVER: &str = "--- over ---";

/// Lines that a child prints, whichever way.
struct Lines(Receiver<String>);

/// A shell that keeps its folder and its variables from command to command.
pub(super) struct Shell {
    child: Child,
    input: ChildStdin,
    lines: Lines,
}

impl Shell {
    pub(super) fn start(folder: &Path, variables: &[(&'static str, String)]) -> Result<Self> {
        let mut child = bash(folder, variables).stdin(Stdio::piped()).spawn().context("failed to start bash")?;
        let lines = Lines::of(&mut child);
        let mut input = child.stdin.take().context("bash has no input")?;
        writeln!(input, "exec 2>&1")?;
        Ok(Self { child, input, lines })
    }

    /// Types a command and gives what it printed.
    pub(super) fn run(&mut self, text: &str) -> Result<Vec<String>> {
        writeln!(self.input, "{text} < /dev/null\necho '{OVER}'")?;
        let mut printed = Vec::new();
        loop {
            match self.lines.next().with_context(|| format!("`{text}` does not end; it has printed {printed:?}"))? {
                line if line == OVER => return Ok(printed),
                line => printed.push(line),
            }
        }
    }
}

/// A command that goes on.
pub(super) struct Node {
    child: Child,
    lines: Lines,
}

impl Node {
    pub(super) fn start(text: &str, folder: &Path, variables: &[(&'static str, String)]) -> Result<Self> {
        // In place of the shell, so that ending the child ends the node.
        let mut bash = bash(folder, variables);
        let mut child = bash.args(["-c", &format!("exec {text}")]).stdin(Stdio::null()).spawn()?;
        let lines = Lines::of(&mut child);
        Ok(Self { child, lines })
    }

    /// Waits until these lines were printed, in this order and perhaps among others.
    pub(super) fn expect_lines(&mut self, expected: &[String]) -> Result<()> {
        let mut printed = Vec::new();
        for expected in expected {
            loop {
                let line = self.lines.next().with_context(|| format!("'{expected}' does not come; {printed:?} did"))?;
                if matches(expected, &line) {
                    break;
                }
                if line.starts_with("error[") {
                    bail!("'{line}' came instead of '{expected}', after {printed:?}");
                }
                printed.push(line);
            }
        }
        Ok(())
    }
}

impl Lines {
    fn of(child: &mut Child) -> Self {
        let (sender, lines) = channel();
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let error_sender = sender.clone();
        std::thread::spawn(move || forward(out, &sender));
        std::thread::spawn(move || forward(err, &error_sender));
        Self(lines)
    }

    fn next(&self) -> Result<String> {
        self.0.recv_timeout(PATIENCE).context("nothing more is printed")
    }
}

fn forward(stream: Option<impl std::io::Read>, sender: &std::sync::mpsc::Sender<String>) {
    let lines = stream.into_iter().flat_map(|stream| BufReader::new(stream).lines());
    for line in lines.map_while(Result::ok) {
        if sender.send(line).is_err() {
            return;
        }
    }
}

fn bash(folder: &Path, variables: &[(&'static str, String)]) -> Command {
    let mut bash = command("bash");
    bash.current_dir(folder).stdout(Stdio::piped()).stderr(Stdio::piped());
    bash.envs(variables.iter().map(|(name, value)| (name, value)));
    bash
}

impl Drop for Shell {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn end(child: &mut Child) {
    // It may have ended already; the page kills one.
    let _ = child.kill();
    let _ = child.wait();
}
