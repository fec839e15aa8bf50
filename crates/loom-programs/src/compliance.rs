//! `compliance`: what a criteria program decides about facts; the facts stay private, the criteria are public input.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Digest, InvalidInput, InvalidOutput, reader::Reader};

/// The media type of the payload: JSON, `{"state": .., "facts": {..}}` as the activity `criteria-reviewer` takes it,
/// without the program.
pub const MEDIA_TYPE: &str = "application/json";
/// The longest value that surely fits the program's 64 KiB for the payload block.
pub const VALUE_BYTES_MAX: usize = 64 * 1024 - 64;

/// The payload's value: the JSON itself. Whether facts and criteria fit together, the program finds out.
pub fn encode(json: &Value) -> Result<Vec<u8>, InvalidInput> {
    /// Only the outer shape; what facts are is the business of the crate `criteria`.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Shape {
        #[serde(rename = "state")]
        _state: Option<String>,
        #[serde(rename = "facts")]
        _facts: serde_json::Map<String, Value>,
    }
    Shape::deserialize(json).map_err(InvalidInput::Json)?;
    let text = json.to_string().into_bytes();
    if text.len() > VALUE_BYTES_MAX {
        return Err(InvalidInput::TooLong { bytes: text.len(), max: VALUE_BYTES_MAX });
    }
    Ok(text)
}

/// What the criteria decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// Written as 1.
    Approve,
    /// Written as 2.
    Deny,
    /// Written as 3.
    Refer,
}

/// What the program says in public.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// SHA-256 of the payload block.
    pub payload_sha256: Digest,
    /// SHA-256 of the criteria program's text.
    pub program_sha256: Digest,
    /// The decision.
    pub decision: Decision,
    /// Ids of the criteria that were missed, in the program's order.
    pub missed: Vec<String>,
}

impl Output {
    /// Reads a public output.
    pub fn decode(output: &[u8]) -> Result<Self, InvalidOutput> {
        let mut reader = Reader::new(output, "67 and those of the ids");
        let payload_sha256 = reader.digest()?;
        let program_sha256 = reader.digest()?;
        let decision = match reader.array()? {
            [1] => Decision::Approve,
            [2] => Decision::Deny,
            [3] => Decision::Refer,
            _ => return Err(InvalidOutput::Value { what: "decision" }),
        };
        let mut missed = Vec::new();
        for _ in 0..u16::from_le_bytes(reader.array()?) {
            let [length] = reader.array()?;
            let id = reader.bytes(length.into())?;
            missed.push(String::from_utf8(id.to_vec()).map_err(|_| InvalidOutput::Value { what: "id" })?);
        }
        reader.end()?;
        Ok(Self { payload_sha256, program_sha256, decision, missed })
    }
}
