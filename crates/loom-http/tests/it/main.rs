//! What activities get from other systems, and what they do not.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod addresses;
mod exchanges;
mod redirects;
mod server;
mod tls;
