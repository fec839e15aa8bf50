//! The HTTP interface over a runtime's [`Handle`](loom_runtime::Handle).
//!
//! Handlers translate and decide nothing; one file, `problem.rs`, maps errors to statuses and stable codes.
//! Requests that change something need `Content-Type: application/json` (or a blob's bytes under
//! `application/octet-stream`), so that no web page can send them to a node on the loopback interface.
//!
//! Who may do what is decided before a handler runs: `serve.rs` has one table of routes and roles, `auth.rs` the
//! guard. A node without tokens must only be bound to the loopback interface, which whoever opens the listener
//! sees to.

mod access;
mod actors;
mod auth;
mod blobs;
mod bundles;
mod connections;
mod controls;
mod dead_letters;
mod deployments;
mod events;
mod extract;
mod host;
mod log;
mod observe;
mod openapi;
mod problem;
mod promises;
mod schedules;
mod serve;
mod settings;
mod tls;
mod token_routes;
mod tokens;
mod wait;
mod withhold;

/// What [`router`] returns.
pub use axum::Router;

pub use self::{
    access::{Access, Grants, InvalidGrants, Role},
    actors::journal_entry,
    auth::Auth,
    deployments::manifest,
    serve::{Components, access, router, serve},
    settings::Settings,
    tls::{Tls, TlsError},
    tokens::{TokenRecord, Tokens, TokensError},
};
