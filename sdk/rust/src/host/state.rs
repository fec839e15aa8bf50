//! The actor's durable state: one JSON value, addressed as a whole or by JSON pointer (RFC 6901).
//!
//! Changes are buffered by the host, visible to later reads in the same turn, committed with the
//! turn and rolled back when it fails.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::request::Request;
use crate::Error;

/// The whole state, `None` if there is none yet.
pub fn get<T: DeserializeOwned>() -> Result<Option<T>, Error> {
    Request::new("state.get").send()
}

/// The value at `pointer`, such as `/applicant/name`; `None` if nothing is there.
pub fn get_at<T: DeserializeOwned>(pointer: &str) -> Result<Option<T>, Error> {
    Request::new("state.get").member("pointer", pointer).send()
}

/// Replaces the whole state.
pub fn set<T: Serialize + ?Sized>(value: &T) -> Result<(), Error> {
    Request::new("state.set").member("value", value).send()
}

/// Replaces the value at `pointer`. Missing parents are created as objects; an array's length or
/// `-` as the last part appends.
pub fn set_at<T: Serialize + ?Sized>(pointer: &str, value: &T) -> Result<(), Error> {
    Request::new("state.set")
        .member("pointer", pointer)
        .member("value", value)
        .send()
}

/// Removes the whole state; tells whether there was any.
pub fn delete() -> Result<bool, Error> {
    Request::new("state.delete").send()
}

/// Removes the value at `pointer`; tells whether something was there.
pub fn delete_at(pointer: &str) -> Result<bool, Error> {
    Request::new("state.delete")
        .member("pointer", pointer)
        .send()
}
