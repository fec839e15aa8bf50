//! Bundles of a real node, verified; and what becomes of those that somebody changed.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod amounts;
mod closure;
mod export;
mod extends;
mod golden;
mod handover;
mod mutations;
mod operator;
mod page;
mod policy;
mod presentations;
mod proofs;
mod redaction;
mod verdicts;
mod verify;
mod world;
