//! Arguments of `loom receipt`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use loom_risc0_verify::ImageId;

/// `loom receipt`
#[derive(Debug, Subcommand)]
pub enum Receipt {
    /// Check that a program ran and gave the output that a receipt has
    Verify(VerifyReceipt),
    /// Show what a receipt says of itself. Nothing of it is checked
    Show {
        /// The receipt, borsh or CBOR
        file: PathBuf,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

/// `loom receipt verify`
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 accepted, 1 rejected, 2 the file or an argument cannot be read.")]
pub struct VerifyReceipt {
    /// The receipt, borsh or CBOR
    pub file: PathBuf,
    /// The program that must have run: 64 hex digits
    #[arg(long, value_name = "HEX")]
    pub image_id: ImageId,
    /// A case of a batch, one line of what `loom prove batch` writes beside its receipt: check too that the batch has it
    #[arg(long, value_name = "FILE")]
    pub case: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}
