//! Strings across the boundary, in both encodings. Everything a guest says about its memory is checked.

use std::{future::poll_fn, mem, task::Poll};

use wasmtime::{AsContext, AsContextMut, Caller, Extern, Memory, Result, Trap, TypedFunc, WasmParams, WasmResults};

use crate::{failure::GuestFault, host::HostState};

/// How a guest passes strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Managed UTF-16 strings of AssemblyScript's runtime.
    AssemblyScript,
    /// UTF-8 through `loom_alloc` and `loom_free`.
    Bytes,
}

/// Whether guest code runs on the caller's stack or on a fiber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Direct,
    Fiber,
}

/// AssemblyScript's class id of strings, and the size of an object's header, from its runtime's source.
const STRING_CLASS: u32 = 2;
const HEADER_BYTES: usize = 20;

/// A string in guest memory, as the guest gave it. Not yet checked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum StringRef {
    AssemblyScript(u32),
    Bytes { pointer: u32, length: u32 },
}

impl StringRef {
    pub(crate) fn assemblyscript(pointer: i32) -> Self {
        StringRef::AssemblyScript(pointer as u32)
    }

    pub(crate) fn bytes(pointer: i32, length: i32) -> Self {
        StringRef::Bytes { pointer: pointer as u32, length: length as u32 }
    }

    pub(crate) fn unpacked(packed: i64) -> Self {
        let packed = packed as u64;
        StringRef::Bytes { pointer: (packed >> 32) as u32, length: packed as u32 }
    }

    pub(crate) fn pointer(self) -> i32 {
        match self {
            StringRef::AssemblyScript(pointer) | StringRef::Bytes { pointer, .. } => pointer as i32,
        }
    }

    pub(crate) fn length(self) -> i32 {
        match self {
            StringRef::AssemblyScript(_) => 0,
            StringRef::Bytes { length, .. } => length as i32,
        }
    }

    pub(crate) fn packed(self) -> i64 {
        ((u64::from(self.pointer() as u32) << 32) | u64::from(self.length() as u32)) as i64
    }
}

fn bad_pointer(what: &str, detail: impl std::fmt::Display) -> GuestFault {
    GuestFault::new("bad-pointer", format!("the guest's {what} is outside its memory: {detail}"))
}

fn too_large(what: &str, bytes: u64, limit: u64) -> GuestFault {
    let kind = if what == "output" { "output-too-large" } else { "input-too-large" };
    GuestFault::new(
        kind,
        format!("the guest's {what} has {bytes} bytes, at most {limit} are allowed (limits.output_bytes)"),
    )
}

/// Reads a string out of `memory`.
pub(crate) fn decode(memory: &[u8], at: StringRef, what: &str, limit: u64) -> Result<String, GuestFault> {
    match at {
        StringRef::Bytes { length: 0, .. } => Ok(String::new()),
        StringRef::Bytes { pointer, length } => {
            if u64::from(length) > limit {
                return Err(too_large(what, u64::from(length), limit));
            }
            let start = pointer as usize;
            let bytes = start
                .checked_add(length as usize)
                .and_then(|end| memory.get(start..end))
                .ok_or_else(|| bad_pointer(what, format!("{length} bytes at {pointer}")))?;
            let text = std::str::from_utf8(bytes)
                .map_err(|error| GuestFault::new("not-utf8", format!("the guest's {what} is not UTF-8: {error}")))?;
            Ok(text.to_owned())
        }
        StringRef::AssemblyScript(pointer) => {
            let start = pointer as usize;
            let header = start
                .checked_sub(HEADER_BYTES)
                .and_then(|header| memory.get(header..start))
                .ok_or_else(|| bad_pointer(what, format!("no object at {pointer}")))?;
            let word = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().expect("four bytes"));
            let (class, length) = (word(12), word(16) as usize);
            if class != STRING_CLASS {
                return Err(bad_pointer(what, format!("the object at {pointer} has class {class}, not string")));
            }
            let units = start
                .checked_add(length)
                .and_then(|end| memory.get(start..end))
                .ok_or_else(|| bad_pointer(what, format!("{length} bytes at {pointer}")))?;
            if units.len() as u64 / 2 > limit {
                return Err(too_large(what, units.len() as u64 / 2, limit));
            }
            decode_utf16(units, what, limit)
        }
    }
}

fn decode_utf16(units: &[u8], what: &str, limit: u64) -> Result<String, GuestFault> {
    let not_utf16 =
        |detail: String| GuestFault::new("not-utf16", format!("the guest's {what} is not UTF-16: {detail}"));
    if !units.len().is_multiple_of(2) {
        return Err(not_utf16(format!("{} is an odd number of bytes", units.len())));
    }
    let pairs = units.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
    // JSON mostly is ASCII, and that goes many times faster.
    if pairs.clone().fold(0, |all, unit| all | unit) < 0x80 {
        let bytes = pairs.map(|unit| unit as u8).collect();
        return Ok(String::from_utf8(bytes).expect("ASCII is UTF-8"));
    }
    let mut text = String::with_capacity(units.len() / 2 + units.len() / 8);
    for unit in char::decode_utf16(pairs) {
        text.push(unit.map_err(|error| not_utf16(format!("lone surrogate {:#06x}", error.unpaired_surrogate())))?);
    }
    if text.len() as u64 > limit {
        return Err(too_large(what, text.len() as u64, limit));
    }
    Ok(text)
}

/// Reads a string that a guest passed to a host function.
pub(crate) fn read(caller: &mut Caller<'_, HostState>, at: StringRef, what: &str, limit: u64) -> Result<String> {
    let memory = memory(caller)?;
    Ok(decode(memory.data(&caller), at, what, limit)?)
}

fn memory(caller: &mut Caller<'_, HostState>) -> Result<Memory> {
    match caller.get_export("memory") {
        Some(Extern::Memory(memory)) => Ok(memory),
        _ => Err(GuestFault::new("missing-export", "the module does not export 'memory'").into()),
    }
}

fn function<P: WasmParams, R: WasmResults>(caller: &mut Caller<'_, HostState>, name: &str) -> Result<TypedFunc<P, R>> {
    match caller.get_export(name) {
        Some(Extern::Func(function)) => function.typed(&caller),
        _ => Err(GuestFault::new("missing-export", format!("the module does not export '{name}'")).into()),
    }
}

/// Writes a string into fresh guest memory, from inside a host function.
pub(crate) async fn write(caller: &mut Caller<'_, HostState>, text: &str) -> Result<StringRef> {
    let memory = memory(caller)?;
    match caller.data().encoding {
        Encoding::AssemblyScript => {
            let new = function::<(i32, i32), i32>(caller, "__new")?;
            write_utf16(caller, memory, &new, text).await
        }
        Encoding::Bytes => {
            let alloc = function::<i32, i32>(caller, "loom_alloc")?;
            write_utf8(caller, memory, &alloc, text).await
        }
    }
}

pub(crate) async fn write_utf16(
    store: &mut (impl AsContextMut<Data = HostState> + Send),
    memory: Memory,
    new: &TypedFunc<(i32, i32), i32>,
    text: &str,
) -> Result<StringRef> {
    let is_ascii = text.is_ascii();
    let length = 2 * if is_ascii { text.len() } else { text.encode_utf16().count() };
    let pointer = allocate(store, new, (guest_length(length)?, STRING_CLASS as i32)).await? as u32;
    let room =
        (pointer as usize >= HEADER_BYTES).then(|| room(memory.data_mut(&mut *store), pointer, length)).flatten();
    let room = room.ok_or_else(|| bad_pointer("new string", format!("__new gave {pointer} for {length} bytes")))?;
    let places = room.chunks_exact_mut(2);
    if is_ascii {
        places.zip(text.bytes()).for_each(|(place, byte)| place.copy_from_slice(&[byte, 0]));
    } else {
        places.zip(text.encode_utf16()).for_each(|(place, unit)| place.copy_from_slice(&unit.to_le_bytes()));
    }
    Ok(StringRef::AssemblyScript(pointer))
}

pub(crate) async fn write_utf8(
    store: &mut (impl AsContextMut<Data = HostState> + Send),
    memory: Memory,
    alloc: &TypedFunc<i32, i32>,
    text: &str,
) -> Result<StringRef> {
    let length = guest_length(text.len())?;
    let pointer = allocate(store, alloc, length).await? as u32;
    // A string of length 0 may have any pointer; for any other, 0 means that there is no memory left.
    if length > 0 {
        let room = (pointer > 0).then(|| room(memory.data_mut(&mut *store), pointer, text.len())).flatten();
        let room =
            room.ok_or_else(|| bad_pointer("allocation", format!("loom_alloc gave {pointer} for {length} bytes")))?;
        room.copy_from_slice(text.as_bytes());
    }
    Ok(StringRef::Bytes { pointer, length: length as u32 })
}

fn room(memory: &mut [u8], pointer: u32, length: usize) -> Option<&mut [u8]> {
    let start = pointer as usize;
    memory.get_mut(start..start.checked_add(length)?)
}

fn guest_length(length: usize) -> Result<i32> {
    i32::try_from(length).map_err(|_| GuestFault::new("input-too-large", "a string has more than 2 GiB").into())
}

/// Calls one of the functions by which the guest gives the host memory. They may not call the host: it is busy
/// writing to them, and its answer would need memory in turn.
pub(crate) async fn allocate<P>(
    store: &mut (impl AsContextMut<Data = HostState> + Send),
    function: &TypedFunc<P, i32>,
    parameters: P,
) -> Result<i32>
where
    P: WasmParams + Sync,
{
    store.as_context_mut().data_mut().allocating = true;
    let result = invoke(store, function, parameters).await;
    store.as_context_mut().data_mut().allocating = false;
    result
}

/// Calls a guest function in the store's mode.
pub(crate) async fn invoke<P, R>(
    store: &mut (impl AsContextMut<Data = HostState> + Send),
    function: &TypedFunc<P, R>,
    parameters: P,
) -> Result<R>
where
    P: WasmParams + Sync,
    R: WasmResults + Sync,
{
    match store.as_context().data().mode {
        Mode::Direct => function.call(store, parameters),
        Mode::Fiber => function.call_async(store, parameters).await,
    }
}

/// Stores bytes where the guest asked for them.
pub(crate) fn store(caller: &mut Caller<'_, HostState>, at: i32, bytes: &[u8]) -> Result<()> {
    let memory = memory(caller)?;
    memory
        .write(caller, at as u32 as usize, bytes)
        .map_err(|_| bad_pointer("buffer", format!("{} bytes at {}", bytes.len(), at as u32)).into())
}

/// Takes fuel for what the host does.
pub(crate) fn spend(caller: &mut Caller<'_, HostState>, units: u64) -> Result<()> {
    let left = caller.get_fuel()?.saturating_sub(units);
    caller.set_fuel(left)?;
    if left == 0 { Err(Trap::OutOfFuel.into()) } else { Ok(()) }
}

/// Lets others run if the guest has had its slice. Taking fuel begins the engine's own slice anew, so whoever takes some
/// asks for this too. To be called on a fiber.
pub(crate) async fn give_way(caller: &mut Caller<'_, HostState>) -> Result<()> {
    let left = caller.get_fuel()?;
    let state = caller.data_mut();
    if state.slice_from.saturating_sub(left) < state.slice_fuel {
        return Ok(());
    }
    state.slice_from = left;
    let mut has_waited = false;
    poll_fn(|_| if mem::replace(&mut has_waited, true) { Poll::Ready(()) } else { Poll::Pending }).await;
    Ok(())
}

/// Stores zeros where the guest asked for random bytes. As in `memory.fill`, each costs a unit of fuel.
pub(crate) fn zero(caller: &mut Caller<'_, HostState>, at: i32, length: i32) -> Result<()> {
    spend(caller, u64::from(length as u32))?;
    let memory = memory(caller)?;
    let (at, length) = (at as u32, length as u32 as usize);
    let room = room(memory.data_mut(caller), at, length);
    room.ok_or_else(|| bad_pointer("buffer", format!("{length} bytes at {at}")))?.fill(0);
    Ok(())
}

/// How many bytes an array of WASI I/O vectors names in all.
pub(crate) fn vector_bytes(caller: &mut Caller<'_, HostState>, vectors: i32, count: i32) -> Result<u32> {
    let memory = memory(caller)?;
    let (start, count) = (vectors as u32 as usize, (count as u32 as usize).min(1024));
    let vectors = memory.data(&caller).get(start..start + 8 * count);
    let vectors = vectors.ok_or_else(|| bad_pointer("buffer list", format!("{count} vectors at {start}")))?;
    let lengths =
        vectors.chunks_exact(8).map(|vector| u32::from_le_bytes([vector[4], vector[5], vector[6], vector[7]]));
    Ok(lengths.fold(0, u32::wrapping_add))
}
