//! Commands for those who write guests.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// `loom new`
#[derive(Debug, Args)]
pub struct New {
    /// What the guest is
    pub kind: GuestKind,
    /// Name of the project, of its guest and of its folder: a-z, 0-9 and -
    pub name: String,
    /// What it is written in
    #[arg(long)]
    pub lang: GuestLanguage,
    /// Where to make the project's folder
    #[arg(long, default_value = ".", value_name = "DIR")]
    pub r#in: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Kinds of guests.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum GuestKind {
    /// Handles messages, has a state, asks for steps
    Actor,
    /// A function of its input
    Activity,
}

/// Languages with an SDK.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum GuestLanguage {
    /// Rust
    Rust,
    /// AssemblyScript
    #[value(alias = "as")]
    Assemblyscript,
}

/// `loom build`
#[derive(Debug, Args)]
pub struct Build {
    /// Folder with loom.toml
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// Print one JSON object per module
    #[arg(long)]
    pub json: bool,
}

/// `loom test`
#[derive(Debug, Args)]
pub struct Test {
    /// Folder with loom.toml and tests/*.json
    #[arg(default_value = ".")]
    pub folder: PathBuf,
    /// Only cases with this in their name
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
    /// Test the modules as they are, without building them first
    #[arg(long)]
    pub no_build: bool,
    /// Print one JSON object per case
    #[arg(long)]
    pub json: bool,
}
