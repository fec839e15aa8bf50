//! The HTTP interface: its types, and a client that speaks them.
//!
//! Types here cross the network and nothing else; what reaches disk is encoded elsewhere. JSON that belongs to
//! actors (bodies, replies, state) passes through untouched.
//!
//! The server uses the types alone (`default-features = false`).

#[cfg(feature = "http")]
mod client;
mod controls;
mod deployments;
#[cfg(feature = "http")]
mod events;
mod log;
mod schedules;
#[cfg(feature = "openapi")]
mod schema;
mod secret;
mod tokens;
mod types;

#[cfg(feature = "http")]
pub use self::{
    client::{Answered, BundleRequest, Client, ClientError, Connection, InvalidCertificates, SendMessage, use_ring},
    events::Events,
};
pub use self::{controls::*, deployments::*, log::*, schedules::*, secret::Secret, tokens::*, types::*};
