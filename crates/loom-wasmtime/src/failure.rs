//! Wasmtime's errors in the contract's words.

use std::fmt;

use loom_machine::{Failure, GuestLimits, HostFault};
use wasmtime::{Trap, WasmBacktrace};

use crate::host::HostState;

/// A failure that our host functions raise on purpose; it travels through Wasmtime as an error.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct GuestFault(pub(crate) Failure);

impl GuestFault {
    pub(crate) fn new(kind: &str, message: impl Into<String>) -> Self {
        Self(Failure::new(kind, message))
    }
}

/// Growth that a limit did not allow. The guest may go on; if it does not, this is why.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Refused {
    /// Of memory, to so many bytes.
    Memory(u64),
    /// Of a table, to so many elements.
    Table(u64),
}

impl Refused {
    pub(crate) fn failure(self, limits: &GuestLimits) -> Failure {
        Failure::new("memory-limit", self.message(limits))
    }

    fn message(self, limits: &GuestLimits) -> String {
        match self {
            Refused::Memory(wanted) => {
                format!(
                    "the guest wanted {wanted} bytes of memory, {} are allowed (limits.memory_bytes)",
                    limits.memory_bytes
                )
            }
            Refused::Table(wanted) => format!(
                "the guest wanted {wanted} table elements, {} are allowed (limits.table_elements)",
                limits.table_elements
            ),
        }
    }
}

/// Sorts an error into the guest's failure or the host's fault.
pub(crate) fn classify(error: &wasmtime::Error, state: &HostState, instances_max: u32) -> Result<Failure, HostFault> {
    if error.is::<wasmtime::PoolConcurrencyLimitError>() {
        return Err(HostFault::PoolFull { setting: "sandbox.instances_max", limit: u64::from(instances_max) });
    }
    let mut failure = if let Some(GuestFault(failure)) = error.downcast_ref() {
        failure.clone()
    } else if let Some(trap) = error.downcast_ref::<Trap>() {
        trapped(*trap, &state.limits)
    } else {
        return Err(HostFault::Host(format!("{error:#}")));
    };
    if let Some(refused) = state.refused {
        let refused = refused.message(&state.limits);
        match failure.kind.as_str() {
            "trap" => {
                failure = Failure::new("memory-limit", format!("{refused}; it then trapped: {}", failure.message))
            }
            "bad-pointer" => failure.message = format!("{}; before that, {refused}", failure.message),
            _ => {}
        }
    }
    if let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() {
        failure = failure.with_backtrace(frames(backtrace));
    }
    Ok(failure)
}

fn trapped(trap: Trap, limits: &GuestLimits) -> Failure {
    match trap {
        Trap::OutOfFuel => Failure::new(
            "out-of-fuel",
            format!("the guest used all of its {} units of fuel (limits.fuel)", limits.fuel),
        ),
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
    backtrace.frames().iter().map(frame).collect()
}

fn demangled(name: &str) -> String {
    rustc_demangle::try_demangle(name).map_or_else(|_| name.to_owned(), |name| format!("{name:#}"))
}

/// What the guest said when it gave up.
#[derive(Debug, Default)]
pub(crate) struct Abort {
    pub(crate) message: String,
    pub(crate) file: String,
    pub(crate) line: i32,
    pub(crate) column: i32,
}

/// Longest message and file of an abort that are kept, in bytes, so that the place after them is kept too.
const ABORT_MESSAGE_BYTES_MAX: usize = 2048;
const ABORT_FILE_BYTES_MAX: usize = 1024;

impl fmt::Display for Abort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match cut(&self.message, ABORT_MESSAGE_BYTES_MAX) {
            "" => "the guest aborted without a message",
            message => message,
        })?;
        if self.file.is_empty() {
            return Ok(());
        }
        write!(f, " at {}", cut(&self.file, ABORT_FILE_BYTES_MAX))?;
        for number in [self.line, self.column].into_iter().take_while(|&number| number != 0) {
            write!(f, ":{}", number as u32)?;
        }
        Ok(())
    }
}

fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

impl From<Abort> for GuestFault {
    fn from(abort: Abort) -> Self {
        Self::new("trap", abort.to_string())
    }
}
