//! Settings of the sandbox, and what they allow.

use std::path::PathBuf;

use loom_machine::GuestLimits;

use crate::EngineError;

/// Largest WASM stack, in bytes. Guests that do not call the host run on the stack of the calling thread, which
/// has 2 MiB unless its creator says otherwise; the rest is for the host's frames.
const STACK_BYTES_MAX: u64 = 1024 * 1024;
const STACK_BYTES_MIN: u64 = 16 * 1024;

/// How much the sandbox may use. Everything here is per node.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Instances that may exist at once, running or waiting (`sandbox.instances_max`).
    pub instances_max: u32,
    /// Most fuel any deployment may pin for a turn or an activity (`sandbox.fuel_max`).
    pub fuel_max: u64,
    /// Largest linear memory any deployment may pin, in bytes (`sandbox.memory_bytes_max`).
    pub memory_bytes_max: u64,
    /// Most table elements any deployment may pin (`sandbox.table_elements_max`).
    pub table_elements_max: u64,
    /// WASM stack of every guest, in bytes (`sandbox.stack_bytes`), at most 1 MiB. Part of the engine's identity.
    pub stack_bytes: u64,
    /// Fuel after which a guest lets others run (`sandbox.slice_fuel`). No part of the engine's identity.
    pub slice_fuel: u64,
    /// Where compiled code is kept between runs; nothing is kept if there is no folder.
    pub cache_folder: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            instances_max: 2048,
            fuel_max: 100_000_000_000,
            memory_bytes_max: 256 * 1024 * 1024,
            table_elements_max: 100_000,
            stack_bytes: 512 * 1024,
            slice_fuel: 5_000_000,
            cache_folder: None,
        }
    }
}

impl Settings {
    /// Refuses what no engine can be made of.
    pub(crate) fn check(&self) -> Result<(), EngineError> {
        let invalid = |setting, problem: String| Err(EngineError::Setting { setting, problem });
        if self.instances_max == 0 {
            return invalid("sandbox.instances_max", "must be at least 1".into());
        }
        if self.slice_fuel == 0 {
            return invalid("sandbox.slice_fuel", "must be at least 1".into());
        }
        if !(STACK_BYTES_MIN..=STACK_BYTES_MAX).contains(&self.stack_bytes) {
            return invalid("sandbox.stack_bytes", format!("must be between {STACK_BYTES_MIN} and {STACK_BYTES_MAX}"));
        }
        Ok(())
    }

    /// Whether a guest can have exactly these limits. Anything else would make its failures depend on the node.
    pub(crate) fn check_limits(&self, limits: &GuestLimits) -> Result<(), String> {
        let more = |name: &str, pinned: u64, most: u64| {
            format!("{name} {pinned} is more than this node allows ({most}, sandbox.{name}_max)")
        };
        if limits.fuel > self.fuel_max {
            return Err(more("fuel", limits.fuel, self.fuel_max));
        }
        if limits.memory_bytes > self.memory_bytes_max {
            return Err(more("memory_bytes", limits.memory_bytes, self.memory_bytes_max));
        }
        if limits.table_elements > self.table_elements_max {
            return Err(more("table_elements", limits.table_elements, self.table_elements_max));
        }
        if limits.stack_bytes != self.stack_bytes {
            return Err(format!(
                "stack_bytes {} is not what this node's engine runs with ({}, sandbox.stack_bytes)",
                limits.stack_bytes, self.stack_bytes
            ));
        }
        Ok(())
    }
}
