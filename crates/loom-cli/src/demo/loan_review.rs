//! `loom demo loan-review`: applications reviewed by actors, in this process, on the embedded store.

use std::{
    fmt::Write,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use futures::{StreamExt as _, stream};
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use loom_loan_review::{Application, Rejection};
use loom_runtime::{Handle, SendError, SendOptions, Settled};
use loom_types::ActorAddress;
use serde::Deserialize;

use super::{
    attested::{Applicant, Statements},
    evidence, example, portfolios,
    proofs::{Alone, BATCH, Proofs, Prover},
    report::{Decided, Lender, Report, Verdict},
};
use crate::{CliError, Node, NodeSettings, arguments, proving};

/// How long one application may take before the demo gives up on it.
const PATIENCE: Duration = Duration::from_secs(120);
/// The same where it waits for a proof of its own, and perhaps a slow machine for it.
const PROOF_PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);

/// A row of the file.
type Row = Result<Application, Rejection>;

/// How applications are reviewed.
struct Terms {
    /// CID of the criteria program.
    program: String,
    /// Whether ratios are proved together.
    is_batch: bool,
}

/// What is special about one review.
enum Special {
    Nothing,
    /// Its ratio is proved alone.
    Alone,
    /// A bank's statement of the income.
    Statement(serde_json::Value),
}

/// Applications that are reviewed after the others.
#[derive(Default)]
struct SetAside {
    /// Each with a proof of its own.
    alone: Vec<Application>,
    /// With a bank's statement.
    stated: Vec<Application>,
}

impl SetAside {
    /// Keeps an application back if there is still room for it; gives it back otherwise.
    fn take(&mut self, application: Application, arguments: &arguments::LoanReview) -> Option<Application> {
        let alone_max = if arguments.prove { arguments.prove_count } else { 0 };
        let stated_max = if arguments.attest { Applicant::ALL.len() } else { 0 };
        if self.alone.len() < alone_max && application.states_debt() {
            self.alone.push(application);
        } else if self.stated.len() < stated_max && application.claimed_income_cents().is_some() {
            self.stated.push(application);
        } else {
            return Some(application);
        }
        None
    }
}

/// Where the run keeps its data.
struct Folder {
    path: PathBuf,
    /// Removed at the end when nobody is told about it.
    scratch: Option<tempfile::TempDir>,
}

pub(crate) async fn loan_review(arguments: arguments::LoanReview) -> Result<(), CliError> {
    if arguments.prove && !proving::IS_BUILT_IN {
        return Err(proving::no_prover());
    }
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

async fn review(handle: &Handle, arguments: &arguments::LoanReview, data: &Path) -> Result<Report, CliError> {
    let mut statements = match arguments.attest {
        true => Some(Statements::open(handle, data).await?),
        false => None,
    };
    let policy = statements.as_ref().map(Statements::policy);
    let terms = Terms { program: example::deploy(handle, policy).await?, is_batch: arguments.prove };
    let source = example::Source::open(arguments)?;
    let mut report = Report::new(source.name.clone(), source.is_synthetic, data);
    let prover = arguments.prove.then(|| Prover::new(handle, data, arguments.json)).transpose()?;
    let collecting = prover.as_ref().map(Prover::collect).transpose()?;
    let set_aside = together(handle, source, &terms, arguments, &mut report).await?;
    if let Some((prover, collecting)) = prover.zip(collecting) {
        let mut proofs = Proofs::default();
        for application in set_aside.alone {
            proofs.alone.extend(alone(handle, &prover, application, &terms, &mut report).await?);
        }
        proofs.batch = prover.batch(collecting, &proofs.alone).await?;
        report.proofs = Some(proofs);
    }
    if let Some(statements) = &mut statements {
        let mut attested = Vec::new();
        for (applicant, application) in Applicant::ALL.into_iter().zip(set_aside.stated) {
            let (statement, file) = statements.statement(applicant, &application).await?;
            let special = Special::Statement(statement);
            let verdict = review_row(handle, Ok(application.clone()), &terms, special).await?;
            attested.push(Statements::judged(applicant, &application, file, &verdict));
            report.add(verdict);
        }
        report.attested = Some((attested, statements.notary_key()));
    }
    report.portfolio_agrees = portfolios::agree(handle, &report).await?;
    report.node = Some(handle.metrics().clone());
    let (approved, denied) = report.examples();
    let proved = report.proofs.as_ref().and_then(|proofs| proofs.alone.first()).map(|alone| alone.id.as_str());
    report.evidence = evidence::show(handle, data, approved, denied, proved).await?;
    Ok(report)
}

/// Reviews all applications, many at once, but those with which something else is shown: these are given back.
#[expect(clippy::disallowed_methods, reason = "the demo measures its own throughput")]
async fn together(
    handle: &Handle,
    source: example::Source,
    terms: &Terms,
    arguments: &arguments::LoanReview,
    report: &mut Report,
) -> Result<SetAside, CliError> {
    let (mut set_aside, bar) = (SetAside::default(), progress(source.rows, arguments.json));
    let start = Instant::now();
    let rest = |row: Row| match row {
        Ok(application) => set_aside.take(application, arguments).map(Ok),
        row => Some(row),
    };
    let rows = source.applications.take(arguments.count.unwrap_or(usize::MAX)).filter_map(rest);
    let mut reviews = stream::iter(rows)
        .map(|row| review_row(handle, row, terms, Special::Nothing))
        .buffer_unordered(arguments.concurrency.max(1));
    while let Some(reviewed) = reviews.next().await {
        report.add(reviewed?);
        bar.inc(1);
        bar.set_message(report.progress());
    }
    drop(reviews);
    bar.finish_and_clear();
    report.timed(start.elapsed());
    Ok(set_aside)
}

/// Reviews one application and has its ratio proved.
async fn alone(
    handle: &Handle,
    prover: &Prover<'_>,
    application: Application,
    terms: &Terms,
    report: &mut Report,
) -> Result<Option<Alone>, CliError> {
    let id = application.id.clone();
    let Ok(actor) = address(&id) else {
        report.add(Verdict::rejected("invalid-id"));
        return Ok(None);
    };
    report.add(prover.followed(&actor, review_row(handle, Ok(application), terms, Special::Alone)).await?);
    prover.alone(&id).await
}

fn address(id: &str) -> Result<ActorAddress, loom_types::InvalidAddress> {
    ActorAddress::within("default", &format!("loan-review/{id}"))
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
async fn review_row(handle: &Handle, row: Row, terms: &Terms, special: Special) -> Result<Verdict, CliError> {
    let application = match row {
        Ok(application) => application,
        Err(rejection) => return Ok(Verdict::rejected(rejection.code.as_str())),
    };
    let Ok(actor) = address(&application.id) else {
        return Ok(Verdict::rejected("invalid-id"));
    };
    let mut message = application.message(&terms.program);
    if terms.is_batch {
        message["batch"] = BATCH.into();
    }
    let patience = match special {
        Special::Alone => {
            message["prove"] = true.into();
            PROOF_PATIENCE
        }
        Special::Statement(statement) => {
            message["statement"] = statement;
            PATIENCE
        }
        Special::Nothing => PATIENCE,
    };
    let settled = send(handle, &actor, &message.to_string(), patience).await?;
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
async fn send(handle: &Handle, actor: &ActorAddress, message: &str, patience: Duration) -> Result<Settled, CliError> {
    let failed = |error: &dyn std::fmt::Display| CliError::new("demo", format!("{}: {error}", actor.local()));
    let options = || SendOptions { id: "review".parse().ok(), until_waiting: true };
    loop {
        let settled = match handle.send(actor, message, options()) {
            Ok(mut ticket) => tokio::time::timeout(patience, ticket.settled()).await.map_err(|error| failed(&error))?,
            Err(error) => Err(error),
        };
        match settled {
            Ok(settled) => return Ok(settled),
            Err(error @ (SendError::Busy(_) | SendError::MailboxFull { .. })) => {
                tracing::debug!(%error, "waiting");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error @ SendError::IdReused(_)) => {
                let hint = "its data is of a run with other arguments; take another folder for --data";
                return Err(failed(&error).hint(hint));
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
