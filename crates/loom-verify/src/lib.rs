//! The auditor's side of Loom: takes one file and the keys somebody trusts, and says for every claim in the file what
//! it rests on. Pure and offline: no clock but a stopwatch, no network, no folder.
//!
//! ```text
//! file ─► loom-evidence: CAR, names, places ─► chain ─► log ─► every turn run again (loom-machine) ─► Report
//! ```
//!
//! Files come from strangers who may wish to be believed: sizes, fuel and time are bounded, and whatever cannot be
//! checked makes the report weaker, never stronger.
//!
//! Deliberately absent: storage, servers, whatever the operator's side is made of.
//!
//! Start at [`verify`].

mod anchor;
mod chain;
mod cli;
mod execute;
mod links;
mod report;
mod values;

use std::time::Duration;

use bytes::Bytes;
use loom_evidence::{Bundle, BundleError, PublicKey};
use loom_machine::Sandbox;

pub use self::{
    cli::{VerifyArguments, run},
    report::{Claim, Class, Contradiction, Report, Turns},
};

/// What the auditor brings.
#[derive(Clone, Debug)]
pub struct Auditor {
    /// Keys of nodes whose checkpoints are believed.
    pub keys: Vec<PublicKey>,
    /// Keys of witnesses that are believed.
    pub witnesses: Vec<PublicKey>,
    /// How long turns are run again; what is left then is not. Without a stopwatch there is no end to it but fuel's.
    pub time: Duration,
    /// Time since some beginning.
    pub elapsed: fn() -> Duration,
}

impl Default for Auditor {
    fn default() -> Self {
        Self { keys: Vec::new(), witnesses: Vec::new(), time: Duration::from_secs(600), elapsed: Duration::default }
    }
}

/// Why a file cannot be verified at all.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Unreadable {
    /// It is no bundle.
    #[error(transparent)]
    Bundle(BundleError),
}

/// Verifies a bundle.
pub fn verify(file: &Bytes, auditor: &Auditor, sandbox: &dyn Sandbox) -> Result<Report, Unreadable> {
    let bundle = match Bundle::read(file) {
        Ok(bundle) => bundle,
        Err(error) if error.is_contradiction() => return Ok(Report::of_broken(&error)),
        Err(error) => return Err(Unreadable::Bundle(error)),
    };
    let began = (auditor.elapsed)();
    let mut report = Report::about(&bundle);
    let anchored = anchor::check(&bundle, auditor, &mut report);
    let is_over = || (auditor.elapsed)().saturating_sub(began) >= auditor.time;
    let mut runs = Vec::new();
    for ((history, entries), is_anchored) in bundle.manifest().histories.iter().zip(bundle.entries()).zip(&anchored) {
        values::check(&bundle, entries, &mut report);
        if chain::check(history, entries, &mut report) {
            runs.push(execute::check(&bundle, entries, *is_anchored, sandbox, &is_over, &mut report));
        }
    }
    // What is no journal is compared with nothing.
    if runs.len() == anchored.len() {
        links::check(&bundle, &runs, &anchored, &mut report);
    }
    report.finish();
    Ok(report)
}
