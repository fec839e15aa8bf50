//! Measuring this machine. Figures are only worth what ran beside them: every report names machine and load.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use loom_machine::{ActivitySpec, ActorSpec, Deployment, GuestLimits};
use loom_risc0_verify::{ImageId, verify};
use loom_runtime::{Handle, SendOptions, Settled};
use loom_tlsnotary::{NotaryKey, Policy, Roots, TimeWindow};
use loom_types::{ActorAddress, Cid, Codec, Namespace};
use serde_json::json;

use crate::{
    CliError, Node, NodeSettings,
    arguments::Bench,
    output::{self, grouped},
};

/// As much of an input or output as is shown.
const SHOWN_CHARS_MAX: usize = 200;

const COUNTER: &[u8] = include_bytes!("../../../../guests/prebuilt/counter-actor.wasm");
const STEPS: &[u8] = include_bytes!("../../../../guests/prebuilt/steps-rust.wasm");
const STEP: &[u8] = include_bytes!("../../../../guests/prebuilt/step-rust.wasm");

pub(super) async fn bench(command: Bench) -> Result<(), CliError> {
    match command {
        Bench::Activity { module, input, seconds, json } => activity(module, input, seconds, json).await,
        Bench::Receipt { file, image_id, rounds, json } => receipt(&file, image_id, rounds, json),
        Bench::Presentation { file, notary_key, root, rounds, json } => {
            let (keys, roots) = (super::tlsn::notary_keys(&[notary_key])?, super::tlsn::roots(&root)?);
            presentation(&file, &keys, &roots, rounds, json)
        }
        Bench::Steps { clients, seconds, data, json } => steps(clients, seconds, data, json).await,
    }
}

fn failed(error: impl std::fmt::Display) -> CliError {
    CliError::new("bench", error)
}

fn scratch() -> Result<tempfile::TempDir, CliError> {
    tempfile::Builder::new().prefix("loom-bench-").tempdir().map_err(failed)
}

/// The kernel's load averages, for the report.
fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

fn receipt(file: &Path, image_id: ImageId, rounds: u32, as_json: bool) -> Result<(), CliError> {
    let bytes = std::fs::read(file).map_err(|error| CliError::file(file, error))?;
    let kind = verify(&bytes, image_id).map_err(failed)?.kind.name();
    verification(kind, bytes.len(), rounds, as_json, || verify(&bytes, image_id).map(drop).map_err(failed))
}

fn presentation(file: &Path, keys: &[NotaryKey], roots: &Roots, rounds: u32, as_json: bool) -> Result<(), CliError> {
    let bytes = std::fs::read(file).map_err(|error| CliError::file(file, error))?;
    let policy = Policy { notary_keys: keys, roots, server_names: &[], time: TimeWindow::ANY };
    let check = || loom_tlsnotary::verify(&bytes, &policy).map(drop).map_err(failed);
    verification("presentation", bytes.len(), rounds, as_json, check)
}

/// Times one verification after the other.
#[expect(clippy::disallowed_methods, reason = "it measures")]
fn verification(
    kind: &str,
    bytes: usize,
    rounds: u32,
    as_json: bool,
    check: impl Fn() -> Result<(), CliError>,
) -> Result<(), CliError> {
    let mut times = Vec::new();
    for _ in 0..rounds {
        let start = Instant::now();
        check()?;
        times.push(start.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    let (best, median, worst) = (times[0], times[times.len() / 2], times[times.len() - 1]);
    if as_json {
        output::print_json(&json!({
            "kind": kind, "bytes": bytes, "rounds": rounds, "best_ms": best, "median_ms": median,
            "worst_ms": worst, "load_average": load_average(),
        }));
        return Ok(());
    }
    output::outln!(
        "{kind}, {} bytes: median {median:.2} ms, best {best:.2}, worst {worst:.2}; {rounds} rounds, load average {}",
        grouped(bytes as u64),
        load_average()
    );
    Ok(())
}

async fn activity(module: Option<PathBuf>, input: String, seconds: u64, json: bool) -> Result<(), CliError> {
    let bytes = match &module {
        Some(path) => std::fs::read(path).map_err(|error| CliError::file(path, error))?,
        None => COUNTER.to_vec(),
    };
    let folder = scratch()?;
    let settings = NodeSettings::new(folder.path());
    let bare = loom_wasmtime::Bare::new(&settings.sandbox, &bytes).map_err(failed)?;
    let node = Node::start(settings).await?;
    let handle = node.handle();
    let cid = handle.put_blob(bytes.clone().into()).await.map_err(failed)?;
    let spec = ActivitySpec::pure(cid, GuestLimits::default());
    let deployment =
        Deployment::new("bench", BTreeMap::new(), [("activity".to_owned(), spec)].into()).map_err(failed)?;
    handle.deploy(&Namespace::default(), deployment.clone()).await.map_err(failed)?;
    let duration = Duration::from_secs(seconds.max(1));
    let output = handle.try_activity(&deployment, "activity", &input).map_err(failed)?.map_err(failed)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime_call = || {
        let called = handle.try_activity(&deployment, "activity", &input);
        assert!(matches!(called, Ok(Ok(_))), "it worked a moment ago");
    };
    let bare_call = || assert!(bare.call(&input).is_ok(), "it worked a moment ago");
    let one = rate(1, duration, &runtime_call);
    // Bare Wasmtime is called as AssemblyScript's modules are; others have no such figure.
    let limit = bare.call(&input).is_ok().then(|| rate(1, duration, &bare_call));
    let all = rate(cores, duration, &runtime_call);
    node.shutdown().await;
    if json {
        let report = json!({
            "module_bytes": bytes.len(), "calls_per_second_per_core": one, "bare_wasmtime_per_core": limit,
            "calls_per_second": all, "cores": cores, "load_average": load_average(),
        });
        output::outln!("{report}");
        return Ok(());
    }
    let [input, output] = [&input, &output].map(|text| output::shortened(text, SHOWN_CHARS_MAX));
    output::outln!("fresh-instance calls of a {}-byte module: {input} -> {output}", grouped(bytes.len() as u64));
    output::outln!(
        "  {:>12} calls/s on one core through the runtime, fuel and limits on ({:.2} µs)",
        grouped(one as u64),
        1e6 / one
    );
    if let Some(limit) = limit {
        output::outln!(
            "  {:>12} calls/s on one core, bare Wasmtime with the same pool ({:.2} µs)",
            grouped(limit as u64),
            1e6 / limit
        );
    }
    output::outln!("  {:>12} calls/s on {cores} cores through the runtime", grouped(all as u64));
    output::outln!("  load average {}", load_average());
    Ok(())
}

/// Calls per second of `call` on so many threads.
#[expect(clippy::disallowed_methods, reason = "this measures")]
fn rate(threads: usize, duration: Duration, call: &(impl Fn() + Sync)) -> f64 {
    let (stop, calls) = (AtomicBool::new(false), AtomicU64::new(0));
    let warm_up = Instant::now();
    while warm_up.elapsed() < duration / 10 {
        call();
    }
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut mine = 0;
                while !stop.load(Ordering::Relaxed) {
                    for _ in 0..100 {
                        call();
                    }
                    mine += 100;
                }
                calls.fetch_add(mine, Ordering::Relaxed);
            });
        }
        while start.elapsed() < duration {
            std::thread::park_timeout(duration.saturating_sub(start.elapsed()));
        }
        stop.store(true, Ordering::Relaxed);
    });
    calls.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64()
}

/// One run of load A-pure.
#[derive(serde::Serialize)]
struct StepsRun {
    clients: usize,
    workflows: u64,
    seconds: f64,
    workflows_per_second: f64,
    steps_per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    cpu_ms_per_step: f64,
}

async fn steps(clients: Vec<usize>, seconds: u64, data: Option<PathBuf>, json: bool) -> Result<(), CliError> {
    let folder = scratch()?;
    let node = Node::start(NodeSettings::new(data.as_deref().unwrap_or_else(|| folder.path()))).await?;
    let handle = node.handle();
    let module = async |bytes: &'static [u8]| -> Result<Cid, CliError> {
        handle.put_blob(bytes.into()).await.map_err(failed)?;
        Ok(Cid::of(Codec::Raw, bytes))
    };
    let limits = GuestLimits::default();
    let actor = ActorSpec::new(module(STEPS).await?, limits);
    let step = ActivitySpec::pure(module(STEP).await?, limits);
    let deployment = Deployment::new("bench", [("steps".to_owned(), actor)].into(), [("step".to_owned(), step)].into())
        .map_err(failed)?;
    handle.deploy(&Namespace::default(), deployment).await.map_err(failed)?;
    let run_id = Arc::new(AtomicU64::new(0));
    run_steps(&handle, 16, Duration::from_secs(1), &run_id).await?;
    let mut runs = Vec::new();
    for count in clients {
        runs.push(run_steps(&handle, count.max(1), Duration::from_secs(seconds.max(1)), &run_id).await?);
    }
    node.shutdown().await;
    if json {
        output::outln!("{}", json!({ "load": "A-pure", "runs": runs, "load_average": load_average() }));
        return Ok(());
    }
    output::outln!(
        "A-pure: workflows of ten pure activities; one commit each, acknowledged when durable (in-process clients)"
    );
    for run in runs {
        output::outln!(
            "  {:>4} clients  {:>8} steps/s  {:>7} workflows/s  p50 {:>7.2} ms  p99 {:>7.2} ms  {:.3} CPU-ms/step",
            run.clients,
            grouped(run.steps_per_second as u64),
            grouped(run.workflows_per_second as u64),
            run.p50_ms,
            run.p99_ms,
            run.cpu_ms_per_step
        );
    }
    output::outln!("  load average {}", load_average());
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "this measures")]
async fn run_steps(
    handle: &Handle,
    clients: usize,
    duration: Duration,
    run_id: &Arc<AtomicU64>,
) -> Result<StepsRun, CliError> {
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let client = |_| {
        let (handle, run_id) = (handle.clone(), run_id.clone());
        tokio::spawn(async move {
            let mut latencies = Vec::new();
            while start.elapsed() < duration {
                let id = run_id.fetch_add(1, Ordering::Relaxed);
                let key = format!("default/steps/w{}-{id}", std::process::id());
                let actor: ActorAddress = key.parse().map_err(failed)?;
                let submitted = Instant::now();
                let mut ticket = handle.send(&actor, r#"{"n":10}"#, SendOptions::default()).map_err(failed)?;
                match ticket.settled().await.map_err(failed)? {
                    Settled::Ended { result: Ok(reply), .. } if reply.contains("\"acc\":45") => {}
                    other => return Err(failed(format!("workflow {id} came out as {other:?}"))),
                }
                latencies.push(submitted.elapsed().as_secs_f64() * 1000.0);
            }
            Ok(latencies)
        })
    };
    let tasks: Vec<_> = (0..clients).map(client).collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await.map_err(failed)??);
    }
    let (seconds, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    latencies.sort_by(f64::total_cmp);
    let quantile = |q: f64| latencies.get(((latencies.len() - 1) as f64 * q) as usize).copied().unwrap_or(0.0);
    let workflows = latencies.len() as u64;
    Ok(StepsRun {
        clients,
        workflows,
        seconds,
        workflows_per_second: workflows as f64 / seconds,
        steps_per_second: 10.0 * workflows as f64 / seconds,
        p50_ms: quantile(0.5),
        p99_ms: quantile(0.99),
        cpu_ms_per_step: cpu * 1000.0 / (10.0 * workflows as f64),
    })
}

/// Processor time of this process so far, in seconds, from `/proc/self/stat` (clock ticks of 10 ms).
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or("").split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}
