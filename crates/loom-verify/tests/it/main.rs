//! Bundles of a real node, verified; and what becomes of those that somebody changed.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod closure;
mod export;
mod extends;
mod golden;
mod handover;
mod mutations;
mod operator;
mod page;
mod policy;
mod proofs;
mod redaction;
mod verify;
mod world;
