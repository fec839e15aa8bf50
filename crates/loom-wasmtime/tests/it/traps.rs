//! A guest that gives up says why and where.

use loom_machine::{Failure, GuestLimits};
use serde_json::json;

use crate::support::{assemblyscript_guest, bytes_guest, compile, compile_wat, prebuilt, run, sandbox};

fn failure(guest: &str, input: &str) -> Failure {
    run(&*compile(&sandbox(), &prebuilt(guest)), &GuestLimits::default(), input).end.unwrap_err()
}

#[test]
fn an_assertion_of_assemblyscript() {
    let failure = failure("counter-actor.wasm", r#"{"count":"x"}"#);
    assert_eq!(failure.kind, "trap");
    let (message, place) = failure.message.split_once(" at ").unwrap();
    assert_eq!(message, "expected an integer");
    let [file, line, column] = place.split(':').collect::<Vec<_>>()[..] else { panic!("{place}") };
    assert!(file.ends_with("counter-actor.ts"), "{place}");
    assert!(line.parse::<u32>().unwrap() > 1 && column.parse::<u32>().unwrap() > 0, "{place}");
    assert!(!failure.backtrace.is_empty());
}

#[test]
fn a_panic_of_rust() {
    let program = |message: &str| json!({"do": [{"trap": message}]}).to_string();
    for message in ["something is wrong", "two\nlines", "\u{1f600}"] {
        let failure = failure("probe.wasm", &program(message));
        assert_eq!(failure.kind, "trap");
        let (said, place) = failure.message.rsplit_once(" at ").unwrap();
        assert_eq!(said, message);
        let [file, line, column] = place.split(':').collect::<Vec<_>>()[..] else { panic!("{place}") };
        assert!(file.ends_with("src/lib.rs"), "{place}");
        assert!(line.parse::<u32>().unwrap() > 1 && column.parse::<u32>().unwrap() > 0, "{place}");
        let named = |name: &str| failure.backtrace.iter().any(|frame| frame.contains(name));
        assert!(named("core::panicking::panic_fmt+0x") && named("execute+0x"), "{:#?}", failure.backtrace);
        assert!(!failure.backtrace.iter().any(|frame| frame.contains("_ZN")), "{:#?}", failure.backtrace);
    }
    // However long the message, the place is kept.
    let failure = failure("probe.wasm", &program(&"long ".repeat(20_000)));
    assert!(failure.message.starts_with("long long"), "{failure}");
    assert!(failure.message.contains("src/lib.rs:"), "{failure}");
}

#[test]
fn an_abort_of_one_s_own() {
    let bytes = |length: i32, line: i32, column: i32| {
        bytes_guest(
            r#"(import "env" "abort" (func $abort (param i32 i32 i32 i32)))"#,
            &format!(
                r#"(data (i32.const 512) "dir/file.x\0aa message\0aof two lines")
                   (data (i32.const 600) "\ff\0abroken")
                   (func (export "execute") (param i32 i32) (result i64)
                     (call $abort (i32.const {}) (i32.const {}) (i32.const {line}) (i32.const {column}))
                     unreachable)"#,
                if length < 0 { 600 } else { 512 },
                length.abs(),
            ),
        )
    };
    let assemblyscript = |message: i32, file: i32| {
        assemblyscript_guest(
            r#"(import "env" "abort" (func $abort (param i32 i32 i32 i32)))"#,
            &format!(
                r#"(data (i32.const 200) "\02\00\00\00\04\00\00\00h\00i\00")
                   (data (i32.const 300) "\02\00\00\00\06\00\00\00f\00.\00t\00")
                   (data (i32.const 400) "\02\00\00\00\02\00\00\00\00\d8")
                   (func (export "execute") (param i32) (result i32)
                     (call $abort (i32.const {message}) (i32.const {file}) (i32.const 7) (i32.const 9))
                     unreachable)"#
            ),
        )
    };
    let silent = "the guest aborted without a message";
    for (module, message) in [
        (bytes(33, 3, 4), "a message\nof two lines at dir/file.x:3:4"),
        (bytes(33, 3, 0), "a message\nof two lines at dir/file.x:3"),
        (bytes(33, 0, 0), "a message\nof two lines at dir/file.x"),
        (bytes(11, 3, 4), "the guest aborted without a message at dir/file.x:3:4"),
        (bytes(10, 3, 4), "dir/file.x"),
        (bytes(0, 3, 4), silent),
        (bytes(-8, 3, 4), silent),
        (assemblyscript(208, 308), "hi at f.t:7:9"),
        (assemblyscript(208, 0), "hi"),
        (assemblyscript(0, 308), "the guest aborted without a message at f.t:7:9"),
        (assemblyscript(408, 308), "the guest aborted without a message at f.t:7:9"),
        (assemblyscript(-1, 3), silent),
        (assemblyscript(0, 0), silent),
    ] {
        let failure = run(&*compile_wat(&sandbox(), &module), &GuestLimits::default(), "0").end.unwrap_err();
        assert_eq!((failure.kind.as_str(), failure.message.as_str()), ("trap", message));
    }
}

#[test]
fn plain_traps_say_what_and_where() {
    for (does, message) in [
        ("unreachable", "unreachable"),
        ("(i64.div_s (i64.const 1) (i64.const 0))", "divide by zero"),
        ("(i64.load (i32.const -8))", "out of bounds"),
        ("(i64.trunc_f64_s (f64.const nan))", "integer"),
        ("(call_indirect $table (result i64) (i32.const 9))", "undefined element"),
    ] {
        let body = format!(
            r#"(table $table 1 funcref) (func $inner (result i64) {does})
               (func $outer (export "execute") (param i32 i32) (result i64) (call $inner))"#
        );
        let module = compile_wat(&sandbox(), &bytes_guest("", &body));
        let failure = run(&*module, &GuestLimits::default(), "0").end.unwrap_err();
        assert_eq!(failure.kind, "trap", "{failure}");
        assert!(failure.message.contains(message), "{failure}");
        let [inner, outer] = &failure.backtrace[..] else { panic!("{:?}", failure.backtrace) };
        assert!(inner.starts_with("inner+0x") && outer.starts_with("outer+0x"), "{:?}", failure.backtrace);
    }
}
