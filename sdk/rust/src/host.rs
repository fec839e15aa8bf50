//! Steps: everything an actor can ask of the host. Each call blocks until the answer is there.
//!
//! Functions return [`Error`] when a step can fail for reasons outside the guest. Those that
//! cannot ([`context`], [`now_ms`], [`random_bytes`], [`uuid`], [`log`]) panic if the host refuses
//! them, which fails the turn.

mod actors;
mod proofs;
pub mod state;

pub(crate) mod request;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use self::actors::{Child, Received, Spawn, receive, restart, spawn, start_receive};
pub use self::proofs::{Proof, Verdict, start_proof, verify, verify_with};
pub(crate) use self::request::misfit;
use self::request::{Answer, Request};
use crate::encoding::{base64_decode, base64_encode, hex_decode};
use crate::{Error, Handle, Promise, RawHandle, abi};

/// The most bytes the host gives for one `random` request.
const RANDOM_BYTES_MAX: usize = 1024;

/// Who and where this turn is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Context {
    /// The tenant the actor belongs to.
    pub namespace: String,
    /// The actor's type.
    #[serde(rename = "type")]
    pub actor_type: String,
    /// The actor's key within its type.
    pub key: String,
    /// The id of the message this turn handles: the same on every replay and retry.
    pub message_id: String,
    /// `type/key` of the actor that sent the message, `None` if it came from outside.
    pub sender: Option<String>,
    /// The deployment the turn is pinned to.
    pub deployment: String,
    /// Which of the actor's turns this is.
    pub turn: u64,
}

/// How often and how patiently the host retries an activity that failed with a retryable error.
/// What is left out takes the deployment's default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Retry {
    /// How many attempts in all, the first included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts_max: Option<u32>,
    /// The pause before the second attempt; later ones grow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff_ms_min: Option<u64>,
    /// The longest pause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff_ms_max: Option<u64>,
}

/// How much a log line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// For whoever works on the guest.
    Debug,
    /// Worth knowing.
    Info,
    /// Worth looking at.
    Warn,
    /// Something failed.
    Error,
}

/// Who and where this turn is.
pub fn context() -> Context {
    Request::new("context").send_infallible()
}

/// The turn's clock in milliseconds since 1970; journaled, so replay sees the same reading.
pub fn now_ms() -> i64 {
    Request::new("now").send_infallible()
}

/// Random bytes from the turn's seed: unpredictable before the turn, the same on replay.
pub fn random_bytes(count: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(count);
    while bytes.len() < count {
        let wanted = (count - bytes.len()).min(RANDOM_BYTES_MAX);
        let text: String = Request::new("random")
            .member("bytes", &wanted)
            .send_infallible();
        let chunk = hex_decode(&text).filter(|chunk| chunk.len() == wanted);
        bytes.extend(chunk.expect("the host answers `random` with as much hex as asked for"));
    }
    bytes
}

/// A version 4 UUID from the turn's seed.
pub fn uuid() -> String {
    Request::new("uuid").send_infallible()
}

/// Runs an activity and waits for its output.
pub fn activity<T: DeserializeOwned>(
    name: &str,
    input: &(impl Serialize + ?Sized),
) -> Result<T, Error> {
    activity_request("activity", name, input, None).send()
}

/// Runs an activity under its own retry policy and waits for its output.
pub fn activity_with<T: DeserializeOwned>(
    name: &str,
    input: &(impl Serialize + ?Sized),
    retry: Retry,
) -> Result<T, Error> {
    activity_request("activity", name, input, Some(retry)).send()
}

/// Starts an activity; several started ones run side by side.
pub fn start_activity<T: DeserializeOwned>(
    name: &str,
    input: &(impl Serialize + ?Sized),
) -> Result<Handle<T>, Error> {
    activity_request("activity.start", name, input, None)
        .send()
        .map(RawHandle::typed)
}

/// Starts an activity under its own retry policy.
pub fn start_activity_with<T: DeserializeOwned>(
    name: &str,
    input: &(impl Serialize + ?Sized),
    retry: Retry,
) -> Result<Handle<T>, Error> {
    activity_request("activity.start", name, input, Some(retry))
        .send()
        .map(RawHandle::typed)
}

/// Sends a message to the actor `to` (`type/key`) and waits for its reply, for as long as the
/// deployment allows.
pub fn call<T: DeserializeOwned>(to: &str, body: &(impl Serialize + ?Sized)) -> Result<T, Error> {
    call_request("call", to, body, None).send()
}

/// Like [`call`]; fails with kind `deadline` when the reply takes longer than `deadline_ms`.
pub fn call_with_deadline<T: DeserializeOwned>(
    to: &str,
    body: &(impl Serialize + ?Sized),
    deadline_ms: u64,
) -> Result<T, Error> {
    call_request("call", to, body, Some(deadline_ms)).send()
}

/// Like [`call`], without waiting for the reply yet.
pub fn start_call<T: DeserializeOwned>(
    to: &str,
    body: &(impl Serialize + ?Sized),
) -> Result<Handle<T>, Error> {
    call_request("call.start", to, body, None)
        .send()
        .map(RawHandle::typed)
}

/// Like [`call_with_deadline`], without waiting for the reply yet.
pub fn start_call_with_deadline<T: DeserializeOwned>(
    to: &str,
    body: &(impl Serialize + ?Sized),
    deadline_ms: u64,
) -> Result<Handle<T>, Error> {
    call_request("call.start", to, body, Some(deadline_ms))
        .send()
        .map(RawHandle::typed)
}

/// Sends a message to the actor `to` (`type/key`) and expects no reply. Returns the message's id.
pub fn send(to: &str, body: &(impl Serialize + ?Sized)) -> Result<String, Error> {
    Request::new("send")
        .member("to", to)
        .member("body", body)
        .send()
}

/// Like [`send`]; the message arrives `delay_ms` later.
pub fn send_after(
    to: &str,
    body: &(impl Serialize + ?Sized),
    delay_ms: u64,
) -> Result<String, Error> {
    Request::new("send")
        .member("to", to)
        .member("body", body)
        .member("delay_ms", &delay_ms)
        .send()
}

/// Sleeps, durably: for days, and through restarts, if need be.
pub fn sleep(ms: u64) -> Result<(), Error> {
    Request::new("sleep").member("ms", &ms).send()
}

/// Starts a durable timer.
pub fn start_timer(ms: u64) -> Result<Handle<()>, Error> {
    Request::new("timer.start")
        .member("ms", &ms)
        .send()
        .map(RawHandle::typed)
}

/// Creates a promise for someone outside to settle. `label` and `data` tell people what it is for.
pub fn promise<T: DeserializeOwned>(
    label: &str,
    data: &(impl Serialize + ?Sized),
) -> Result<Promise<T>, Error> {
    #[derive(Deserialize)]
    struct Created {
        handle: RawHandle,
        token: String,
    }
    let created: Created = Request::new("promise.create")
        .member("label", label)
        .member("data", data)
        .send()?;
    Ok(Promise {
        token: created.token,
        handle: created.handle.typed(),
    })
}

pub(crate) fn wait_promise<T: DeserializeOwned>(handle: RawHandle) -> Result<T, Error> {
    Request::new("promise.await")
        .member("handle", &handle)
        .send()
}

/// Waits for all of the handles; the results are in their order.
///
/// The outer error is the waiting itself (such as a turn that is cancelled); a step's own failure
/// is in its place of the list.
pub fn wait_all<T: DeserializeOwned>(
    handles: impl IntoIterator<Item = Handle<T>>,
) -> Result<Vec<Result<T, Error>>, Error> {
    let handles: Vec<RawHandle> = handles.into_iter().map(|handle| handle.raw()).collect();
    let answers: Vec<Answer<T>> = Request::new("await")
        .member("handles", &handles)
        .member("mode", "all")
        .send()?;
    Ok(answers.into_iter().map(Result::from).collect())
}

/// Waits for the first of the handles; tells which one (its index in `handles`) and its result.
/// Handles may be of different types: take `T` as [`serde_json::Value`] and convert.
pub fn wait_any<T: DeserializeOwned>(
    handles: &[RawHandle],
) -> Result<(usize, Result<T, Error>), Error> {
    #[derive(Deserialize)]
    struct First<T> {
        handle: RawHandle,
        result: Answer<T>,
    }
    let first: First<T> = Request::new("await")
        .member("handles", handles)
        .member("mode", "any")
        .send()?;
    let index = handles.iter().position(|&handle| handle == first.handle);
    let index = index.ok_or_else(|| misfit("await", "a handle that was not asked for"))?;
    Ok((index, first.result.into()))
}

/// Stores bytes under the CID it returns.
pub fn blob_put(bytes: &[u8]) -> Result<String, Error> {
    Request::new("blob.put")
        .member("base64", &base64_encode(bytes))
        .send()
}

/// Stores text under the CID it returns: that of its UTF-8 bytes.
pub fn blob_put_text(text: &str) -> Result<String, Error> {
    Request::new("blob.put").member("text", text).send()
}

/// The bytes named by a CID.
pub fn blob_get(cid: &str) -> Result<Vec<u8>, Error> {
    let text: String = Request::new("blob.get")
        .member("cid", cid)
        .member("as", "base64")
        .send()?;
    base64_decode(&text).ok_or_else(|| misfit("blob.get", "not base64"))
}

/// The text named by a CID; an error if its bytes are not UTF-8.
pub fn blob_get_text(cid: &str) -> Result<String, Error> {
    Request::new("blob.get").member("cid", cid).send()
}

/// Writes a log line. Replays do not repeat it.
pub fn log(level: Level, message: &str) {
    log_request(level, message).send_infallible()
}

/// Writes a log line with structured fields, which should encode as an object.
pub fn log_with(level: Level, message: &str, fields: &(impl Serialize + ?Sized)) {
    log_request(level, message)
        .member("fields", fields)
        .send_infallible()
}

/// Sends a request this SDK has no function for, as the contract writes it: JSON text both ways.
pub fn raw(request: &str) -> String {
    abi::call(request)
}

fn activity_request(
    op: &'static str,
    name: &str,
    input: &(impl Serialize + ?Sized),
    retry: Option<Retry>,
) -> Request {
    Request::new(op)
        .member("name", name)
        .member("input", input)
        .optional("retry", retry)
}

fn call_request(
    op: &'static str,
    to: &str,
    body: &(impl Serialize + ?Sized),
    deadline_ms: Option<u64>,
) -> Request {
    Request::new(op)
        .member("to", to)
        .member("body", body)
        .optional("deadline_ms", deadline_ms)
}

fn log_request(level: Level, message: &str) -> Request {
    Request::new("log")
        .member("level", &level)
        .member("message", message)
}
