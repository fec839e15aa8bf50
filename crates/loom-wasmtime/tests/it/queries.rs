//! The export `query`, in both encodings.

use loom_machine::{Failure, GuestLimits, Module, Progress};

use crate::support::{
    CALL_ASSEMBLYSCRIPT, CALL_BYTES, assemblyscript_guest, bytes_guest, compile, compile_wat, prebuilt, run, sandbox,
};

fn limits() -> GuestLimits {
    GuestLimits { fuel: 1_000_000, ..GuestLimits::default() }
}

/// Asks a module; None if it answers no queries. The host answers every request with the request itself.
fn ask(module: &dyn Module, limits: &GuestLimits, input: &str) -> Option<Result<String, Failure>> {
    let mut guest = module.start_query(limits, input).unwrap()?;
    let mut answer = None;
    loop {
        match guest.resume(answer.take().as_deref()).unwrap() {
            Progress::Called(request) => answer = Some(request),
            Progress::Yielded => {}
            Progress::Returned(output) => return Some(Ok(output)),
            Progress::Failed(failure) => return Some(Err(failure)),
        }
    }
}

fn both(query: &str) -> [(&'static str, String); 2] {
    let bytes = query.replace("TYPE", "(param i32 i32) (result i64)").replace("ARGS", "(local.get 0) (local.get 1)");
    let assemblyscript = query.replace("TYPE", "(param i32) (result i32)").replace("ARGS", "(local.get 0)");
    let execute = "(func (export \"execute\") TYPE unreachable)";
    let (of_bytes, of_assemblyscript) =
        (execute.replace("TYPE", "(param i32 i32) (result i64)"), execute.replace("TYPE", "(param i32) (result i32)"));
    [
        ("bytes", bytes_guest(CALL_BYTES, &format!("{of_bytes} {bytes}"))),
        ("AssemblyScript", assemblyscript_guest(CALL_ASSEMBLYSCRIPT, &format!("{of_assemblyscript} {assemblyscript}"))),
    ]
}

#[test]
fn a_query_is_answered_by_its_own_export() {
    let sandbox = sandbox();
    for (encoding, text) in both(r#"(func (export "query") TYPE (call $call ARGS))"#) {
        let module = compile_wat(&sandbox, &text);
        let input = r#"{"op":"état"}"#;
        assert_eq!(ask(&*module, &limits(), input), Some(Ok(input.to_owned())), "{encoding}");
        assert_eq!(run(&*module, &limits(), input).kind(), "trap", "{encoding}: execute is another function");
    }
}

#[test]
fn a_query_has_limits_of_its_own_run() {
    let sandbox = sandbox();
    for (encoding, text) in both(r#"(func (export "query") TYPE (loop $again (br $again)) unreachable)"#) {
        let module = compile_wat(&sandbox, &text);
        for _ in 0..10 {
            let failure = ask(&*module, &limits(), "null").unwrap().unwrap_err();
            assert_eq!(failure.kind, "out-of-fuel", "{encoding}");
        }
    }
    for (encoding, text) in both(
        r#"(func (export "query") TYPE
          (if (i32.eq (i32.const -1) (memory.grow (i32.const 1000))) (then unreachable)) unreachable)"#,
    ) {
        let failure = ask(&*compile_wat(&sandbox, &text), &limits(), "null").unwrap().unwrap_err();
        assert_eq!(failure.kind, "memory-limit", "{encoding}");
    }
}

#[test]
fn modules_without_the_export_answer_none() {
    let sandbox = sandbox();
    for guest in ["counter-actor.wasm", "echo.wasm", "echo-rust.wasm", "greeter.wasm", "probe.wasm"] {
        assert_eq!(ask(&*compile(&sandbox, &prebuilt(guest)), &limits(), "null"), None, "{guest}");
    }
}

/// A module of before there were queries may have a function of this name. It goes on to run.
#[test]
fn an_export_of_another_type_fails_queries_only() {
    let sandbox = sandbox();
    for other in [r#"(func (export "query"))"#, r#"(global (export "query") i32 (i32.const 0))"#] {
        let execute = r#"(func (export "execute") (param i32 i32) (result i64) (i64.const 4))"#;
        let module = compile_wat(&sandbox, &bytes_guest("", &format!("{execute} {other}")));
        assert_eq!(run(&*module, &limits(), "null").end, Ok("null".to_owned()), "{other}");
        let failure = ask(&*module, &limits(), "null").unwrap().unwrap_err();
        assert_eq!(failure.kind, "invalid-signature", "{other}");
    }
}

#[test]
fn guests_of_both_sdks_answer_queries() {
    let sandbox = sandbox();
    for guest in ["tally.wasm", "tally-rust.wasm"] {
        let module = compile(&sandbox, &prebuilt(guest));
        let mut query = module.start_query(&limits(), "null").unwrap().expect("it answers queries");
        let mut answer: Option<&str> = None;
        let output = loop {
            match query.resume(answer.take()).unwrap() {
                Progress::Called(request) if request == r#"{"op":"state.get"}"# => answer = Some(r#"{"ok":7}"#),
                Progress::Called(request) => {
                    assert_eq!(request, r#"{"op":"context"}"#, "{guest}");
                    answer = Some(
                        r#"{"ok":{"namespace":"default","type":"tally","key":"a","message_id":"","sender":null,"deployment":"bafy","turn":2}}"#,
                    );
                }
                Progress::Yielded => {}
                Progress::Returned(output) => break output,
                Progress::Failed(failure) => panic!("{guest}: {failure}"),
            }
        };
        assert_eq!(output, r#"{"sum":7,"turns":2}"#, "{guest}");
    }
}
