//! Arguments of what puts deployments into service.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::target::TargetArguments;

/// `loom deploy`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Deploy {
    /// Go back instead of forward.
    #[command(subcommand)]
    pub former: Option<DeployFormer>,
    /// Folder with loom.toml
    #[arg(required = true, value_name = "DIR")]
    pub folder: Option<PathBuf>,
    /// Replay open turns and recent finished ones against the new modules, and activate nothing
    #[arg(long)]
    pub check: bool,
    /// Do not activate it if an open turn would not do again what its journal says
    #[arg(long, conflicts_with = "check")]
    pub require_check: bool,
    /// With --check: how many finished turns
    #[arg(long, value_name = "N", default_value_t = 100, requires = "check")]
    pub turns: usize,
    #[command(flatten)]
    pub target: TargetArguments,
    /// Print one JSON object
    #[arg(long, global = true)]
    pub json: bool,
}

/// `loom deploy rollback`
#[derive(Debug, Subcommand)]
pub enum DeployFormer {
    /// Activate a former deployment again; `loom deployments --history` lists them
    Rollback {
        /// The deployment's name, as in loom.toml
        name: String,
        /// Its id [default: the one that was active before]
        #[arg(long, value_name = "ID")]
        to: Option<String>,
        /// Replay turns against it, and activate nothing
        #[arg(long)]
        check: bool,
    },
}

/// `loom deployments`
#[derive(Debug, Args)]
pub struct Deployments {
    /// Also up to N former ones of each name [default with the flag alone: 10]
    #[arg(long, value_name = "N", num_args = 0..=1, default_value_t = 0, default_missing_value = "10")]
    pub history: usize,
    #[command(flatten)]
    pub target: TargetArguments,
    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
}
