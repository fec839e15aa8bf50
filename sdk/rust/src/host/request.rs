//! One request to the host and its answer.
//!
//! Replay compares requests as bytes, so their text is fixed: `op` first, then the members in the
//! order of the contract's table, absent ones left out, no white space. The text is written
//! directly, member by member: deriving one struct per operation costs guests several KB.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Error, abi};

/// A request under construction. A value that cannot be encoded surfaces in [`Request::send`].
pub(crate) struct Request {
    op: &'static str,
    text: Vec<u8>,
    failure: Option<Error>,
}

/// What the host says to a request, and what `await` says for each handle.
#[derive(Deserialize)]
pub(super) enum Answer<T> {
    #[serde(rename = "ok")]
    Ok(T),
    #[serde(rename = "err")]
    Err(Error),
}

impl Request {
    pub(crate) fn new(op: &'static str) -> Self {
        let mut text = Vec::with_capacity(128);
        text.extend_from_slice(b"{\"op\":\"");
        text.extend_from_slice(op.as_bytes());
        text.push(b'"');
        Self {
            op,
            text,
            failure: None,
        }
    }

    /// Adds a member. The name is one of the contract's and needs no escaping.
    pub(crate) fn member<T: Serialize + ?Sized>(mut self, name: &str, value: &T) -> Self {
        self.text.extend_from_slice(b",\"");
        self.text.extend_from_slice(name.as_bytes());
        self.text.extend_from_slice(b"\":");
        if let Err(error) = serde_json::to_writer(&mut self.text, value) {
            self.failure
                .get_or_insert_with(|| Error::new("invalid-request", error.to_string()));
        }
        self
    }

    /// Adds a member unless it is absent.
    pub(crate) fn optional<T: Serialize>(self, name: &str, value: Option<T>) -> Self {
        match value {
            Some(value) => self.member(name, &value),
            None => self,
        }
    }

    /// Blocks for the answer.
    pub(crate) fn send<T: DeserializeOwned>(self) -> Result<T, Error> {
        let op = self.op;
        let answer = self.exchange()?;
        match serde_json::from_str(&answer) {
            Ok(Answer::Ok(value)) => Ok(value),
            Ok(Answer::Err(error)) => Err(error),
            Err(error) => Err(misfit(op, &error.to_string())),
        }
    }

    /// Like [`send`](Self::send), for operations that only fail when the host is broken.
    pub(crate) fn send_infallible<T: DeserializeOwned>(self) -> T {
        let op = self.op;
        match self.send() {
            Ok(value) => value,
            Err(error) => panic!("host refused `{op}`: {error}"),
        }
    }

    // Not generic, so that it exists once per guest.
    fn exchange(mut self) -> Result<String, Error> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        self.text.push(b'}');
        let text = String::from_utf8(self.text).expect("serde_json writes UTF-8");
        Ok(abi::call(&text))
    }
}

impl<T> From<Answer<T>> for Result<T, Error> {
    fn from(answer: Answer<T>) -> Self {
        match answer {
            Answer::Ok(value) => Ok(value),
            Answer::Err(error) => Err(error),
        }
    }
}

/// The host answered, but not with what the guest asked for: usually the guest's type is wrong.
pub(crate) fn misfit(op: &str, message: &str) -> Error {
    Error::new(
        "invalid-answer",
        ["answer to `", op, "`: ", message].concat(),
    )
}
