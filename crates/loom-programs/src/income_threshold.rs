//! `income-threshold`: whether amounts add up to a threshold; the amounts and their number stay private.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Digest, InvalidInput, InvalidOutput, reader::Reader};

/// The media type of the payload.
pub const MEDIA_TYPE: &str = "loom/income";
/// The most amounts.
pub const AMOUNTS_MAX: usize = 500;

/// What the private payload says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// What the sum is compared with.
    pub threshold_cents: u64,
    /// What is added up, 1 to [`AMOUNTS_MAX`] amounts.
    pub amounts_cents: Vec<u64>,
}

impl Input {
    pub(crate) fn read(json: &Value) -> Result<Self, InvalidInput> {
        Self::deserialize(json).map_err(InvalidInput::Json)
    }

    /// The payload's value.
    pub fn encode(&self) -> Result<Vec<u8>, InvalidInput> {
        let found = self.amounts_cents.len();
        if !(1..=AMOUNTS_MAX).contains(&found) {
            return Err(InvalidInput::Count { what: "amounts", found, max: AMOUNTS_MAX });
        }
        self.amounts_cents.iter().try_fold(0u64, |sum, amount| sum.checked_add(*amount)).ok_or(InvalidInput::Sum)?;
        let numbers = std::iter::once(&self.threshold_cents).chain(&self.amounts_cents);
        Ok(numbers.flat_map(|number| number.to_le_bytes()).collect())
    }
}

/// What the program says in public.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// SHA-256 of the payload block.
    pub payload_sha256: Digest,
    /// The threshold.
    pub threshold_cents: u64,
    /// Whether the amounts add up to at least the threshold.
    pub reached: bool,
}

impl Output {
    /// Reads a public output.
    pub fn decode(output: &[u8]) -> Result<Self, InvalidOutput> {
        let mut reader = Reader::new(output, "41");
        let output = Self {
            payload_sha256: reader.digest()?,
            threshold_cents: u64::from_le_bytes(reader.array()?),
            reached: reader.verdict()?,
        };
        reader.end().map(|()| output)
    }
}
