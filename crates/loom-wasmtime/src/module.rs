//! Compiled modules: which contract they speak, and everything that can be found out once.

use std::sync::Arc;

use loom_machine::{Failure, Guest, GuestLimits, HostFault, Module};
use wasmtime::{ExternType, FuncType, InstancePre, ModuleExport, ValType};

use crate::{
    Settings,
    abi::Encoding,
    guest::{Entry, WasmtimeGuest},
    host::{HostState, Linkers},
};

/// Exports found by name once, so that an instance finds them by index.
pub(crate) struct Exports {
    pub(crate) memory: ModuleExport,
    pub(crate) execute: ModuleExport,
    /// What answers queries, or why nothing does. It is optional, so a wrong one fails nothing but queries.
    pub(crate) query: Result<ModuleExport, Option<Failure>>,
    /// `__new` or `loom_alloc`.
    pub(crate) allocate: ModuleExport,
    /// `__pin`, for AssemblyScript.
    pub(crate) pin: Option<ModuleExport>,
}

/// A module ready to be instantiated.
pub(crate) struct CompiledModule {
    inner: Arc<Prepared>,
    calls_host: bool,
    /// Whether it imports anything that may wait.
    needs_fiber: bool,
    resident_bytes: u64,
}

/// What an instance needs of its module.
pub(crate) struct Prepared {
    pub(crate) pre: InstancePre<HostState>,
    pub(crate) exports: Exports,
    pub(crate) encoding: Encoding,
    pub(crate) memory_bytes_min: u64,
    pub(crate) table_elements_min: u64,
    pub(crate) settings: Arc<Settings>,
}

impl CompiledModule {
    pub(crate) fn new(module: &wasmtime::Module, linkers: &Linkers, settings: Arc<Settings>) -> Result<Self, Failure> {
        let (encoding, exports) = exports(module)?;
        let linker = linkers.for_module(module, encoding)?;
        let pre =
            linker.instantiate_pre(module).map_err(|error| Failure::new("unknown-import", format!("{error:#}")))?;
        let calls_host = module.imports().any(|import| import.module() == "loom");
        let needs_fiber = calls_host || module.imports().any(|import| import.name() == "random_get");
        let resources = module.resources_required();
        let image = module.image_range();
        let inner = Prepared {
            pre,
            exports,
            encoding,
            memory_bytes_min: resources.max_initial_memory_size.unwrap_or(0) * 65_536,
            table_elements_min: resources.max_initial_table_size.unwrap_or(0),
            settings,
        };
        let resident_bytes = image.end.addr().saturating_sub(image.start.addr()) as u64;
        Ok(Self { inner: Arc::new(inner), calls_host, needs_fiber, resident_bytes })
    }
}

impl Module for CompiledModule {
    fn calls_host(&self) -> bool {
        self.calls_host
    }

    fn resident_bytes(&self) -> u64 {
        self.resident_bytes
    }

    fn start(&self, limits: &GuestLimits, input: &str) -> Result<Box<dyn Guest>, HostFault> {
        self.inner.settings.check_limits(limits).map_err(HostFault::Host)?;
        Ok(Box::new(WasmtimeGuest::new(self.inner.clone(), Entry::Execute, *limits, input, self.needs_fiber)))
    }

    fn start_query(&self, limits: &GuestLimits, input: &str) -> Result<Option<Box<dyn Guest>>, HostFault> {
        if matches!(self.inner.exports.query, Err(None)) {
            return Ok(None);
        }
        self.inner.settings.check_limits(limits).map_err(HostFault::Host)?;
        Ok(Some(Box::new(WasmtimeGuest::new(self.inner.clone(), Entry::Query, *limits, input, self.needs_fiber))))
    }
}

fn exports(module: &wasmtime::Module) -> Result<(Encoding, Exports), Failure> {
    let find = |name: &str| module.get_export_index(name);
    let missing = |name: &str| Failure::new("missing-export", format!("the module does not export '{name}'"));
    let memory = match module.get_export("memory") {
        Some(ExternType::Memory(memory)) if !memory.is_64() && !memory.is_shared() => find("memory"),
        Some(_) => {
            return Err(Failure::new("invalid-signature", "the export 'memory' is not a 32-bit, unshared memory"));
        }
        None => None,
    };
    let memory = memory.ok_or_else(|| missing("memory"))?;
    let execute = find("execute").ok_or_else(|| missing("execute"))?;
    let i32 = || ValType::I32;
    if let Some(allocate) = find("loom_alloc") {
        signature(module, "execute", &[i32(), i32()], &[ValType::I64])?;
        signature(module, "loom_alloc", &[i32()], &[i32()])?;
        let query = query(module, &[i32(), i32()], &[ValType::I64]);
        return Ok((Encoding::Bytes, Exports { memory, execute, query, allocate, pin: None }));
    }
    if let Some(allocate) = find("__new") {
        signature(module, "execute", &[i32()], &[i32()])?;
        signature(module, "__new", &[i32(), i32()], &[i32()])?;
        signature(module, "__pin", &[i32()], &[i32()])?;
        let query = query(module, &[i32()], &[i32()]);
        return Ok((Encoding::AssemblyScript, Exports { memory, execute, query, allocate, pin: find("__pin") }));
    }
    let message = "the module exports neither 'loom_alloc' (UTF-8 strings) nor '__new' (AssemblyScript strings, \
                   built with --exportRuntime)";
    Err(Failure::new("missing-export", message))
}

fn query(
    module: &wasmtime::Module,
    parameters: &[ValType],
    results: &[ValType],
) -> Result<ModuleExport, Option<Failure>> {
    let query = module.get_export_index("query").ok_or(None)?;
    signature(module, "query", parameters, results).map(|()| query).map_err(Some)
}

fn signature(
    module: &wasmtime::Module,
    name: &str,
    parameters: &[ValType],
    results: &[ValType],
) -> Result<(), Failure> {
    let expected = FuncType::new(module.engine(), parameters.to_vec(), results.to_vec());
    match module.get_export(name) {
        None => Err(Failure::new("missing-export", format!("the module does not export '{name}'"))),
        Some(ExternType::Func(found)) if FuncType::eq(&found, &expected) => Ok(()),
        Some(ExternType::Func(found)) => {
            let message = format!("the export '{name}' has the signature {found}, expected {expected}");
            Err(Failure::new("invalid-signature", message))
        }
        Some(_) => Err(Failure::new("invalid-signature", format!("the export '{name}' is not a function"))),
    }
}
