//! Same input, same output and same fuel, however the guest is scheduled.

use loom_machine::{GuestLimits, Sandbox as _};
use loom_wasmtime::{Settings, WasmtimeSandbox};
use serde_json::json;

use crate::support::{Ran, busy, compile, compile_wat, hex_guest, prebuilt, run, sandbox, settings, sliced, try_run};

/// Runs a module with slices of so much fuel, twice.
fn twice(slice_fuel: u64, module: &[u8], limits: &GuestLimits, input: &str) -> Ran {
    let module = compile(&sliced(slice_fuel), module);
    let answer = |request: &str| format!(r#"{{"ok":{}}}"#, request.len());
    let first = try_run(&*module, limits, input, answer).unwrap();
    assert_eq!(first, try_run(&*module, limits, input, answer).unwrap());
    first
}

#[test]
fn slices_change_neither_output_nor_fuel() {
    let program = json!({"do": [
        {"op": "now"}, {"raw": "\u{0}"}, {"op": "state.set", "value": "x".repeat(5000)}, {"op": "context"},
    ]});
    let cases = [
        ("counter-actor.wasm", prebuilt("counter-actor.wasm"), r#"{"count":41,"increment":1}"#.to_owned()),
        ("echo.wasm", prebuilt("echo.wasm"), serde_json::to_string(&"é".repeat(50_000)).unwrap()),
        ("echo-rust.wasm", prebuilt("echo-rust.wasm"), serde_json::to_string(&"é".repeat(50_000)).unwrap()),
        ("probe.wasm", prebuilt("probe.wasm"), program.to_string()),
        ("busy", wat::parse_str(busy()).unwrap(), " ".repeat(500)),
    ];
    for (name, module, input) in cases {
        let limits = GuestLimits::default();
        let whole = twice(u64::MAX, &module, &limits, &input);
        assert_eq!((whole.kind(), whole.yields), ("ok", 0), "{name}");
        for slice_fuel in [1, 1000, 1_000_000] {
            let sliced = twice(slice_fuel, &module, &limits, &input);
            assert_eq!(sliced.observable(), whole.observable(), "{name} in slices of {slice_fuel}");
            assert_eq!(sliced.yields > 0, whole.fuel > slice_fuel, "{name} in slices of {slice_fuel}");
        }
    }
}

#[test]
fn fuel_runs_out_at_the_same_point() {
    let module = wat::parse_str(busy()).unwrap();
    let (whole, sliced) = (compile(&sandbox(), &module), compile(&sliced(1000), &module));
    let input = " ".repeat(20);
    let limits = |fuel| GuestLimits { fuel, ..GuestLimits::default() };
    let needed = run(&*whole, &limits(1_000_000), &input).fuel;
    let mut ends = Vec::new();
    for fuel in (1..needed).step_by(997).chain(needed - 40..needed + 3) {
        let (whole, sliced) = (run(&*whole, &limits(fuel), &input), run(&*sliced, &limits(fuel), &input));
        // The failure has the place in its backtrace.
        assert_eq!(whole.observable(), sliced.observable(), "with {fuel} fuel");
        assert!(whole.fuel <= fuel);
        ends.push(whole.end.map_err(|failure| (failure.kind, failure.backtrace)));
    }
    let first_ok = ends.iter().position(Result::is_ok).unwrap();
    assert!(ends[first_ok..].iter().all(Result::is_ok));
    assert!(ends[..first_ok].iter().all(|end| matches!(end, Err((kind, _)) if kind == "out-of-fuel")));
    let places: std::collections::HashSet<_> = ends[..first_ok].iter().collect();
    assert!(places.len() > 3, "{places:?}");
}

#[test]
fn the_stack_ends_at_the_same_depth() {
    let deep = |depth: u64| {
        let down = format!("(call $down (i64.const {depth}))");
        hex_guest("", &down).replacen(
            "(func $hex",
            "(func $down (param $left i64) (result i64)
               (if (result i64) (i64.eqz (local.get $left)) (then (i64.const 0))
                 (else (i64.add (call $down (i64.sub (local.get $left) (i64.const 1))) (local.get $left)))))
             (func $hex",
            1,
        )
    };
    let (whole, sliced) = (sandbox(), sliced(10));
    let overflows =
        |sandbox, depth| match run(&*compile_wat(sandbox, &deep(depth)), &GuestLimits::default(), "0").kind() {
            "ok" => false,
            "stack-overflow" => true,
            other => panic!("{other}"),
        };
    let (mut fits, mut fails) = (1, 1_000_000);
    while fits + 1 < fails {
        let depth = (fits + fails) / 2;
        if overflows(&whole, depth) { fails = depth } else { fits = depth }
    }
    assert!(fits > 1000, "{fits}");
    assert!(!overflows(&sliced, fits), "{fits}");
    assert!(overflows(&sliced, fails), "{fails}");
}

#[test]
fn arithmetic_makes_only_canonical_nans() {
    let sandbox = sandbox();
    let f32 = |value: &str| format!("(i64.extend_i32_u (i32.reinterpret_f32 {value}))");
    let f64 = |value: &str| format!("(i64.reinterpret_f64 {value})");
    let (nan32, nan64) = (0x7fc0_0000_u64, 0x7ff8_0000_0000_0000_u64);
    for (expression, bits) in [
        (f64("(f64.div (f64.const 0) (f64.const 0))"), nan64),
        (f64("(f64.div (f64.const -0) (f64.const 0))"), nan64),
        (f64("(f64.sqrt (f64.const -1))"), nan64),
        (f64("(f64.sub (f64.const inf) (f64.const inf))"), nan64),
        (f64("(f64.add (f64.const nan:0x123) (f64.const 1))"), nan64),
        (f64("(f64.mul (f64.const -nan:0xfffffffffffff) (f64.const 1))"), nan64),
        (f64("(f64.min (f64.const nan:0x4) (f64.const -nan:0x5))"), nan64),
        (f64("(f64.ceil (f64.const -nan:0x4))"), nan64),
        (f64("(f64.promote_f32 (f32.const -nan:0x200001))"), nan64),
        (f32("(f32.demote_f64 (f64.const -nan:0x123))"), nan32),
        (f32("(f32.add (f32.const nan:0x1) (f32.const nan:0x2))"), nan32),
        (f32("(f32.sqrt (f32.const -4))"), nan32),
        ("(i64x2.extract_lane 1 (f64x2.mul (v128.const f64x2 0 -nan:0x7) (v128.const f64x2 0 1)))".into(), nan64),
        (
            "(i64.extend_i32_u (i32x4.extract_lane 2 (f32x4.max
               (v128.const f32x4 0 0 -nan:0x7 0) (v128.const f32x4 0 0 1 0))))"
                .into(),
            nan32,
        ),
        // What only moves bits leaves them alone.
        (f64("(f64.neg (f64.const nan:0x123))"), 0xfff0_0000_0000_0123),
        (f32("(f32.const nan:0x123)"), 0x7f80_0123),
    ] {
        let module = compile_wat(&sandbox, &hex_guest("", &expression));
        let ran = run(&*module, &GuestLimits::default(), "null");
        assert_eq!(ran.end, Ok(format!("\"{bits:016x}\"")), "{expression}");
    }
}

#[test]
fn the_identity_names_what_changes_results_and_nothing_else() {
    let identity = |settings| WasmtimeSandbox::new(settings).unwrap().engine().to_owned();
    let usual = identity(settings());
    assert_eq!(usual, identity(settings()));
    let other = Settings { instances_max: 2, slice_fuel: 7, memory_bytes_max: 1 << 24, ..settings() };
    assert_eq!(usual, identity(other));
    assert_ne!(usual, identity(Settings { stack_bytes: 256 * 1024, ..settings() }));
    let (version, hash) = usual.strip_prefix("wasmtime-").unwrap().split_once('/').unwrap();
    assert!(version.split('.').all(|part| part.parse::<u32>().is_ok()), "{usual}");
    assert_eq!(hash.len(), 16);
}
