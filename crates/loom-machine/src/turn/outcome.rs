//! What came of a step or a turn.

use loom_types::{Payload, Resolution, SaltSource, limits::PAYLOAD_BYTES_MAX};

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

/// A blob's bytes as a guest is given them: JSON text.
pub fn blob_text(bytes: &[u8], base64: bool) -> Result<String, Failure> {
    let text = if base64 {
        data_encoding::BASE64.encode(bytes)
    } else {
        let text = std::str::from_utf8(bytes)
            .map_err(|_| Failure::new("not-utf8", "the blob is not UTF-8 text; ask for it as base64"))?;
        text.to_owned()
    };
    // Checked as it is given: quoting can make it longer.
    let quoted = serde_json::to_string(&text).expect("strings serialise");
    if quoted.len() > PAYLOAD_BYTES_MAX {
        return Err(Failure::new("output-too-large", "the blob is larger than a guest can be given"));
    }
    Ok(quoted)
}
