//! Real proofs, by real processes that are killed. A segment takes about ten seconds on two processors.
#![cfg(feature = "local")]
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::{path::Path, sync::Mutex};

use loom_programs::{batch, dti, registry, stdin};
use loom_prover::{Event, Job, Jobs, Limits, ProcessError, Program, Refused, Stop, Task, WorkerCommand, execute};
use loom_risc0_verify::verify;
use loom_types::{Payload, SALT_BYTES};

const SECRET: [u8; 32] = [7; 32];

fn program(name: &str) -> Program {
    let build = registry::named(name).unwrap();
    let program = Program::read(build.binary().into()).unwrap();
    assert_eq!(program.image_id().0, build.image_id.0, "{name} is what is recorded");
    program
}

fn case(number: u8) -> Payload {
    let input = dti::Input { income_cents: 1_000_000, debt_cents: 10_000 * u64::from(number), limit_bps: 4300 };
    Payload::salted(dti::MEDIA_TYPE, &input.encode().unwrap(), [number; SALT_BYTES])
}

fn task(program: &Program, payload: &Payload) -> Task {
    let input = stdin(payload.block(), &[]).into();
    Task { image_id: program.image_id(), program: program.binary().clone(), input, cycles_max: None }
}

fn worker(po2: u32) -> WorkerCommand {
    let words = vec![env!("CARGO_BIN_EXE_loom-prover-worker").into(), po2.to_string().into()];
    WorkerCommand { words, threads: None }
}

fn files(job: &Job) -> Vec<(String, Vec<u8>)> {
    let files = std::fs::read_dir(job.folder()).unwrap().map(|file| file.unwrap().path());
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    let mut files: Vec<_> = files.map(|path| (name(&path), std::fs::read(&path).unwrap())).collect();
    files.sort();
    files
}

#[test]
fn a_killed_prover_goes_on_with_the_next_segment_and_two_prove_once() {
    let folder = tempfile::tempdir().unwrap();
    let jobs = Jobs::open(folder.path()).unwrap();
    let program = program("batch");
    let cases: Vec<Payload> = (1..=50).map(case).collect();
    let blocks: Vec<_> = cases.iter().map(Payload::block).collect();
    let set = Payload::salted(batch::MEDIA_TYPE, &batch::value(&blocks).unwrap(), [9; SALT_BYTES]);
    let task = task(&program, &set);
    let job = jobs.job(&task, &SECRET).unwrap();

    // Killed as soon as the first segment is stored.
    let (stop, mut planned) = (Stop::default(), 0);
    let killed = worker(15).run(&job, program.image_id(), &stop, |event| match event {
        Event::Planned { cost } => planned = cost.segment_po2.len(),
        Event::Segment { index, is_found } => {
            assert_eq!((*index, *is_found), (0, false));
            stop.stop();
        }
        _ => {}
    });
    assert!(matches!(killed, Err(ProcessError::Stopped)), "{killed:?}");
    assert_eq!(planned, 2, "few, for each is seconds of work");
    assert_eq!(job.segments().unwrap(), 1);
    let stored = files(&job).into_iter().find(|(name, _)| name == "segment-00000.seal").unwrap();

    // Two at once, under another secret, which the job does not take: it has its own.
    let events = Mutex::new(Vec::new());
    let go_on = || {
        let job = jobs.job(&task, &[8; 32]).unwrap();
        let hear = |event: &Event| {
            if matches!(event, Event::Planned { .. }) {
                assert!(files(&job).contains(&stored), "the first seal is the one that was there");
            }
            events.lock().unwrap().push(event.clone());
        };
        worker(15).run(&job, program.image_id(), &Stop::default(), hear).unwrap()
    };
    let (one, other) = std::thread::scope(|scope| {
        let (one, other) = (scope.spawn(go_on), scope.spawn(go_on));
        (one.join().unwrap(), other.join().unwrap())
    });
    assert_eq!(one, other);
    let events = events.into_inner().unwrap();
    let proved = |found: bool| {
        events.iter().filter(|event| matches!(event, Event::Segment { is_found, .. } if *is_found == found)).count()
    };
    assert_eq!((proved(true), proved(false)), (1, planned - 1), "each was proved once: {events:?}");

    // What is proved, and that nothing private is left.
    let verified = verify(&one, program.image_id()).unwrap();
    let output = batch::Output::decode(&verified.journal).unwrap();
    let outputs: Vec<_> = blocks.iter().map(|block| dti::Output::of(block).unwrap()).collect();
    let tree = batch::Tree::new(&outputs).unwrap();
    assert_eq!((output.root, output.cases, output.within_limit), (tree.root(), 50, 43));
    assert_eq!(output.payload_sha256.0, *set.cid().digest());
    tree.path(41).unwrap().verify(&outputs[41], &output).unwrap();
    let left: Vec<_> = files(&job).into_iter().map(|(name, _)| name).collect();
    assert_eq!(left, ["effort.json", "lock", "receipt.borsh"]);
    let effort = jobs.effort(&one).unwrap().expect("it was made here");
    assert_eq!(effort.cost.segment_po2.len(), planned);

    // Long after, the same task: nothing is run.
    let again = worker(15).run(&jobs.job(&task, &SECRET).unwrap(), program.image_id(), &Stop::default(), |event| {
        assert!(matches!(event, Event::Done { .. }), "{event:?}");
    });
    assert_eq!(again.unwrap(), one);
}

#[test]
fn an_input_that_the_program_refuses_is_no_fault_of_the_host() {
    let folder = tempfile::tempdir().unwrap();
    let program = program("dti");
    // One basis point too few.
    let mut value = dti::Input { income_cents: 100, debt_cents: 43, limit_bps: 4300 }.encode().unwrap();
    value[18..20].copy_from_slice(&4299u16.to_le_bytes());
    let wrong = task(&program, &Payload::salted(dti::MEDIA_TYPE, &value, [1; SALT_BYTES]));
    let job = Jobs::open(folder.path()).unwrap().job(&wrong, &SECRET).unwrap();
    let refused = worker(14).run(&job, program.image_id(), &Stop::default(), |_| {});
    assert!(matches!(refused, Err(ProcessError::Refused(Refused::Input { .. }))), "{refused:?}");
}

#[test]
fn one_ratio_is_one_small_segment() {
    let (program, case) = (program("dti"), case(44));
    let execution = execute(&program, &task(&program, &case).input, &SECRET, &Limits::default()).unwrap();
    assert_eq!(execution.cost.segment_po2, [14], "{:?}", execution.cost);
    let output = dti::Output::decode(&execution.journal).unwrap();
    assert_eq!(Some(&output), dti::Output::of(case.block()).as_ref());
    assert_eq!((output.dti_bps, output.within_limit), (4400, false));
    let short = Limits { cycles_max: 100, ..Limits::default() };
    let refused = execute(&program, &task(&program, &case).input, &SECRET, &short).unwrap_err();
    assert_eq!(refused.to_string(), "the run takes more than 100 cycles, the setting prover.cycles_max");
    let small = Limits { memory_mib: 100, ..Limits::default() };
    let refused = execute(&program, &task(&program, &case).input, &SECRET, &small).unwrap_err();
    assert!(refused.to_string().contains("162 MiB"), "{refused}");
}
