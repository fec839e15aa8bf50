//! A notary by trusted fetch: it makes the TLS connection itself, and signs what was said in the format of TLSNotary.
//!
//! Who believes the notary learns from its attestation that a server of that name said these bytes at that time. The
//! notary sees everything, credentials included, and nothing but its honesty keeps it from writing what it likes. That
//! is the difference to MPC-TLS, and an extension of every attestation says so ([`MODE`], [`TRUSTED_FETCH`]).
//!
//! What is kept here:
//!
//! - Only what is allowed is fetched, and only from addresses that were checked ([`loom_http::checked_addresses`]).
//! - Credentials are *sealed*: no commitment covers them, so no presentation can ever disclose them. They are in no log,
//!   no error and no file.
//! - Every value of a JSON body has a commitment of its own, so its holder chooses later what to disclose.
//! - The server's own signature over the key exchange goes into the attestation, as a verifier wants to see it.
//!
//! Deliberately absent: MPC-TLS (upstream's tools speak the same format), TLS 1.3 (the format has no place for it),
//! redirects, retries, cookies, proxies, and a memory: a notary keeps nothing of what it fetched.
//!
//! Start at [`Notary::notarize`], then `pieces.rs` and [`disclose`].

mod attest;
mod client;
mod disclose;
mod error;
mod fetch;
mod json;
pub mod key;
pub mod limits;
mod notary;
mod outside;
mod pieces;
mod policy;
mod protocol;
mod request;
mod response;
mod server;
mod settings;
mod tls;
mod tokens;

pub use loom_client::Secret;
pub use loom_tlsnotary::{Layout, Presentation, encode_with, presentation::KeyAlgorithm};

pub use self::{
    attest::{MODE, TRUSTED_FETCH},
    client::{RemoteError, RemoteNotary},
    disclose::{DisclosureError, InvalidPointer, Pointer, Selection, disclose, without_identity},
    error::{FetchError, InvalidRequest, NotarizeError},
    key::{InvalidKey, KeyFileError, SigningKey},
    notary::Notary,
    outside::{Clock, OsRandom, Outside, Random, SystemClock},
    policy::{Allowed, InvalidPattern},
    protocol::{layout_name, layout_named},
    request::{Header, Method, Request},
    server::{router, serve},
    settings::{InvalidSettings, Roots, Settings},
    tokens::{Tokens, TokensError},
};
