//! `loom prove`.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use indicatif::{ProgressBar, ProgressStyle};
use loom_machine::InputSalts as _;
use loom_programs::{
    InvalidInput,
    batch::{Case, Tree},
    dti, stdin,
};
use loom_prover::{Cost, Event, Job, Limits, ProcessError, Program, Stop, Task, Used, WorkerCommand};
use loom_risc0_verify::{ImageId, verify};
use loom_runtime::{OsSalts, causes};
use loom_types::{Payload, SaltSource as _, limits::PAYLOAD_BYTES_MAX};
use serde_json::{Value, json};

use crate::{
    CliError,
    arguments::Prove,
    output::{self, grouped, hex},
    programs, proving,
    settings::ProverSettings,
};

/// Exit code for a program that refuses its input.
pub(super) const REFUSED: u8 = 3;
/// Exit code for what cannot be read.
const UNREADABLE: u8 = 2;

/// What was asked to be proved.
struct Asked {
    /// As it was named.
    name: String,
    /// If it is one of Loom's.
    known: Option<loom_programs::Program>,
    program: Program,
    /// The private input.
    input: Payload,
    public: Vec<u8>,
    /// The payload blocks of a batch's cases.
    cases: Vec<Bytes>,
}

pub(super) async fn prove(arguments: Prove) -> Result<(), CliError> {
    if !proving::IS_BUILT_IN {
        return Err(proving::no_prover());
    }
    let asked = read(&arguments)?;
    let limits = Limits::from(arguments.limits);
    let task = Task {
        image_id: asked.program.image_id(),
        program: asked.program.binary().clone(),
        input: stdin(asked.input.block(), &asked.public).into(),
        cycles_max: None,
    };
    let mut secret = [0; 32];
    OsSalts::default().fill(&mut secret);
    if arguments.dry_run {
        return dry_run(&asked, &task, &secret, &limits, arguments.json);
    }
    let job = proving::jobs(&arguments.data)?.job(&task, &secret);
    let job = job.map_err(|error| CliError::new("data-folder", causes(&error)))?;
    let command = proving::worker(&limits)?;
    let made = make(&job, asked.program.image_id(), command, arguments.json, tokio::signal::ctrl_c()).await;
    let made = made.map_err(|error| not_proved(&error))?;
    let out = arguments.out.clone().unwrap_or_else(|| PathBuf::from(format!("{}.receipt", asked.name)));
    std::fs::write(&out, &made.receipt).map_err(|error| CliError::file(&out, error))?;
    if !asked.cases.is_empty() {
        write_cases(&asked.cases, &cases_file(&out))?;
    }
    report(&asked, &made, &out, arguments.json)
}

fn cases_file(receipt: &Path) -> PathBuf {
    receipt.with_added_extension("cases.jsonl")
}

/// What whoever has one case needs to see it in the receipt of all: one line each, in their order.
fn write_cases(cases: &[Bytes], path: &Path) -> Result<(), CliError> {
    let outputs = cases.iter().map(|case| dti::Output::of(case)).collect::<Option<Vec<_>>>();
    let (outputs, tree) = outputs
        .and_then(|outputs| Tree::new(&outputs).map(|tree| (outputs, tree)))
        .expect("they were sealed here, and the program took them");
    let mut lines = String::new();
    for (index, output) in (0..).zip(outputs) {
        let case = Case { output, path: tree.path(index).expect("it is in the tree") };
        lines.push_str(&serde_json::to_string(&case).expect("our own types serialise"));
        lines.push('\n');
    }
    std::fs::write(path, lines).map_err(|error| CliError::file(path, error))
}

/// A receipt, and how it came about.
pub(super) struct Made {
    receipt: Vec<u8>,
    /// None if it was there already.
    cost: Option<Cost>,
    found: usize,
    seconds: f64,
    used: Used,
}

impl Made {
    /// What it took, for people.
    pub(super) fn effort(&self) -> String {
        let Some(cost) = &self.cost else { return "none, it was made before".to_owned() };
        let Made { found, seconds, used, .. } = self;
        let segments = cost.segment_po2.len();
        let kept = if *found > 0 { format!(", {found} of them made before") } else { String::new() };
        let cpu = used.cpu_ms.map_or_else(String::new, |ms| format!(", {:.1} CPU-s", ms as f64 / 1000.0));
        let memory = used.memory_mib.map_or_else(String::new, |mib| format!(", {} MiB", grouped(mib)));
        format!("{segments} segment(s){kept}, {seconds:.1} s{cpu}{memory}")
    }
}

/// Has a process make the job's receipt, until the interruption comes.
#[expect(clippy::disallowed_methods, reason = "how long a proof takes is for people")]
pub(super) async fn make(
    job: &Job,
    image_id: ImageId,
    command: WorkerCommand,
    quiet: bool,
    interruption: impl Future<Output = std::io::Result<()>>,
) -> Result<Made, ProcessError> {
    let (start, stop) = (std::time::Instant::now(), Stop::default());
    let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
    bar.set_message("running the program");
    bar.enable_steady_tick(std::time::Duration::from_millis(100));
    let (work, stopped) = (job.clone(), stop.clone());
    let working = tokio::task::spawn_blocking(move || {
        let (mut cost, mut found, mut used) = (None, 0, Used::default());
        let receipt = command.run(&work, image_id, &stopped, |event| match event {
            Event::Planned { cost: planned } => {
                follow(&bar, planned);
                cost = Some(planned.clone());
            }
            Event::Segment { is_found, .. } => {
                found += usize::from(*is_found);
                bar.inc(1);
            }
            Event::Retried { index, detail } => bar.println(format!("segment {index} is tried again: {detail}")),
            Event::Done { used: by } => used = *by,
            Event::Refused { .. } | Event::Busy | Event::Failed { .. } => {}
        });
        bar.finish_and_clear();
        (receipt, cost, found, used)
    });
    let interrupted = async {
        // Without signals there is nothing to wait for.
        if interruption.await.is_err() {
            std::future::pending::<()>().await;
        }
        stop.stop();
        std::future::pending::<()>().await;
    };
    let (receipt, cost, found, used) = tokio::select! {
        worked = working => worked.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())),
        () = interrupted => unreachable!("it is pending"),
    };
    Ok(Made { receipt: receipt?, cost, found, seconds: start.elapsed().as_secs_f64(), used })
}

fn follow(bar: &ProgressBar, cost: &Cost) {
    bar.set_length(cost.segment_po2.len() as u64);
    let style = ProgressStyle::with_template("proving {bar:40} segment {pos} of {len}  {elapsed}  {msg}");
    bar.set_style(style.expect("a template of our own"));
    bar.set_message(format!("about {:.0} s of processor time in all", cost.cpu_seconds()));
}

fn report(asked: &Asked, made: &Made, out: &Path, as_json: bool) -> Result<(), CliError> {
    let image_id = asked.program.image_id();
    let verified = verify(&made.receipt, image_id).map_err(|error| CliError::new("not-proved", error))?;
    let Made { receipt, cost, found, seconds, used } = made;
    if as_json {
        output::print_json(&json!({
            "program": asked.name, "image_id": image_id.to_string(), "input": asked.input.cid().to_string(),
            "public_output": hex(&verified.journal), "says": says(asked, &verified.journal),
            "receipt": out.display().to_string(), "receipt_bytes": receipt.len(), "kind": verified.kind.name(),
            "cost": cost, "segments_found": found, "seconds": seconds, "cpu_ms": used.cpu_ms,
            "memory_mib": used.memory_mib,
        }));
        return Ok(());
    }
    output::outln!("proved: {} ran to its end", asked.name);
    described(asked, &verified.journal);
    output::outln!("  receipt  {}, {} bytes, {}", out.display(), grouped(receipt.len() as u64), verified.kind.name());
    if !asked.cases.is_empty() {
        let cases = asked.cases.len() as u64;
        output::outln!("  cases    {}, a line for each of {}", cases_file(out).display(), grouped(cases));
    }
    output::outln!("  effort   {}", made.effort());
    output::outln!("check it: loom receipt verify {} --image-id {image_id}", out.display());
    Ok(())
}

fn described(asked: &Asked, journal: &[u8]) {
    output::outln!("  program  {}", asked.program.image_id());
    output::outln!("  input    {} (private)", asked.input.cid());
    match says(asked, journal) {
        Some(says) => output::outln!("  output   {says}"),
        None => output::outln!("  output   {} (hex)", hex(journal)),
    }
}

/// What the output of a program of Loom's means.
fn says(asked: &Asked, journal: &[u8]) -> Option<Value> {
    let output = asked.known?.decode(journal).ok()?;
    serde_json::to_value(output).ok()
}

#[cfg(feature = "prover")]
fn dry_run(asked: &Asked, task: &Task, secret: &[u8; 32], limits: &Limits, as_json: bool) -> Result<(), CliError> {
    let execution = loom_prover::execute(&asked.program, &task.input, secret, limits).map_err(|error| match error {
        loom_prover::WorkError::Refused(refused) => not_proved(&refused.into()),
        error => CliError::new("not-proved", causes(&error)),
    })?;
    let cost = &execution.cost;
    let memory = cost.memory_mib(limits.segments_at_once);
    if as_json {
        output::print_json(&json!({
            "program": asked.name, "image_id": asked.program.image_id().to_string(),
            "input": asked.input.cid().to_string(), "public_output": hex(&execution.journal),
            "says": says(asked, &execution.journal), "cost": cost,
            "cpu_seconds_about": cost.cpu_seconds(), "memory_mib_about": memory,
        }));
        return Ok(());
    }
    output::outln!("{} ran to its end; nothing is proved", asked.name);
    described(asked, &execution.journal);
    output::outln!(
        "  cycles   {} of the program, {} for the memory that it touches",
        grouped(cost.user_cycles),
        grouped(cost.paging_cycles)
    );
    let sizes: Vec<String> = cost.segment_po2.iter().map(|po2| format!("2^{po2}")).collect();
    output::outln!("  segments {}", sizes.join(" + "));
    output::outln!(
        "  a proof  about {:.0} s of processor time and {} MiB; other machines differ",
        cost.cpu_seconds(),
        grouped(memory)
    );
    Ok(())
}

#[cfg(not(feature = "prover"))]
fn dry_run(_: &Asked, _: &Task, _: &[u8; 32], _: &Limits, _: bool) -> Result<(), CliError> {
    Err(proving::no_prover())
}

fn not_proved(error: &ProcessError) -> CliError {
    match error {
        ProcessError::Refused(_) => CliError::new("input-refused", causes(error)).exit(REFUSED),
        ProcessError::Stopped => {
            CliError::new("not-proved", "stopped; what was proved is kept").hint("the same command goes on from there")
        }
        _ => CliError::new("not-proved", causes(error)),
    }
}

fn read(arguments: &Prove) -> Result<Asked, CliError> {
    // As a node with this data folder would: what one of both has proved, the other need not prove.
    let settings = ProverSettings { limits: arguments.limits.into(), ..ProverSettings::default() };
    let proving = proving::open(&arguments.data, &settings)?.ok_or_else(proving::no_prover)?;
    let bytes = read_input(&arguments.input)?;
    let public = arguments.public.as_deref().map(read_input).transpose()?.unwrap_or_default();
    let seal = |program: &Program, media_type: &str, value: &[u8]| {
        let salt = proving.salt(loom_machine::ImageId(program.image_id().0), media_type, value);
        Payload::salted(media_type, value, salt)
    };
    let Some(known) = programs::Known::named(&arguments.program) else {
        let path = Path::new(&arguments.program);
        let program = Program::read(read_program(path)?.into()).map_err(|error| unreadable(path, &error))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let input = seal(&program, &arguments.media_type, &bytes);
        return Ok(Asked { name, known: None, program, input, public, cases: Vec::new() });
    };
    let program = known.program();
    if !public.is_empty() && !known.kind.takes_public_input() {
        return Err(
            CliError::new("input-invalid", format!("{} reads no public input", known.kind.name())).exit(UNREADABLE)
        );
    }
    let json: Value = serde_json::from_slice(&bytes).map_err(|error| invalid(&arguments.input, &error))?;
    let mut cases = Vec::new();
    let value = match (known.kind, &json) {
        (loom_programs::Program::Batch, Value::Array(list)) => {
            let dti = programs::Known::named("dti").expect("it comes with the others").program();
            for (index, case) in list.iter().enumerate() {
                let of_case =
                    |error: InvalidInput| invalid(&arguments.input, &format!("case {index}: {}", causes(&error)));
                let value = loom_programs::Program::Dti.encode(case).map_err(of_case)?;
                cases.push(seal(&dti, loom_programs::dti::MEDIA_TYPE, &value).block().clone());
            }
            loom_programs::batch::value(&cases)
        }
        (kind, json) => kind.encode(json),
    };
    let value = value.map_err(|error| invalid(&arguments.input, &causes(&error)))?;
    let input = seal(&program, known.kind.media_type(), &value);
    Ok(Asked { name: known.kind.name().to_owned(), known: Some(known.kind), program, input, public, cases })
}

fn invalid(path: &Path, problem: &dyn std::fmt::Display) -> CliError {
    CliError::new("input-invalid", format!("{}: {problem}", path.display()))
        .hint("`loom prove --help` has the inputs of the programs that come with Loom")
        .exit(UNREADABLE)
}

fn read_program(path: &Path) -> Result<Vec<u8>, CliError> {
    std::fs::read(path).map_err(|error| {
        let names = loom_programs::Program::ALL.map(loom_programs::Program::name).join(", ");
        let what = format!("{} is neither a program of Loom's ({names}) nor a file: {error}", path.display());
        CliError::new("unreadable", what).exit(UNREADABLE)
    })
}

/// Reads a file, or standard input for `-`.
fn read_input(path: &Path) -> Result<Vec<u8>, CliError> {
    let mut bytes = Vec::new();
    let most = PAYLOAD_BYTES_MAX as u64;
    let read = match path == Path::new("-") {
        true => std::io::stdin().take(most + 1).read_to_end(&mut bytes),
        false => std::fs::File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes)),
    };
    read.map_err(|error| unreadable(path, &error))?;
    match bytes.len() as u64 > most {
        true => Err(unreadable(path, &format!("more than {most} bytes"))),
        false => Ok(bytes),
    }
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> CliError {
    CliError::new("unreadable", format!("{}: {error}", path.display())).exit(UNREADABLE)
}
