//! `committed-amount`: whether an amount reaches a threshold where a TLSNotary notary committed to it; the amount stays
//! private.
//!
//! The notary's commitment is the SHA-256 of some bytes that a server said and of a blinder. The program opens it and
//! puts it out, so that whoever has the notary's attestation finds it there. [`Amount`] is what the program takes for one.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Digest, InvalidInput, InvalidOutput, reader::Reader};

/// The media type of the payload.
pub const MEDIA_TYPE: &str = "loom/committed-amount";
/// The longest text of an amount, in bytes.
pub const TEXT_BYTES_MAX: usize = 32;
/// Bytes of the public output.
pub const OUTPUT_BYTES: usize = 106;

/// Bytes of an attestation's id, and of a blinder.
const ID_BYTES: usize = 16;

/// What the private payload says.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The notary's attestation.
    #[serde(with = "hex")]
    pub attestation_id: [u8; ID_BYTES],
    /// Where the text stands in what the server said, from and up to.
    pub range: [u64; 2],
    /// What was hashed after the text.
    #[serde(with = "hex")]
    pub blinder: [u8; ID_BYTES],
    /// The bytes of the range as they stand there, with their quotes if they have any.
    pub text: String,
    /// What the amount is compared with.
    pub threshold_cents: u64,
}

impl Input {
    pub(crate) fn read(json: &Value) -> Result<Self, InvalidInput> {
        Self::deserialize(json).map_err(InvalidInput::Json)
    }

    /// The payload's value.
    pub fn encode(&self) -> Result<Vec<u8>, InvalidInput> {
        Amount::read(&self.text).ok_or(InvalidInput::Amount)?;
        let [start, end] = self.range;
        if end.checked_sub(start) != Some(self.text.len() as u64) {
            return Err(InvalidInput::PlaceLength { start, end, found: self.text.len() });
        }
        let numbers = [start, end, self.threshold_cents].map(u64::to_le_bytes);
        Ok([&self.attestation_id[..], numbers.as_flattened(), self.text.as_bytes(), &self.blinder].concat())
    }

    /// The notary's commitment that the program opens.
    pub fn commitment(&self) -> Digest {
        Digest::of(&[self.text.as_bytes(), &self.blinder].concat())
    }
}

impl fmt::Debug for Input {
    /// Without what is to stay private.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { range, threshold_cents, .. } = self;
        let mut shown = formatter.debug_struct("Input");
        shown.field("range", range).field("threshold_cents", threshold_cents).finish_non_exhaustive()
    }
}

/// An amount as the program reads it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Amount {
    /// How much.
    pub cents: u64,
    /// Whether it stands in quotes.
    pub is_quoted: bool,
}

impl Amount {
    /// Reads a whole number without leading zeros, or one with one or two decimals, with or without quotes around it.
    pub fn read(text: &str) -> Option<Self> {
        let quoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        let number = quoted.unwrap_or(text);
        let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
        let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let is_whole = is_digits(whole) && (whole == "0" || !whole.starts_with('0'));
        let is_amount = is_whole && is_digits(decimals) && decimals.len() <= 2 && text.len() <= TEXT_BYTES_MAX;
        let cents = is_amount.then(|| format!("{whole}{decimals:0<2}").parse().ok()).flatten()?;
        Some(Self { cents, is_quoted: quoted.is_some() })
    }
}

/// What the program says in public.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// SHA-256 of the payload block.
    pub payload_sha256: Digest,
    /// The notary's attestation. The program takes it as it comes: what counts is that the commitment stands in it.
    #[serde(with = "hex")]
    pub attestation_id: [u8; ID_BYTES],
    /// Where the amount stands in what the server said, from and up to.
    pub range: [u64; 2],
    /// The notary's commitment that was opened.
    pub commitment: Digest,
    /// The threshold.
    pub threshold_cents: u64,
    /// Whether the amount is at least the threshold.
    pub reached: bool,
    /// Whether the range begins and ends with a quote.
    pub quoted: bool,
}

impl Output {
    /// Reads a public output.
    pub fn decode(output: &[u8]) -> Result<Self, InvalidOutput> {
        let mut reader = Reader::new(output, "106");
        let output = Self {
            payload_sha256: reader.digest()?,
            attestation_id: reader.array()?,
            range: [u64::from_le_bytes(reader.array()?), u64::from_le_bytes(reader.array()?)],
            commitment: reader.digest()?,
            threshold_cents: u64::from_le_bytes(reader.array()?),
            reached: reader.verdict()?,
            quoted: reader.verdict()?,
        };
        reader.end()?;
        let [start, end] = output.range;
        let shortest = if output.quoted { 3 } else { 1 };
        if end.checked_sub(start).is_none_or(|length| !(shortest..=TEXT_BYTES_MAX as u64).contains(&length)) {
            return Err(InvalidOutput::Value { what: "range" });
        }
        Ok(output)
    }
}

/// Ids and blinders, which JSON has in hex.
mod hex {
    use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use super::ID_BYTES;

    pub(super) fn serialize<S: Serializer>(bytes: &[u8; ID_BYTES], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&HEXLOWER.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; ID_BYTES], D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.ok_or_else(|| D::Error::custom("16 bytes are 32 hex digits"))
    }
}
