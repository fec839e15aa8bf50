//! Modules that lie end in the failure that the contract names, and harm nobody.

use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use loom_machine::{Failure, GuestLimits, Module};
use loom_wasmtime::{Settings, WasmtimeSandbox};
use serde_json::Value;

use crate::support::{
    CALL_ASSEMBLYSCRIPT, CALL_BYTES, abi, assemblyscript_guest, bytes_guest, compile, prebuilt, run, settings,
    try_compile, vectors,
};

/// A sandbox with a single slot, so that a module that keeps it is noticed at once.
struct Host {
    name: &'static str,
    sandbox: WasmtimeSandbox,
    echo: Arc<dyn Module>,
    limits: GuestLimits,
}

/// One that runs guests in one piece, one that moves them to a fiber after their first instructions.
fn hosts() -> MutexGuard<'static, [Host; 2]> {
    static HOSTS: LazyLock<Mutex<[Host; 2]>> = LazyLock::new(|| Mutex::new(new_hosts()));
    HOSTS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn new_hosts() -> [Host; 2] {
    let limits = &vectors()["hostile"]["limits"];
    let limit = |name: &str| limits[name].as_u64().unwrap();
    let limits = GuestLimits {
        fuel: limit("fuel"),
        memory_bytes: limit("memory_bytes"),
        table_elements: limit("table_elements"),
        output_bytes: limit("output_bytes"),
        ..GuestLimits::default()
    };
    [("whole", u64::MAX), ("sliced", 10)].map(|(name, slice_fuel)| {
        let settings = Settings { instances_max: 1, slice_fuel, ..settings() };
        let sandbox = WasmtimeSandbox::new(settings).unwrap();
        let echo = compile(&sandbox, &prebuilt("echo.wasm"));
        Host { name, sandbox, echo, limits }
    })
}

impl Host {
    /// How the module ends; and that a good guest runs after it.
    fn end(&self, module: &[u8], input: &str) -> Result<String, Failure> {
        let end = try_compile(&self.sandbox, module).and_then(|module| run(&*module, &self.limits, input).end);
        assert_eq!(run(&*self.echo, &self.limits, "[1]").end, Ok("[1]".into()));
        end
    }
}

/// The settings of which a failure of this kind names one.
fn settings_named(kind: &str) -> &'static [&'static str] {
    match kind {
        "out-of-fuel" => &["limits.fuel"],
        "stack-overflow" => &["limits.stack_bytes"],
        "output-too-large" | "input-too-large" => &["limits.output_bytes"],
        "memory-limit" => {
            &["limits.memory_bytes", "limits.table_elements", "sandbox.memory_bytes_max", "sandbox.table_elements_max"]
        }
        _ => &[],
    }
}

fn check(name: &str, module: &[u8], input: &str, kind: &str) {
    for host in hosts().iter() {
        check_on(host, name, module, input, kind);
    }
}

fn check_on(host: &Host, name: &str, module: &[u8], input: &str, kind: &str) {
    let end = host.end(module, input);
    let at = format!("{name}, {}", host.name);
    match end {
        Ok(output) => assert_eq!("ok", kind, "{at}: {output}"),
        Err(failure) => {
            assert_eq!(failure.kind, kind, "{at}: {failure}");
            let named = settings_named(kind);
            assert!(
                named.is_empty() || named.iter().any(|setting| failure.message.contains(&format!("({setting})"))),
                "{at}: {failure}"
            );
            assert!(!failure.retryable, "{at}");
        }
    }
}

/// The same module, but as one that may call the host, so that it runs on a fiber from the start.
fn calling(text: &str) -> Option<String> {
    if text.contains("\"loom\"") {
        return None;
    }
    let import = if text.contains("\"__new\"") { CALL_ASSEMBLYSCRIPT } else { CALL_BYTES };
    Some(text.replacen("(module", &format!("(module {import}"), 1))
}

#[test]
fn the_modules_of_the_vectors() {
    let hosts = hosts();
    for case in vectors()["hostile"]["modules"].as_array().unwrap() {
        let (file, kind) = (case["file"].as_str().unwrap(), case["kind"].as_str().unwrap());
        let text = abi(file);
        for host in hosts.iter() {
            check_on(host, file, &wat::parse_str(&text).unwrap(), "null", kind);
            if let Some(text) = calling(&text) {
                check_on(host, &format!("{file} on a fiber"), &wat::parse_str(&text).unwrap(), "null", kind);
            }
        }
    }
}

#[test]
fn the_binaries_of_the_vectors() {
    for case in vectors()["hostile"]["binaries"].as_array().unwrap() {
        let text = |name: &str| case.get(name).and_then(Value::as_str).unwrap();
        let bytes = data_encoding::HEXLOWER.decode(text("hex").as_bytes()).unwrap();
        check(text("name"), &bytes, "null", text("kind"));
    }
}

const NULL: &str = r#"(func (export "execute") (param i32 i32) (result i64) (i64.const 4))"#;

/// A module in the bytes encoding whose allocator is `alloc`.
fn allocating(imports: &str, alloc: &str, execute: &str) -> String {
    format!(
        r#"(module {imports} (memory (export "memory") 1) (data (i32.const 0) "null")
          (global $calls (mut i32) (i32.const 0))
          (func (export "loom_alloc") (param $length i32) (result i32) {alloc}) {execute})"#
    )
}

/// An allocator that is fine for the input, and does something else for the answer to the first request.
fn later(something: &str) -> String {
    format!(
        "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
         (if (result i32) (i32.eq (global.get $calls) (i32.const 1)) (then (i32.const 1024)) (else {something}))"
    )
}

const ASK: &str = r#"(func (export "execute") (param i32 i32) (result i64) (call $call (i32.const 0) (i32.const 4)))"#;
const ASK_IN_ALLOC: &str = "(drop (call $call (i32.const 0) (i32.const 4))) (i32.const 1024)";

#[test]
fn allocators_that_call_the_host() {
    check("for the input", wat(&allocating(CALL_BYTES, ASK_IN_ALLOC, NULL)), "null", "trap");
    check("for the answer", wat(&allocating(CALL_BYTES, &later(ASK_IN_ALLOC), ASK)), "null", "trap");
    let execute = r#"(func (export "execute") (param $input i32) (result i32) (call $call (i32.const 64)))"#;
    let text = assemblyscript_guest(CALL_ASSEMBLYSCRIPT, execute);
    for (name, from, to) in [
        ("__new", "(local $at i32)", "(local $at i32) (drop (call $call (i32.const 64)))"),
        ("__pin", "(result i32) (local.get $object)", "(result i32) (call $call (i32.const 64))"),
    ] {
        assert!(text.contains(from));
        check(name, wat(&text.replacen(from, to, 1)), "null", "trap");
    }
}

fn wat(text: &str) -> &'static [u8] {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}\n{text}")).leak()
}

#[test]
fn allocators_that_fail() {
    let null = "(i32.const 0)";
    check("0 for nothing is fine", wat(&allocating("", null, NULL)), "", "ok");
    check("far away for nothing is fine", wat(&allocating("", "(i32.const -1)", NULL)), "", "ok");
    check("0 for something", wat(&allocating("", null, NULL)), "null", "bad-pointer");
    check("0 for an answer", wat(&allocating(CALL_BYTES, &later(null), ASK)), "null", "bad-pointer");
    check(
        "loops for an answer",
        wat(&allocating(CALL_BYTES, &later("(loop $l (br $l)) (unreachable)"), ASK)),
        "null",
        "out-of-fuel",
    );
    check("traps for an answer", wat(&allocating(CALL_BYTES, &later("unreachable"), ASK)), "null", "trap");
    let grows = "(drop (memory.grow (i32.const 1000))) (i32.const 0)";
    let module = wat(&allocating("", grows, NULL));
    check("0 because of the limit", module, "null", "bad-pointer");
    let failure = hosts()[0].end(module, "null").unwrap_err();
    assert!(failure.message.contains("(limits.memory_bytes)"), "{failure}");
    let empty = assemblyscript_guest("", r#"(func (export "execute") (param i32) (result i32) (i32.const 64))"#);
    let empty = empty.replacen("(i32.store (i32.sub", "(return (i32.const 0)) (i32.store (i32.sub", 1);
    check("no object at 0, even for nothing", wat(&empty), "", "bad-pointer");
}

#[test]
fn starting() {
    let start = |does: &str| bytes_guest(CALL_BYTES, &format!("{NULL} (func $start {does}) (start $start)"));
    let ask = "(drop (call $call (i32.const 0) (i32.const 4)))";
    check("may ask", wat(&start(ask)), "null", "ok");
    check("asks and loops", wat(&start(&format!("{ask} (loop $l (br $l))"))), "null", "out-of-fuel");
    check("asks and traps", wat(&start(&format!("{ask} unreachable"))), "null", "trap");
    check("recurses", wat(&start("(call $start) (call $start)")), "null", "stack-overflow");
    let data = bytes_guest("", &format!(r#"{NULL} (data (i32.const 65536) "x")"#));
    check("data outside of the memory", wat(&data), "null", "trap");
    let elements = bytes_guest("", &format!("{NULL} (table 1 funcref) (elem (i32.const 1) $hex)"));
    check("elements outside of the table", wat(&elements), "null", "trap");
}

#[test]
fn after_a_growth_was_refused() {
    let then = |grow: &str, does: &str| {
        let imports = r#"(import "env" "abort" (func $abort (param i32 i32 i32 i32)))
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))"#;
        bytes_guest(
            imports,
            &format!(
                r#"(table $table 1 20 funcref)
                   (func $down (param i64) (result i64) (i64.add (call $down (local.get 0)) (local.get 0)))
                   (func (export "execute") (param i32 i32) (result i64) (drop {grow}) {does})"#
            ),
        )
    };
    let memory = "(memory.grow (i32.const 2000))";
    check("returns", wat(&then(memory, "(i64.const 4)")), "null", "ok");
    check("traps", wat(&then(memory, "unreachable")), "null", "memory-limit");
    let abort = "(call $abort (i32.const 0) (i32.const 4) (i32.const 1) (i32.const 2)) unreachable";
    check("aborts", wat(&then(memory, abort)), "null", "memory-limit");
    check("exits", wat(&then(memory, "(call $exit (i32.const 1)) unreachable")), "null", "memory-limit");
    check("loops", wat(&then(memory, "(loop $l (br $l)) unreachable")), "null", "out-of-fuel");
    check("recurses", wat(&then(memory, "(call $down (i64.const 0))")), "null", "stack-overflow");
    check("lies", wat(&then(memory, "(i64.const 0x7fff000000000001)")), "null", "bad-pointer");
    check("beyond 4 GiB", wat(&then("(memory.grow (i32.const -1))", "unreachable")), "null", "memory-limit");
    // The module's own maximum is no limit of ours: more would not help.
    let own = "(table.grow $table (ref.null func) (i32.const 100000))";
    check("beyond the module's own maximum", wat(&then(own, "unreachable")), "null", "trap");
}

#[test]
fn imports() {
    let import = |import: &str| bytes_guest(import, NULL);
    let abort = r#"(import "env" "abort" (func (param i32 i32 i32 i32)))"#;
    let write = r#"(import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))"#;
    for (name, imports, kind) in [
        ("the same twice", format!("{CALL_BYTES} {abort} {abort} {write} {write}"), "ok"),
        ("loom.call as a global", r#"(import "loom" "call" (global i32))"#.into(), "unknown-import"),
        ("env.abort of another type", r#"(import "env" "abort" (func (param i32)))"#.into(), "unknown-import"),
        ("WASI of another type", write.replace("(result i32)", ""), "unknown-import"),
        (
            "WASI with an i64",
            r#"(import "wasi_snapshot_preview1" "fd_sync" (func (result i64)))"#.into(),
            "unknown-import",
        ),
        (
            "WASI with two results",
            r#"(import "wasi_snapshot_preview1" "fd_sync" (func (result i32 i32)))"#.into(),
            "unknown-import",
        ),
        ("WASI as a memory", r#"(import "wasi_snapshot_preview1" "memory" (memory $m 1))"#.into(), "not-wasm"),
        (
            "another module",
            r#"(import "wasi_unstable" "fd_sync" (func (param i32) (result i32)))"#.into(),
            "unknown-import",
        ),
        ("a table", r#"(import "env" "table" (table 1 funcref))"#.into(), "unknown-import"),
    ] {
        check(name, wat(&import(&imports)), "null", kind);
    }
}

/// Only what the engine is set up for, whatever Wasmtime could do.
#[test]
fn features() {
    let with = |body: &str| bytes_guest("", &format!("{NULL} {body}"));
    for (name, body, kind) in [
        ("SIMD", "(func (result v128) (i32x4.splat (i32.const 1)))", "ok"),
        (
            "relaxed SIMD",
            "(func (param v128 v128) (result v128) (i8x16.relaxed_swizzle (local.get 0) (local.get 1)))",
            "ok",
        ),
        ("tail calls", "(func $f (return_call $f))", "ok"),
        ("several results", "(func (result i32 i32) (i32.const 1) (i32.const 2))", "ok"),
        ("two memories", "(memory 1)", "not-wasm"),
        ("threads", "(func (result i32) (i32.atomic.load (i32.const 0)))", "not-wasm"),
        ("exceptions", "(tag $t) (func (throw $t))", "not-wasm"),
        ("garbage collection", "(type (struct (field i32)))", "not-wasm"),
        (
            "typed function references",
            "(type $t (func)) (func (param (ref $t)) (call_ref $t (local.get 0)))",
            "not-wasm",
        ),
        ("small pages", "(memory 1 (pagesize 1))", "not-wasm"),
        ("a table larger than any", "(table 1000000 funcref)", "memory-limit"),
    ] {
        check(name, wat(&with(body)), "null", kind);
    }
}
