//! The runtime with real guests, on every store, with and without room for waiting instances.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod audit;
mod controls;
mod cron;
mod effects;
mod faults;
mod gates;
mod held;
mod hostile;
mod log;
mod manual;
mod messages;
mod node;
mod proofs;
mod queries;
mod recorded;
mod replay;
mod restarts;
mod turns;
mod upkeep;
mod verify;
mod witnesses;
