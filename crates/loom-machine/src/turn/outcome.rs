//! What came of a step or a turn.

use loom_types::{Payload, Resolution, SaltSource};

use crate::Failure;

/// What came of a step or a turn, with its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It succeeded; the payload is the value.
    Ok(Payload),
    /// It failed; the payload is the [`Failure`].
    Err(Payload),
}

impl Outcome {
    /// The payload, whichever it is.
    pub fn payload(&self) -> &Payload {
        let (Outcome::Ok(payload) | Outcome::Err(payload)) = self;
        payload
    }

    /// As entries name it.
    pub fn resolution(&self) -> Resolution {
        match self {
            Outcome::Ok(payload) => Resolution::Ok(payload.cid()),
            Outcome::Err(payload) => Resolution::Err(payload.cid()),
        }
    }

    /// Seals a value or a failure.
    pub fn seal(result: Result<&str, &Failure>, salts: &mut dyn SaltSource) -> Self {
        match result {
            Ok(text) => Outcome::Ok(Payload::json(text, salts)),
            Err(failure) => Outcome::Err(Payload::json(&failure.to_json(), salts)),
        }
    }

    /// The value's JSON text, or the failure.
    pub fn to_result(&self) -> Result<&str, Failure> {
        match self {
            Outcome::Ok(payload) => Ok(payload.text().unwrap_or("null")),
            Outcome::Err(payload) => Err(Failure::from_json(payload.value())),
        }
    }

    /// `{"ok":…}` or `{"err":…}`.
    pub(super) fn answer(&self) -> String {
        match self.to_result() {
            Ok(text) => ok(text),
            Err(failure) => failure.to_answer(),
        }
    }
}

pub(super) fn ok(text: &str) -> String {
    format!("{{\"ok\":{text}}}")
}
