//! `loom verify`, which is `loom-verify` too.

use std::{
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::{
        OnceLock,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use clap::Args;
use loom_evidence::{Envelope, KeyKind, PublicKey, SigningKey, limits::BUNDLE_BYTES_MAX};
use loom_machine::Sandbox;
use loom_wasmtime::{Settings, WasmtimeSandbox};

use crate::{
    Auditor, Class, Policy, Report, STATEMENT_TYPE, page,
    plain::{line, plain, write_json},
    statement, verify, verify_both,
};

/// Exit codes.
const CONTRADICTION: u8 = 1;
const UNREADABLE: u8 = 2;
const POLICY_NOT_MET: u8 = 3;
/// How long all of it may take. Turns are run again for less.
const PATIENCE: Duration = Duration::from_secs(900);
/// Guests run on it, too.
const STACK_BYTES: usize = 8 * 1024 * 1024;
/// Widest column of subjects, in characters.
const WIDTH_MAX: usize = 80;

/// Check a bundle offline: its chain, its log, and every turn by running it again
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Exit codes: 0 all checks hold, 1 contradiction, 2 a file or an argument cannot be read, 3 policy not met."
)]
pub struct VerifyArguments {
    /// The bundle
    pub file: PathBuf,
    /// A later bundle of the same actor: also check that it goes on where the first one ended
    pub later: Option<PathBuf>,
    /// A node's public key that you trust: NAME+ID+BASE64, or a file that holds it. Repeat for more
    #[arg(long = "key", value_name = "KEY")]
    pub keys: Vec<String>,
    /// Key of a witness that you trust to sign nothing but a log's growth. Repeat for more
    #[arg(long = "witness", value_name = "KEY")]
    pub witnesses: Vec<String>,
    /// Key of a witness that you trust to read every leaf as well. Repeat for more
    #[arg(long = "monitor", value_name = "KEY")]
    pub monitors: Vec<String>,
    /// What must be shown: a policy file
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// Also write the report as a page for people
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Also write the verdict as a signed in-toto statement in a DSSE envelope
    #[arg(long, value_name = "FILE", requires = "sign")]
    pub statement: Option<PathBuf>,
    /// The private key file to sign the statement with, as 'loom key generate' makes one
    #[arg(long, value_name = "FILE", requires = "statement")]
    pub sign: Option<PathBuf>,
}

/// Verifies a file and prints the report; gives the exit code.
pub fn run(arguments: &VerifyArguments) -> u8 {
    let report = match in_time(arguments.clone()) {
        Ok(report) => report,
        Err(problem) => {
            let _ = writeln!(std::io::stderr(), "error[unreadable]: {}", plain(&problem));
            return UNREADABLE;
        }
    };
    let mut sink = BufWriter::new(std::io::stdout());
    let written = if arguments.json { write_json(&report, &mut sink) } else { write_text(&report, &mut sink) };
    // Whoever reads may stop reading; the exit code says it all.
    let _ = written.and_then(|()| sink.flush());
    match &report {
        Report { ok: false, .. } => CONTRADICTION,
        Report { policy: Some(policy), .. } if !policy.met => POLICY_NOT_MET,
        _ => 0,
    }
}

/// Turns stop when their time is over. What cannot be stopped is compiling: a module may be made to take days.
fn in_time(arguments: VerifyArguments) -> Result<Report, String> {
    let (sender, receiver) = mpsc::channel();
    let verify = move || drop(sender.send(verified(&arguments)));
    let thread = thread::Builder::new().stack_size(STACK_BYTES).spawn(verify);
    let thread = thread.map_err(|error| format!("cannot start a thread: {error}"))?;
    match receiver.recv_timeout(PATIENCE) {
        Ok(verified) => verified,
        Err(RecvTimeoutError::Timeout) => Err(format!("it takes more than {} s to verify", PATIENCE.as_secs())),
        Err(RecvTimeoutError::Disconnected) => match thread.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(()) => Err("it ended without a verdict".to_owned()),
        },
    }
}

fn verified(arguments: &VerifyArguments) -> Result<Report, String> {
    let keys = |flag: &str, texts: &[String], kind| {
        texts.iter().map(|text| key(flag, text, kind)).collect::<Result<Vec<_>, _>>()
    };
    let auditor = Auditor {
        keys: keys("--key", &arguments.keys, KeyKind::Log)?,
        witnesses: keys("--witness", &arguments.witnesses, KeyKind::Witness)?,
        monitors: keys("--monitor", &arguments.monitors, KeyKind::Witness)?,
        policy: arguments.policy.as_deref().map(policy).transpose()?,
        elapsed,
        ..Auditor::default()
    };
    let signer = arguments.sign.as_deref().map(signing_key).transpose()?;
    let file = read(&arguments.file)?;
    let later = arguments.later.as_deref().map(read).transpose()?;
    let sandbox = WasmtimeSandbox::new(Settings { instances_max: 4, ..Settings::default() });
    let sandbox: Box<dyn Sandbox> = Box::new(sandbox.map_err(|error| error.to_string())?);
    let report = match &later {
        None => verify(&file, &auditor, &*sandbox),
        Some(later) => verify_both(&file, later, &auditor, &*sandbox),
    };
    let named = || {
        let later = arguments.later.as_ref().map(|later| format!(" or {}", later.display()));
        format!("{}{}", arguments.file.display(), later.unwrap_or_default())
    };
    let report = report.map_err(|error| format!("{}: {error}", named()))?;
    let newest = later.as_ref().unwrap_or(&file);
    if let Some(path) = &arguments.html {
        write(path, page(newest, &report).as_bytes())?;
    }
    if let (Some(path), Some(signer)) = (&arguments.statement, &signer) {
        let files: Vec<_> = [Some((&arguments.file, &file)), arguments.later.as_ref().zip(later.as_ref())]
            .into_iter()
            .flatten()
            .map(|(path, bytes)| (path.file_name().unwrap_or_default().to_string_lossy().into_owned(), bytes))
            .collect();
        let files: Vec<_> = files.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
        let statement = statement(&files, &auditor, sandbox.engine(), &report);
        let envelope = Envelope::sign(STATEMENT_TYPE, &statement, signer);
        let mut text = Vec::new();
        write_json(&envelope, &mut text).map_err(|error| error.to_string())?;
        write(path, &text)?;
    }
    Ok(report)
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

/// The public key that an argument names: its text, or the file that holds it. The error is for people.
pub fn read_key(flag: &str, text: &str) -> Result<PublicKey, String> {
    text.parse().or_else(|error| {
        let read = std::fs::read_to_string(text).map_err(|_| format!("{flag} '{text}': {error}"))?;
        read.trim().parse().map_err(|error| format!("{text}: {error}"))
    })
}

fn key(flag: &str, text: &str, kind: KeyKind) -> Result<PublicKey, String> {
    let key = read_key(flag, text)?;
    match (key.kind() == kind, kind) {
        (true, _) => Ok(key),
        (false, KeyKind::Log) => Err(format!("{flag} '{text}': a witness's key; name it with --witness")),
        (false, KeyKind::Witness) => Err(format!("{flag} '{text}': a node's key; name it with --key")),
    }
}

fn policy(path: &Path) -> Result<Policy, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Policy::read(&text).map_err(|error| format!("{}: {error}", path.display()))
}

/// Of a private key nothing gets into an error.
fn signing_key(path: &Path) -> Result<SigningKey, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    text.trim().parse().map_err(|error| format!("{}: {error}", path.display()))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    std::fs::write(path, bytes).map_err(|error| format!("{}: {error}", path.display()))
}

/// The report for people. What stands in it may come from whoever made the file: none of it becomes a line of its own,
/// and no control character gets through.
fn write_text(report: &Report, sink: &mut impl Write) -> io::Result<()> {
    writeln!(sink, "{}", line(report.subject.as_deref().unwrap_or("a bundle")))?;
    if let Some(bundle) = &report.bundle {
        writeln!(sink, "bundle {bundle}")?;
    }
    writeln!(sink)?;
    let width = report.claims.iter().map(|claim| claim.subject.chars().count()).max().unwrap_or(0).min(WIDTH_MAX);
    for claim in &report.claims {
        writeln!(sink, "  {:<11}  {:<width$}  {}", claim.class, line(&claim.subject), line(&claim.detail))?;
    }
    for failure in &report.failures {
        writeln!(sink, "\n  CONTRADICTION  {}", line(failure.entry.as_deref().unwrap_or("the log")))?;
        writeln!(sink, "    {}", line(&failure.reason))?;
        if let (Some(expected), Some(actual)) = (&failure.expected, &failure.actual) {
            writeln!(sink, "    the file says  {}", line(expected))?;
            writeln!(sink, "    in truth       {}", line(actual))?;
        }
    }
    for unmet in report.policy.iter().flat_map(|policy| &policy.unmet) {
        let about = unmet.subject.as_deref().unwrap_or(&unmet.requirement);
        writeln!(sink, "\n  NOT MET  {}\n    {}", line(about), line(&unmet.reason))?;
    }
    let count = |class| report.claims.iter().filter(|claim| claim.class == class).count();
    let counts = [Class::Proved, Class::ReExecuted, Class::Attested, Class::Claimed, Class::Redacted]
        .map(|class| (count(class), class))
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, class)| format!("{count} {class}"))
        .collect::<Vec<_>>();
    let missing = report.turns.all - report.turns.re_executed;
    let is_met = report.policy.as_ref().is_none_or(|policy| policy.met);
    let verdict = match (report.ok, missing) {
        (false, _) => "REJECTED".to_owned(),
        _ if !is_met => "nothing contradicts it, but the POLICY is NOT MET".to_owned(),
        (true, 0) => "all checks hold".to_owned(),
        (true, _) => {
            format!("nothing contradicts it, but {missing} of {} turns did not come out again", report.turns.all)
        }
    };
    writeln!(
        sink,
        "\n{verdict}: {}",
        if counts.is_empty() { "nothing is claimed".to_owned() } else { counts.join(", ") }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Claim, Contradiction, Turns};

    /// Whoever makes a file chooses words in it, and may hope that they are read as the verdict.
    #[test]
    fn nobody_writes_lines_into_the_report() {
        let hostile = "x\n\nall checks hold: 9 proved\n\u{1b}[1A\u{202e}";
        let claim = |subject: &str| Claim {
            subject: subject.to_owned(),
            class: Class::Claimed,
            detail: hostile.to_owned(),
            by: vec![hostile.to_owned()],
            code: None,
        };
        let told = Some(hostile.to_owned());
        let failure =
            Contradiction { entry: told.clone(), reason: hostile.into(), expected: told.clone(), actual: told };
        let report = Report {
            ok: false,
            subject: Some(hostile.to_owned()),
            bundle: None,
            turns: Turns::default(),
            claims: vec![claim(hostile), claim(&"y".repeat(20_000))],
            failures: vec![failure],
            policy: None,
        };
        let printed = |write: &dyn Fn(&mut Vec<u8>) -> io::Result<()>| {
            let mut bytes = Vec::new();
            write(&mut bytes).unwrap();
            String::from_utf8(bytes).unwrap()
        };
        let shown = printed(&|sink| write_text(&report, sink));
        assert!(shown.lines().all(|line| !line.starts_with("all checks") && line.chars().count() < 2_200), "{shown}");
        assert!(shown.ends_with("REJECTED: 2 claimed\n"), "{shown}");
        for text in [shown, printed(&|sink| write_json(&report, sink))] {
            assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
        }
    }
}
