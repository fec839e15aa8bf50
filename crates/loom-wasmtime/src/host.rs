//! What a guest can reach: `loom.call`, `env.abort`, and empty answers to the WASI that Rust's std imports.

use std::{
    future::poll_fn,
    sync::{Arc, Mutex},
    task::Poll,
};

use loom_machine::{Failure, GuestLimits};
use wasmtime::{Caller, Engine, ExternType, Linker, Module, ResourceLimiter, Result, Val, ValType};

use crate::{
    abi::{self, Encoding, Mode},
    failure::{Abort, GuestFault, Refused},
};

/// Data of one instance's store.
pub(crate) struct HostState {
    pub(crate) limits: GuestLimits,
    pub(crate) encoding: Encoding,
    pub(crate) mode: Mode,
    /// Fuel after which others have their turn.
    pub(crate) slice_fuel: u64,
    /// The fuel that was left when others last had it for sure.
    pub(crate) slice_from: u64,
    /// The last growth that a limit did not allow.
    pub(crate) refused: Option<Refused>,
    /// Whether guest code runs because the host needs memory of it, and may not call the host.
    pub(crate) allocating: bool,
    pub(crate) exchange: Arc<Mutex<Exchange>>,
}

/// Where a suspended guest and its driver meet.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    pub(crate) request: Option<String>,
    pub(crate) answer: Option<String>,
    pub(crate) fuel_used: u64,
}

impl ResourceLimiter for HostState {
    fn memory_growing(&mut self, _current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        let (desired, limit) = (desired as u64, self.limits.memory_bytes);
        // Beyond a smaller maximum of the module's own, more memory would not help.
        if desired > limit && maximum.is_none_or(|maximum| maximum as u64 >= limit) {
            self.refused = Some(Refused::Memory(desired));
        }
        Ok(desired <= limit)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> Result<()> {
        // The system has no memory left. Were the guest told, what it computes would depend on that.
        if error.is::<std::io::Error>() { Err(error.context("growing a guest's memory")) } else { Ok(()) }
    }

    fn table_growing(&mut self, _current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        let (desired, limit) = (desired as u64, self.limits.table_elements);
        if desired > limit && maximum.is_none_or(|maximum| maximum as u64 >= limit) {
            self.refused = Some(Refused::Table(desired));
        }
        Ok(desired <= limit)
    }
}

/// One linker per encoding; a module gets a copy with the WASI it imports.
pub(crate) struct Linkers {
    assemblyscript: Linker<HostState>,
    bytes: Linker<HostState>,
}

impl Linkers {
    pub(crate) fn new(engine: &Engine) -> Result<Self> {
        let mut assemblyscript = Linker::new(engine);
        assemblyscript.func_wrap("env", "abort", abort_assemblyscript)?;
        assemblyscript.func_wrap_async("loom", "call", |mut caller: Caller<'_, HostState>, (request,): (i32,)| {
            Box::new(async move {
                let answer = call(&mut caller, abi::StringRef::assemblyscript(request)).await?;
                let at = abi::write(&mut caller, &answer).await?;
                Ok(at.pointer())
            })
        })?;
        let mut bytes = Linker::new(engine);
        bytes.func_wrap("env", "abort", abort_bytes)?;
        bytes.func_wrap_async("loom", "call", |mut caller: Caller<'_, HostState>, (pointer, length): (i32, i32)| {
            Box::new(async move {
                let answer = call(&mut caller, abi::StringRef::bytes(pointer, length)).await?;
                let at = abi::write(&mut caller, &answer).await?;
                Ok(at.packed())
            })
        })?;
        Ok(Self { assemblyscript, bytes })
    }

    /// The linker for a module, or which of its imports nobody provides.
    pub(crate) fn for_module(&self, module: &Module, encoding: Encoding) -> Result<Linker<HostState>, Failure> {
        let mut linker = match encoding {
            Encoding::AssemblyScript => self.assemblyscript.clone(),
            Encoding::Bytes => self.bytes.clone(),
        };
        // A module may import the same function twice.
        linker.allow_shadowing(true);
        for import in module.imports() {
            let (from, name) = (import.module(), import.name());
            match (from, name, import.ty()) {
                ("loom", "call", _) | ("env", "abort", _) => {}
                ("wasi_snapshot_preview1", _, ExternType::Func(ty)) => {
                    wasi(&mut linker, name, ty).map_err(|error| unknown_import(from, name, &error.to_string()))?;
                }
                _ => return Err(unknown_import(from, name, "a guest may import loom.call and env.abort")),
            }
        }
        Ok(linker)
    }
}

fn unknown_import(module: &str, name: &str, detail: &str) -> Failure {
    Failure::new(
        "unknown-import",
        format!("the module imports {module}.{name}, which the host does not provide; {detail}"),
    )
}

/// What a request costs beside the guest's own instructions, so that a loop of requests ends as soon as any other:
/// about the time that the host takes for it, if a unit is a nanosecond.
pub(crate) const FUEL_PER_CALL: u64 = 5000;
/// And for each byte of it and of its answer, which the host reads, journals and copies.
pub(crate) const FUEL_PER_BYTE: u64 = 4;

/// Hands the request to the driver and waits until it brings the answer.
async fn call(caller: &mut Caller<'_, HostState>, request: abi::StringRef) -> Result<String> {
    if caller.data().allocating {
        let message = "the guest called loom.call while it allocated a string for the host";
        return Err(GuestFault::new("trap", message).into());
    }
    let limit = caller.data().limits.output_bytes;
    let text = abi::read(caller, request, "request", limit)?;
    abi::spend(caller, FUEL_PER_CALL + FUEL_PER_BYTE * text.len() as u64)?;
    let fuel_used = caller.data().limits.fuel - caller.get_fuel()?;
    let exchange = caller.data().exchange.clone();
    {
        let mut exchange = lock(&exchange);
        exchange.request = Some(text);
        exchange.fuel_used = fuel_used;
    }
    let answer = poll_fn(|_| match lock(&exchange).answer.take() {
        Some(answer) => Poll::Ready(answer),
        None => Poll::Pending,
    });
    let answer = answer.await;
    abi::spend(caller, FUEL_PER_BYTE * answer.len() as u64)?;
    Ok(answer)
}

pub(crate) fn lock(exchange: &Mutex<Exchange>) -> std::sync::MutexGuard<'_, Exchange> {
    exchange.lock().expect("nothing panics under this lock")
}

fn abort_assemblyscript(
    mut caller: Caller<'_, HostState>,
    message: i32,
    file: i32,
    line: i32,
    column: i32,
) -> Result<()> {
    let mut text = |pointer| match pointer {
        0 => String::new(),
        pointer => abort_text(&mut caller, abi::StringRef::assemblyscript(pointer)),
    };
    let (message, file) = (text(message), text(file));
    Err(GuestFault::from(Abort { message, file, line, column }).into())
}

fn abort_bytes(mut caller: Caller<'_, HostState>, pointer: i32, length: i32, line: i32, column: i32) -> Result<()> {
    let text = abort_text(&mut caller, abi::StringRef::bytes(pointer, length));
    let (file, message) = text.split_once('\n').unwrap_or(("", &text));
    let (message, file) = (message.to_owned(), file.to_owned());
    Err(GuestFault::from(Abort { message, file, line, column }).into())
}

/// Whatever cannot be read is left out: the guest is failing anyway.
fn abort_text(caller: &mut Caller<'_, HostState>, at: abi::StringRef) -> String {
    let limit = caller.data().limits.output_bytes;
    abi::read(caller, at, "abort message", limit).unwrap_or_default()
}

/// WASI errno 52, "function not supported".
const NOSYS: i32 = 52;

/// Provides one WASI function. Nothing in it depends on the world: writing succeeds and goes nowhere, clocks
/// stand at 0, random bytes are zeros, and everything else is not supported.
fn wasi(linker: &mut Linker<HostState>, name: &str, ty: wasmtime::FuncType) -> Result<()> {
    const MODULE: &str = "wasi_snapshot_preview1";
    match name {
        "environ_sizes_get" | "args_sizes_get" => {
            linker.func_wrap(
                MODULE,
                name,
                |mut caller: Caller<'_, HostState>, count: i32, bytes: i32| -> Result<i32> {
                    abi::store(&mut caller, count, &[0; 4])?;
                    abi::store(&mut caller, bytes, &[0; 4])?;
                    Ok(0)
                },
            )?;
        }
        "environ_get" | "args_get" => {
            linker.func_wrap(MODULE, name, |_: i32, _: i32| 0i32)?;
        }
        "random_get" => {
            linker.func_wrap_async(MODULE, name, |mut caller: Caller<'_, HostState>, (at, length): (i32, i32)| {
                Box::new(async move {
                    abi::zero(&mut caller, at, length)?;
                    abi::give_way(&mut caller).await?;
                    Ok(0i32)
                })
            })?;
        }
        "clock_time_get" => {
            linker.func_wrap(
                MODULE,
                name,
                |mut caller: Caller<'_, HostState>, _: i32, _: i64, at: i32| -> Result<i32> {
                    abi::store(&mut caller, at, &[0; 8])?;
                    Ok(0)
                },
            )?;
        }
        "sched_yield" => {
            linker.func_wrap(MODULE, name, || 0i32)?;
        }
        "fd_write" => {
            linker.func_wrap(
                MODULE,
                name,
                |mut caller: Caller<'_, HostState>, _: i32, vectors: i32, count: i32, written: i32| -> Result<i32> {
                    let total = abi::vector_bytes(&mut caller, vectors, count)?;
                    abi::store(&mut caller, written, &total.to_le_bytes())?;
                    Ok(0)
                },
            )?;
        }
        "proc_exit" => {
            linker.func_wrap(MODULE, name, |code: i32| -> Result<()> {
                Err(GuestFault::new("trap", format!("the guest exited with code {code}")).into())
            })?;
        }
        _ => {
            let mut results = ty.results();
            if !matches!((results.next(), results.next()), (None | Some(ValType::I32), None)) {
                return Err(wasmtime::Error::msg(format!("no function of WASI has the type {ty}")));
            }
            drop(results);
            linker.func_new(MODULE, name, ty, |_, _, results| {
                results.fill(Val::I32(NOSYS));
                Ok(())
            })?;
        }
    }
    Ok(())
}
