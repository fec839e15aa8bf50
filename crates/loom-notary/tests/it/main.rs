//! What a notary attests to, what its holder can disclose of it, and what a notary does not do.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bank;
mod credentials;
mod disclosing;
mod http;
mod notarizing;
mod refusing;
mod upstream;
