//! WASI is there for compilers' sake, and knows nothing of the world.

use loom_machine::GuestLimits;

use crate::support::{bytes_guest, compile_wat, hex_guest, run, sandbox, sliced};

/// Imports `name` as `$wasi` and returns the bits of `expression`.
fn check(name: &str, signature: &str, expression: &str, bits: u64) {
    let import = import(name, signature);
    let module = compile_wat(&sandbox(), &hex_guest(&import, expression));
    let ran = run(&*module, &GuestLimits::default(), "null");
    assert_eq!(ran.end, Ok(format!("\"{bits:016x}\"")), "{name}: {expression}");
}

fn import(name: &str, signature: &str) -> String {
    format!(r#"(import "wasi_snapshot_preview1" "{name}" (func $wasi {signature}))"#)
}

/// The call's errno, above what it left in memory at 1024, where ones were before.
fn after(call: &str, load: &str) -> String {
    format!(
        "(block (result i64)
           (i64.store (i32.const 1024) (i64.const -1))
           (i64.or (i64.shl (i64.extend_i32_u {call}) (i64.const 56)) {load}))"
    )
}

#[test]
fn answers_are_empty() {
    let two = "(param i32 i32) (result i32)";
    let sizes = after("(call $wasi (i32.const 1024) (i32.const 1028))", "(i64.load (i32.const 1024))");
    let nothing = after("(call $wasi (i32.const 1024) (i32.const 1028))", "(i64.load8_u (i32.const 1024))");
    for what in ["args", "environ"] {
        check(&format!("{what}_sizes_get"), two, &sizes, 0);
        check(&format!("{what}_get"), two, &nothing, 0xff);
    }
    let random = after("(call $wasi (i32.const 1024) (i32.const 6))", "(i64.load (i32.const 1024))");
    check("random_get", two, &random, 0xffff_0000_0000_0000);
    let clock = "(call $wasi (i32.const 0) (i64.const 1) (i32.const 1024))";
    check("clock_time_get", "(param i32 i64 i32) (result i32)", &after(clock, "(i64.load (i32.const 1024))"), 0);
    check("sched_yield", "(result i32)", "(i64.extend_i32_u (call $wasi))", 0);
}

#[test]
fn writing_succeeds_and_goes_nowhere() {
    let four = "(param i32 i32 i32 i32) (result i32)";
    // Two vectors, of 5 and of 7 bytes.
    let write = after(
        "(call $wasi (i32.const 1) (i32.const 2048) (i32.const 2) (i32.const 1024))",
        "(i64.load32_u (i32.const 1024))",
    );
    let write = format!(
        "(block (result i64)
           (i64.store (i32.const 2048) (i64.const 0x0000000500000000))
           (i64.store (i32.const 2056) (i64.const 0x0000000700000000))
           {write})"
    );
    check("fd_write", four, &write, 12);
}

#[test]
fn everything_else_is_not_supported() {
    for (name, signature, call) in [
        ("fd_read", "(param i32 i32 i32 i32) (result i32)", "(i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)"),
        ("fd_close", "(param i32) (result i32)", "(i32.const 3)"),
        ("fd_prestat_get", "(param i32 i32) (result i32)", "(i32.const 3) (i32.const 0)"),
        ("clock_res_get", "(param i32 i32) (result i32)", "(i32.const 0) (i32.const 0)"),
        (
            "poll_oneoff",
            "(param i32 i32 i32 i32) (result i32)",
            "(i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)",
        ),
    ] {
        check(name, signature, &format!("(i64.extend_i32_u (call $wasi {call}))"), 52);
    }
}

/// What a module that misuses WASI ends with, the same however it is scheduled.
fn fails(name: &str, signature: &str, does: &str, fuel: u64) -> (String, String) {
    let body = format!(r#"(func (export "execute") (param i32 i32) (result i64) {does} (i64.const 4))"#);
    let text = bytes_guest(&import(name, signature), &body);
    let limits = GuestLimits { fuel, ..GuestLimits::default() };
    let [whole, sliced] = [sandbox(), sliced(10)].map(|sandbox| run(&*compile_wat(&sandbox, &text), &limits, "null"));
    assert_eq!(whole.observable(), sliced.observable(), "{name}");
    let failure = whole.end.unwrap_err();
    (failure.kind, failure.message)
}

#[test]
fn misuse() {
    let (kind, message) = fails("proc_exit", "(param i32)", "(call $wasi (i32.const 3))", 1000);
    assert_eq!((kind.as_str(), message.as_str()), ("trap", "the guest exited with code 3"));
    let two = "(param i32 i32) (result i32)";
    let random = |at: i32, length: i32| format!("(drop (call $wasi (i32.const {at}) (i32.const {length})))");
    for (name, signature, does) in [
        ("random_get", two, random(65_530, 7)),
        ("random_get", two, random(-1, 1)),
        ("args_sizes_get", two, random(0, -2)),
        ("fd_write", "(param i32 i32 i32 i32) (result i32)", {
            "(drop (call $wasi (i32.const 1) (i32.const -8) (i32.const -1) (i32.const 0)))".into()
        }),
        ("clock_time_get", "(param i32 i64 i32) (result i32)", {
            "(drop (call $wasi (i32.const 1) (i64.const 0) (i32.const 65529)))".into()
        }),
    ] {
        assert_eq!(fails(name, signature, &does, 10_000).0, "bad-pointer", "{name}: {does}");
    }
    // Filling memory costs what `memory.fill` costs, so that no loop of it goes on for ever.
    let forever = format!("(loop $l {} (br $l))", random(1024, 60_000));
    assert_eq!(fails("random_get", two, &forever, 10_000_000).0, "out-of-fuel");
    assert_eq!(fails("random_get", two, &random(0, -1), 10_000).0, "out-of-fuel");
    // Nor without letting others run, although each call begins the engine's slice anew.
    let endless = format!("(loop $l {} (br $l))", random(1024, 0));
    let body = format!(r#"(func (export "execute") (param i32 i32) (result i64) {endless} (i64.const 4))"#);
    let limits = GuestLimits { fuel: 100_000, ..GuestLimits::default() };
    let ran = run(&*compile_wat(&sliced(10_000), &bytes_guest(&import("random_get", two), &body)), &limits, "null");
    assert!((9..=20).contains(&ran.yields), "{}", ran.yields);
}
