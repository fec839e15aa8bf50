//! `loom demo loan-review`: applications reviewed by actors, in this process, on the embedded store.

use std::{
    collections::BTreeMap,
    fmt::Write,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use futures::{StreamExt as _, stream};
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use loom_client::Manifest;
use loom_loan_review::{Application, Applications, Format};
use loom_runtime::{Handle, SendError, SendOptions, Settled};
use loom_types::{ActorAddress, Namespace};
use serde::Deserialize;

use super::{
    evidence,
    report::{Decided, Lender, Report, Verdict},
};
use crate::{
    CliError, Node, NodeSettings, arguments,
    manifest::{FILE, Unresolved},
};

/// The example as it stands in the repository, so that the binary needs nothing else.
const MANIFEST: &str = include_str!("../../../../examples/loan-review/loom.toml");
const PROGRAM: &[u8] = include_bytes!("../../../../examples/loan-review/criteria.json");
const SAMPLE: &[u8] = include_bytes!("../../../../examples/loan-review/applications.csv");
const MODULES: &[(&str, &[u8])] = &[
    ("loan-review.wasm", include_bytes!("../../../../guests/prebuilt/loan-review.wasm")),
    ("portfolio.wasm", include_bytes!("../../../../guests/prebuilt/portfolio.wasm")),
    ("normalise.wasm", include_bytes!("../../../../guests/prebuilt/normalise.wasm")),
    ("ratios.wasm", include_bytes!("../../../../guests/prebuilt/ratios.wasm")),
    ("criteria-reviewer.wasm", include_bytes!("../../../../guests/prebuilt/criteria-reviewer.wasm")),
];

/// How long one application may take before the demo gives up on it.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where the run keeps its data.
struct Folder {
    path: PathBuf,
    /// Removed at the end when nobody is told about it.
    scratch: Option<tempfile::TempDir>,
}

pub(crate) async fn loan_review(arguments: arguments::LoanReview) -> Result<(), CliError> {
    let folder = folder(&arguments)?;
    let node = Node::start(NodeSettings::new(&folder.path)).await?;
    let reviewed = review(&node.handle(), &arguments, &folder.path).await;
    node.shutdown().await;
    let report = reviewed?;
    if arguments.json {
        crate::output::outln!("{}", report.to_json());
        return Ok(());
    }
    crate::output::print(format_args!("{}", report.to_text()));
    if let Some(scratch) = folder.scratch {
        // Kept, because the commands just printed look at it.
        let path = scratch.keep();
        eprintln!("(scratch data in {}; remove it when you are done)", path.display());
    }
    Ok(())
}

fn folder(arguments: &arguments::LoanReview) -> Result<Folder, CliError> {
    match &arguments.data {
        Some(path) => Ok(Folder { path: path.clone(), scratch: None }),
        None => {
            let scratch = tempfile::Builder::new().prefix("loom-demo-").tempdir();
            let scratch = scratch.map_err(|error| CliError::new("scratch-folder", error))?;
            Ok(Folder { path: scratch.path().to_owned(), scratch: Some(scratch) })
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the demo measures its own throughput")]
async fn review(handle: &Handle, arguments: &arguments::LoanReview, data: &Path) -> Result<Report, CliError> {
    let program = deploy(handle).await?;
    let (applications, rows) = open(arguments)?;
    let progress = progress(rows, arguments.json);
    let mut report = Report::new(arguments.applications.as_deref(), data);
    let start = Instant::now();
    let limit = arguments.count.unwrap_or(usize::MAX);
    let mut reviews = stream::iter(applications.take(limit))
        .map(|row| review_row(handle, row, &program))
        .buffer_unordered(arguments.concurrency.max(1));
    while let Some(reviewed) = reviews.next().await {
        report.add(reviewed?);
        progress.inc(1);
        progress.set_message(report.progress());
    }
    progress.finish_and_clear();
    report.seconds = start.elapsed().as_secs_f64();
    report.portfolio_agrees = check_portfolios(handle, &report).await?;
    report.node = Some(handle.metrics().clone());
    let (approved, denied) = report.examples();
    report.evidence = evidence::show(handle, data, approved, denied).await?;
    Ok(report)
}

/// Uploads the embedded example; gives the CID of the criteria program.
async fn deploy(handle: &Handle) -> Result<String, CliError> {
    let failed = |error: &dyn std::fmt::Display| CliError::new("demo", format!("deploying the example: {error}"));
    let source = Unresolved::parse(MANIFEST).map_err(|error| failed(&format!("{FILE}: {error}")))?;
    let mut cids = BTreeMap::new();
    for file in source.files() {
        let name = file.rsplit('/').next().unwrap_or(&file).to_owned();
        let bytes = MODULES.iter().find(|(module, _)| *module == name).map(|(_, bytes)| *bytes);
        let bytes = bytes.ok_or_else(|| failed(&format!("no module {name}")))?;
        let cid = handle.put_blob(bytes.into()).await.map_err(|error| failed(&error))?;
        cids.insert(file, cid.to_string());
    }
    let manifest: Manifest = source.resolve(&cids, BTreeMap::new());
    let deployment = loom_server::manifest(&manifest).map_err(|error| failed(&error))?;
    handle.deploy(&Namespace::default(), deployment).await.map_err(|error| failed(&error))?;
    let program = handle.put_blob(PROGRAM.into()).await.map_err(|error| failed(&error))?;
    Ok(program.to_string())
}

fn open(arguments: &arguments::LoanReview) -> Result<(Applications, Option<u64>), CliError> {
    let limit = arguments.count.map(|count| count as u64);
    match &arguments.applications {
        Some(path) => {
            let applications = Applications::open(path).map_err(|error| CliError::file(path, error))?;
            Ok((applications, limit))
        }
        None => {
            let reader = Box::new(std::io::BufReader::new(SAMPLE));
            let applications = Applications::from_reader(reader, Format::Csv)
                .map_err(|error| CliError::new("demo", format!("the synthetic applications: {error}")))?;
            let rows = SAMPLE.iter().filter(|byte| **byte == b'\n').count() as u64 - 1;
            Ok((applications, Some(limit.unwrap_or(rows).min(rows))))
        }
    }
}

fn progress(rows: Option<u64>, quiet: bool) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    // On anything but a terminal the bar draws nothing.
    let (bar, template) = match rows {
        Some(rows) => (ProgressBar::new(rows), "reviewing {bar:40} {human_pos}/{human_len}  {whole_per_sec}  {msg}"),
        None => (ProgressBar::new_spinner(), "reviewing {spinner} {human_pos}  {whole_per_sec}  {msg}"),
    };
    let style = ProgressStyle::with_template(template).expect("a template of our own");
    bar.set_style(style.with_key("whole_per_sec", |state: &ProgressState, text: &mut dyn Write| {
        // A text that is drawn cannot fail to be written.
        let _ = write!(text, "{:.0}/s", state.per_sec());
    }));
    bar
}

/// Reviews one row of the file, whatever it is.
async fn review_row(
    handle: &Handle,
    row: Result<Application, loom_loan_review::Rejection>,
    program: &str,
) -> Result<Verdict, CliError> {
    let application = match row {
        Ok(application) => application,
        Err(rejection) => return Ok(Verdict::rejected(rejection.code.as_str())),
    };
    let Ok(actor) = ActorAddress::within("default", &format!("loan-review/{}", application.id)) else {
        return Ok(Verdict::rejected("invalid-id"));
    };
    let message = application.message(program).to_string();
    let settled = send(handle, &actor, &message).await?;
    let lender = application.lender.map(|decision| match decision {
        loom_loan_review::Decision::Approve => Lender::Approved,
        loom_loan_review::Decision::Deny => Lender::Denied,
    });
    let lei = application.lei.clone();
    match settled {
        Settled::Waiting { promises, .. } => {
            let reasons = referral_reasons(handle, &actor).await?;
            Ok(Verdict::decided(Decided::Referred, &application.id, lei, lender, reasons)
                .with_token(promises.into_iter().next()))
        }
        Settled::Ended { result: Err(failure), .. } => Ok(Verdict::rejected(&failure.kind)),
        Settled::Ended { result: Ok(reply), .. } => {
            let reply: Reply = serde_json::from_str(&reply).map_err(|error| {
                CliError::new("demo", format!("{actor} replied what the demo does not understand: {error}"))
            })?;
            let decided = match reply.decision.as_str() {
                "approve" => Decided::Approved,
                _ => Decided::Denied,
            };
            let reasons = reply.reasons.into_iter().map(|reason| reason.id).collect();
            Ok(Verdict::decided(decided, &application.id, lei, lender, reasons))
        }
    }
}

/// Sends under a fixed id, so that running the demo again on the same data reviews nothing twice.
async fn send(handle: &Handle, actor: &ActorAddress, message: &str) -> Result<Settled, CliError> {
    let failed = |error: &dyn std::fmt::Display| CliError::new("demo", format!("{}: {error}", actor.local()));
    let options = || SendOptions { id: "review".parse().ok(), until_waiting: true };
    loop {
        let settled = match handle.send(actor, message, options()) {
            Ok(mut ticket) => tokio::time::timeout(PATIENCE, ticket.settled()).await.map_err(|error| failed(&error))?,
            Err(error) => Err(error),
        };
        match settled {
            Ok(settled) => return Ok(settled),
            Err(error @ (SendError::Busy(_) | SendError::MailboxFull { .. })) => {
                tracing::debug!(%error, "waiting");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => return Err(failed(&error)),
        }
    }
}

/// The actor's reply, as far as the demo reads it.
#[derive(Deserialize)]
struct Reply {
    decision: String,
    reasons: Vec<Reason>,
}

#[derive(Deserialize)]
struct Reason {
    id: String,
}

/// Why a referred application waits: what the actor put beside its promise.
async fn referral_reasons(handle: &Handle, actor: &ActorAddress) -> Result<Vec<String>, CliError> {
    #[derive(Deserialize)]
    struct Data {
        reasons: Vec<Reason>,
    }
    let view = handle.actor(actor).await.map_err(|error| CliError::new("demo", error))?;
    let data = view.promises.iter().find_map(|promise| promise.data.as_deref());
    let data: Option<Data> = data.and_then(|data| serde_json::from_str(data).ok());
    Ok(data.map(|data| data.reasons.into_iter().map(|reason| reason.id).collect()).unwrap_or_default())
}

/// Asks every lender's portfolio for its totals, which come from messages that the reviews sent, and compares
/// their sum with what the reviews replied.
async fn check_portfolios(handle: &Handle, report: &Report) -> Result<bool, CliError> {
    #[derive(Deserialize)]
    struct Count {
        count: u64,
    }
    #[derive(Deserialize)]
    struct Totals {
        approved: Count,
        denied: Count,
        referred_pending: Count,
    }
    let ask = async |lei: &String| -> Result<Option<Totals>, CliError> {
        let Ok(actor) = ActorAddress::within("default", &format!("portfolio/{lei}")) else { return Ok(None) };
        let failed = |error: &dyn std::fmt::Display| CliError::new("demo", format!("{}: {error}", actor.local()));
        let mut ticket =
            handle.send(&actor, r#"{"type":"totals"}"#, SendOptions::default()).map_err(|error| failed(&error))?;
        let settled = tokio::time::timeout(PATIENCE, ticket.settled()).await.map_err(|error| failed(&error))?;
        match settled.map_err(|error| failed(&error))? {
            Settled::Ended { result: Ok(reply), .. } => Ok(serde_json::from_str(&reply).ok()),
            _ => Ok(None),
        }
    };
    let (mut approved, mut denied, mut referred) = (0, 0, 0);
    let leis: Vec<_> = report.lenders().cloned().collect();
    let mut asked = stream::iter(leis.iter().map(ask)).buffer_unordered(64);
    while let Some(totals) = asked.next().await {
        if let Some(totals) = totals? {
            approved += totals.approved.count;
            denied += totals.denied.count;
            referred += totals.referred_pending.count;
        }
    }
    Ok((approved, denied, referred) == report.decisions())
}
