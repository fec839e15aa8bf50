//! Arguments of `loom token`.

use std::path::PathBuf;

use clap::Subcommand;

use crate::target::TargetArguments;

/// `loom token`
#[derive(Debug, Subcommand)]
pub enum Token {
    /// Make a token and print it, this once
    ///
    /// With --data the folder is opened (and made, if it is missing) while no node runs: that is how a node gets its
    /// first token.
    Create {
        /// What the audit log calls whoever uses it
        name: String,
        /// A role (read, invoke, deploy, admin) in a namespace, or in every one (*=ROLE); may be repeated
        #[arg(long = "grant", value_name = "NAMESPACE=ROLE", required = true)]
        grants: Vec<String>,
        /// Write the token to a new file that only its owner can read, instead of printing it
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        target: TargetArguments,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// List the tokens you may manage; the tokens themselves are known to nobody
    List {
        #[command(flatten)]
        target: TargetArguments,
        /// Print one JSON object per line
        #[arg(long)]
        json: bool,
    },
    /// Revoke a token, at once
    Revoke {
        /// Its name
        name: String,
        #[command(flatten)]
        target: TargetArguments,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}
