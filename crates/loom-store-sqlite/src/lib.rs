//! The embedded store: one SQLite database and a folder of blobs, owned by one process.
//!
//! Every change goes through one writer thread, which puts what has gathered since its last sync into one
//! transaction: a commit costs one row and a share of one sync. Reads run on connections of their own and see
//! every commit that has returned. Queries are primary-key look-ups or ranges of an index; a test checks their
//! plans, because a store that scans slows down with its history.
//!
//! What is read is what was written, or an error: every page carries a digest (`checked.rs`), an actor's row names
//! its newest entry and its state (`reader/journal.rs`), and a count beside the database tells when the database has
//! lost its end (`tally.rs`).
//!
//! Start at [`open`], then `writer.rs`.

mod blobs;
mod checked;
mod config;
mod error;
mod figures;
mod lock;
#[cfg(test)]
mod plans;
mod reader;
mod schema;
mod store;
mod tally;
mod writer;

pub use self::{blobs::FileBlobs, config::Settings, error::OpenError, store::open};
