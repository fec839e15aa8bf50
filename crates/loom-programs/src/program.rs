//! The programs, by name.

use serde::Serialize;
use serde_json::Value;

use crate::{InvalidInput, InvalidOutput, batch, committed_amount, compliance, dti, income_threshold};

/// A program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Program {
    /// Many debt-to-income ratios under one root.
    Batch,
    /// Whether an amount that a notary committed to reaches a threshold.
    CommittedAmount,
    /// What a criteria program decides.
    Compliance,
    /// One debt-to-income ratio.
    Dti,
    /// Whether amounts add up to a threshold.
    IncomeThreshold,
}

impl Program {
    /// All of them, by name.
    pub const ALL: [Self; 5] = [Self::Batch, Self::CommittedAmount, Self::Compliance, Self::Dti, Self::IncomeThreshold];

    /// Its name, that of its folder in `guests/risc0`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::CommittedAmount => "committed-amount",
            Self::Compliance => "compliance",
            Self::Dti => "dti",
            Self::IncomeThreshold => "income-threshold",
        }
    }

    /// The program of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|program| program.name() == name)
    }

    /// The media type that its private payload must have.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Batch => batch::MEDIA_TYPE,
            Self::CommittedAmount => committed_amount::MEDIA_TYPE,
            Self::Compliance => compliance::MEDIA_TYPE,
            Self::Dti => dti::MEDIA_TYPE,
            Self::IncomeThreshold => income_threshold::MEDIA_TYPE,
        }
    }

    /// Whether it takes public input beside the payload; the others trap on any.
    pub fn takes_public_input(self) -> bool {
        self == Self::Compliance
    }

    /// From JSON to the value of the private payload.
    pub fn encode(self, json: &Value) -> Result<Vec<u8>, InvalidInput> {
        match self {
            Self::Batch => batch::Input::read(json)?.encode(),
            Self::CommittedAmount => committed_amount::Input::read(json)?.encode(),
            Self::Compliance => compliance::encode(json),
            Self::Dti => dti::Input::read(json)?.encode(),
            Self::IncomeThreshold => income_threshold::Input::read(json)?.encode(),
        }
    }

    /// Reads a public output.
    pub fn decode(self, output: &[u8]) -> Result<Output, InvalidOutput> {
        Ok(match self {
            Self::Batch => Output::Batch(batch::Output::decode(output)?),
            Self::CommittedAmount => Output::CommittedAmount(committed_amount::Output::decode(output)?),
            Self::Compliance => Output::Compliance(compliance::Output::decode(output)?),
            Self::Dti => Output::Dti(dti::Output::decode(output)?),
            Self::IncomeThreshold => Output::IncomeThreshold(income_threshold::Output::decode(output)?),
        })
    }
}

/// What a program said in public.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Output {
    /// Of [`Program::Batch`].
    Batch(batch::Output),
    /// Of [`Program::CommittedAmount`].
    CommittedAmount(committed_amount::Output),
    /// Of [`Program::Compliance`].
    Compliance(compliance::Output),
    /// Of [`Program::Dti`].
    Dti(dti::Output),
    /// Of [`Program::IncomeThreshold`].
    IncomeThreshold(income_threshold::Output),
}

impl Output {
    /// SHA-256 of the payload block that it is about: the digest in that payload's CID.
    pub fn payload_sha256(&self) -> crate::Digest {
        match self {
            Self::Batch(output) => output.payload_sha256,
            Self::CommittedAmount(output) => output.payload_sha256,
            Self::Compliance(output) => output.payload_sha256,
            Self::Dti(output) => output.payload_sha256,
            Self::IncomeThreshold(output) => output.payload_sha256,
        }
    }
}

/// A program's input: the length of the private payload block, the block, zeros up to a whole word, the public part.
///
/// Panics over a block of more than 4 GiB, which no payload is.
pub fn stdin(block: &[u8], public: &[u8]) -> Vec<u8> {
    let length = u32::try_from(block.len()).expect("payloads have a limit far below that");
    let mut stdin = Vec::with_capacity(8 + block.len() + public.len());
    stdin.extend_from_slice(&length.to_le_bytes());
    stdin.extend_from_slice(block);
    stdin.resize(stdin.len().next_multiple_of(4), 0);
    stdin.extend_from_slice(public);
    stdin
}
