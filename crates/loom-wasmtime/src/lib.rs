//! The sandbox on Wasmtime.
//!
//! One deterministic engine per node: Cranelift, fuel, NaN canonicalisation, deterministic relaxed SIMD, no
//! threads. Instances come from a pool tuned so that a fresh one costs microseconds. Guests speak the contract
//! of `sdk/abi/README.md` in either string encoding, detected from their exports.
//!
//! A guest that may call the host runs on a fiber and is a coroutine for its driver; one that cannot runs
//! directly, and only if it needs more than a slice of fuel is it started over on a fiber. Both are the same
//! code in `run.rs`.
//!
//! Absent on purpose: WASI (its imports get deterministic, empty answers), epochs (fuel is what is journaled),
//! native code from anywhere but the local cache.

mod abi;
mod bare;
mod cache;
mod config;
mod engine;
mod failure;
mod guest;
mod host;
mod module;
mod run;

pub use self::{
    bare::Bare,
    config::Settings,
    engine::{EngineError, WasmtimeSandbox},
};
