//! The engine: its configuration, its identity, and compiling with a local cache.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use loom_machine::{Failure, GuestLimits, HostFault, Module, Sandbox};
use loom_types::Cid;
use sha2::{Digest, Sha256};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::{
    Settings,
    host::Linkers,
    module::{CompiledModule, Shared},
};

/// Largest module, in bytes.
const MODULE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Bytes of an instance's memory and tables that are zeroed in place rather than given back to the kernel.
/// Below the size of a small guest's memory, a fresh instance costs page faults: 4 µs become 15.
const KEEP_RESIDENT_BYTES: usize = 128 * 1024;
/// Room on a fiber's stack for the host's own frames beside the guest's.
const HOST_STACK_BYTES: u64 = 512 * 1024;

/// Why the sandbox could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
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
    settings: Settings,
    linkers: Linkers,
    cache: Option<PathBuf>,
    shared: Arc<Shared>,
}

impl WasmtimeSandbox {
    /// Sets up the engine and its pool.
    pub fn new(settings: Settings) -> Result<Self, EngineError> {
        let engine = Engine::new(&configuration(&settings)).map_err(|error| EngineError::Engine(format!("{error:#}")))?;
        let linkers = Linkers::new(&engine).map_err(|error| EngineError::Engine(format!("{error:#}")))?;
        let cache = settings.cache_folder.as_deref().map(|folder| cache_folder(folder, &engine)).transpose()?;
        let shared = Arc::new(Shared { instances_max: settings.instances_max, slice_fuel: settings.slice_fuel });
        let identity = identity(&settings);
        Ok(Self { engine, identity, settings, linkers, cache, shared })
    }

    fn load_or_compile(&self, cid: Cid, bytes: &[u8]) -> Result<wasmtime::Module, Failure> {
        let path = self.cache.as_ref().map(|folder| folder.join(format!("{cid}.cwasm")));
        if let Some(module) = path.as_ref().and_then(|path| self.load(path)) {
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
        if let Some(path) = path
            && let Err(error) = store(&path, &module)
        {
            // The cache only saves time.
            tracing::warn!(path = %path.display(), %error, "keeping compiled code");
        }
        Ok(module)
    }

    fn refused(&self, error: &wasmtime::Error) -> Failure {
        let text = format!("{error:#}");
        if text.contains("memory index") && text.contains("exceeds") {
            let limit = self.settings.memory_bytes_max;
            let message = format!("{text}; this node allows {limit} bytes (sandbox.memory_bytes_max)");
            return Failure::new("memory-limit", message);
        }
        Failure::new("not-wasm", format!("the module cannot be compiled: {text}"))
    }

    fn load(&self, path: &Path) -> Option<wasmtime::Module> {
        if !path.exists() {
            return None;
        }
        // SAFETY: the file is native code that this program wrote, in a folder only its user may write to, named
        // after the engine's own compatibility hash. Nothing from a shared store ever gets there.
        #[expect(unsafe_code, reason = "mapping one's own compiled code is what the cache is for")]
        let loaded = unsafe { wasmtime::Module::deserialize_file(&self.engine, path) };
        match loaded {
            Ok(module) => Some(module),
            Err(error) => {
                tracing::warn!(path = %path.display(), error = %format!("{error:#}"), "compiled code is unusable, compiling again");
                None
            }
        }
    }
}

fn configuration(settings: &Settings) -> Config {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_core_instances(settings.instances_max)
        .total_memories(settings.instances_max)
        .total_tables(settings.instances_max)
        .total_stacks(settings.instances_max)
        .max_memory_size(settings.memory_bytes_max as usize)
        .table_elements(settings.table_elements_max as usize)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(KEEP_RESIDENT_BYTES)
        .async_stack_keep_resident(16 * 1024)
        .max_unused_warm_slots(64);
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .max_wasm_stack(settings.stack_bytes as usize)
        .async_stack_size((settings.stack_bytes + HOST_STACK_BYTES) as usize)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

/// Version, and a hash of everything that can change what a guest computes or how much fuel it uses.
fn identity(settings: &Settings) -> String {
    let description = format!(
        "cranelift fuel=1 nan=canonical relaxed-simd=deterministic threads=0 stack={}",
        settings.stack_bytes
    );
    let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(description.as_bytes())[..8]);
    format!("wasmtime-{}/{hash}", env!("LOOM_WASMTIME_VERSION"))
}

/// Compiled code is only valid for this very engine on this kind of processor.
fn cache_folder(folder: &Path, engine: &Engine) -> Result<PathBuf, EngineError> {
    use std::hash::{Hash as _, Hasher as _};
    #[expect(deprecated, reason = "SipHash with fixed keys: the name must be the same in the next process")]
    let mut hasher = std::hash::SipHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    let path = folder.join(format!("{:016x}", hasher.finish()));
    make_private(&path).map_err(|source| EngineError::Cache { path: path.clone(), source })?;
    Ok(path)
}

#[cfg(unix)]
fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(not(unix))]
fn make_private(path: &Path) -> std::io::Result<()> {
    fs::create_dir_all(path)
}

fn store(path: &Path, module: &wasmtime::Module) -> Result<(), Box<dyn std::error::Error>> {
    let folder = path.parent().expect("made of a folder and a name");
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&module.serialize()?)?;
    file.persist(path)?;
    Ok(())
}

impl Sandbox for WasmtimeSandbox {
    fn engine(&self) -> &str {
        &self.identity
    }

    fn check_limits(&self, limits: &GuestLimits) -> Result<(), String> {
        let node = &self.settings;
        if limits.memory_bytes > node.memory_bytes_max {
            return Err(format!(
                "memory_bytes {} is more than this node allows ({}, sandbox.memory_bytes_max)",
                limits.memory_bytes, node.memory_bytes_max
            ));
        }
        if limits.table_elements > node.table_elements_max {
            return Err(format!(
                "table_elements {} is more than this node allows ({}, sandbox.table_elements_max)",
                limits.table_elements, node.table_elements_max
            ));
        }
        if limits.stack_bytes != node.stack_bytes {
            return Err(format!(
                "stack_bytes {} is not what this node's engine runs with ({}, sandbox.stack_bytes)",
                limits.stack_bytes, node.stack_bytes
            ));
        }
        Ok(())
    }

    fn compile(&self, cid: Cid, bytes: &[u8]) -> Result<Result<Arc<dyn Module>, Failure>, HostFault> {
        let compiled = self
            .load_or_compile(cid, bytes)
            .and_then(|module| CompiledModule::new(&module, &self.linkers, self.shared.clone()));
        Ok(compiled.map(|module| Arc::new(module) as Arc<dyn Module>))
    }
}
