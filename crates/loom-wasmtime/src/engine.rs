//! The engine: its configuration, its identity, and compiling.

use std::{num::NonZeroUsize, path::PathBuf, sync::Arc};

use loom_machine::{Failure, GuestLimits, HostFault, Module, Sandbox};
use loom_types::Cid;
use sha2::{Digest, Sha256};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, WasmFeatures};

use crate::{
    Settings,
    cache::Cache,
    host::{FUEL_PER_BYTE, FUEL_PER_CALL, Linkers},
    module::CompiledModule,
};

/// What modules may use: WebAssembly 2 and what its compilers emit beyond it. Named here, so that neither a new
/// Wasmtime nor another crate's choice of its cargo features changes it. 64-bit memories are compiled only to be
/// refused with a reason.
const FEATURES: WasmFeatures = WasmFeatures::WASM2
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::RELAXED_SIMD)
    .union(WasmFeatures::MEMORY64);

/// Largest module, in bytes.
const MODULE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Bytes of an instance's memory and tables that are zeroed in place rather than given back to the kernel.
/// Below the size of a small guest's memory, a fresh instance costs page faults: 4 µs become 15.
const KEEP_RESIDENT_BYTES: usize = 128 * 1024;
/// Most frames of a guest's stack that a failure keeps.
const FRAMES_MAX: NonZeroUsize = NonZeroUsize::new(32).unwrap();
/// Room on a fiber's stack for the host's own frames beside the guest's.
const HOST_STACK_BYTES: u64 = 512 * 1024;

/// Why the sandbox could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A setting has a value that cannot work.
    #[error("{setting} {problem}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// What it must be.
        problem: String,
    },
    /// Wasmtime refused the configuration.
    #[error("the WASM engine cannot be configured: {0}")]
    Engine(String),
    /// The folder for compiled code cannot be used.
    #[error("cannot use the module cache {path}")]
    Cache {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// The [`Sandbox`] on Wasmtime.
pub struct WasmtimeSandbox {
    engine: Engine,
    identity: String,
    settings: Arc<Settings>,
    linkers: Linkers,
    cache: Option<Cache>,
}

impl WasmtimeSandbox {
    /// Sets up the engine and its pool.
    pub fn new(settings: Settings) -> Result<Self, EngineError> {
        settings.check()?;
        let engine =
            Engine::new(&configuration(&settings)).map_err(|error| EngineError::Engine(format!("{error:#}")))?;
        let linkers = Linkers::new(&engine).map_err(|error| EngineError::Engine(format!("{error:#}")))?;
        let cache = settings.cache_folder.as_deref().map(|folder| Cache::open(folder, &engine)).transpose()?;
        let identity = identity(&settings);
        Ok(Self { engine, identity, settings: Arc::new(settings), linkers, cache })
    }

    fn load_or_compile(&self, cid: Cid, bytes: &[u8]) -> Result<wasmtime::Module, Failure> {
        if let Some(module) = self.cache.as_ref().and_then(|cache| cache.load(&self.engine, cid)) {
            return Ok(module);
        }
        if !bytes.starts_with(b"\0asm") {
            return Err(Failure::new("not-wasm", "the module is not WebAssembly: it does not begin with \\0asm"));
        }
        if bytes.len() > MODULE_BYTES_MAX {
            let message = format!("the module has {} bytes, at most {MODULE_BYTES_MAX} are compiled", bytes.len());
            return Err(Failure::new("not-wasm", message));
        }
        let module = wasmtime::Module::from_binary(&self.engine, bytes).map_err(|error| self.refused(&error))?;
        if let Some(cache) = &self.cache {
            cache.store(cid, &module);
        }
        Ok(module)
    }

    /// Why a module is not compiled. Only the text tells a module that begins too large for the pool.
    fn refused(&self, error: &wasmtime::Error) -> Failure {
        let text = format!("{error:#}");
        let begins = |what: &str| text.contains(what) && text.contains("which exceeds the limit of");
        let limit = if begins("memory has a minimum byte size") {
            format!("{} bytes (sandbox.memory_bytes_max)", self.settings.memory_bytes_max)
        } else if begins("has a minimum element size") {
            format!("{} elements (sandbox.table_elements_max)", self.settings.table_elements_max)
        } else {
            return Failure::new("not-wasm", format!("the module cannot be compiled: {text}"));
        };
        Failure::new("memory-limit", format!("{text}; this node allows {limit}"))
    }
}

pub(crate) fn configuration(settings: &Settings) -> Config {
    // While an answer is written, its guest is on two fibers: one that called, one that allocates.
    let fibers = settings.instances_max.saturating_mul(2);
    let mut pool = PoolingAllocationConfig::default();
    pool.total_core_instances(settings.instances_max)
        .total_memories(settings.instances_max)
        .total_tables(settings.instances_max)
        .total_stacks(fibers)
        .max_memory_size(settings.memory_bytes_max as usize)
        .table_elements(settings.table_elements_max as usize)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(KEEP_RESIDENT_BYTES)
        .max_unused_warm_slots(64);
    let mut config = Config::new();
    config
        .wasm_features(FEATURES.complement(), false)
        .consume_fuel(true)
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .wasm_backtrace_max_frames(Some(FRAMES_MAX))
        .max_wasm_stack(settings.stack_bytes as usize)
        .async_stack_size((settings.stack_bytes + HOST_STACK_BYTES) as usize)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

/// Version, and a hash of everything that can change what a guest computes or how much fuel it uses.
fn identity(settings: &Settings) -> String {
    let description = format!(
        "cranelift features={:#x} fuel=default+{FUEL_PER_CALL}/call+{FUEL_PER_BYTE}/byte nan=canonical \
         relaxed-simd=deterministic stack={}",
        FEATURES.bits(),
        settings.stack_bytes
    );
    let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(description.as_bytes())[..8]);
    format!("wasmtime-{}/{hash}", env!("LOOM_WASMTIME_VERSION"))
}

impl Sandbox for WasmtimeSandbox {
    fn engine(&self) -> &str {
        &self.identity
    }

    fn check_limits(&self, limits: &GuestLimits) -> Result<(), String> {
        self.settings.check_limits(limits)
    }

    fn compile(&self, cid: Cid, bytes: &[u8]) -> Result<Result<Arc<dyn Module>, Failure>, HostFault> {
        let compiled = self
            .load_or_compile(cid, bytes)
            .and_then(|module| CompiledModule::new(&module, &self.linkers, self.settings.clone()));
        Ok(compiled.map(|module| Arc::new(module) as Arc<dyn Module>))
    }
}
