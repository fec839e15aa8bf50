//! The auditor's side of Loom: takes one file and the keys somebody trusts, and says for every claim in the file what
//! it rests on. Pure and offline: no clock but a stopwatch, no network, no folder.
//!
//! ```text
//! file ─► loom-evidence: CAR, names, places ─► chain ─► log ─► every turn run again (loom-machine) ─► proofs, verdicts ─► Report
//! ```
//!
//! Files come from strangers who may wish to be believed: sizes, fuel and time are bounded, and whatever cannot be
//! checked makes the report weaker, never stronger.
//!
//! Deliberately absent: storage, servers, whatever the operator's side is made of.
//!
//! Start at [`verify`].

mod amounts;
mod anchor;
mod chain;
mod cli;
mod execute;
mod extends;
mod html;
mod links;
mod plain;
mod policy;
mod proofs;
mod report;
mod statement;
mod values;
mod verdicts;

use std::time::Duration;

use bytes::Bytes;
use loom_evidence::{Bundle, BundleError, PublicKey};
use loom_machine::Sandbox;

pub use self::{
    amounts::{AttestedAmount, committed_amount},
    cli::{VerifyArguments, read_key, run},
    html::page,
    plain::plain,
    policy::{InvalidPolicy, Judgement, Policy, Unmet},
    proofs::{Receipts, Risc0},
    report::{Claim, Class, Code, Contradiction, Found, Report, Turns},
    statement::{PREDICATE_TYPE, STATEMENT_TYPE, statement},
    verdicts::{Tlsnotary, Verifier},
};

/// What the auditor brings.
#[derive(Clone, Debug)]
pub struct Auditor {
    /// Keys of nodes whose checkpoints are believed.
    pub keys: Vec<PublicKey>,
    /// Keys of witnesses that are believed to sign nothing but growth.
    pub witnesses: Vec<PublicKey>,
    /// Keys of witnesses that are believed to read every leaf as well.
    pub monitors: Vec<PublicKey>,
    /// What must be shown.
    pub policy: Option<Policy>,
    /// How long turns are run again; what is left then is not. Without a stopwatch there is no end to it but fuel's.
    pub time: Duration,
    /// Time since some beginning.
    pub elapsed: fn() -> Duration,
}

impl Default for Auditor {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            witnesses: Vec::new(),
            monitors: Vec::new(),
            policy: None,
            time: Duration::from_secs(600),
            elapsed: Duration::default,
        }
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
    verify_with(file, auditor, sandbox, &Risc0)
}

/// The same where receipts are something else: in a simulation, whose proofs are none.
pub fn verify_with(
    file: &Bytes,
    auditor: &Auditor,
    sandbox: &dyn Sandbox,
    receipts: &dyn Receipts,
) -> Result<Report, Unreadable> {
    Ok(Verification::of(file, auditor, sandbox, receipts)?.finished(auditor))
}

/// Verifies two bundles of one actor, and that the later one goes on where the earlier one ended. The report is about
/// the later one; what contradicts the earlier one is in it too.
pub fn verify_both(
    earlier: &Bytes,
    later: &Bytes,
    auditor: &Auditor,
    sandbox: &dyn Sandbox,
) -> Result<Report, Unreadable> {
    verify_both_with(earlier, later, auditor, sandbox, &Risc0)
}

/// The same where receipts are something else.
pub fn verify_both_with(
    earlier: &Bytes,
    later: &Bytes,
    auditor: &Auditor,
    sandbox: &dyn Sandbox,
    receipts: &dyn Receipts,
) -> Result<Report, Unreadable> {
    let earlier = Verification::of(earlier, auditor, sandbox, receipts)?;
    let mut verification = Verification::of(later, auditor, sandbox, receipts)?;
    verification.report.absorb(&earlier.report);
    if let (Some(one), Some(other)) = (&earlier.bundle, &verification.bundle) {
        extends::check((one, &earlier.anchors), (other, &verification.anchors), &mut verification.report);
    }
    Ok(verification.finished(auditor))
}

/// A bundle that was checked; none if the file contradicts itself before there is one.
struct Verification {
    bundle: Option<Bundle>,
    anchors: anchor::Anchors,
    report: Report,
}

impl Verification {
    fn of(file: &Bytes, auditor: &Auditor, sandbox: &dyn Sandbox, receipts: &dyn Receipts) -> Result<Self, Unreadable> {
        let bundle = match Bundle::read(file) {
            Ok(bundle) => bundle,
            Err(error) if error.is_contradiction() => {
                return Ok(Self { bundle: None, anchors: Vec::new(), report: Report::of_broken(&error) });
            }
            Err(error) => return Err(Unreadable::Bundle(error)),
        };
        let began = (auditor.elapsed)();
        let is_over = || (auditor.elapsed)().saturating_sub(began) >= auditor.time;
        let mut report = Report::about(&bundle);
        let anchors = anchor::check(&bundle, auditor, &mut report);
        let workshop = execute::Workshop::new(&bundle, sandbox, &is_over);
        let mut proofs = proofs::Checking::new(&bundle, receipts, &is_over);
        let mut verdicts = verdicts::Checking::new(&bundle, &is_over);
        let mut runs = Vec::new();
        for ((history, entries), anchors) in bundle.manifest().histories.iter().zip(bundle.entries()).zip(&anchors) {
            values::check(&bundle, entries, &mut report);
            if chain::check(history, entries, &mut report) {
                runs.push(execute::check(&workshop, entries, anchors, &mut report));
                proofs.check(entries, &mut report);
                verdicts.check(entries, &proofs::repinned(entries), &mut report);
            }
        }
        // What is no journal is compared with nothing.
        if runs.len() == anchors.len() {
            links::check(&bundle, &runs, &anchors, &mut report);
        }
        let (proved, accepted) = (proofs.conclude(&mut report), verdicts.conclude(&mut report));
        amounts::conclude(&bundle, &proved, &accepted, &is_over, &mut report);
        Ok(Self { bundle: Some(bundle), anchors, report })
    }

    fn finished(mut self, auditor: &Auditor) -> Report {
        self.report.finish();
        self.report.policy = auditor.policy.as_ref().map(|policy| policy.judge(&self.report));
        self.report
    }
}
