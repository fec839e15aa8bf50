//! Arguments of `loom tlsn`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use loom_notary::Pointer;

/// `loom tlsn`
#[derive(Debug, Subcommand)]
pub enum Tlsn {
    /// Check that a notary saw a server say what a presentation discloses
    Verify(VerifyPresentation),
    /// Prepare a proof that an amount reaches a threshold, without showing the amount
    Amount(Amount),
    /// Show what a presentation says of itself. Nothing of it is checked
    Show {
        /// The presentation
        file: PathBuf,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

/// `loom tlsn verify`
#[derive(Debug, Args)]
#[command(after_help = "\
A notary's word counts only if you name its key. Who the server was is checked against Mozilla's list of authorities, or
against the ones that you name, as of the session's time. What is found (a name that only a pattern covers, a request to
another host, a notary that made the connection itself) does not reject a presentation: read it.

Example:
  loom tlsn verify bank.tlsn --notary-key 031b84c5… --server bank.example --field /closing_balance

With --receipt, the amount must also be one of this presentation's and reach the receipt's threshold: see which member it
is, and which threshold.

Exit codes: 0 accepted, 1 rejected, 2 the file or an argument cannot be read.")]
pub struct VerifyPresentation {
    /// The presentation, of TLSNotary 0.1.0-alpha.15
    pub file: PathBuf,
    /// A notary that is trusted: its public key in hex (SEC1); give it again for each
    #[arg(long, required = true, value_name = "HEX", value_delimiter = ',')]
    pub notary_key: Vec<String>,
    /// An authority that is trusted instead of Mozilla's list: a file in PEM or DER; give it again for each
    #[arg(long, value_name = "FILE")]
    pub root: Vec<PathBuf>,
    /// The server it must be of; give it again for each that will do
    #[arg(long, value_name = "NAME")]
    pub server: Vec<String>,
    /// The session must not have been before, as 2026-11-22T11:00:00Z or seconds since 1970
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub not_before: Option<u64>,
    /// The session must not have been after
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub not_after: Option<u64>,
    /// Take this out of the response's JSON too: a JSON pointer such as /account/holder; give it again for each
    #[arg(long, value_name = "POINTER")]
    pub field: Vec<String>,
    /// A receipt of committed-amount: what it proves of an amount that this presentation hides
    #[arg(long, value_name = "FILE")]
    pub receipt: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// `loom tlsn amount`
#[derive(Debug, Args)]
#[command(after_help = "\
Prints what `loom prove committed-amount` takes: the opening of the notary's commitment to the amount, and the threshold.
It is as private as the amount. The notary must have made a commitment to this value alone, with SHA-256, and the value
must be a whole number or have one or two decimals, as a text or as a number.

Example:
  loom tlsn amount bank.tlsn --pointer /closing_balance --threshold-cents 500000 --out shown.tlsn > amount.json
  loom prove committed-amount --input amount.json
  loom tlsn verify shown.tlsn --notary-key 031b84c5… --receipt committed-amount.receipt")]
pub struct Amount {
    /// The presentation as its holder has it, with the amount
    pub file: PathBuf,
    /// Where the amount is in the response's JSON, such as /closing_balance
    #[arg(long, value_name = "POINTER")]
    pub pointer: Pointer,
    /// What the amount is compared with, in hundredths
    #[arg(long, value_name = "N")]
    pub threshold_cents: u64,
    /// Write the presentation without the amount: the one to hand over
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

fn time(text: &str) -> Result<u64, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(seconds);
    }
    let time: jiff::Timestamp = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    u64::try_from(time.as_second()).map_err(|_| "it is before 1970".to_owned())
}
