//! Wasmtime's errors in the contract's words.

use loom_machine::{Failure, GuestLimits, HostFault};
use wasmtime::{Trap, WasmBacktrace};

use crate::host::HostState;

/// Most frames a failure keeps.
const FRAMES_MAX: usize = 32;

/// A failure that our host functions raise on purpose; it travels through Wasmtime as an error.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct GuestFault(pub(crate) Failure);

impl GuestFault {
    pub(crate) fn new(kind: &str, message: impl Into<String>) -> Self {
        Self(Failure::new(kind, message))
    }
}

/// Sorts an error into the guest's failure or the host's fault.
pub(crate) fn classify(error: &wasmtime::Error, state: &HostState, instances_max: u32) -> Result<Failure, HostFault> {
    if error.is::<wasmtime::PoolConcurrencyLimitError>() {
        return Err(HostFault::PoolFull { setting: "sandbox.instances_max", limit: u64::from(instances_max) });
    }
    let limits = &state.limits;
    let mut failure = if let Some(GuestFault(failure)) = error.downcast_ref::<GuestFault>() {
        failure.clone()
    } else if let Some(abort) = &state.abort {
        Failure::new("trap", abort.to_string())
    } else if let Some(wanted) = state.refused_memory {
        memory_limit(wanted, limits)
    } else if let Some(wanted) = state.refused_table {
        let message = format!(
            "the guest wanted {wanted} table elements, {} are allowed (limits.table_elements)",
            limits.table_elements
        );
        Failure::new("memory-limit", message)
    } else {
        match error.downcast_ref::<Trap>() {
            Some(trap) => trapped(*trap, limits),
            None => return Err(HostFault::Host(format!("{error:#}"))),
        }
    };
    // An abort that follows a refused growth is the allocator giving up: name the cause.
    if let (Some(abort), Some(wanted)) = (&state.abort, state.refused_memory) {
        failure = memory_limit(wanted, limits);
        failure.message = format!("{}; the guest then aborted: {abort}", failure.message);
    }
    if let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() {
        failure.backtrace = frames(backtrace);
    }
    Ok(failure)
}

pub(crate) fn memory_limit(wanted: usize, limits: &GuestLimits) -> Failure {
    let message =
        format!("the guest wanted {wanted} bytes of memory, {} are allowed (limits.memory_bytes)", limits.memory_bytes);
    Failure::new("memory-limit", message)
}

fn trapped(trap: Trap, limits: &GuestLimits) -> Failure {
    match trap {
        Trap::OutOfFuel => {
            Failure::new("out-of-fuel", format!("the guest used all of its {} units of fuel (limits.fuel)", limits.fuel))
        }
        Trap::StackOverflow => Failure::new(
            "stack-overflow",
            format!("the guest used all of its {} bytes of stack (limits.stack_bytes)", limits.stack_bytes),
        ),
        trap => Failure::new("trap", trap.to_string()),
    }
}

fn frames(backtrace: &WasmBacktrace) -> Vec<String> {
    let frame = |frame: &wasmtime::FrameInfo| {
        let name = match frame.func_name() {
            Some(name) => demangled(name),
            None => format!("function {}", frame.func_index()),
        };
        match frame.func_offset() {
            Some(offset) => format!("{name}+0x{offset:x}"),
            None => name,
        }
    };
    backtrace.frames().iter().take(FRAMES_MAX).map(frame).collect()
}

fn demangled(name: &str) -> String {
    rustc_demangle::try_demangle(name).map_or_else(|_| name.to_owned(), |name| format!("{name:#}"))
}
