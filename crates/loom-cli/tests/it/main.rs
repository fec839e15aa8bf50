//! The program as its users meet it: real processes, real files, real ports.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod amounts;
mod config;
mod controls;
mod crash;
mod demo;
mod deployments;
mod guests;
mod notary;
mod observability;
mod outside;
mod process;
mod proofs;
mod receipt;
mod security;
mod tenants;
mod tlsn;
mod traces;
mod usage;
mod witness;
