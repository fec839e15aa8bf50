//! C2SP tlog-witness: what a log sends, and how it is refused.

use data_encoding::BASE64;
use loom_evidence::{CheckpointError, Hash, SignedCheckpoint};

use crate::{
    LeavesError, StoreError, Violation,
    limits::{PROOF_HASHES_MAX, REQUEST_BYTES_MAX},
};

/// The media type of a conflict's body.
pub const SIZE_MEDIA_TYPE: &str = "text/x.tlog.size";

/// The body of `add-checkpoint`: a checkpoint, and a proof that it extends what the witness cosigned last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The size that the witness cosigned last, as far as the log knows.
    pub old: u64,
    /// Proves that the tree extends the one of that size.
    pub proof: Vec<Hash>,
    /// The new checkpoint.
    pub checkpoint: SignedCheckpoint,
}

impl Request {
    /// Reads a body; refuses what is not the one form of what it says.
    pub fn parse(body: &[u8]) -> Result<Self, Refusal> {
        if body.len() > REQUEST_BYTES_MAX {
            return Err(Refusal::Malformed("the request is too long"));
        }
        let text = std::str::from_utf8(body).map_err(|_| Refusal::Malformed("the request is no text"))?;
        let (head, note) = text.split_once("\n\n").ok_or(Refusal::Malformed("there is no empty line"))?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| decimal(line.strip_prefix("old ")?));
        let old = old.ok_or(Refusal::Malformed("the first line is not 'old SIZE'"))?;
        let mut proof = Vec::new();
        for line in lines {
            if proof.len() == PROOF_HASHES_MAX {
                return Err(Refusal::Malformed("the proof has more than 63 hashes"));
            }
            let hash = BASE64.decode(line.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
            proof.push(hash.ok_or(Refusal::Malformed("a line of the proof is not the base64 of a hash"))?);
        }
        let checkpoint = SignedCheckpoint::read(note).map_err(|error| match error {
            CheckpointError::Malformed(problem) => Refusal::Malformed(problem),
            CheckpointError::Forged { .. } => unreachable!("reading checks no signatures"),
        })?;
        Ok(Self { old, proof, checkpoint })
    }

    /// Writes what [`Request::parse`] reads.
    pub fn encode(&self) -> String {
        encode(self.old, &self.proof, &self.checkpoint)
    }
}

pub(crate) fn encode(old: u64, proof: &[Hash], checkpoint: &SignedCheckpoint) -> String {
    let mut text = format!("old {old}\n");
    for hash in proof {
        text.push_str(&BASE64.encode(hash));
        text.push('\n');
    }
    text.push('\n');
    text.push_str(checkpoint.text());
    text
}

/// A number in its one form.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}

/// Why a checkpoint is not cosigned.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Not a request.
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// The proof would lead backwards.
    #[error("the old size {old} is larger than the checkpoint's, {size}")]
    Backwards {
        /// The old size of the request.
        old: u64,
        /// The checkpoint's.
        size: u64,
    },
    /// No key of the log signed it, or a signature under such a key's name is not that key's.
    #[error("not signed by a known key of the log '{origin}'")]
    NotSigned {
        /// The log.
        origin: String,
    },
    /// A log that this witness does not watch.
    #[error("unknown log")]
    UnknownLog,
    /// The log counts from another checkpoint than the witness.
    #[error("the checkpoint that was cosigned last has size {size}")]
    Conflict {
        /// Its size.
        size: u64,
    },
    /// The log signed two trees of one size.
    #[error("another checkpoint of size {size} was cosigned; the log '{origin}' has forked")]
    Forked {
        /// The log.
        origin: String,
        /// The size.
        size: u64,
    },
    /// The proof does not lead from what was cosigned to the checkpoint.
    #[error("the proof does not lead from size {old} to size {size}")]
    Inconsistent {
        /// The size that was cosigned last.
        old: u64,
        /// The checkpoint's.
        size: u64,
    },
    /// An actor of the log has two histories. Nothing of this log is cosigned any more.
    #[error("{0}")]
    TwoHistories(Box<Violation>),
    /// Enough requests about this log wait already.
    #[error("other requests about this log are under way; try again")]
    Busy,
    /// There is more to read than one request is worth.
    #[error("leaves are still being read, {read} of {size} so far; try again")]
    Reading {
        /// Leaves that were read.
        read: u64,
        /// The checkpoint's size.
        size: u64,
    },
    /// The leaves could not be read.
    #[error("the leaves of the log '{origin}' could not be read: {problem}")]
    Unreadable {
        /// The log.
        origin: String,
        /// Why.
        problem: LeavesError,
    },
    /// The leaves are not those below the checkpoint.
    #[error("the leaves that the log '{origin}' serves do not hash to the checkpoint's root")]
    OtherLeaves {
        /// The log.
        origin: String,
    },
    /// The witness's own trouble.
    #[error("the witness failed")]
    Failed(#[source] FailedError),
}

/// The witness's own trouble.
#[derive(Debug, thiserror::Error)]
pub enum FailedError {
    /// Its store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its clock says that it is before 1970, or far beyond.
    #[error("the clock makes no sense")]
    Clock,
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl Refusal {
    /// The HTTP status. 502 and 503 mean that asking again may help.
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) | Self::Backwards { .. } => 400,
            Self::NotSigned { .. } => 403,
            Self::UnknownLog => 404,
            Self::Conflict { .. } | Self::Forked { .. } => 409,
            Self::Inconsistent { .. } | Self::TwoHistories(_) => 422,
            Self::Failed(_) => 500,
            Self::Unreadable { .. } | Self::OtherLeaves { .. } => 502,
            Self::Busy | Self::Reading { .. } => 503,
        }
    }

    /// The media type of [`Refusal::body`].
    pub fn media_type(&self) -> &'static str {
        match self {
            Self::Conflict { .. } => SIZE_MEDIA_TYPE,
            _ => "text/plain; charset=utf-8",
        }
    }

    /// What is answered: the size of a conflict, otherwise the reason.
    pub fn body(&self) -> String {
        match self {
            Self::Conflict { size } => format!("{size}\n"),
            other => format!("{other}\n"),
        }
    }
}
