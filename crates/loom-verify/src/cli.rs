//! `loom verify`, which is `loom-verify` too.

use std::{
    fmt::Write as _,
    io::Write as _,
    path::{Path, PathBuf},
    sync::OnceLock,
    time::{Duration, Instant},
};

use bytes::Bytes;
use clap::Args;
use loom_evidence::{PublicKey, limits::BUNDLE_BYTES_MAX};
use loom_machine::Sandbox;
use loom_wasmtime::{Settings, WasmtimeSandbox};

use crate::{Auditor, Class, Report, verify};

/// Exit codes.
const CONTRADICTION: u8 = 1;
const UNREADABLE: u8 = 2;

/// Check a bundle offline: its chain, its log, and every turn by running it again
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 all checks hold, 1 contradiction, 2 the file or an argument cannot be read, 3 policy not met."
)]
pub struct VerifyArguments {
    /// The bundle
    pub file: PathBuf,
    /// A node's public key that you trust: NAME+ID+BASE64, or a file that holds it. Repeat for more
    #[arg(long = "key", value_name = "KEY")]
    pub keys: Vec<String>,
    /// A witness's public key that you trust. Repeat for more
    #[arg(long = "witness", value_name = "KEY")]
    pub witnesses: Vec<String>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Verifies a file and prints the report; gives the exit code.
pub fn run(arguments: &VerifyArguments) -> u8 {
    match verified(arguments) {
        Ok(report) => {
            let text = if arguments.json { json(&report) } else { text(&report) };
            // Whoever reads may stop reading; the exit code says it all.
            let _ = std::io::stdout().write_all(text.as_bytes());
            if report.ok { 0 } else { CONTRADICTION }
        }
        Err(problem) => {
            let _ = writeln!(std::io::stderr(), "error[unreadable]: {problem}");
            UNREADABLE
        }
    }
}

fn verified(arguments: &VerifyArguments) -> Result<Report, String> {
    let keys = |texts: &[String]| texts.iter().map(|text| key(text)).collect::<Result<Vec<_>, _>>();
    let auditor =
        Auditor { keys: keys(&arguments.keys)?, witnesses: keys(&arguments.witnesses)?, elapsed, ..Auditor::default() };
    let file = read(&arguments.file)?;
    let sandbox = WasmtimeSandbox::new(Settings { instances_max: 4, ..Settings::default() });
    let sandbox: Box<dyn Sandbox> = Box::new(sandbox.map_err(|error| error.to_string())?);
    verify(&file, &auditor, &*sandbox).map_err(|error| format!("{}: {error}", arguments.file.display()))
}

#[expect(clippy::disallowed_methods, reason = "the program's own stopwatch")]
fn elapsed() -> Duration {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    BEGAN.get_or_init(Instant::now).elapsed()
}

fn read(path: &Path) -> Result<Bytes, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let bytes = std::fs::metadata(path).map_err(failed)?.len();
    if bytes > BUNDLE_BYTES_MAX as u64 {
        return Err(format!("{}: it has {bytes} bytes, at most {BUNDLE_BYTES_MAX} are read", path.display()));
    }
    std::fs::read(path).map(Bytes::from).map_err(failed)
}

/// A key, or the file that holds one.
fn key(text: &str) -> Result<PublicKey, String> {
    text.parse().or_else(|error| {
        let read = std::fs::read_to_string(text).map_err(|_| format!("--key or --witness '{text}': {error}"))?;
        read.trim().parse().map_err(|error| format!("{text}: {error}"))
    })
}

fn json(report: &Report) -> String {
    let mut text = serde_json::to_string(report).expect("our own types serialise");
    text.push('\n');
    text
}

/// The report for people. What stands in it may come from whoever made the file: no control character gets through.
fn text(report: &Report) -> String {
    let lines = lines(report);
    lines.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}

fn lines(report: &Report) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{}", report.subject.as_deref().unwrap_or("a bundle"));
    if let Some(bundle) = &report.bundle {
        let _ = writeln!(text, "bundle {bundle}");
    }
    let _ = writeln!(text);
    let width = report.claims.iter().map(|claim| claim.subject.chars().count()).max().unwrap_or(0);
    for claim in &report.claims {
        let _ = writeln!(text, "  {:<11}  {:<width$}  {}", claim.class, claim.subject, claim.detail);
    }
    for failure in &report.failures {
        let _ = writeln!(text, "\n  CONTRADICTION  {}", failure.entry.as_deref().unwrap_or("the log"));
        let _ = writeln!(text, "    {}", failure.reason);
        if let (Some(expected), Some(actual)) = (&failure.expected, &failure.actual) {
            let _ = writeln!(text, "    the file says  {expected}");
            let _ = writeln!(text, "    in truth       {actual}");
        }
    }
    let count = |class| report.claims.iter().filter(|claim| claim.class == class).count();
    let counts = [Class::Proved, Class::ReExecuted, Class::Attested, Class::Claimed, Class::Redacted]
        .map(|class| (count(class), class))
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, class)| format!("{count} {class}"))
        .collect::<Vec<_>>();
    let missing = report.turns.all - report.turns.re_executed;
    let verdict = match (report.ok, missing) {
        (false, _) => "REJECTED".to_owned(),
        (true, 0) => "all checks hold".to_owned(),
        (true, _) => {
            format!("nothing contradicts it, but {missing} of {} turns did not come out again", report.turns.all)
        }
    };
    let _ = writeln!(
        text,
        "\n{verdict}: {}",
        if counts.is_empty() { "nothing is claimed".to_owned() } else { counts.join(", ") }
    );
    text
}
