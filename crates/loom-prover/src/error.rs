//! What can go wrong, by whose fault it is.

use std::path::PathBuf;

use loom_risc0_verify::{ImageId, Rejected};

/// Bytes that are no program, or another one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProgramError {
    /// Not what RISC Zero's tools write.
    #[error("not a program binary: {0}")]
    Malformed(String),
    /// Too many bytes.
    #[error("a program binary of {bytes} bytes; at most {max} are taken")]
    TooLarge {
        /// How many.
        bytes: usize,
        /// How many may be.
        max: usize,
    },
    /// It has another image id.
    #[error("the program binary is {found}, not {expected}")]
    Other {
        /// What it is.
        found: ImageId,
        /// What was asked for.
        expected: ImageId,
    },
}

/// The program did not accept its input. It will not do so next time either.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, serde::Serialize, serde::Deserialize)]
#[serde(tag = "refused", rename_all = "kebab-case")]
pub enum Refused {
    /// It ended without an output: programs trap when the input is not as it must be.
    #[error("the program refused its input: {detail}")]
    Input {
        /// What the executor says.
        detail: String,
    },
    /// It ended with an exit code.
    #[error("the program ended with exit code {code}, and only runs with 0 are proved")]
    ExitCode {
        /// The code.
        code: u32,
    },
    /// It takes longer than is allowed.
    #[error("the run takes more than {max} cycles, the setting prover.cycles_max")]
    TooLong {
        /// How many are allowed.
        max: u64,
    },
    /// Its output is too large for a receipt.
    #[error("the output has more than {max} bytes")]
    OutputTooLarge {
        /// How many are allowed.
        max: usize,
    },
    /// A worker before has found that out.
    #[error("{reason}")]
    Before {
        /// What it found.
        reason: String,
    },
}

impl Refused {
    /// Why, for a journal: what a program says as it panics may quote its input.
    pub fn without_input(&self) -> String {
        match self {
            Self::Input { .. } => "the program refused its input".to_owned(),
            other => other.to_string(),
        }
    }
}

/// A job's folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The disk.
    #[error("{}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file is not what was written.
    #[error("{}: {problem}", path.display())]
    Damaged {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

/// Why there is no receipt.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// The program's fault, or its input's.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Another process works on it.
    #[error("another process works on it")]
    Busy,
    /// The job's folder.
    #[error(transparent)]
    Job(#[from] JobError),
    /// The binary.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// No size of segment fits into the memory that may be used.
    #[error("a proof takes at least {needed} MiB, and the setting prover.memory_mib is {allowed}")]
    Memory {
        /// For the smallest segments.
        needed: u64,
        /// The setting.
        allowed: u64,
    },
    /// A segment could not be proved, several times in a row.
    #[error("segment {index} could not be proved: {detail}")]
    Segment {
        /// Which.
        index: usize,
        /// Why.
        detail: String,
    },
    /// What was made does not verify.
    #[error("the receipt that was made does not verify")]
    Receipt(#[source] Rejected),
}
