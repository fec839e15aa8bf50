//! A log's side: asking a witness for its cosignature.

use data_encoding::BASE64;
use loom_evidence::{Hash, KeyKind, PublicKey, SignedCheckpoint};
use reqwest::{Client, Response, StatusCode, header::CONTENT_TYPE};
use url::Url;

use crate::{
    limits::{ANSWER_BYTES_MAX, ANSWER_TIMEOUT, REASON_CHARS_MAX},
    protocol::{self, SIZE_MEDIA_TYPE},
};

/// What a witness answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Its cosignature, verified: a line with its line feed.
    Cosigned(String),
    /// It counts from another size: prove from there.
    Conflict {
        /// The size that it cosigned last.
        size: u64,
    },
    /// It does not cosign this. With a status of 500 or more it may, later.
    Refused {
        /// The HTTP status.
        status: u16,
        /// Its own words, cut short and without control characters.
        reason: String,
    },
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// Not a witness's key.
    #[error("{key} is not the key of a witness")]
    NotAWitness {
        /// The key.
        key: String,
    },
    /// Not an address.
    #[error("the url of the witness '{witness}' is not one of http or https without a query")]
    Url {
        /// The witness.
        witness: String,
    },
    /// Nobody answers, or not in time, or not to the end.
    #[error("the witness '{witness}' does not answer")]
    Unreachable {
        /// The witness.
        witness: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The answer is too long, or no answer to the question.
    #[error("the answer of the witness '{witness}' is not understood: {problem}")]
    Unexpected {
        /// The witness.
        witness: String,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// A witness that is reached over HTTP. Cheap to clone.
#[derive(Clone, Debug)]
pub struct HttpWitness {
    key: PublicKey,
    /// Where checkpoints are sent.
    url: Url,
    http: Client,
}

/// Makes *ring* the process's cryptography, without which no client can be built.
pub(crate) fn use_ring() {
    // An error says that it was done before.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

impl HttpWitness {
    /// The witness with this key, which takes checkpoints at `{url}/add-checkpoint`.
    pub fn new(key: PublicKey, url: &str) -> Result<Self, WitnessError> {
        if key.kind() != KeyKind::Witness {
            return Err(WitnessError::NotAWitness { key: key.to_string() });
        }
        let invalid = || WitnessError::Url { witness: key.name().to_owned() };
        let url = crate::settings::url(url).and_then(|url| url.join("add-checkpoint").ok()).ok_or_else(invalid)?;
        use_ring();
        let http = Client::builder().timeout(ANSWER_TIMEOUT).redirect(reqwest::redirect::Policy::none());
        Ok(Self { key, url, http: http.build().expect("a client without certificates can be built") })
    }

    /// What its cosignatures are verified with.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Asks for a cosignature. `proof` leads from the tree of size `old`, which the witness cosigned last, to the
    /// checkpoint's.
    pub async fn add_checkpoint(
        &self,
        old: u64,
        proof: &[Hash],
        checkpoint: &SignedCheckpoint,
    ) -> Result<Answer, WitnessError> {
        let body = protocol::encode(old, proof, checkpoint);
        let request = self.http.post(self.url.clone()).header(CONTENT_TYPE, "text/plain; charset=utf-8").body(body);
        let response = request.send().await.map_err(|source| self.unreachable(source))?;
        let status = response.status();
        let is_size =
            response.headers().get(CONTENT_TYPE).is_some_and(|media| media.as_bytes() == SIZE_MEDIA_TYPE.as_bytes());
        let text = self.text(response).await?;
        match status {
            StatusCode::OK => self.cosigned(&text, checkpoint).map(Answer::Cosigned),
            StatusCode::CONFLICT if is_size => {
                let size = text.strip_suffix('\n').and_then(protocol::decimal);
                size.map(|size| Answer::Conflict { size }).ok_or_else(|| self.unexpected("a conflict without a size"))
            }
            _ => Ok(Answer::Refused { status: status.as_u16(), reason: reason(&text) }),
        }
    }

    /// The one line of the answer that is this witness's, if it verifies. Lines of other keys are passed over.
    fn cosigned(&self, text: &str, checkpoint: &SignedCheckpoint) -> Result<String, WitnessError> {
        let prefix = format!("— {} ", self.key.name());
        let is_own = |line: &&str| {
            let encoded = line.strip_prefix(&prefix).map(|it| BASE64.decode(it.as_bytes()));
            matches!(encoded, Some(Ok(bytes)) if bytes.starts_with(&self.key.id().to_be_bytes()))
        };
        let line = text.lines().find(is_own).ok_or_else(|| self.unexpected("it has no cosignature of this witness"))?;
        match checkpoint.cosignature_time(line, &self.key) {
            Ok(0) => Err(self.unexpected("its cosignature has no time")),
            Ok(_) => Ok(format!("{line}\n")),
            Err(_) => Err(self.unexpected("its cosignature is not one of this checkpoint")),
        }
    }

    async fn text(&self, mut response: Response) -> Result<String, WitnessError> {
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|source| self.unreachable(source))? {
            if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(self.unexpected("it is too long"));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn unreachable(&self, source: reqwest::Error) -> WitnessError {
        // Addresses may hold passwords.
        WitnessError::Unreachable { witness: self.key.name().to_owned(), source: source.without_url() }
    }

    fn unexpected(&self, problem: &'static str) -> WitnessError {
        WitnessError::Unexpected { witness: self.key.name().to_owned(), problem }
    }
}

/// A stranger's words, fit for one line of a log.
fn reason(text: &str) -> String {
    let shown = text.trim().chars().map(|char| if char.is_control() { ' ' } else { char });
    shown.take(REASON_CHARS_MAX).collect()
}
