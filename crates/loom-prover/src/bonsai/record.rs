//! What a proving server was asked about a job, so that nobody asks it twice.

use serde::{Deserialize, Serialize};

use super::api::Ended;
use crate::{Job, JobError};

/// What is in `bonsai.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    /// The server.
    pub(super) server: String,
    /// Its name for the input.
    pub(super) input: String,
    /// How far it is.
    pub(super) state: State,
}

/// How far a job is at a server. The two that ask are written before the server is asked for what costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "at", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum State {
    /// A session is asked for. If nobody is at it any more, nobody knows whether there is one.
    AskingForSession,
    /// The server proves.
    Session {
        /// Its name for it.
        uuid: String,
    },
    /// A SNARK is asked for, as above.
    AskingForSnark {
        /// The session whose receipt it is to be made of.
        session: String,
        /// Segments that the session proved.
        #[serde(default)]
        segments: u32,
    },
    /// The server makes a SNARK.
    Snark {
        /// Its name for it.
        uuid: String,
        /// As above.
        #[serde(default)]
        segments: u32,
    },
    /// The server will make no receipt.
    Ended {
        /// How that came.
        status: Ended,
        /// What it says about it, which may be about the input.
        said: String,
    },
}

impl Record {
    pub(super) fn of(job: &Job) -> Result<Option<Self>, JobError> {
        let damaged =
            |error: serde_json::Error| JobError::Damaged { path: job.record_path(), problem: error.to_string() };
        job.record()?.map(|bytes| serde_json::from_slice(&bytes).map_err(damaged)).transpose()
    }

    pub(super) fn store(&self, job: &Job) -> Result<(), JobError> {
        let mut text = serde_json::to_vec_pretty(self).expect("our own types serialise");
        text.push(b'\n');
        job.store_record(&text)
    }

    /// The same job, further on.
    pub(super) fn at(&self, state: State) -> Self {
        Self { state, ..self.clone() }
    }
}
