//! The one error of the guest contract, in both directions.

use std::fmt;

use serde::{Deserialize, Serialize};

const KIND_BYTES_MAX: usize = 64;

/// Why a step, or the guest itself, failed.
///
/// Host functions return it for a failed step; returning it from the guest fails the activity, or
/// the actor's turn (whose state changes are then rolled back).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error {
    /// Machine-readable class, such as `not-found`; matches `[a-z][a-z0-9-]{0,63}`.
    pub kind: String,
    /// For people: a lower-case fragment without a full stop.
    pub message: String,
    /// Whether the same request may succeed when it is tried again.
    #[serde(default)]
    pub retryable: bool,
}

impl Error {
    /// An error that is not worth retrying.
    ///
    /// # Panics
    /// If `kind` does not match `[a-z][a-z0-9-]{0,63}`: the host would not recognise the output as
    /// a failure, and a failure must never pass as a result.
    #[track_caller]
    pub fn new(kind: impl Into<String>, message: impl Into<String>) -> Self {
        let kind = kind.into();
        assert!(
            is_kind(&kind),
            "error kind {kind:?} does not match [a-z][a-z0-9-]{{0,63}}"
        );
        Self {
            kind,
            message: message.into(),
            retryable: false,
        }
    }

    /// The same error, marked as worth retrying.
    #[must_use]
    pub fn retryable(mut self) -> Self {
        self.retryable = true;
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `write!` would pull in more of the formatter; guests are small.
        formatter.write_str(&self.kind)?;
        formatter.write_str(": ")?;
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// For guests that parse JSON of their own.
impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::new("invalid-json", error.to_string())
    }
}

fn is_kind(kind: &str) -> bool {
    kind.len() <= KIND_BYTES_MAX
        && kind.starts_with(|first: char| first.is_ascii_lowercase())
        && kind
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::is_kind;

    #[test]
    fn kinds_are_short_lower_case_words() {
        for kind in ["a", "not-found", "k8s", &"a".repeat(64)] {
            assert!(is_kind(kind), "{kind}");
        }
        for kind in [
            "",
            "-a",
            "8k",
            "Not-found",
            "not_found",
            "nö",
            &"a".repeat(65),
        ] {
            assert!(!is_kind(kind), "{kind}");
        }
    }
}
