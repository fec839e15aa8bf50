//! Why a case failed: expected beside actual, and what to do about it.

use std::fmt;

use loom_machine::Failure;
use serde_json::Value;

use crate::{
    compare::{Difference, How, difference},
    limits::SHOWN_CHARACTERS_MAX,
};

/// Why a case failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which run, counted from 1.
    pub run: usize,
    /// What went otherwise than the script says.
    pub what: String,
    /// What the script says.
    pub expected: Option<String>,
    /// What the guest did.
    pub actual: Option<String>,
    /// Something to do about it, or the place of the difference.
    pub note: Option<String>,
}

impl Problem {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { run: 0, what: what.into(), expected: None, actual: None, note: None }
    }

    pub(crate) fn expected(mut self, expected: impl fmt::Display) -> Self {
        self.expected = Some(shortened(&expected.to_string()));
        self
    }

    pub(crate) fn actual(mut self, actual: impl fmt::Display) -> Self {
        self.actual = Some(shortened(&actual.to_string()));
        self
    }

    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    pub(crate) fn in_run(self, run: usize) -> Self {
        Self { run, ..self }
    }

    /// Two values that differ, if they do.
    pub(crate) fn of_values(what: &str, how: How, expected: &Value, actual: &Value) -> Result<(), Self> {
        let Some(Difference { pointer, text }) = difference(how, expected, actual) else { return Ok(()) };
        let problem = Self::new(what).expected(expected).actual(actual);
        Err(if pointer.is_empty() { problem } else { problem.note(format!("at {pointer}: {text}")) })
    }

    /// A failure that nobody expected, with the guest's stack.
    pub(crate) fn of_failure(what: &str, failure: &Failure) -> Self {
        let frames = failure.backtrace.iter().map(|frame| format!("\n  at {frame}"));
        let stack: String = frames.collect();
        Self::new(what).actual(format!("{failure}{stack}"))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "run {}: {}", self.run, self.what)?;
        if let Some(expected) = &self.expected {
            write!(f, "\n  expected  {expected}")?;
        }
        if let Some(actual) = &self.actual {
            write!(f, "\n  actual    {actual}")?;
        }
        if let Some(note) = &self.note {
            write!(f, "\n  {note}")?;
        }
        Ok(())
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}
