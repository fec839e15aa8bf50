//! Instance slots: there are so many, and every guest gives its own back.

use loom_machine::{Guest, GuestLimits, HostFault, Module, Progress};
use loom_wasmtime::{Settings, WasmtimeSandbox};

use crate::support::{
    CALL_BYTES, busy, bytes_guest, compile, compile_wat, prebuilt, relay_assemblyscript, relay_bytes, run, settings,
};

fn sandbox(instances_max: u32, slice_fuel: u64) -> WasmtimeSandbox {
    WasmtimeSandbox::new(Settings { instances_max, slice_fuel, ..settings() }).unwrap()
}

fn start(module: &dyn Module) -> Result<(Box<dyn Guest>, Progress), HostFault> {
    let mut guest = module.start(&GuestLimits::default(), "[1]")?;
    let progress = guest.resume(None)?;
    Ok((guest, progress))
}

#[track_caller]
fn assert_full(module: &dyn Module, instances_max: u64) {
    match start(module).map(|(_, progress)| progress) {
        Err(HostFault::PoolFull { setting, limit }) => {
            assert_eq!((setting, limit), ("sandbox.instances_max", instances_max));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_full_pool_is_a_fault_of_the_host() {
    let sandbox = sandbox(3, 5_000_000);
    let echo = compile(&sandbox, &prebuilt("echo.wasm"));
    for relay in [relay_bytes(), relay_assemblyscript()] {
        let relay = compile_wat(&sandbox, &relay);
        let mut waiting: Vec<_> = (0..3).map(|_| start(&*relay).unwrap()).collect();
        assert_full(&*relay, 3);
        assert_full(&*echo, 3);

        // Answers need room on another stack, and have it.
        for (guest, progress) in &mut waiting {
            assert_eq!(*progress, Progress::Called("[1]".into()));
            assert_eq!(guest.resume(Some("[2]")).unwrap(), Progress::Called("[2]".into()));
        }
        assert_full(&*relay, 3);

        // One that ends and one that is dropped each make room for another.
        let (mut guest, _) = waiting.pop().unwrap();
        assert_eq!(guest.resume(Some("[3]")).unwrap(), Progress::Returned("null".into()));
        let (replacement, _) = start(&*relay).unwrap();
        assert_full(&*echo, 3);
        drop(replacement);
        assert_eq!(run(&*echo, &GuestLimits::default(), "1").end, Ok("1".into()));
        drop(waiting);
    }
}

#[test]
fn two_thousand_waiting_guests_are_dropped_and_leave_nothing() {
    let sandbox = sandbox(2000, 5_000_000);
    let relay = compile_wat(&sandbox, &relay_bytes());
    for _ in 0..2 {
        let waiting: Vec<_> = (0..2000).map(|_| start(&*relay).unwrap()).collect();
        assert_full(&*relay, 2000);
        drop(waiting);
    }
}

#[test]
fn two_thousand_guests_dropped_half_way_leave_nothing() {
    let sandbox = sandbox(1, 100);
    let pure = compile_wat(&sandbox, &busy());
    let relay = compile_wat(&sandbox, &relay_assemblyscript());
    let loops_for_answers = r#"
        (func (export "execute") (param i32 i32) (result i64) (call $call (i32.const 0) (i32.const 4)))"#;
    let nested = bytes_guest(CALL_BYTES, loops_for_answers).replacen(
        "(br_if $fits",
        "(loop $l (br_if $l (i32.gt_u (global.get $free) (i32.const 5000)))) (br_if $fits",
        1,
    );
    let nested = compile_wat(&sandbox, &nested);
    for round in 0..2000 {
        // Some while they compute, some while they wait for an answer, some while they make room for one.
        let module = [&pure, &relay, &nested][round % 3];
        let (mut guest, mut progress) = start(&**module).unwrap();
        for _ in 0..1 + round % 50 {
            progress = match progress {
                Progress::Yielded => guest.resume(None).unwrap(),
                Progress::Called(_) if round % 3 == 1 && round % 2 == 0 => break,
                Progress::Called(_) => guest.resume(Some(&"1".repeat(2000))).unwrap(),
                Progress::Returned(_) | Progress::Failed(_) => break,
            };
        }
        drop(guest);
    }
    let echo = compile(&sandbox, &prebuilt("echo.wasm"));
    assert_eq!(run(&*echo, &GuestLimits::default(), "1").end, Ok("1".into()));
}

#[test]
fn a_guest_is_answered_only_when_it_asks() {
    let sandbox = sandbox(2, 100);
    let relay = compile_wat(&sandbox, &relay_bytes());
    let misused = |guest: &mut dyn Guest, answer| matches!(guest.resume(answer), Err(HostFault::Host(_)));
    let mut guest = relay.start(&GuestLimits::default(), "[1]").unwrap();
    assert!(misused(&mut *guest, Some("1")));
    let (mut guest, _) = start(&*relay).unwrap();
    assert!(misused(&mut *guest, None));
    let pure = compile_wat(&sandbox, &busy());
    let (mut guest, progress) = start(&*pure).unwrap();
    assert_eq!(progress, Progress::Yielded);
    assert!(misused(&mut *guest, Some("1")));
    let mut guest = compile(&sandbox, &prebuilt("echo.wasm")).start(&GuestLimits::default(), "1").unwrap();
    while guest.resume(None).unwrap() == Progress::Yielded {}
    assert!(misused(&mut *guest, None));
}

#[test]
fn fuel_so_far_is_known_while_a_guest_waits() {
    let relay = compile_wat(&sandbox(1, 100), &relay_bytes());
    let (mut guest, _) = start(&*relay).unwrap();
    let first = guest.fuel_used();
    guest.resume(Some("[2]")).unwrap();
    let second = guest.fuel_used();
    guest.resume(Some("[3]")).unwrap();
    let end = guest.fuel_used();
    assert!(0 < first && first < second && second < end, "{first} {second} {end}");
}
