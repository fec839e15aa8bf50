//! Steps that were started and not yet waited for.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Error, host};

/// A started step whose outcome will be a `T`. Valid within the turn that started it.
///
/// Dropping a handle does not cancel the step; the turn's end does.
#[derive(Debug)]
#[must_use = "a step that is never waited for is cancelled when the turn ends"]
pub struct Handle<T> {
    raw: RawHandle,
    outcome: PhantomData<fn() -> T>,
}

/// A [`Handle`] without its type, for waiting on steps of different types at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RawHandle(pub u64);

/// A value that a person or another system supplies from outside, through `token`.
#[derive(Debug)]
#[must_use = "a promise that is never waited for is cancelled when the turn ends"]
pub struct Promise<T> {
    /// What the resolver presents: whoever holds it can settle the promise.
    pub token: String,
    /// For waiting on the promise together with other steps.
    pub handle: Handle<T>,
}

impl<T> Handle<T> {
    /// The handle's number, for [`host::wait_any`].
    pub fn raw(&self) -> RawHandle {
        self.raw
    }

    /// Forgets the outcome's type, so that handles of different types fit into one list.
    pub fn untyped(self) -> Handle<Value> {
        self.raw.typed()
    }
}

impl RawHandle {
    /// Gives the handle its type back. Whether the step's outcome really is a `T` shows when it is
    /// waited for.
    pub fn typed<T>(self) -> Handle<T> {
        Handle {
            raw: self,
            outcome: PhantomData,
        }
    }
}

impl<T: DeserializeOwned> Handle<T> {
    /// Blocks until the step is done.
    pub fn wait(self) -> Result<T, Error> {
        let mut results = host::wait_all([self])?;
        results
            .pop()
            .unwrap_or_else(|| Err(host::misfit("await", "one handle, no result")))
    }
}

impl<T: DeserializeOwned> Promise<T> {
    /// Blocks until the promise is resolved; a rejection is an [`Error`] of kind `rejected`.
    pub fn wait(self) -> Result<T, Error> {
        host::wait_promise(self.handle.raw)
    }
}
