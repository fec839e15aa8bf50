//! Every limit holds exactly, and says how to raise it.

use loom_machine::{GuestLimits, HostFault, Sandbox as _};
use loom_wasmtime::{EngineError, Settings, WasmtimeSandbox};
use serde_json::json;

use crate::support::{MIB, PAGE, bytes_guest, compile, compile_wat, prebuilt, run, sandbox, settings, sliced};

/// Runs a module at a limit, and with one less: the first passes, the second fails and names the setting.
fn check(module: &[u8], input: &str, at: GuestLimits, below: GuestLimits, kind: &str, setting: &str) {
    for sandbox in [sandbox(), sliced(100)] {
        let module = compile(&sandbox, module);
        let passed = run(&*module, &at, input);
        assert_eq!(passed.kind(), "ok", "{setting}: {:?}", passed.end);
        let failure = run(&*module, &below, input).end.unwrap_err();
        assert_eq!(failure.kind, kind, "{failure}");
        assert!(failure.message.contains(&format!("({setting})")), "{failure}");
    }
}

fn execute(does: &str) -> Vec<u8> {
    let execute = format!(r#"(func (export "execute") (param i32 i32) (result i64) {does} (i64.const 4))"#);
    wat::parse_str(bytes_guest("", &execute)).unwrap()
}

#[test]
fn memory() {
    let limits = |memory_bytes| GuestLimits { memory_bytes, ..GuestLimits::default() };
    let grows = execute("(if (i32.eq (memory.grow (i32.const 3)) (i32.const -1)) (then unreachable))");
    check(&grows, "0", limits(4 * PAGE), limits(4 * PAGE - 1), "memory-limit", "limits.memory_bytes");
    let begins = bytes_guest("", r#"(func (export "execute") (param i32 i32) (result i64) (i64.const 4))"#);
    let begins = wat::parse_str(begins.replace(r#"(memory (export "memory") 1)"#, r#"(memory (export "memory") 5)"#));
    check(&begins.unwrap(), "0", limits(5 * PAGE), limits(5 * PAGE - 1), "memory-limit", "limits.memory_bytes");
    // In a real allocator: Rust's gives up by aborting.
    let program = json!({"do": [{"allocate": 5 * MIB}, {"reply": 1}]}).to_string();
    check(&prebuilt("probe.wasm"), &program, limits(8 * MIB), limits(4 * MIB), "memory-limit", "limits.memory_bytes");
    // All of the node's memory, and an answer that does not fit is the guest's failure as well.
    let all = execute("(if (i32.eq (memory.grow (i32.const 1023)) (i32.const -1)) (then unreachable))");
    check(&all, "0", limits(64 * MIB), limits(64 * MIB - PAGE), "memory-limit", "limits.memory_bytes");
    let echo = prebuilt("echo.wasm");
    let text = serde_json::to_string(&"x".repeat(300_000)).unwrap();
    check(&echo, &text, limits(2 * MIB), limits(5 * PAGE), "memory-limit", "limits.memory_bytes");
}

#[test]
fn table() {
    let limits = |table_elements| GuestLimits { table_elements, ..GuestLimits::default() };
    let execute = |min: u32, does: &str| {
        let body = format!(
            r#"(table $table {min} funcref)
               (func (export "execute") (param i32 i32) (result i64) {does} (i64.const 4))"#
        );
        wat::parse_str(bytes_guest("", &body)).unwrap()
    };
    let grows = "(if (i32.eq (table.grow $table (ref.null func) (i32.const 90)) (i32.const -1)) (then unreachable))";
    check(&execute(10, grows), "0", limits(100), limits(99), "memory-limit", "limits.table_elements");
    check(&execute(10, ""), "0", limits(10), limits(9), "memory-limit", "limits.table_elements");
    let all = grows.replace("90", "99990");
    check(&execute(10, &all), "0", limits(100_000), limits(99_999), "memory-limit", "limits.table_elements");
}

#[test]
fn output_and_requests() {
    let limits = |output_bytes| GuestLimits { output_bytes, ..GuestLimits::default() };
    let probe = prebuilt("probe.wasm");
    for bytes in [2, 1000, MIB] {
        let program = json!({"do": [{"reply_bytes": bytes}]}).to_string();
        check(&probe, &program, limits(bytes), limits(bytes - 1), "output-too-large", "limits.output_bytes");
    }
    // AssemblyScript's two bytes are one, two, three or four of UTF-8; the limit counts those.
    for character in ["x", "é", "€", "\u{1f600}"] {
        let text = serde_json::to_string(&character.repeat(1000)).unwrap();
        let bytes = text.len() as u64;
        for echo in ["echo.wasm", "echo-rust.wasm"] {
            check(&prebuilt(echo), &text, limits(bytes), limits(bytes - 1), "output-too-large", "limits.output_bytes");
        }
    }
    let program = json!({"do": [{"raw": "é".repeat(500)}, {"reply": 1}]}).to_string();
    check(&probe, &program, limits(1000), limits(999), "input-too-large", "limits.output_bytes");
}

#[test]
fn fuel() {
    let echo = prebuilt("echo.wasm");
    let needed = run(&*compile(&sandbox(), &echo), &GuestLimits::default(), "[1,2,3]").fuel;
    let limits = |fuel| GuestLimits { fuel, ..GuestLimits::default() };
    check(&echo, "[1,2,3]", limits(needed + 1), limits(needed / 2), "out-of-fuel", "limits.fuel");
    check(&echo, "[1,2,3]", limits(needed + 1), limits(1), "out-of-fuel", "limits.fuel");
    let spin = run(&*compile(&sandbox(), &prebuilt("probe.wasm")), &limits(1_000_000), r#"{"do":[{"spin":true}]}"#);
    assert_eq!((spin.kind(), spin.fuel), ("out-of-fuel", 1_000_000));
}

#[test]
fn stack() {
    // Guests that do not call the host recurse on this thread's stack. It has the usual size, and even the
    // largest stack that can be set does it no harm.
    let body = r#"(func $down (param i64) (result i64) (i64.add (call $down (local.get 0)) (local.get 0)))
                  (func (export "execute") (param i32 i32) (result i64) (call $down (i64.const 1)))"#;
    for stack_bytes in [16 * 1024, 512 * 1024, MIB] {
        for slice_fuel in [10, u64::MAX] {
            let sandbox = WasmtimeSandbox::new(Settings { stack_bytes, slice_fuel, ..settings() }).unwrap();
            let module = compile_wat(&sandbox, &bytes_guest("", body));
            let limits = GuestLimits { stack_bytes, ..GuestLimits::default() };
            let failure = run(&*module, &limits, "0").end.unwrap_err();
            assert_eq!(failure.kind, "stack-overflow", "{failure}");
            assert!(
                failure.message.contains(&format!("{stack_bytes} bytes of stack (limits.stack_bytes)")),
                "{failure}"
            );
            assert_eq!(failure.backtrace.len(), 32, "of each long backtrace a part is kept");
        }
    }
}

#[test]
fn limits_that_the_node_cannot_give() {
    let sandbox = sandbox();
    let usual = GuestLimits::default();
    assert_eq!(sandbox.check_limits(&usual), Ok(()));
    let exact = GuestLimits { memory_bytes: 64 * MIB, table_elements: 100_000, ..usual };
    assert_eq!(sandbox.check_limits(&exact), Ok(()));
    let echo = compile(&sandbox, &prebuilt("echo.wasm"));
    for (limits, message) in [
        (
            GuestLimits { memory_bytes: 64 * MIB + 1, ..usual },
            "memory_bytes 67108865 is more than this node allows (67108864, sandbox.memory_bytes_max)",
        ),
        (
            GuestLimits { table_elements: 100_001, ..usual },
            "table_elements 100001 is more than this node allows (100000, sandbox.table_elements_max)",
        ),
        (
            GuestLimits { stack_bytes: 1, ..usual },
            "stack_bytes 1 is not what this node's engine runs with (524288, sandbox.stack_bytes)",
        ),
    ] {
        assert_eq!(sandbox.check_limits(&limits), Err(message.to_owned()));
        // A deployment from a larger node does not run here with smaller limits in silence.
        assert!(matches!(echo.start(&limits, "1"), Err(HostFault::Host(detail)) if detail == message));
    }
}

#[test]
fn settings_that_cannot_work() {
    for (settings, setting) in [
        (Settings { instances_max: 0, ..settings() }, "sandbox.instances_max"),
        (Settings { slice_fuel: 0, ..settings() }, "sandbox.slice_fuel"),
        (Settings { stack_bytes: 0, ..settings() }, "sandbox.stack_bytes"),
        (Settings { stack_bytes: 2 * MIB, ..settings() }, "sandbox.stack_bytes"),
    ] {
        match WasmtimeSandbox::new(settings).map(|_| ()) {
            Err(EngineError::Setting { setting: named, .. }) => assert_eq!(named, setting),
            other => panic!("{other:?}"),
        }
    }
}
