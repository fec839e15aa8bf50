//! One instance from start to finish, the same code in both modes.

use std::sync::{Arc, Mutex};

use loom_machine::{Failure, GuestLimits, HostFault, Progress};
use wasmtime::{AsContextMut, Instance, Memory, ModuleExport, Result, Store, TypedFunc, WasmParams, WasmResults};

use crate::{
    abi::{self, Encoding, Mode, StringRef, invoke},
    failure::{GuestFault, classify},
    guest::Entry,
    host::{Exchange, HostState, lock},
    module::Prepared,
};

/// Instantiates, passes the input, runs `execute` or `query`, reads the output. `fuel` may be less than the limit.
pub(crate) async fn run(
    module: Arc<Prepared>,
    entry: Entry,
    limits: GuestLimits,
    input: Arc<str>,
    mode: Mode,
    fuel: u64,
    exchange: Arc<Mutex<Exchange>>,
) -> Result<Progress, HostFault> {
    let state = HostState {
        limits,
        encoding: module.encoding,
        mode,
        slice_fuel: module.settings.slice_fuel,
        slice_from: fuel,
        refused: None,
        allocating: false,
        exchange: exchange.clone(),
    };
    let mut store = Store::new(module.pre.module().engine(), state);
    store.limiter(|state| state);
    let prepared = store.set_fuel(fuel).and_then(|()| match mode {
        Mode::Direct => Ok(()),
        Mode::Fiber => store.fuel_async_yield_interval(Some(module.settings.slice_fuel)),
    });
    prepared.map_err(|error| HostFault::Host(format!("{error:#}")))?;
    let result = execute(&mut store, &module, entry, &input).await;
    lock(&exchange).fuel_used = fuel - store.get_fuel().unwrap_or(0);
    let result = match result {
        Ok(output) => output,
        Err(error) => return classify(&error, store.data(), module.settings.instances_max).map(Progress::Failed),
    };
    // Parsing is the host's work, but its cost is bounded by the output's size.
    match serde_json::from_str::<serde::de::IgnoredAny>(&result) {
        Ok(_) => Ok(Progress::Returned(result)),
        Err(error) => {
            Ok(Progress::Failed(Failure::new("output-not-json", format!("the guest's output is not JSON: {error}"))))
        }
    }
}

async fn execute(store: &mut Store<HostState>, module: &Prepared, entry: Entry, input: &str) -> Result<String> {
    let instance = match store.data().mode {
        Mode::Direct => module.pre.instantiate(&mut *store)?,
        Mode::Fiber => module.pre.instantiate_async(&mut *store).await?,
    };
    let exports = &module.exports;
    let entry = match entry {
        Entry::Execute => &exports.execute,
        Entry::Query => exports.query.as_ref().map_err(|_| GuestFault::new("missing-export", "there is no 'query'"))?,
    };
    let memory = memory(&instance, store, &exports.memory)?;
    let limit = store.data().limits.output_bytes;
    let output = match module.encoding {
        Encoding::AssemblyScript => {
            let new = function::<(i32, i32), i32>(&instance, store, &exports.allocate)?;
            let execute = function::<i32, i32>(&instance, store, entry)?;
            let at = abi::write_utf16(store, memory, &new, input).await?.pointer();
            if let Some(pin) = &exports.pin {
                // Without a root the collector may take the input while `execute` reads it.
                let pin = function::<i32, i32>(&instance, store, pin)?;
                abi::allocate(store, &pin, at).await?;
            }
            StringRef::assemblyscript(invoke(store, &execute, at).await?)
        }
        Encoding::Bytes => {
            let alloc = function::<i32, i32>(&instance, store, &exports.allocate)?;
            let execute = function::<(i32, i32), i64>(&instance, store, entry)?;
            let at = abi::write_utf8(store, memory, &alloc, input).await?;
            StringRef::unpacked(invoke(store, &execute, (at.pointer(), at.length())).await?)
        }
    };
    Ok(abi::decode(memory.data(&*store), output, "output", limit)?)
}

fn memory(instance: &Instance, store: &mut Store<HostState>, export: &ModuleExport) -> Result<Memory> {
    let found = instance.get_module_export(store.as_context_mut(), export).and_then(wasmtime::Extern::into_memory);
    found.ok_or_else(|| GuestFault::new("missing-export", "the module does not export 'memory'").into())
}

fn function<P: WasmParams, R: WasmResults>(
    instance: &Instance,
    store: &mut Store<HostState>,
    export: &ModuleExport,
) -> Result<TypedFunc<P, R>> {
    let found = instance.get_module_export(store.as_context_mut(), export).and_then(wasmtime::Extern::into_func);
    found.ok_or_else(|| wasmtime::Error::from(GuestFault::new("missing-export", "an export is gone")))?.typed(&*store)
}
