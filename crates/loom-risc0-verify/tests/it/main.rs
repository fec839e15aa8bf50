//! Receipts that others made, and what becomes of them when somebody changes them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stderr, reason = "what was not looked at is said")]

mod activity;
mod hostile;
mod vectors;
