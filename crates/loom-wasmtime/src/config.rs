//! Settings of the sandbox.

use std::path::PathBuf;

/// How much the sandbox may use. Everything here is per node.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Instances that may exist at once, running or waiting (`sandbox.instances_max`).
    pub instances_max: u32,
    /// Largest linear memory any deployment may pin, in bytes (`sandbox.memory_bytes_max`).
    pub memory_bytes_max: u64,
    /// Most table elements any deployment may pin (`sandbox.table_elements_max`).
    pub table_elements_max: u64,
    /// WASM stack of every guest, in bytes (`sandbox.stack_bytes`). Part of the engine's identity.
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
            memory_bytes_max: 256 * 1024 * 1024,
            table_elements_max: 100_000,
            stack_bytes: 512 * 1024,
            slice_fuel: 5_000_000,
            cache_folder: None,
        }
    }
}
