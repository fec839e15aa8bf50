//! The interface over real sockets: who may do what, and how much anybody may ask.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod controls;
mod deployments;
mod limits;
mod roles;
mod server;
mod tokens;
