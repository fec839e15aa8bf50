//! Children, messages taken within a turn, and turns that begin anew.

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

use super::request::Request;
use crate::{Error, Handle, RawHandle};

/// A child that [`spawn`] is about to start.
#[must_use = "nothing is spawned before `start`"]
pub struct Spawn {
    request: Request,
    deadline_ms: Option<u64>,
    is_detached: bool,
}

/// An actor that this turn started, and the outcome of what it was started with.
#[derive(Debug)]
#[must_use = "a child that is never waited for is cancelled when the turn ends, unless it is detached"]
pub struct Child<T> {
    /// `type/key` of the child, for messages to it.
    pub actor: String,
    /// For waiting on the child together with other steps.
    pub handle: Handle<T>,
}

/// A message that this turn took out of its actor's mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Received<T> {
    handle: RawHandle,
    /// The message's id.
    pub message_id: String,
    /// `type/key` of the actor that sent the message, `None` if it came from outside.
    pub sender: Option<String>,
    /// What it says.
    pub body: T,
}

/// Prepares a child: the actor `to` (`type/key`, or `type` for a new key) with its first message.
///
/// ```
/// # use loom_guest::{Error, host, testing};
/// # use serde_json::json;
/// # let _host = testing::script([
/// #     (
/// #         json!({"op": "spawn", "to": "loan", "body": {"amount": 7}, "deadline_ms": 60000}),
/// #         Ok(json!({"actor": "loan/0b0d", "handle": 3})),
/// #     ),
/// #     (json!({"op": "await", "handles": [3], "mode": "all"}), Ok(json!([{"ok": true}]))),
/// # ]);
/// let child = host::spawn("loan", &json!({"amount": 7})).deadline_ms(60_000).start::<bool>()?;
/// assert_eq!(child.actor, "loan/0b0d");
/// assert!(child.wait()?);
/// # Ok::<(), Error>(())
/// ```
pub fn spawn(to: &str, body: &(impl Serialize + ?Sized)) -> Spawn {
    Spawn {
        request: Request::new("spawn").member("to", to).member("body", body),
        deadline_ms: None,
        is_detached: false,
    }
}

/// Takes the next message of the actor's mailbox whose body is an object with this `type`, any
/// message if it is `None`, and waits for one. Fails with kind `deadline` when none comes within
/// `timeout_ms`; without that it waits for as long as it takes.
///
/// Whoever sent the message gets what [`Received::reply`] says, or else this turn's own result.
pub fn receive<T: DeserializeOwned>(
    message_type: Option<&str>,
    timeout_ms: Option<u64>,
) -> Result<Received<T>, Error> {
    receive_request("receive", message_type, timeout_ms).send()
}

/// Like [`receive`], without waiting for the message yet.
pub fn start_receive<T: DeserializeOwned>(
    message_type: Option<&str>,
    timeout_ms: Option<u64>,
) -> Result<Handle<Received<T>>, Error> {
    receive_request("receive.start", message_type, timeout_ms)
        .send()
        .map(RawHandle::typed)
}

/// Ends this turn, keeps its state and gives up its outstanding steps; a new turn handles the same
/// message, with this body, and the caller gets what comes of that one. For turns that would
/// otherwise grow for ever.
///
/// Returns only if the host refuses, and then why: `return Err(host::restart(&next))`. In a native
/// test whose host answers `Ok` it returns an error of kind `restarted`.
pub fn restart(body: &(impl Serialize + ?Sized)) -> Error {
    match Request::new("turn.restart")
        .member("body", body)
        .send::<IgnoredAny>()
    {
        Ok(_) => Error::new("restarted", "the turn goes on with another body"),
        Err(error) => error,
    }
}

impl Spawn {
    /// Cancels the child when it takes longer. Without this it may take as long as it likes.
    pub fn deadline_ms(mut self, deadline_ms: u64) -> Self {
        self.deadline_ms = Some(deadline_ms);
        self
    }

    /// Lets the child go on when this turn ends.
    pub fn detached(mut self) -> Self {
        self.is_detached = true;
        self
    }

    /// Starts the child. `T` is what it replies.
    pub fn start<T: DeserializeOwned>(self) -> Result<Child<T>, Error> {
        #[derive(Deserialize)]
        struct Spawned {
            actor: String,
            handle: RawHandle,
        }
        let spawned: Spawned = self
            .request
            .optional("deadline_ms", self.deadline_ms)
            .optional("detached", self.is_detached.then_some(true))
            .send()?;
        Ok(Child {
            actor: spawned.actor,
            handle: spawned.handle.typed(),
        })
    }
}

impl<T: DeserializeOwned> Child<T> {
    /// Blocks until the child has replied or failed.
    pub fn wait(self) -> Result<T, Error> {
        self.handle.wait()
    }
}

impl<T> Received<T> {
    /// Answers the message. A second time fails with kind `answered`.
    pub fn reply(&self, body: &(impl Serialize + ?Sized)) -> Result<(), Error> {
        Request::new("reply")
            .member("handle", &self.handle)
            .member("body", body)
            .send::<IgnoredAny>()
            .map(drop)
    }
}

fn receive_request(
    op: &'static str,
    message_type: Option<&str>,
    timeout_ms: Option<u64>,
) -> Request {
    Request::new(op)
        .optional("type", message_type)
        .optional("timeout_ms", timeout_ms)
}
