//! Arguments of what operators do to actors and dead letters.

use clap::{Args, Subcommand};

use crate::target::TargetArguments;

/// What every one of these commands takes.
#[derive(Debug, Args)]
pub struct Controlled {
    /// TYPE/KEY
    pub actor: String,
    #[command(flatten)]
    pub target: TargetArguments,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// `loom cancel` and `loom fail`
#[derive(Debug, Args)]
pub struct StopTurn {
    #[command(flatten)]
    pub controlled: Controlled,
    /// Why; it stands in the journal
    #[arg(long, value_name = "TEXT", default_value = "an operator asked for it")]
    pub reason: String,
}

/// `loom reset`
#[derive(Debug, Args)]
pub struct Reset {
    #[command(flatten)]
    pub controlled: Controlled,
    /// The last journal entry that counts [default: the turn's first, so that it runs anew]
    #[arg(long, value_name = "ENTRY")]
    pub to: Option<u64>,
    /// Go on with this deployment instead of the one that the turn began with
    #[arg(long, value_name = "ID")]
    pub deployment: Option<String>,
}

/// `loom fork`
#[derive(Debug, Args)]
pub struct Fork {
    #[command(flatten)]
    pub controlled: Controlled,
    /// Key of the new actor; it must never have been used
    pub to: String,
    /// Begin with the state after this turn [default: the newest that has ended]
    #[arg(long, value_name = "N")]
    pub turn: Option<u64>,
}

/// `loom purge`
#[derive(Debug, Args)]
pub struct Purge {
    #[command(flatten)]
    pub controlled: Controlled,
    /// Yes, for ever
    #[arg(long)]
    pub yes: bool,
}

/// `loom dead-letters`
#[derive(Debug, Subcommand)]
pub enum DeadLetters {
    /// List messages that could not be handled and that nobody waits for
    List {
        /// Only those of this actor, TYPE/KEY
        #[arg(long, value_name = "TYPE/KEY")]
        actor: Option<String>,
        #[command(flatten)]
        target: TargetArguments,
        /// Print one JSON object per line
        #[arg(long)]
        json: bool,
    },
    /// Send one to its actor again
    Retry {
        /// Its number
        id: u64,
        #[command(flatten)]
        target: TargetArguments,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Take one off the list; its message stays unhandled
    Drop {
        /// Its number
        id: u64,
        #[command(flatten)]
        target: TargetArguments,
    },
}
