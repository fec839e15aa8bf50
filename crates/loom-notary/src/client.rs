//! A notary that is somewhere else.
//!
//! It is given credentials in the clear, so it is asked over TLS, or on this machine.

use loom_client::Secret;
use loom_tlsnotary::{Layout, Presentation};
use reqwest::{Certificate, Client, header::CONTENT_TYPE};
use url::{Host, Url};

use crate::{
    Request,
    limits::{ANSWER_BYTES_MAX, ANSWER_TIMEOUT},
    protocol::{About, Answer, Call, Problem},
};

/// How much of a refusal is passed on, in characters.
const REASON_CHARS_MAX: usize = 1024;

/// A notary that is asked over HTTP.
#[derive(Clone, Debug)]
pub struct RemoteNotary {
    url: Url,
    token: Option<Secret<String>>,
    http: Client,
}

/// Why a notary somewhere else gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// Not an address.
    #[error("a notary's url is one of https, or of http on this machine, without a query")]
    Url,
    /// Certificates that cannot be used.
    #[error("the certificates for reaching the notary cannot be used")]
    Certificates(#[source] reqwest::Error),
    /// Nobody answers, or not in time, or not to the end.
    #[error("the notary does not answer")]
    Unreachable(#[source] reqwest::Error),
    /// It said no.
    #[error("{detail}")]
    Refused {
        /// Its stable name.
        code: String,
        /// In the notary's words.
        detail: String,
    },
    /// The answer is not one.
    #[error("the notary's answer is not understood: {problem}")]
    Unexpected {
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl RemoteNotary {
    /// The notary at this URL. `ca` is a PEM file of certificates to trust instead of the system's.
    pub fn new(url: &str, token: Option<Secret<String>>, ca: Option<&[u8]>) -> Result<Self, RemoteError> {
        // An error says that it was done before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let url = Url::parse(&format!("{}/", url.trim_end_matches('/'))).map_err(|_| RemoteError::Url)?;
        let may_be_asked = url.scheme() == "https" || (url.scheme() == "http" && is_this_machine(&url));
        if !may_be_asked || url.query().is_some() || url.fragment().is_some() {
            return Err(RemoteError::Url);
        }
        let mut http = Client::builder().timeout(ANSWER_TIMEOUT).redirect(reqwest::redirect::Policy::none());
        if let Some(pem) = ca {
            let certificates = Certificate::from_pem_bundle(pem).map_err(RemoteError::Certificates)?;
            http = http.tls_certs_only(certificates);
        }
        Ok(Self { url, token, http: http.build().map_err(RemoteError::Certificates)? })
    }

    /// Has something fetched and attested to.
    pub async fn notarize(&self, request: &Request, layout: Layout) -> Result<Presentation, RemoteError> {
        let body = serde_json::to_vec(&Call::new(request, layout)).expect("text and numbers serialise");
        let url = self.url.join("v1/notarize").map_err(|_| RemoteError::Url)?;
        let mut call = self.http.post(url).header(CONTENT_TYPE, "application/json").body(body);
        if let Some(token) = &self.token {
            call = call.bearer_auth(token.expose());
        }
        let answer: Answer = self.answer(call).await?;
        answer.read(layout).map_err(|problem| RemoteError::Unexpected { problem })
    }

    /// The notary's public key in hexadecimal, as it says itself. That is no reason to trust it.
    pub async fn public_key(&self) -> Result<String, RemoteError> {
        let url = self.url.join("v1/key").map_err(|_| RemoteError::Url)?;
        let about: About = self.answer(self.http.get(url)).await?;
        Ok(about.key)
    }

    async fn answer<T: serde::de::DeserializeOwned>(&self, call: reqwest::RequestBuilder) -> Result<T, RemoteError> {
        // Addresses may hold passwords.
        let unreachable = |error: reqwest::Error| RemoteError::Unreachable(error.without_url());
        let mut response = call.send().await.map_err(unreachable)?;
        let is_success = response.status().is_success();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(RemoteError::Unexpected { problem: "it is too long" });
            }
            bytes.extend_from_slice(&chunk);
        }
        if is_success {
            return serde_json::from_slice(&bytes).map_err(|_| RemoteError::Unexpected { problem: "it is not one" });
        }
        let problem: Problem = serde_json::from_slice(&bytes)
            .map_err(|_| RemoteError::Unexpected { problem: "it is an error of no known form" })?;
        Err(RemoteError::Refused { code: plain(&problem.code), detail: plain(&problem.detail) })
    }
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// A stranger's words, fit for one line.
fn plain(text: &str) -> String {
    let shown = text.trim().chars().map(|char| if char.is_control() { ' ' } else { char });
    shown.take(REASON_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_only_go_where_nobody_reads_along() {
        for (url, is_fine) in [
            ("https://notary.example", true),
            ("https://notary.example/path/", true),
            ("http://127.0.0.1:4102", true),
            ("http://[::1]:4102", true),
            ("http://localhost:4102", true),
            ("http://notary.example", false),
            ("http://127.0.0.1.example", false),
            ("https://notary.example?x", false),
            ("ftp://notary.example", false),
            ("notary.example", false),
        ] {
            assert_eq!(RemoteNotary::new(url, None, None).is_ok(), is_fine, "{url}");
        }
    }
}
