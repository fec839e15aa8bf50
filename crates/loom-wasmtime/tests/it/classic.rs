//! Modules in the form of the first days: one function, no imports but `env.abort`.

use loom_machine::GuestLimits;

use crate::support::{compile, prebuilt, run, sandbox};

#[test]
fn a_counter_and_an_echo_run_unmodified() {
    let sandbox = sandbox();
    for (guest, input, output) in [
        ("counter-actor.wasm", r#"{"count":41,"increment":1}"#, r#"{"count":42}"#),
        ("counter-actor.wasm", r#"{"count":7}"#, r#"{"count":8}"#),
        ("counter-actor.wasm", "{}", r#"{"count":1}"#),
        ("counter-actor.wasm", r#"{"increment":-9223372036854775808}"#, r#"{"count":-9223372036854775808}"#),
        ("counter-actor.wasm", r#"{ "a" : {"count":1}, "\u0063": 3, "count" : 5 }"#, r#"{"count":6}"#),
        ("echo.wasm", r#"{"count":41}"#, r#"{"count":41}"#),
        ("echo.wasm", "\"\u{1f600}\"", "\"\u{1f600}\""),
    ] {
        let module = compile(&sandbox, &prebuilt(guest));
        assert!(!module.calls_host(), "{guest}");
        assert!(module.resident_bytes() > 0, "{guest}");
        assert_eq!(run(&*module, &GuestLimits::default(), input).end, Ok(output.to_owned()), "{guest}: {input}");
    }
}

#[test]
fn every_call_is_a_fresh_instance() {
    let text = crate::support::bytes_guest(
        "",
        r#"(global $calls (mut i64) (i64.const 0))
           (table $table 1 funcref)
           (func (export "execute") (param i32 i32) (result i64)
             (global.set $calls (i64.add (global.get $calls) (i64.const 1)))
             (i64.store (i32.const 1024) (i64.add (i64.load (i32.const 1024)) (i64.const 1)))
             (drop (memory.grow (i32.const 1)))
             (i64.store (i32.const 70000) (i64.add (i64.load (i32.const 70000)) (i64.const 1)))
             (drop (table.grow $table (ref.null func) (i32.const 1)))
             (call $hex (i64.add (i64.mul (i64.load (i32.const 1024)) (i64.const 0x1000))
               (i64.add (i64.mul (global.get $calls) (i64.const 0x100))
                 (i64.add (i64.mul (i64.load (i32.const 70000)) (i64.const 0x10))
                   (i64.extend_i32_u (table.size $table)))))))"#,
    );
    let module = crate::support::compile_wat(&sandbox(), &text);
    for _ in 0..10 {
        assert_eq!(run(&*module, &GuestLimits::default(), "null").end, Ok("\"0000000000001112\"".into()));
    }
}
