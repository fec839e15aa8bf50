//! Arbitrary modules: refused, ended by a limit or by themselves; the next guest runs all the same.

use std::sync::{Arc, OnceLock};

use loom_machine::{Failure, GuestLimits, Module, Progress, Sandbox as _};
use loom_types::{Cid, Codec};
use loom_wasmtime::{Settings, WasmtimeSandbox};

/// Requests that are answered before the guest is dropped.
const REQUESTS_MAX: usize = 100;

/// Takes WASM, or its text.
pub(crate) fn run(input: &[u8]) {
    let module = match std::str::from_utf8(input) {
        Ok(text) if text.trim_start().starts_with('(') => wat::parse_str(text).unwrap_or_else(|_| input.to_owned()),
        _ => input.to_owned(),
    };
    run_module(&module, "null", r#"{"ok":null}"#);
}

/// Runs a module to its end on a sandbox with a single slot, then a good one.
pub(crate) fn run_module(module: &[u8], input: &str, answer: &str) {
    let (sandbox, good) = host();
    let compiled = sandbox.compile(Cid::of(Codec::Raw, module), module).expect("compiling is no host fault");
    if let Ok(module) = compiled {
        let failure = drive(&*module, input, answer).err();
        assert!(failure.is_none_or(|failure| !failure.kind.is_empty()), "a failure has a kind");
    }
    assert_eq!(drive(&**good, "[1]", answer), Ok("[1]".to_owned()), "one guest harms no other");
}

fn drive(module: &dyn Module, input: &str, answer: &str) -> Result<String, Failure> {
    let limits = GuestLimits { fuel: 200_000, memory_bytes: 1 << 20, output_bytes: 1 << 16, ..GuestLimits::default() };
    let mut guest = module.start(&limits, input).expect("there is a free slot");
    let mut next = None;
    for _ in 0..REQUESTS_MAX {
        match guest.resume(next.take()).expect("running is no host fault") {
            Progress::Called(_) => next = Some(answer),
            Progress::Yielded => {}
            Progress::Returned(output) => {
                assert!(output.len() as u64 <= limits.output_bytes, "outputs are bounded");
                return Ok(output);
            }
            Progress::Failed(failure) => return Err(failure),
        }
    }
    Ok("null".to_owned())
}

const ECHO: &str = r#"(module (memory (export "memory") 1)
    (func (export "loom_alloc") (param i32) (result i32) (i32.const 1024))
    (func (export "loom_free") (param i32 i32))
    (func (export "execute") (param $pointer i32) (param $length i32) (result i64)
      (i64.or (i64.shl (i64.extend_i32_u (local.get $pointer)) (i64.const 32))
              (i64.extend_i32_u (local.get $length)))))"#;

fn host() -> &'static (WasmtimeSandbox, Arc<dyn Module>) {
    static HOST: OnceLock<(WasmtimeSandbox, Arc<dyn Module>)> = OnceLock::new();
    HOST.get_or_init(|| {
        let settings =
            Settings { instances_max: 1, memory_bytes_max: 1 << 20, slice_fuel: 10_000, ..Settings::default() };
        let sandbox = WasmtimeSandbox::new(settings).expect("an engine");
        let echo = wat::parse_str(ECHO).expect("it is text of a module");
        let module = sandbox.compile(Cid::of(Codec::Raw, &echo), &echo).expect("a host").expect("a module");
        (sandbox, module)
    })
}
