//! The sandbox port: running guests, without saying how.
//!
//! A [`Guest`] is a coroutine: [`Guest::resume`] runs it until it asks the host for something, gives up the
//! processor, returns or fails. Whoever drives it decides whether the answer comes from a journal or from the
//! world, and may drop it at any point and later replay a fresh one to the same point.

use std::sync::Arc;

use loom_types::Cid;

use crate::{Failure, GuestLimits};

/// Trouble of the host's own: never an outcome, never journaled, always worth another attempt.
#[derive(Clone, Debug, thiserror::Error)]
pub enum HostFault {
    /// Every place for an instance is taken.
    #[error("all instance slots are in use ({setting} = {limit})")]
    PoolFull {
        /// The setting that raises the limit.
        setting: &'static str,
        /// Its value.
        limit: u64,
    },
    /// A blob or module is not there or cannot be read.
    #[error("{what} is unavailable: {detail}")]
    Unavailable {
        /// What is missing.
        what: String,
        /// Why.
        detail: String,
    },
    /// Memory, files or another resource of the host gave out.
    #[error("the host failed: {0}")]
    Host(String),
}

/// Compiles modules. One per node.
pub trait Sandbox: Send + Sync {
    /// Names the engine and a hash of its deterministic configuration.
    fn engine(&self) -> &str;

    /// Checks a deployment's limits against what this engine can give.
    fn check_limits(&self, limits: &GuestLimits) -> Result<(), String>;

    /// Compiles, or loads from a local cache, the module with these bytes. May take seconds; never called on
    /// a thread that runs turns. The outer error is ours, the inner one is the module's fault.
    fn compile(&self, cid: Cid, bytes: &[u8]) -> Result<Result<Arc<dyn Module>, Failure>, HostFault>;
}

/// A compiled module, ready to be instantiated.
pub trait Module: Send + Sync {
    /// Whether it imports `loom.call`, which only actors and effectful activities may.
    fn calls_host(&self) -> bool;

    /// Memory it occupies, in bytes, for the module cache.
    fn resident_bytes(&self) -> u64;

    /// A fresh instance with `input`. Cheap: nothing has run yet.
    fn start(&self, limits: &GuestLimits, input: &str) -> Result<Box<dyn Guest>, HostFault>;

    /// A fresh instance that answers a query instead: it runs the export `query`. None if there is no such export.
    fn start_query(&self, limits: &GuestLimits, input: &str) -> Result<Option<Box<dyn Guest>>, HostFault> {
        let _ = (limits, input);
        Ok(None)
    }
}

/// A running instance. Dropping it frees everything it holds.
pub trait Guest: Send {
    /// Runs on. `answer` is the answer to the request that the last call returned; `None` at the start and
    /// after [`Progress::Yielded`].
    fn resume(&mut self, answer: Option<&str>) -> Result<Progress, HostFault>;

    /// Fuel used so far.
    fn fuel_used(&self) -> u64;
}

/// Runs a pure activity to its end: its output, or how it failed.
pub fn compute(module: &dyn Module, limits: &GuestLimits, input: &str) -> Result<Result<String, Failure>, HostFault> {
    let mut guest = module.start(limits, input)?;
    loop {
        if let Some(result) = computed(guest.resume(None)?)? {
            return Ok(result);
        }
    }
}

/// What it means for a pure activity that its guest stopped; none if it goes on.
pub fn computed(progress: Progress) -> Result<Option<Result<String, Failure>>, HostFault> {
    match progress {
        Progress::Yielded => Ok(None),
        Progress::Returned(output) => Ok(Some(Failure::in_output(&output).map_or(Ok(output), Err))),
        Progress::Failed(failure) => Ok(Some(Err(failure))),
        // Deploying a pure activity checks that it cannot ask.
        Progress::Called(_) => Err(HostFault::Host("an activity without a capability called the host".into())),
    }
}

/// Why a guest stopped running for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It asks the host (the request's JSON text) and waits for the answer.
    Called(String),
    /// It ran long enough and lets others run; resume it without an answer.
    Yielded,
    /// It returned this text, which is valid JSON.
    Returned(String),
    /// It trapped or broke a limit.
    Failed(Failure),
}
