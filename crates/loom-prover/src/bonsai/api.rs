//! The calls of Bonsai's protocol.
//!
//! RISC Zero's own client, `bonsai-sdk`, is not used: it sends the API key along to whatever address the server names
//! and to whomever that redirects, reads answers of any length, and takes a page that says what went wrong for a
//! receipt. What it does is a dozen calls, and these are the ones that are needed.

use std::{net::IpAddr, time::Duration};

use bytes::Bytes;
use loom_risc0_verify::{ImageId, limits::RECEIPT_BYTES_MAX, parameters};
use loom_runtime::{ExposeSecret as _, SecretString};
use reqwest::{
    Client, Method, RequestBuilder, Response, StatusCode, Url,
    header::{CONTENT_LENGTH, HeaderValue},
    redirect, retry,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::json;

const KEY: &str = "x-api-key";
const VERSION: &str = "x-risc0-version";
/// Longest answer that is no receipt, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Time for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Time to send a program or an input, or to receive a receipt.
const TRANSFER_TIMEOUT: Duration = Duration::from_secs(600);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest name of an input or a session.
const NAME_BYTES_MAX: usize = 128;
/// How much is kept of what the server says about a failure.
const SAID_CHARS_MAX: usize = 2000;

/// A proving server cannot be used as it is described.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidServer {
    /// Not an address that private input may be sent to.
    #[error("the proving server's url is not one of https, or of http on this machine, without a password or a query")]
    Url,
    /// Not a key that can be sent.
    #[error("the proving server's key is empty, or has characters that a header cannot have")]
    Key,
}

/// A call that failed. Nothing that the server said is in it, for it may say the key or the input.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nobody answers, or not in time, or not to the end.
    #[error("the proving server does not answer when {call}")]
    Unreachable {
        /// What was being done.
        call: &'static str,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The answer is no.
    #[error("the proving server answers {status} when {call}")]
    Status {
        /// What was being done.
        call: &'static str,
        /// The answer.
        status: StatusCode,
    },
    /// The answer is no answer to the question.
    #[error("the proving server's answer when {call} is not understood: {problem}")]
    Unexpected {
        /// What was being done.
        call: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl CallError {
    /// Whether it is certain that the server did nothing: it was not reached, or it said so.
    pub(super) fn is_without_effect(&self) -> bool {
        match self {
            CallError::Unreachable { source, .. } => source.is_connect(),
            CallError::Status { status, .. } => {
                status.is_redirection() || (status.is_client_error() && *status != StatusCode::REQUEST_TIMEOUT)
            }
            CallError::Unexpected { .. } => false,
        }
    }
}

/// How a session stands.
#[derive(Debug)]
pub(super) enum Standing {
    /// Under way; how far, in the server's words.
    Running(String),
    /// There is a receipt, perhaps with its address.
    Succeeded { url: Option<String>, segments: u32 },
    /// There will be none.
    Ended { status: Ended, said: String },
}

/// How a session ended without a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Ended {
    /// The run failed.
    Failed,
    /// It took too long.
    TimedOut,
    /// Somebody stopped it.
    Aborted,
}

#[derive(Deserialize)]
struct Upload {
    url: String,
    uuid: String,
}

#[derive(Deserialize)]
struct Address {
    url: String,
}

#[derive(Deserialize)]
struct Named {
    uuid: String,
}

#[derive(Deserialize)]
struct Status {
    status: String,
    /// Of a session's receipt.
    receipt_url: Option<String>,
    /// Of a SNARK.
    output: Option<String>,
    error_msg: Option<String>,
    state: Option<String>,
    stats: Option<Stats>,
}

#[derive(Deserialize)]
struct Stats {
    segments: u64,
}

/// A proving server.
#[derive(Debug)]
pub(super) struct Api {
    http: Client,
    base: Url,
    key: SecretString,
}

impl Api {
    pub(super) fn new(url: &str, key: SecretString) -> Result<Self, InvalidServer> {
        let mut base = Url::parse(url).map_err(|_| InvalidServer::Url)?;
        let is_plain = base.username().is_empty() && base.password().is_none() && base.query().is_none();
        let is_safe = base.scheme() == "https" || (base.scheme() == "http" && is_this_machine(&base));
        if !is_plain || !is_safe || base.fragment().is_some() {
            return Err(InvalidServer::Url);
        }
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        if key.expose_secret().is_empty() || HeaderValue::from_str(key.expose_secret()).is_err() {
            return Err(InvalidServer::Key);
        }
        // An error says that it was done before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut http = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false);
        if is_this_machine(&base) {
            // A proxy would be another machine, and there is no TLS on the way to it.
            http = http.no_proxy();
        }
        Ok(Self { http: http.build().expect("a client without certificates can be built"), base, key })
    }

    /// Where it is.
    pub(super) fn url(&self) -> &str {
        self.base.as_str()
    }

    /// A stranger's words, without the key, and not too many of them.
    fn cleaned(&self, words: &str) -> String {
        let words = words.replace(self.key.expose_secret(), "(secret)");
        words.chars().map(|char| if char.is_control() { ' ' } else { char }).take(SAID_CHARS_MAX).collect()
    }

    /// Sends the program, if the server does not have it.
    pub(super) async fn upload_program(&self, image_id: ImageId, program: Bytes) -> Result<(), CallError> {
        let call = "it is asked for the program";
        let request = self.own(Method::GET, &format!("images/upload/{image_id}"));
        let response = send(call, request.timeout(ANSWER_TIMEOUT)).await?;
        if response.status() == StatusCode::NO_CONTENT {
            return Ok(());
        }
        let Address { url } = json_of(call, response).await?;
        self.put("the program is sent", &url, program).await
    }

    /// Sends the input, and says its name there.
    pub(super) async fn upload_input(&self, input: Bytes) -> Result<String, CallError> {
        let call = "a place for the input is asked for";
        let Upload { url, uuid } = self.json(call, self.own(Method::GET, "inputs/upload")).await?;
        let name = name(call, uuid)?;
        self.put("the input is sent", &url, input).await?;
        Ok(name)
    }

    pub(super) async fn delete_input(&self, name: &str) -> Result<(), CallError> {
        let request = self.own(Method::DELETE, &format!("inputs/{name}"));
        done("the input is deleted", send("the input is deleted", request.timeout(ANSWER_TIMEOUT)).await?).map(drop)
    }

    /// Begins to prove, which costs. Each call is another session.
    pub(super) async fn create_session(
        &self,
        image_id: ImageId,
        input: &str,
        cycles_max: u64,
    ) -> Result<String, CallError> {
        let call = "a session is asked for";
        let body = json!({
            "img": image_id.to_string(), "input": input, "assumptions": [], "execute_only": false,
            "exec_cycle_limit": cycles_max,
        });
        let Named { uuid } = self.json(call, self.own(Method::POST, "sessions/create").json(&body)).await?;
        name(call, uuid)
    }

    pub(super) async fn session(&self, name: &str) -> Result<Standing, CallError> {
        let call = "it is asked how the session stands";
        let request = self.own(Method::GET, &format!("sessions/status/{name}"));
        self.standing(call, self.json(call, request).await?)
    }

    /// Begins to turn a session's receipt into a SNARK, which costs too.
    pub(super) async fn create_snark(&self, session: &str) -> Result<String, CallError> {
        let call = "a SNARK is asked for";
        let request = self.own(Method::POST, "snark/create").json(&json!({ "session_id": session }));
        let Named { uuid } = self.json(call, request).await?;
        name(call, uuid)
    }

    pub(super) async fn snark(&self, name: &str) -> Result<Standing, CallError> {
        let call = "it is asked how the SNARK stands";
        let request = self.own(Method::GET, &format!("snark/status/{name}"));
        self.standing(call, self.json(call, request).await?)
    }

    /// Where the receipt of a session is, if its status does not say it.
    pub(super) async fn receipt_address(&self, session: &str) -> Result<String, CallError> {
        let request = self.own(Method::GET, &format!("receipts/{session}"));
        let Address { url } = self.json("it is asked where the receipt is", request).await?;
        Ok(url)
    }

    pub(super) async fn download(&self, url: &str) -> Result<Vec<u8>, CallError> {
        let call = "the receipt is fetched";
        let request = self.given(call, Method::GET, url)?.timeout(TRANSFER_TIMEOUT);
        read(call, done(call, send(call, request).await?)?, RECEIPT_BYTES_MAX).await
    }

    fn standing(&self, call: &'static str, status: Status) -> Result<Standing, CallError> {
        let ended = match status.status.as_str() {
            "RUNNING" => return Ok(Standing::Running(status.state.unwrap_or_default())),
            "SUCCEEDED" => {
                let segments = status.stats.map_or(0, |stats| u32::try_from(stats.segments).unwrap_or(u32::MAX));
                return Ok(Standing::Succeeded { url: status.receipt_url.or(status.output), segments });
            }
            "FAILED" => Ended::Failed,
            "TIMED_OUT" => Ended::TimedOut,
            "ABORTED" => Ended::Aborted,
            _ => return Err(CallError::Unexpected { call, problem: "there is no such status" }),
        };
        let said = self.cleaned(&status.error_msg.unwrap_or_default());
        Ok(Standing::Ended { status: ended, said })
    }

    /// A request to the server itself.
    fn own(&self, method: Method, path: &str) -> RequestBuilder {
        let url = self.base.join(path).expect("a path of names and fixed words");
        self.keyed(self.http.request(method, url))
    }

    fn keyed(&self, request: RequestBuilder) -> RequestBuilder {
        let mut key = HeaderValue::from_str(self.key.expose_secret()).expect("it was tried at the beginning");
        key.set_sensitive(true);
        request.header(KEY, key).header(VERSION, parameters::LIBRARY)
    }

    /// A request to an address that the server named. The key is for the server alone, and input and receipt are for
    /// nobody on the way; a server elsewhere has no say in what is asked of this machine's own services.
    pub(super) fn given(&self, call: &'static str, method: Method, url: &str) -> Result<RequestBuilder, CallError> {
        let unexpected = |problem| CallError::Unexpected { call, problem };
        let url = Url::parse(url).map_err(|_| unexpected("it names an address that is none"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(unexpected("it names an address with a password"));
        }
        let is_local = is_this_machine(&url);
        if is_local && !is_this_machine(&self.base) {
            return Err(unexpected("it names an address of this machine"));
        }
        if url.scheme() != "https" && !(url.scheme() == "http" && is_local) {
            return Err(unexpected("it names an address without TLS"));
        }
        let is_own = url.origin() == self.base.origin();
        let request = self.http.request(method, url);
        Ok(if is_own { self.keyed(request) } else { request })
    }

    async fn put(&self, call: &'static str, url: &str, body: Bytes) -> Result<(), CallError> {
        let request = self.given(call, Method::PUT, url)?.timeout(TRANSFER_TIMEOUT);
        // Stores that sign addresses want to know the length, also if it is nothing.
        let request = request.header(CONTENT_LENGTH, body.len()).body(body);
        done(call, send(call, request).await?).map(drop)
    }

    async fn json<T: DeserializeOwned>(&self, call: &'static str, request: RequestBuilder) -> Result<T, CallError> {
        json_of(call, send(call, request.timeout(ANSWER_TIMEOUT)).await?).await
    }
}

async fn send(call: &'static str, request: RequestBuilder) -> Result<Response, CallError> {
    request.send().await.map_err(|source| unreachable(call, source))
}

/// Addresses may be signed, and then are secrets.
fn unreachable(call: &'static str, source: reqwest::Error) -> CallError {
    CallError::Unreachable { call, source: source.without_url() }
}

fn done(call: &'static str, response: Response) -> Result<Response, CallError> {
    match response.status() {
        status if status.is_success() => Ok(response),
        status => Err(CallError::Status { call, status }),
    }
}

async fn json_of<T: DeserializeOwned>(call: &'static str, response: Response) -> Result<T, CallError> {
    let bytes = read(call, done(call, response)?, ANSWER_BYTES_MAX).await?;
    serde_json::from_slice(&bytes).map_err(|_| CallError::Unexpected { call, problem: "it is not the JSON expected" })
}

async fn read(call: &'static str, mut response: Response, bytes_max: usize) -> Result<Vec<u8>, CallError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|source| unreachable(call, source))? {
        if bytes.len() + chunk.len() > bytes_max {
            return Err(CallError::Unexpected { call, problem: "it is too long" });
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Names stand in paths.
fn name(call: &'static str, name: String) -> Result<String, CallError> {
    let is_name = (1..=NAME_BYTES_MAX).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if is_name { Ok(name) } else { Err(CallError::Unexpected { call, problem: "it gives a name that is none" }) }
}

/// Whether what is sent there stays on this machine.
fn is_this_machine(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}
