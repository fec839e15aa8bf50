//! The HTTP interface over a runtime's [`Handle`](loom_runtime::Handle).
//!
//! Handlers translate and decide nothing; one file, `problem.rs`, maps errors to statuses and stable codes.
//! Requests that change something need `Content-Type: application/json` (or a blob's bytes under
//! `application/octet-stream`), so that no web page can send them to a node on the loopback interface.
//!
//! Absent on purpose: authentication. A node without it must only be bound to the loopback interface, which
//! whoever opens the listener sees to.

mod actors;
mod blobs;
mod deployments;
mod extract;
mod problem;
mod promises;
mod serve;
mod wait;

pub use self::{
    actors::journal_entry,
    deployments::manifest,
    serve::{router, serve},
};
