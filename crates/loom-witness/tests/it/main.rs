//! The witness from outside: what is cosigned, what is refused, and what stays behind.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod http;
mod monitor;
mod requests;
mod support;
mod vector;
mod witness;
