//! What an effectful activity can ask for: other systems over HTTP, secrets, and which attempt it is.
//!
//! These are not steps. Nothing here is journaled but the activity's output, and the activity may be
//! run more than once. The deployment grants each with a capability; what it does not grant is an
//! error of kind `not-granted`.
//!
//! ```
//! use loom_guest::{Error, outside};
//!
//! fn rate(currency: String) -> Result<f64, Error> {
//!     outside::get(&format!("https://rates.example.com/{currency}"))
//!         .secret_header("authorization", "RATES_KEY", "Bearer ")
//!         .send()?
//!         .error_for_status()?
//!         .json()
//! }
//! ```

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Error;
use crate::encoding::{base64_decode, base64_encode};
use crate::host::misfit;
use crate::host::request::Request as HostRequest;

/// Which attempt of which step this is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Attempt {
    /// The tenant of the actor that asked for the activity.
    pub namespace: String,
    /// That actor's type.
    #[serde(rename = "type")]
    pub actor_type: String,
    /// That actor's key.
    pub key: String,
    /// Its turn.
    pub turn: u64,
    /// The step of that turn.
    pub step: u32,
    /// Counts from 1.
    pub attempt: u32,
    /// The same for every attempt of the step, and for no other step: with it another system can
    /// tell that a request was made before.
    pub idempotency_key: String,
}

/// Which attempt of which step this is.
pub fn attempt() -> Attempt {
    HostRequest::new("context").send_infallible()
}

/// The value of a secret. Outputs that contain it are refused; prefer [`Request::secret_header`],
/// which keeps the value out of the guest.
pub fn secret(name: &str) -> Result<String, Error> {
    HostRequest::new("secret").member("name", name).send()
}

/// A request to another system, to be sent.
#[derive(Debug, Clone)]
pub struct Request {
    method: String,
    url: String,
    headers: Map<String, Value>,
    body: Option<Body>,
    timeout_ms: Option<u64>,
}

#[derive(Debug, Clone)]
enum Body {
    Text(String),
    Bytes(Vec<u8>),
}

/// What another system answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status, whichever it is.
    pub status: u16,
    /// By lower-case name. Values of headers that came more than once are joined by `, `, those of
    /// `set-cookie` by line feeds.
    pub headers: BTreeMap<String, String>,
    /// The whole body.
    pub body: Vec<u8>,
}

/// A GET request.
pub fn get(url: &str) -> Request {
    request("GET", url)
}

/// A POST request.
pub fn post(url: &str) -> Request {
    request("POST", url)
}

/// A request with any method, in upper case.
pub fn request(method: &str, url: &str) -> Request {
    Request {
        method: method.to_owned(),
        url: url.to_owned(),
        headers: Map::new(),
        body: None,
        timeout_ms: None,
    }
}

impl Request {
    /// Sets a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), value.into());
        self
    }

    /// Sets a header to the value of a secret behind a prefix such as `Bearer `. The host puts it
    /// in; the guest never has it.
    #[must_use]
    pub fn secret_header(mut self, name: &str, secret: &str, prefix: &str) -> Self {
        let mut reference = Map::new();
        reference.insert("secret".to_owned(), secret.into());
        if !prefix.is_empty() {
            reference.insert("prefix".to_owned(), prefix.into());
        }
        self.headers.insert(name.to_owned(), reference.into());
        self
    }

    /// Sends this text.
    #[must_use]
    pub fn text(mut self, body: &str) -> Self {
        self.body = Some(Body::Text(body.to_owned()));
        self
    }

    /// Sends these bytes.
    #[must_use]
    pub fn bytes(mut self, body: &[u8]) -> Self {
        self.body = Some(Body::Bytes(body.to_owned()));
        self
    }

    /// Sends a value as JSON, and says so in `content-type`.
    pub fn json(self, body: &(impl Serialize + ?Sized)) -> Result<Self, Error> {
        let text = serde_json::to_string(body)?;
        Ok(self.header("content-type", "application/json").text(&text))
    }

    /// Allows so much time, at most what the deployment does.
    #[must_use]
    pub fn timeout_ms(mut self, ms: u64) -> Self {
        self.timeout_ms = Some(ms);
        self
    }

    /// Sends it and waits for the response. A response is one whatever its status; errors say that
    /// there was none.
    pub fn send(self) -> Result<Response, Error> {
        let mut request = HostRequest::new("http")
            .member("method", &self.method)
            .member("url", &self.url);
        if !self.headers.is_empty() {
            request = request.member("headers", &self.headers);
        }
        request = match self.body {
            None => request,
            Some(Body::Text(text)) => request.member("body", &text),
            Some(Body::Bytes(bytes)) => request.member("base64", &base64_encode(&bytes)),
        };
        read(request.optional("timeout_ms", self.timeout_ms).send()?)
    }
}

#[derive(Deserialize)]
struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    base64: Option<String>,
}

fn read(answer: Answer) -> Result<Response, Error> {
    let body = match (answer.body, answer.base64) {
        (Some(text), None) => Some(text.into_bytes()),
        (None, Some(base64)) => base64_decode(&base64),
        _ => None,
    };
    Ok(Response {
        status: answer.status,
        headers: answer.headers,
        body: body.ok_or_else(|| misfit("http", "a response without a body"))?,
    })
}

impl Response {
    /// The response if its status is below 400, else an error of kind `http-status`: one worth
    /// retrying for 408, 425, 429 and everything from 500 on.
    pub fn error_for_status(self) -> Result<Self, Error> {
        if self.status < 400 {
            return Ok(self);
        }
        let error = Error::new(
            "http-status",
            ["the status is ", &self.status.to_string()].concat(),
        );
        match self.status {
            408 | 425 | 429 | 500.. => Err(error.retryable()),
            _ => Err(error),
        }
    }

    /// The body as text.
    pub fn text(self) -> Result<String, Error> {
        String::from_utf8(self.body)
            .map_err(|_| Error::new("http-not-text", "the response's body is not UTF-8"))
    }

    /// The body as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        Ok(serde_json::from_slice(&self.body)?)
    }
}
