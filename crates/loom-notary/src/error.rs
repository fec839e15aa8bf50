//! Why nothing was notarised.
//!
//! Messages name hosts and paths at most: the rest of a URL, headers and bodies may be secret.

use std::io;

use crate::limits::RESPONSE_BYTES_MAX;

/// What is wrong with a request: the same one fails again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRequest {
    /// The URL.
    #[error("the url cannot be notarised: {problem}")]
    Url {
        /// Why.
        problem: &'static str,
    },
    /// A member of a call.
    #[error("'{what}' is none that is known here")]
    Member {
        /// Which.
        what: &'static str,
    },
    /// A body where there can be none.
    #[error("a body needs the method POST")]
    Body,
    /// Too many header fields.
    #[error("there are too many header fields")]
    TooMany,
    /// Too much of something.
    #[error("the request's {what} have more than {max} bytes")]
    TooLarge {
        /// Of what.
        what: &'static str,
        /// How much there may be.
        max: usize,
    },
    /// A header's name.
    #[error("a header's name cannot be sent")]
    HeaderName,
    /// A header's value.
    #[error("the value of '{name}' cannot be sent")]
    HeaderValue {
        /// The header.
        name: String,
    },
    /// A header that the notary decides about.
    #[error("the header '{name}' is the notary's own")]
    OwnHeader {
        /// The header.
        name: String,
    },
}

/// Why there is no response to attest to.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The name is not found.
    #[error("resolving the host's name")]
    Unresolved(#[source] io::Error),
    /// The name has no address.
    #[error("the host's name has no address")]
    NoAddress,
    /// The host's name is none that a certificate could have.
    #[error("the host's name is none that a certificate could have")]
    NoName,
    /// It is in a network where nothing is fetched.
    #[error("'{host}' is in a network that is not public, and the notary was not told that it may go there")]
    NotPublic {
        /// The host.
        host: String,
    },
    /// Nobody answers there.
    #[error("the server cannot be reached")]
    Unreachable(#[source] io::Error),
    /// It took too long.
    #[error("the server takes too long")]
    Timeout,
    /// The server's certificate.
    #[error("the server's certificate is not trusted")]
    Untrusted(#[source] io::Error),
    /// No TLS as presentations need it.
    #[error("the server does not speak TLS 1.2 with a key exchange over secp256r1, which presentations are about")]
    NoTls12(#[source] io::Error),
    /// Something else about TLS.
    #[error("there is no TLS session with the server")]
    Tls(#[source] rustls::Error),
    /// The server signed no key exchange.
    #[error("the server signed no key exchange")]
    Unsigned,
    /// The connection was cut in the middle of the response.
    #[error("the connection ended before the response did")]
    Cut(#[source] io::Error),
    /// The response is too large.
    #[error("the response has more than {RESPONSE_BYTES_MAX} bytes")]
    TooLarge,
    /// The response is not one that can be understood in one way only.
    #[error("the response cannot be attested to: {problem}")]
    Response {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A redirect, which is not followed.
    #[error("the server answers with a redirect (status {status}), which is not followed")]
    Redirect {
        /// The status.
        status: u16,
    },
}

/// Why nothing was notarised.
#[derive(Debug, thiserror::Error)]
pub enum NotarizeError {
    /// The request makes no sense.
    #[error(transparent)]
    Invalid(#[from] InvalidRequest),
    /// The notary does not fetch this.
    #[error("this notary does not fetch {method} {url}")]
    NotAllowed {
        /// How.
        method: &'static str,
        /// From where, without the query.
        url: String,
    },
    /// There is nothing to attest to.
    #[error("{url}")]
    Fetch {
        /// From where, without the query.
        url: String,
        /// Why.
        #[source]
        source: FetchError,
    },
    /// Enough is being fetched already.
    #[error("the notary is busy; try again")]
    Busy,
}

impl NotarizeError {
    /// A stable name, which has a page in `docs/errors`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "notary-request-invalid",
            Self::NotAllowed { .. } => "notary-refused",
            Self::Busy => "notary-busy",
            Self::Fetch { source, .. } => match source {
                FetchError::NotPublic { .. } => "notary-refused",
                FetchError::Untrusted(_) => "notary-untrusted",
                FetchError::NoTls12(_) => "notary-needs-tls12",
                FetchError::TooLarge | FetchError::Response { .. } | FetchError::Redirect { .. } => "notary-response",
                _ => "notary-unreachable",
            },
        }
    }

    /// Its status over HTTP.
    pub(crate) fn status(&self) -> u16 {
        match self.code() {
            "notary-request-invalid" => 400,
            "notary-refused" => 403,
            "notary-busy" => 503,
            _ => 502,
        }
    }
}

/// An error with its causes, each once.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}
