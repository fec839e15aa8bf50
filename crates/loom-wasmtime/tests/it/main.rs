//! The sandbox as its drivers see it: the contract's vectors, modules that lie, limits, determinism, the cache.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod cache;
mod classic;
mod determinism;
mod hostile;
mod limits;
mod pool;
mod queries;
mod strings;
mod support;
mod traps;
mod wasi;
