//! The command line.

mod control;
mod deploy;
mod guests;
mod node;
mod notary;
mod prove;
mod receipt;
mod tlsn;
mod token;
mod witness;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub(crate) use self::{
    control::{Controlled, DeadLetters, Fork, Purge, Reset, StopTurn},
    deploy::{Deploy, DeployFormer, Deployments},
    guests::{Build, GuestKind, GuestLanguage, New, Test},
    node::NodeArguments,
    notary::{Notarize, Notary, ServeNotary},
    prove::{Prove, Worker},
    receipt::{Receipt, VerifyReceipt},
    tlsn::{Amount, Tlsn, VerifyPresentation},
    token::Token,
    witness::Witness,
};
use crate::{CliError, target::TargetArguments};

/// Durable WASM actors with a verifiable journal
#[derive(Debug, Parser)]
#[command(name = "loom", version, max_term_width = 100)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a project with a guest that builds and has a test
    New(guests::New),
    /// Compile a project's modules
    Build(guests::Build),
    /// Run the scripts of a project against its compiled modules
    Test(guests::Test),
    /// Run a node on this machine, with its data in a folder
    Dev(Dev),
    /// Run a node for others: tokens, TLS, a configuration file
    Serve(Serve),
    /// Show the node's configuration
    #[command(subcommand)]
    Config(Config),
    /// Make, list and revoke the tokens by which a node knows its callers
    #[command(subcommand)]
    Token(Token),
    /// Upload the modules of DIR/loom.toml and activate the deployment
    Deploy(Deploy),
    /// List what is deployed, and what was before
    Deployments(Deployments),
    /// Send a message to an actor and wait for the reply
    Call(Call),
    /// Send a message to an actor and return when it is durable
    Send(Send),
    /// List actors, or what waits for people
    Ps(Ps),
    /// Show what one actor is doing
    Show(Show),
    /// Show an actor's journal
    Journal(Journal),
    /// Ask an actor's module about the actor's state, without sending a message
    Query(Query),
    /// Print an actor's state
    State(ActorOnly),
    /// Stop an actor: it takes no message and its guest does not run until it is resumed
    Pause(Controlled),
    /// Let a paused actor go on
    Resume(Controlled),
    /// Tell the guest of an actor's open turn to stop, so that it can clean up
    Cancel(StopTurn),
    /// End an actor's open turn as failed, wherever its guest is
    Fail(StopTurn),
    /// Run an actor's open turn again from one of its entries, on another deployment if need be
    Reset(Reset),
    /// Make a new actor that begins with the state of another
    Fork(Fork),
    /// Erase everything an actor was told, said and knows; its journal's entries stay and verify
    Purge(Purge),
    /// Messages that could not be handled: list, retry, drop
    #[command(subcommand)]
    DeadLetters(DeadLetters),
    /// List the messages that deployments send at certain times
    Schedules(Schedules),
    /// List and settle promises: approvals and other things people decide
    #[command(subcommand)]
    Promise(Promise),
    /// Store and read blobs
    #[command(subcommand)]
    Blob(Blob),
    /// Write an actor's modules, state and journal to a folder
    Export(Export),
    /// Write an actor's history to one file that anybody can verify offline
    Bundle(Bundle),
    /// Verify a bundle
    Verify(loom_verify::VerifyArguments),
    /// Show how the node's log stands, and who cosigns it
    Log(Log),
    /// Prove that a program ran, without showing its private input (RISC Zero)
    Prove(Prove),
    /// Check RISC Zero receipts: proofs that a program ran
    #[command(subcommand)]
    Receipt(Receipt),
    /// Check TLSNotary presentations: a notary's word for what a server said
    #[command(subcommand)]
    Tlsn(Tlsn),
    /// Fetch something over HTTPS and have a notary sign what the server said
    Notarize(Box<Notarize>),
    /// Be a notary: fetch for others, and sign what servers said
    #[command(subcommand)]
    Notary(Notary),
    /// Do work for a node in a process of its own
    Worker(Worker),
    /// The key that signs the node's log
    #[command(subcommand)]
    Key(Key),
    /// Watch other nodes' logs and cosign what only grows
    #[command(subcommand)]
    Witness(Witness),
    /// Measure this machine
    #[command(subcommand)]
    Bench(Bench),
    /// See it work
    #[command(subcommand)]
    Demo(Demo),
}

impl Command {
    pub(crate) fn is_server(&self) -> bool {
        matches!(self, Command::Dev(_) | Command::Serve(_) | Command::Notary(Notary::Serve(_)))
    }

    /// Where traces go, if anywhere.
    pub(crate) fn otlp_endpoint(&self) -> Result<Option<String>, CliError> {
        match self {
            Command::Dev(Dev { node, .. }) | Command::Serve(Serve { node }) => {
                Ok(node.settings()?.settings.otlp_endpoint)
            }
            _ => Ok(None),
        }
    }
}

/// `loom dev`
#[derive(Debug, Args)]
pub struct Dev {
    #[command(flatten)]
    pub node: NodeArguments,
    /// Build and deploy DIR/loom.toml, and again whenever a file of it changes
    #[arg(long, value_name = "DIR")]
    pub watch: Option<PathBuf>,
}

/// `loom serve`
#[derive(Debug, Args)]
pub struct Serve {
    #[command(flatten)]
    pub node: NodeArguments,
}

/// `loom config`
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Print every setting of a node, its value, and where that is from
    Show {
        #[command(flatten)]
        node: NodeArguments,
        /// Print one JSON object per line
        #[arg(long)]
        json: bool,
    },
}

/// `loom call`
#[derive(Debug, Args)]
pub struct Call {
    /// TYPE/KEY
    pub actor: String,
    /// JSON text, or - for standard input
    #[arg(default_value = "null")]
    pub body: String,
    /// Your own id for the message: sending again under it is safe
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
    /// Give up waiting after this many seconds (the message is handled all the same)
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    pub timeout: u64,
    #[command(flatten)]
    pub target: TargetArguments,
    /// Print one JSON object with the message's id and turn beside the reply
    #[arg(long)]
    pub json: bool,
}

/// `loom send`
#[derive(Debug, Args)]
pub struct Send {
    /// TYPE/KEY
    pub actor: String,
    /// JSON text, or - for standard input
    #[arg(default_value = "null")]
    pub body: String,
    /// Your own id for the message: sending again under it is safe
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
    #[command(flatten)]
    pub target: TargetArguments,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// `loom ps`
#[derive(Debug, Args)]
pub struct Ps {
    /// Only actors of this type
    #[arg(long, value_name = "TYPE")]
    pub r#type: Option<String>,
    /// At most this many
    #[arg(long, default_value_t = 100, value_name = "N")]
    pub limit: usize,
    #[command(flatten)]
    pub target: TargetArguments,
    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
}

/// `loom schedules`
#[derive(Debug, Args)]
pub struct Schedules {
    #[command(flatten)]
    pub target: TargetArguments,
    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
}

/// `loom log`
#[derive(Debug, Args)]
pub struct Log {
    #[command(flatten)]
    pub target: TargetArguments,
    /// Print the newest checkpoint, a signed note
    #[arg(long, conflicts_with = "json")]
    pub checkpoint: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// `loom show`
#[derive(Debug, Args)]
pub struct Show {
    /// TYPE/KEY
    pub actor: String,
    #[command(flatten)]
    pub target: TargetArguments,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// `loom journal`
#[derive(Debug, Args)]
pub struct Journal {
    /// TYPE/KEY
    pub actor: String,
    /// Only this turn
    #[arg(long, value_name = "N")]
    pub turn: Option<u64>,
    /// Only entries from this one on
    #[arg(long, default_value_t = 0, value_name = "SEQ")]
    pub from: u64,
    /// Go on with entries as they become durable, until Ctrl-C
    #[arg(long, short)]
    pub follow: bool,
    /// Do not shorten values
    #[arg(long)]
    pub full: bool,
    #[command(flatten)]
    pub target: TargetArguments,
    /// Print one JSON object per entry, with every payload
    #[arg(long)]
    pub json: bool,
}

/// `loom query`
#[derive(Debug, Args)]
pub struct Query {
    /// TYPE/KEY
    pub actor: String,
    /// JSON text, or - for standard input
    #[arg(default_value = "null")]
    pub input: String,
    #[command(flatten)]
    pub target: TargetArguments,
    /// Print JSON (the answer is JSON either way)
    #[arg(long)]
    pub json: bool,
}

/// Commands that need nothing but an actor.
#[derive(Debug, Args)]
pub struct ActorOnly {
    /// TYPE/KEY
    pub actor: String,
    #[command(flatten)]
    pub target: TargetArguments,
    /// Print JSON (the state is JSON either way)
    #[arg(long)]
    pub json: bool,
}

/// `loom promise`
#[derive(Debug, Subcommand)]
pub enum Promise {
    /// List what waits for people
    List {
        #[command(flatten)]
        target: TargetArguments,
        /// Print one JSON object per line
        #[arg(long)]
        json: bool,
    },
    /// Settle a promise with a value
    Resolve {
        /// The promise's token
        token: String,
        /// JSON text, or - for standard input
        value: String,
        #[command(flatten)]
        target: TargetArguments,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Settle a promise with an error
    Reject {
        /// The promise's token
        token: String,
        /// Why
        message: String,
        #[command(flatten)]
        target: TargetArguments,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

/// `loom blob`
#[derive(Debug, Subcommand)]
pub enum Blob {
    /// Store a file and print its CID
    Put {
        /// The file
        file: PathBuf,
        #[command(flatten)]
        target: TargetArguments,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Write a blob's bytes to stdout or a file
    Get {
        /// Its name
        cid: String,
        /// Where to write
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        target: TargetArguments,
    },
    /// Remove blobs to which nothing leads any more
    Gc {
        /// Only count them
        #[arg(long)]
        dry_run: bool,
        /// Keep what was stored less long ago than this
        #[arg(long, default_value_t = 24, value_name = "N")]
        kept_hours: u64,
        #[command(flatten)]
        target: TargetArguments,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

/// `loom export`
#[derive(Debug, Args)]
pub struct Export {
    /// TYPE/KEY
    pub actor: String,
    /// Folder to write to; made if missing
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    #[command(flatten)]
    pub target: TargetArguments,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// `loom bundle`
#[derive(Debug, Args)]
pub struct Bundle {
    /// TYPE/KEY
    pub actor: String,
    /// One finished turn; all up to the newest without
    #[arg(long, value_name = "N")]
    pub turn: Option<u64>,
    /// Also the turns of the actors that were called, so that their answers are run again too
    #[arg(long)]
    pub closure: bool,
    /// Leave payloads out: 'inputs' (all messages), SEQ:ROLE (1:message), SEQ, or TYPE/KEY# before these. Repeat, or
    /// separate with commas
    #[arg(long, value_name = "PAYLOAD", value_delimiter = ',')]
    pub redact: Vec<String>,
    /// Leave out too what would give those away; otherwise such a bundle is refused
    #[arg(long, requires = "redact")]
    pub cascade: bool,
    /// Put in too what programs that are proved were given in private; it is left out otherwise
    #[arg(long)]
    pub disclose_inputs: bool,
    /// File to write; TYPE-KEY.car without
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub target: TargetArguments,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// `loom key`
#[derive(Debug, Subcommand)]
pub enum Key {
    /// Make the key, if there is none yet. A node does that by itself when it starts; here its name can be chosen
    Generate {
        /// The log's name, best a host name and a path: log.example.com/loans. A random one without
        #[arg(long)]
        name: Option<String>,
        /// The node's data folder
        #[arg(long, value_name = "DIR", default_value = ".loom", env = "LOOM_DATA")]
        data: PathBuf,
    },
    /// Make a new key and hand the log over to it. The node must not run
    ///
    /// The old key signs that the new one goes on with its log; that is recorded in the log, and in every bundle from
    /// then on, so who trusts the old key can trust the new one. Then the old key's secret half is gone. Witnesses must
    /// be told the new key.
    Rotate {
        /// The node's data folder
        #[arg(long, value_name = "DIR", default_value = ".loom", env = "LOOM_DATA")]
        data: PathBuf,
    },
    /// Print the public key, for auditors
    Show {
        /// The node's data folder
        #[arg(long, value_name = "DIR", default_value = ".loom", env = "LOOM_DATA")]
        data: PathBuf,
    },
}

/// `loom bench`
#[derive(Debug, Subcommand)]
pub enum Bench {
    /// Fresh-instance calls of a pure activity through the runtime, beside bare Wasmtime
    Activity {
        /// Module to call [default: the 6 KB AssemblyScript counter]
        #[arg(long, value_name = "FILE")]
        module: Option<PathBuf>,
        /// Its input
        #[arg(long, default_value = r#"{"count":41,"increment":1}"#, value_name = "JSON")]
        input: String,
        /// Seconds per measurement
        #[arg(long, default_value_t = 3, value_name = "N")]
        seconds: u64,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Verifying a receipt, one after the other on one processor
    Receipt {
        /// The receipt, borsh or CBOR
        file: PathBuf,
        /// The program that must have run: 64 hex digits
        #[arg(long, value_name = "HEX")]
        image_id: loom_risc0_verify::ImageId,
        /// How often
        #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        rounds: u32,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Verifying a presentation, one after the other on one processor
    Presentation {
        /// The presentation
        file: PathBuf,
        /// The notary's public key in hex
        #[arg(long, value_name = "HEX")]
        notary_key: String,
        /// An authority that is trusted instead of Mozilla's list: a file in PEM or DER
        #[arg(long, value_name = "FILE")]
        root: Vec<PathBuf>,
        /// How often
        #[arg(long, default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        rounds: u32,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Workflows of ten pure steps, each acknowledged when durable (load A-pure)
    Steps {
        /// Clients that submit and wait
        #[arg(long, default_value = "1,16,128", value_delimiter = ',', value_name = "N,…")]
        clients: Vec<usize>,
        /// Seconds per number of clients
        #[arg(long, default_value_t = 5, value_name = "N")]
        seconds: u64,
        /// Data folder [default: a scratch folder]
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

/// `loom demo`
#[derive(Debug, Subcommand)]
pub enum Demo {
    /// Review mortgage applications with WASM actors
    LoanReview(LoanReview),
}

/// `loom demo loan-review`
#[derive(Debug, Args)]
pub struct LoanReview {
    /// Applications in the public HMDA schema, CSV or JSON lines [default: 1,000 synthetic ones]
    #[arg(long, value_name = "FILE")]
    pub applications: Option<PathBuf>,
    /// At most this many
    #[arg(long, value_name = "N")]
    pub count: Option<usize>,
    /// Also prove debt-to-income ratios: some one by one, and those of the whole run together. Needs the feature prover;
    /// without --applications, 250 synthetic ones that state income and debt are reviewed
    #[arg(long)]
    pub prove: bool,
    /// How many ratios are proved one by one
    #[arg(long, default_value_t = 3, value_name = "N", requires = "prove")]
    pub prove_count: usize,
    /// Also review some applications on the income that a bank states: a bank and a notary are started, and one of four
    /// applicants is honest
    #[arg(long)]
    pub attest: bool,
    /// Keep the data here [default: a scratch folder]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Applications in review at once
    #[arg(long, default_value_t = 256, value_name = "N")]
    pub concurrency: usize,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn every_command_can_be_parsed() {
        super::Arguments::command().debug_assert();
    }
}
