//! Failures as guests, callers and the journal see them.

use serde::{Deserialize, Serialize};

use crate::{
    limits::{FAILURE_MESSAGE_BYTES_MAX, FRAME_BYTES_MAX, FRAMES_MAX},
    object::{is_object, object},
};

/// Why a turn, an activity or a step failed. The same shape goes into the journal, back to the caller and, as
/// the member `err`, to the guest. Never a host fault: those are retried and leave no trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Stable, machine-readable: `[a-z][a-z0-9-]*`.
    pub kind: String,
    /// For people.
    pub message: String,
    /// Whether trying again might help.
    #[serde(default)]
    pub retryable: bool,
    /// Frames of the guest's stack, innermost first; only for traps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backtrace: Vec<String>,
}

impl Failure {
    /// A failure that trying again does not mend.
    pub fn new(kind: &str, message: impl Into<String>) -> Self {
        let mut message = message.into();
        truncate(&mut message, FAILURE_MESSAGE_BYTES_MAX);
        Self { kind: kind.to_owned(), message, retryable: false, backtrace: Vec::new() }
    }

    /// The same, but worth another try.
    #[must_use]
    pub fn retryable(mut self) -> Self {
        self.retryable = true;
        self
    }

    /// The same with the guest's stack. Names in it are the module's, so they are cut like everything of a guest's.
    #[must_use]
    pub fn with_backtrace(mut self, frames: impl IntoIterator<Item = String>) -> Self {
        let cut = |mut frame: String| {
            truncate(&mut frame, FRAME_BYTES_MAX);
            frame
        };
        self.backtrace = frames.into_iter().take(FRAMES_MAX).map(cut).collect();
        self
    }

    /// JSON text for the journal and the caller.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings and booleans serialise")
    }

    /// Reads [`Failure::to_json`]'s text. Another's text becomes a failure that says so.
    pub fn from_json(text: &[u8]) -> Self {
        let failure = if is_object(text) { serde_json::from_slice(text).ok() } else { None };
        failure.unwrap_or_else(|| Self::new("unreadable-failure", "the recorded failure is not in a known form"))
    }

    /// The failure in a guest's output, if the output is one: an object whose only member is `err`.
    pub fn in_output(output: &str) -> Option<Self> {
        // Most outputs are no failures; the cheap look keeps them off the parser.
        if !output.trim_start().strip_prefix('{')?.trim_start().starts_with("\"err\"") {
            return None;
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Output {
            #[serde(deserialize_with = "object")]
            err: Err,
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Err {
            kind: String,
            message: String,
            #[serde(default)]
            retryable: bool,
        }
        let Output { err } = serde_json::from_str(output).ok()?;
        let well_formed = (1..=64).contains(&err.kind.len())
            && err.kind.starts_with(|c: char| c.is_ascii_lowercase())
            && err.kind.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        well_formed.then(|| Self { retryable: err.retryable, ..Self::new(&err.kind, err.message) })
    }

    /// The `{"err": …}` that the guest gets. Backtraces stay in the journal.
    pub fn to_answer(&self) -> String {
        #[derive(Serialize)]
        struct Answer<'a> {
            err: Err<'a>,
        }
        #[derive(Serialize)]
        struct Err<'a> {
            kind: &'a str,
            message: &'a str,
            retryable: bool,
        }
        let err = Err { kind: &self.kind, message: &self.message, retryable: self.retryable };
        serde_json::to_string(&Answer { err }).expect("strings and booleans serialise")
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}

/// Cuts `text` to at most `bytes`, at a character boundary.
pub(crate) fn truncate(text: &mut String, bytes: usize) {
    if text.len() > bytes {
        text.truncate(text.floor_char_boundary(bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_documented_shape_is_a_failure() {
        let failure = Failure::in_output(r#" { "err": {"kind":"no-income","message":"m","retryable":true}}"#).unwrap();
        assert_eq!((failure.kind.as_str(), failure.message.as_str(), failure.retryable), ("no-income", "m", true));
        for output in [
            "1",
            "\"err\"",
            r#"{"err":1}"#,
            r#"{"err":{"kind":"a","message":"m"},"more":1}"#,
            r#"{"err":{"kind":"Bad Kind","message":"m"}}"#,
            r#"{"err":{"kind":"a","message":"m","x":1}}"#,
            r#"{"error":{"kind":"a","message":"m"}}"#,
            r#"{"err":["a","m"]}"#,
        ] {
            assert_eq!(Failure::in_output(output), None, "{output}");
        }
        assert_eq!(Failure::from_json(br#" {"kind":"a","message":"m","more":1}"#), Failure::new("a", "m"));
        assert_eq!(Failure::from_json(br#"["a","m",true]"#).kind, "unreadable-failure");
    }
}
