//! `dti`: one debt-to-income ratio and whether it is within a limit; debt and income stay private.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Digest, InvalidInput, InvalidOutput, reader::Reader};

/// The media type of the payload.
pub const MEDIA_TYPE: &str = "loom/dti";
/// Bytes of the payload block.
pub const BLOCK_BYTES: usize = 48;
/// Bytes of the public output.
pub const OUTPUT_BYTES: usize = 37;
/// The largest amount, in cents.
pub const AMOUNT_MAX: u64 = (1 << 48) - 1;
/// The ratio that means "this or more", in basis points.
pub const BPS_MAX: u16 = u16::MAX;

/// Where the value is in the block.
const VALUE_AT: usize = 28;

/// What the private payload says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Income in some period, 1 to [`AMOUNT_MAX`].
    pub income_cents: u64,
    /// Debt to be served in the same period, up to [`AMOUNT_MAX`].
    pub debt_cents: u64,
    /// The limit that the ratio is compared with.
    pub limit_bps: u16,
}

impl Input {
    pub(crate) fn read(json: &Value) -> Result<Self, InvalidInput> {
        Self::deserialize(json).map_err(InvalidInput::Json)
    }

    /// Debt over income, rounded up to the next basis point, at most [`BPS_MAX`].
    pub fn dti_bps(&self) -> Result<u16, InvalidInput> {
        for (what, found, min) in [("income_cents", self.income_cents, 1), ("debt_cents", self.debt_cents, 0)] {
            if !(min..=AMOUNT_MAX).contains(&found) {
                return Err(InvalidInput::Range { what, found, min, max: AMOUNT_MAX });
            }
        }
        let bps = (self.debt_cents * 10_000).div_ceil(self.income_cents);
        Ok(u16::try_from(bps).unwrap_or(BPS_MAX))
    }

    /// The payload's value.
    pub fn encode(&self) -> Result<Vec<u8>, InvalidInput> {
        let dti_bps = self.dti_bps()?;
        let mut value = Vec::with_capacity(BLOCK_BYTES - VALUE_AT);
        value.extend_from_slice(&self.income_cents.to_le_bytes());
        value.extend_from_slice(&self.debt_cents.to_le_bytes());
        value.extend_from_slice(&self.limit_bps.to_le_bytes());
        value.extend_from_slice(&dti_bps.to_le_bytes());
        Ok(value)
    }

    /// What a payload block says, if it is one with the right ratio.
    pub fn from_block(block: &[u8]) -> Option<Self> {
        let (head, value) = block.split_at_checked(VALUE_AT)?;
        let is_head = head[..2] == *b"\x83\x50" && head[18..] == *b"\x68loom/dti\x54";
        let (income_cents, rest) = value.split_first_chunk()?;
        let (debt_cents, rest) = rest.split_first_chunk()?;
        let (limit_bps, dti_bps) = rest.split_first_chunk()?;
        let input = Self {
            income_cents: u64::from_le_bytes(*income_cents),
            debt_cents: u64::from_le_bytes(*debt_cents),
            limit_bps: u16::from_le_bytes(*limit_bps),
        };
        (is_head && input.dti_bps().ok()?.to_le_bytes() == *dti_bps).then_some(input)
    }
}

/// What the program says in public.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// SHA-256 of the payload block.
    pub payload_sha256: Digest,
    /// The ratio, rounded up; [`BPS_MAX`] is that or more.
    pub dti_bps: u16,
    /// The limit.
    pub limit_bps: u16,
    /// Whether the ratio is at most the limit.
    pub within_limit: bool,
}

impl Output {
    /// What the program says of this payload block, if it takes it.
    pub fn of(block: &[u8]) -> Option<Self> {
        let input = Input::from_block(block)?;
        let dti_bps = input.dti_bps().ok()?;
        let Input { limit_bps, .. } = input;
        Some(Self { payload_sha256: Digest::of(block), dti_bps, limit_bps, within_limit: dti_bps <= limit_bps })
    }

    /// Reads a public output.
    pub fn decode(output: &[u8]) -> Result<Self, InvalidOutput> {
        let mut reader = Reader::new(output, "37");
        let output = Self {
            payload_sha256: reader.digest()?,
            dti_bps: u16::from_le_bytes(reader.array()?),
            limit_bps: u16::from_le_bytes(reader.array()?),
            within_limit: reader.verdict()?,
        };
        reader.end()?;
        if output.within_limit != (output.dti_bps <= output.limit_bps) {
            return Err(InvalidOutput::Value { what: "verdict" });
        }
        Ok(output)
    }

    /// The public output's bytes.
    pub fn encode(&self) -> [u8; OUTPUT_BYTES] {
        let mut bytes = [0; OUTPUT_BYTES];
        bytes[..32].copy_from_slice(&self.payload_sha256.0);
        bytes[32..34].copy_from_slice(&self.dti_bps.to_le_bytes());
        bytes[34..36].copy_from_slice(&self.limit_bps.to_le_bytes());
        bytes[36] = u8::from(self.within_limit);
        bytes
    }
}
