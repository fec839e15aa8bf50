//! Running guests, and writing small ones.

use std::{path::PathBuf, sync::Arc};

use loom_machine::{Failure, GuestLimits, HostFault, Module, Progress, Sandbox as _};
use loom_types::{Cid, Codec};
use loom_wasmtime::{Settings, WasmtimeSandbox};

pub(crate) const MIB: u64 = 1024 * 1024;
pub(crate) const PAGE: u64 = 65_536;

fn root() -> PathBuf {
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../..")
}

fn read(path: PathBuf) -> Vec<u8> {
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A guest that is in the repository in its compiled form.
pub(crate) fn prebuilt(name: &str) -> Vec<u8> {
    read(root().join("guests/prebuilt").join(name))
}

/// A file of the contract.
pub(crate) fn abi(name: &str) -> String {
    String::from_utf8(read(root().join("sdk/abi").join(name))).unwrap()
}

pub(crate) fn vectors() -> serde_json::Value {
    serde_json::from_str(&abi("vectors.json")).unwrap()
}

/// Few instances, so that a test that loses one notices.
pub(crate) fn settings() -> Settings {
    Settings { instances_max: 4, memory_bytes_max: 64 * MIB, ..Settings::default() }
}

pub(crate) fn sandbox() -> WasmtimeSandbox {
    WasmtimeSandbox::new(settings()).unwrap()
}

/// A sandbox whose guests let others run after so much fuel.
pub(crate) fn sliced(slice_fuel: u64) -> WasmtimeSandbox {
    WasmtimeSandbox::new(Settings { slice_fuel, ..settings() }).unwrap()
}

pub(crate) fn try_compile(sandbox: &WasmtimeSandbox, bytes: &[u8]) -> Result<Arc<dyn Module>, Failure> {
    sandbox.compile(Cid::of(Codec::Raw, bytes), bytes).unwrap()
}

pub(crate) fn compile(sandbox: &WasmtimeSandbox, bytes: &[u8]) -> Arc<dyn Module> {
    try_compile(sandbox, bytes).unwrap_or_else(|failure| panic!("{failure}"))
}

pub(crate) fn compile_wat(sandbox: &WasmtimeSandbox, text: &str) -> Arc<dyn Module> {
    compile(sandbox, &wat::parse_str(text).unwrap())
}

/// How a guest ran.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) end: Result<String, Failure>,
    pub(crate) requests: Vec<String>,
    pub(crate) fuel: u64,
    /// How often it let others run.
    pub(crate) yields: usize,
}

impl Ran {
    pub(crate) fn kind(&self) -> &str {
        self.end.as_ref().map_or_else(|failure| failure.kind.as_str(), |_| "ok")
    }

    /// What must not depend on how the guest was scheduled.
    pub(crate) fn observable(&self) -> (&Result<String, Failure>, &[String], u64) {
        (&self.end, &self.requests, self.fuel)
    }
}

/// Runs a guest to its end; `answer` is the host.
pub(crate) fn try_run(
    module: &dyn Module,
    limits: &GuestLimits,
    input: &str,
    mut answer: impl FnMut(&str) -> String,
) -> Result<Ran, HostFault> {
    let mut guest = module.start(limits, input)?;
    let (mut requests, mut yields, mut next) = (Vec::new(), 0, None);
    let end = loop {
        match guest.resume(next.take().as_deref())? {
            Progress::Called(request) => {
                next = Some(answer(&request));
                requests.push(request);
            }
            Progress::Yielded => yields += 1,
            Progress::Returned(output) => break Ok(output),
            Progress::Failed(failure) => break Err(failure),
        }
    };
    Ok(Ran { end, requests, fuel: guest.fuel_used(), yields })
}

/// Runs a guest to its end; the host answers everything with `{"ok":null}`.
pub(crate) fn run(module: &dyn Module, limits: &GuestLimits, input: &str) -> Ran {
    try_run(module, limits, input, |_| r#"{"ok":null}"#.to_owned()).unwrap()
}

/// A module in the bytes encoding. Its allocator grows the memory, and traps where that fails; `null` is at 0,
/// and `$hex` makes the output `"0123456789abcdef"` of a number.
pub(crate) fn bytes_guest(imports: &str, body: &str) -> String {
    format!(
        r#"(module {imports}
          (memory (export "memory") 1)
          (data (i32.const 0) "null")
          (data (i32.const 16) "0123456789abcdef")
          (global $free (mut i32) (i32.const 4096))
          (func (export "loom_alloc") (param $length i32) (result i32)
            (local $at i32)
            (local.set $at (global.get $free))
            (global.set $free (i32.add (global.get $free) (local.get $length)))
            (block $fits
              (br_if $fits (i32.le_u (global.get $free) (i32.shl (memory.size) (i32.const 16))))
              (br_if $fits (i32.ne (i32.const -1)
                (memory.grow (i32.add (i32.shr_u (local.get $length) (i32.const 16)) (i32.const 1)))))
              unreachable)
            (local.get $at))
          (func (export "loom_free") (param i32 i32))
          (func $hex (param $value i64) (result i64)
            (local $i i32)
            (i32.store8 (i32.const 256) (i32.const 34))
            (loop $next
              (i32.store8
                (i32.add (i32.const 257) (local.get $i))
                (i32.load8_u (i32.add (i32.const 16) (i32.wrap_i64 (i64.shr_u (local.get $value) (i64.const 60))))))
              (local.set $value (i64.shl (local.get $value) (i64.const 4)))
              (local.set $i (i32.add (local.get $i) (i32.const 1)))
              (br_if $next (i32.lt_u (local.get $i) (i32.const 16))))
            (i32.store8 (i32.const 273) (i32.const 34))
            (i64.or (i64.shl (i64.const 256) (i64.const 32)) (i64.const 18)))
          {body})"#
    )
}

/// A module in the bytes encoding that returns the hexadecimal digits of an `i64` expression.
pub(crate) fn hex_guest(imports: &str, expression: &str) -> String {
    let execute = format!(r#"(func (export "execute") (param i32 i32) (result i64) (call $hex {expression}))"#);
    bytes_guest(imports, &execute)
}

/// A module in AssemblyScript's encoding, with an allocator like that of [`bytes_guest`]; the string `null` is
/// at 64.
pub(crate) fn assemblyscript_guest(imports: &str, body: &str) -> String {
    format!(
        r#"(module {imports}
          (memory (export "memory") 1)
          (data (i32.const 56) "\02\00\00\00\08\00\00\00n\00u\00l\00l\00")
          (global $free (mut i32) (i32.const 4096))
          (func (export "__new") (param $length i32) (param $class i32) (result i32)
            (local $at i32)
            (local.set $at (i32.add (global.get $free) (i32.const 20)))
            (global.set $free (i32.add (local.get $at) (local.get $length)))
            (block $fits
              (br_if $fits (i32.le_u (global.get $free) (i32.shl (memory.size) (i32.const 16))))
              (br_if $fits (i32.ne (i32.const -1)
                (memory.grow (i32.add (i32.shr_u (local.get $length) (i32.const 16)) (i32.const 1)))))
              unreachable)
            (i32.store (i32.sub (local.get $at) (i32.const 8)) (local.get $class))
            (i32.store (i32.sub (local.get $at) (i32.const 4)) (local.get $length))
            (local.get $at))
          (func (export "__pin") (param $object i32) (result i32) (local.get $object))
          (func (export "__unpin") (param i32))
          {body})"#
    )
}

pub(crate) const CALL_BYTES: &str = r#"(import "loom" "call" (func $call (param i32 i32) (result i64)))"#;
pub(crate) const CALL_ASSEMBLYSCRIPT: &str = r#"(import "loom" "call" (func $call (param i32) (result i32)))"#;

/// Sends its input as a request, then the answer to that as another, and returns `null`.
pub(crate) fn relay_bytes() -> String {
    let execute = r#"(func (export "execute") (param $pointer i32) (param $length i32) (result i64)
        (local $answer i64)
        (local.set $answer (call $call (local.get $pointer) (local.get $length)))
        (drop (call $call (i32.wrap_i64 (i64.shr_u (local.get $answer) (i64.const 32)))
                          (i32.wrap_i64 (local.get $answer))))
        (i64.const 4))"#;
    bytes_guest(CALL_BYTES, execute)
}

/// The same in AssemblyScript's encoding.
pub(crate) fn relay_assemblyscript() -> String {
    let execute = r#"(func (export "execute") (param $input i32) (result i32)
        (drop (call $call (call $call (local.get $input))))
        (i32.const 64))"#;
    assemblyscript_guest(CALL_ASSEMBLYSCRIPT, execute)
}

/// Computes for a while with everything whose fuel could depend on scheduling: calls, loops, bulk operations,
/// growth, floats. The input's length decides how long.
pub(crate) fn busy() -> String {
    let body = r#"
        (table $table 1 funcref)
        (func $mix (param $value i64) (param $round i32) (result i64)
          (i64.xor
            (i64.rotl (local.get $value) (i64.const 7))
            (i64.reinterpret_f64 (f64.sqrt (f64.convert_i32_u (local.get $round))))))
        (func (export "execute") (param $pointer i32) (param $length i32) (result i64)
          (local $round i32) (local $value i64)
          (drop (memory.grow (i32.const 3)))
          (drop (table.grow $table (ref.null func) (i32.const 500)))
          (loop $again
            (local.set $value (call $mix (local.get $value) (local.get $round)))
            (memory.fill (i32.const 131072) (local.get $round) (i32.const 3000))
            (memory.copy (i32.const 66000) (i32.const 131072) (i32.const 777))
            (local.set $value (i64.add (local.get $value) (i64.load (i32.const 66700))))
            (local.set $round (i32.add (local.get $round) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $round) (local.get $length))))
          (call $hex (local.get $value)))"#;
    bytes_guest("", body)
}
