//! What must hold after every run, whatever went wrong in it.

mod bundles;
mod controls;
mod effects;
mod handled;
mod journals;
mod log;
mod messages;
mod model;
mod proofs;
mod replay;

use std::fmt;

use loom_storage::Storage;

use crate::{
    auditor::Asked,
    record::{Dated, Fact},
};

use self::journals::Histories;

/// Something that should not have happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What must hold.
    pub rule: &'static str,
    /// What did not.
    pub detail: String,
}

impl Violation {
    pub(crate) fn new(rule: &'static str, detail: impl Into<String>) -> Self {
        Self { rule, detail: detail.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' does not hold: {}", self.rule, self.detail)
    }
}

/// Gathers what does not hold.
#[derive(Default)]
pub(crate) struct Findings(Vec<Violation>);

impl Findings {
    /// Notes a violation unless `holds`.
    pub(crate) fn expect(&mut self, holds: bool, rule: &'static str, detail: impl FnOnce() -> String) {
        if !holds {
            self.0.push(Violation::new(rule, detail()));
        }
    }
}

/// Checks the durable journals against everything that was observed. A run that did not come to rest is only
/// checked for what must hold at any time.
pub(crate) fn check(durable: &Storage, facts: &[Dated], asked: &[Asked], at_rest: bool) -> Vec<Violation> {
    let mut findings = Findings::default();
    for dated in facts {
        if let Fact::Wrong { what } = &dated.fact {
            findings.expect(false, "clients are told nothing wrong", || what.clone());
        }
    }
    let histories = Histories::read(durable, &mut findings);
    if !findings.0.is_empty() {
        // What follows would only say the same in many words.
        return findings.0;
    }
    log::check(durable, &histories, &mut findings);
    let handled = handled::handled(&histories);
    messages::check(&histories, &handled, facts, at_rest, &mut findings);
    controls::check(&histories, &handled, facts, &mut findings);
    effects::check(&histories, facts, &mut findings);
    proofs::check(durable, &histories, facts, &mut findings);
    model::check(&histories, &mut findings);
    replay::check(durable, &histories, &mut findings);
    bundles::check(asked, &histories, &mut findings);
    findings.0
}
