//! Arguments of `loom prove` and `loom worker`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use loom_prover::{Limits, SEGMENT_PO2};

/// `loom prove`
#[derive(Debug, Args)]
#[command(after_help = "\
The programs that come with Loom, and their private inputs:
  dti               {\"income_cents\": N, \"debt_cents\": N, \"limit_bps\": N}; both of one period
  income-threshold  {\"threshold_cents\": N, \"amounts_cents\": [N, …]}
  compliance        {\"state\": …, \"facts\": {…}}; the criteria program is the public input
  batch             [{…}, …]: cases of dti
  committed-amount  what `loom tlsn amount` prints

Examples:
  loom prove dti --input case.json --dry-run    what it puts out, and what a proof costs
  loom prove dti --input case.json              the proof, in dti.receipt
  loom receipt verify dti.receipt --image-id …  what anybody else does with it

Proved segments are kept in the data folder: after Ctrl-C or a crash the same command goes on \
where it was, and a proof that was made before is not made again.

Exit codes: 0 proved, 1 not proved, 2 an argument or file cannot be read, 3 the program refused \
its input.")]
pub struct Prove {
    /// A program that comes with Loom, or a file with a program binary
    pub program: String,
    /// Its private input: JSON for programs of Loom's, bytes for others; - for standard input
    #[arg(long, value_name = "FILE")]
    pub input: PathBuf,
    /// What the private input is, for programs that are not Loom's
    #[arg(long, value_name = "TYPE", default_value = "application/octet-stream")]
    pub media_type: String,
    /// Its public input, if it reads one
    #[arg(long, value_name = "FILE")]
    pub public: Option<PathBuf>,
    /// File for the receipt; PROGRAM.receipt without
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Run the program without proving it
    #[arg(long)]
    pub dry_run: bool,
    /// Data folder, where proofs under way are kept
    #[arg(long, value_name = "DIR", default_value = ".loom", env = "LOOM_DATA")]
    pub data: PathBuf,
    #[command(flatten)]
    pub limits: LimitArguments,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// What a prover may use.
#[derive(Clone, Copy, Debug, Args)]
pub struct LimitArguments {
    /// Memory for a proof, in MiB
    #[arg(long, value_name = "N", default_value_t = Limits::default().memory_mib, env = "LOOM_PROVER_MEMORY_MIB")]
    pub memory_mib: u64,
    /// Most cycles of the program
    #[arg(long, value_name = "N", default_value_t = Limits::default().cycles_max, env = "LOOM_PROVER_CYCLES_MAX")]
    pub cycles_max: u64,
    /// Segments that are proved at once
    #[arg(long, value_name = "N", default_value_t = Limits::default().segments_at_once,
          env = "LOOM_PROVER_SEGMENTS_AT_ONCE")]
    pub segments_at_once: usize,
    /// Log2 of the cycles of a segment; chosen by memory and cost without
    #[arg(long, value_name = "N", env = "LOOM_PROVER_SEGMENT_PO2", value_parser = po2)]
    pub segment_po2: Option<u32>,
}

fn po2(text: &str) -> Result<u32, String> {
    let (first, last) = (SEGMENT_PO2.start(), SEGMENT_PO2.end());
    let po2 = text.parse().ok().filter(|po2| SEGMENT_PO2.contains(po2));
    po2.ok_or_else(|| format!("it is not a number from {first} to {last}"))
}

impl From<LimitArguments> for Limits {
    fn from(arguments: LimitArguments) -> Self {
        let LimitArguments { memory_mib, cycles_max, segments_at_once, segment_po2 } = arguments;
        Self { memory_mib, cycles_max, segments_at_once, segment_po2 }
    }
}

/// `loom worker`
#[derive(Debug, Args)]
#[command(after_help = "\
A node whose setting prover.workers is true leaves its proofs to such processes. Several may share a \
data folder, on one machine or over a file system that has file locks: each proof is made by one of \
them, and one that is killed loses the segment that it was at.

Examples:
  loom worker --only prove --data /srv/loom          looks for proofs to make, until Ctrl-C
  loom worker --only prove --data /srv/loom --once   makes those that wait, and ends

Exit codes: 0 done, 1 a proof could not be made, 3 with FOLDER: the program refused its input.")]
pub struct Worker {
    /// What to work on; there is one kind so far
    #[arg(long, value_name = "WHAT")]
    pub only: WorkerKind,
    /// Data folder of the node whose proofs are to be made
    #[arg(long, value_name = "DIR", default_value = ".loom", env = "LOOM_DATA")]
    pub data: PathBuf,
    /// End when nothing waits any more
    #[arg(long)]
    pub once: bool,
    /// Threads; as many as processors without
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// End when standard input does, for whoever starts this as a part of something else
    #[arg(long)]
    pub until_eof: bool,
    /// With FOLDER, end at once if another process works on it
    #[arg(long, requires = "job")]
    pub no_wait: bool,
    #[command(flatten)]
    pub limits: LimitArguments,
    /// The folder of one proof that somebody waits for: says on standard output how far it is, one JSON object a line
    #[arg(value_name = "FOLDER", conflicts_with = "once")]
    pub job: Option<PathBuf>,
}

/// Kinds of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WorkerKind {
    /// Proofs
    Prove,
}
