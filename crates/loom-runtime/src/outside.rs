//! The outside, as effectful activities reach it: other systems over HTTP, and the node's secrets.
//!
//! Ports only. Whoever implements [`Http`] enforces the allowance that comes with a call; whoever implements
//! [`Secrets`] decides where values come from. A value is a [`SecretString`], which does not print.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use loom_machine::{Failure, HttpAllowance};
pub use secrecy::{ExposeSecret, SecretString};

/// Shortest value of a secret, in bytes: a shorter one could not be told from ordinary text in an output.
pub const SECRET_BYTES_MIN: usize = 8;
/// Longest value of a secret, in bytes.
pub const SECRET_BYTES_MAX: usize = 8 * 1024;

/// Asks other systems.
pub trait Http: Send + Sync {
    /// Sends a request and reads the whole response. The future may be polled on a thread without I/O, and
    /// dropping it ends the exchange.
    ///
    /// The allowance is checked for the request and for every redirect; hosts that resolve to addresses of the
    /// node's own network are refused. A status, whichever it is, is a response. Messages of failures contain
    /// neither header values nor the URL's path and query, which may be secret.
    fn send(&self, call: HttpCall) -> BoxFuture<'static, Result<HttpReply, Failure>>;
}

/// Knows the secrets of each namespace.
pub trait Secrets: Send + Sync {
    /// The value, of [`SECRET_BYTES_MIN`] to [`SECRET_BYTES_MAX`] bytes. None if the node has no such secret for this
    /// namespace.
    fn get(&self, namespace: &str, name: &str) -> Option<SecretString>;
}

/// A request with everything it needs.
#[derive(Debug)]
pub struct HttpCall {
    /// What the deployment allows.
    pub allowance: HttpAllowance,
    /// The method, which is granted.
    pub method: String,
    /// As the guest wrote it.
    pub url: String,
    /// By lower-case name.
    pub headers: Vec<(String, HeaderValue)>,
    /// Its bytes.
    pub body: Vec<u8>,
    /// How long it may take, redirects included.
    pub timeout: Duration,
}

/// A header's value.
#[derive(Debug)]
pub enum HeaderValue {
    /// The guest's.
    Text(String),
    /// With a secret inside: never shown, and sent to no other origin than the one that was asked for.
    Secret(SecretString),
}

/// A response.
#[derive(Debug)]
pub struct HttpReply {
    /// The status.
    pub status: u16,
    /// By lower-case name, in the order they came. A value that is no text is left out.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

/// What a node's effectful activities can reach. Cheap to clone.
#[derive(Clone)]
pub struct Outside {
    /// Other systems.
    pub http: Arc<dyn Http>,
    /// Secrets.
    pub secrets: Arc<dyn Secrets>,
}

impl Outside {
    /// Nothing at all.
    pub fn none() -> Self {
        Self { http: Arc::new(Nothing), secrets: Arc::new(Nothing) }
    }
}

struct Nothing;

impl Http for Nothing {
    fn send(&self, _call: HttpCall) -> BoxFuture<'static, Result<HttpReply, Failure>> {
        let failure = Failure::new("http-refused", "this node does not speak HTTP to other systems");
        Box::pin(std::future::ready(Err(failure)))
    }
}

impl Secrets for Nothing {
    fn get(&self, _namespace: &str, _name: &str) -> Option<SecretString> {
        None
    }
}
