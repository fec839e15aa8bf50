//! From a program and facts to a review.
//!
//! The decision is the gravest of what the missed and the unknown criteria lead to: deny before refer before approve.
//! Nothing else enters it; the order of the criteria only orders the lists.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::condition::Truth;
use crate::fact::{Fact, Facts};
use crate::limits::FACTS_MAX;
use crate::program::{Criterion, Overlay, Program, Severity};

/// What the criteria decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// Every criterion that applies is met, or its not being known was declared harmless.
    Approve,
    /// A criterion says no.
    Deny,
    /// A person decides.
    Refer,
}

/// What one criterion came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its `when` does not hold.
    NotApplicable,
    /// What it requires holds.
    Met,
    /// What it requires fails.
    Missed,
    /// Cannot be said from what is known.
    Unknown,
}

/// Why a decision is not plainly "approve".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// The criterion.
    pub id: String,
    /// Its code for the case (HMDA denial reasons run from 1 to 9).
    pub code: u16,
    /// Its text for the case.
    pub text: String,
}

/// The whole answer. A criterion that does not apply is in none of the lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Review {
    /// The decision.
    pub decision: Decision,
    /// Ids of the criteria that are met, in the program's order, overlay additions last.
    pub met: Vec<String>,
    /// Ids of those that are missed.
    pub missed: Vec<String>,
    /// Ids of those that cannot be decided.
    pub unknown: Vec<String>,
    /// One for each criterion that weighed against approval.
    pub reasons: Vec<Reason>,
}

/// Why a program could not be applied to these facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EvaluateError {
    /// A criterion names a fact that was not given, not even as missing.
    UnknownFact {
        /// The criterion.
        criterion: String,
        /// The name.
        fact: String,
    },
    /// More facts than [`FACTS_MAX`].
    TooManyFacts(usize),
    /// A range whose upper end is below its lower one.
    EmptyRange(String),
}

impl fmt::Display for EvaluateError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownFact { criterion, fact } => {
                write!(
                    formatter,
                    "criterion {criterion:?} names {fact:?}, which is no fact of this application"
                )
            }
            Self::TooManyFacts(count) => {
                write!(formatter, "{count} facts, FACTS_MAX is {FACTS_MAX}")
            }
            Self::EmptyRange(name) => write!(
                formatter,
                "fact {name:?} is a range whose max is below its min"
            ),
        }
    }
}

impl core::error::Error for EvaluateError {}

/// Applies the program in one state. Without a state, a criterion that an overlay changes counts as met or missed
/// only if it comes out the same in every state.
pub fn evaluate(
    program: &Program,
    state: Option<&str>,
    facts: &Facts,
) -> Result<Review, EvaluateError> {
    check(facts)?;
    let mut review = Review {
        decision: Decision::Approve,
        met: Vec::new(),
        missed: Vec::new(),
        unknown: Vec::new(),
        reasons: Vec::new(),
    };
    let mut gravest = None;
    for candidates in applicable(program, state) {
        let (criterion, outcome) = settle(&candidates, facts)?;
        gravest = gravest.max(review.record(criterion, outcome));
    }
    review.decision = match gravest {
        None => Decision::Approve,
        Some(Severity::Refer) => Decision::Refer,
        Some(Severity::Deny) => Decision::Deny,
    };
    Ok(review)
}

impl Review {
    fn record(&mut self, criterion: &Criterion, outcome: Outcome) -> Option<Severity> {
        let (list, severity, code, text) = match outcome {
            Outcome::NotApplicable => return None,
            Outcome::Met => {
                self.met.push(criterion.id.clone());
                return None;
            }
            Outcome::Missed => (
                &mut self.missed,
                Some(criterion.severity),
                criterion.code,
                &criterion.text,
            ),
            Outcome::Unknown => {
                let unknown = &criterion.unknown;
                (
                    &mut self.unknown,
                    unknown.severity,
                    unknown.code,
                    &unknown.text,
                )
            }
        };
        list.push(criterion.id.clone());
        if severity.is_some() {
            self.reasons.push(Reason {
                id: criterion.id.clone(),
                code,
                text: text.clone(),
            });
        }
        severity
    }
}

/// The versions of one criterion that may apply; several only while the state is not known.
pub(crate) struct Candidates<'a> {
    pub(crate) versions: Vec<&'a Criterion>,
    /// In some state there is no such criterion at all.
    may_be_absent: bool,
}

pub(crate) fn applicable<'a>(program: &'a Program, state: Option<&str>) -> Vec<Candidates<'a>> {
    let here = |overlay: &&Overlay| match state {
        Some(state) => overlay.states.iter().any(|other| other == state),
        None => true,
    };
    let overlays: Vec<&Overlay> = program.overlays.iter().filter(here).collect();
    let mut all: Vec<Candidates<'a>> = Vec::new();
    for criterion in &program.criteria {
        let replacements = overlays
            .iter()
            .flat_map(|overlay| &overlay.criteria)
            .filter(|c| c.id == criterion.id);
        let mut versions: Vec<&Criterion> = replacements.collect();
        if versions.is_empty() || state.is_none() {
            versions.insert(0, criterion);
        }
        all.push(Candidates {
            versions,
            may_be_absent: false,
        });
    }
    for added in overlays.iter().flat_map(|overlay| &overlay.criteria) {
        if program
            .criteria
            .iter()
            .any(|criterion| criterion.id == added.id)
        {
            continue;
        }
        match all
            .iter_mut()
            .find(|candidates| candidates.versions[0].id == added.id)
        {
            Some(candidates) => candidates.versions.push(added),
            None => all.push(Candidates {
                versions: Vec::from([added]),
                may_be_absent: state.is_none(),
            }),
        }
    }
    all
}

/// One outcome for a criterion, and the version that speaks for it.
fn settle<'a>(
    candidates: &Candidates<'a>,
    facts: &Facts,
) -> Result<(&'a Criterion, Outcome), EvaluateError> {
    let mut speaker = candidates.versions[0];
    let mut settled = outcome(speaker, facts)?;
    if candidates.may_be_absent {
        settled = merge(settled, Outcome::NotApplicable);
    }
    for version in &candidates.versions[1..] {
        let next = outcome(version, facts)?;
        if matches!(settled, Outcome::Met | Outcome::NotApplicable)
            && !matches!(next, Outcome::NotApplicable)
        {
            speaker = version;
        }
        settled = merge(settled, next);
    }
    Ok((speaker, settled))
}

/// What can be said when either of two outcomes may be the true one.
fn merge(one: Outcome, other: Outcome) -> Outcome {
    match (one, other) {
        (one, other) if one == other => one,
        (Outcome::Met, Outcome::NotApplicable) | (Outcome::NotApplicable, Outcome::Met) => {
            Outcome::Met
        }
        _ => Outcome::Unknown,
    }
}

/// `when` implies `require`.
fn outcome(criterion: &Criterion, facts: &Facts) -> Result<Outcome, EvaluateError> {
    let unknown_fact = |fact: &str| unknown_fact(criterion, fact);
    let when = match &criterion.when {
        Some(condition) => condition.evaluate(facts).map_err(unknown_fact)?,
        None => Truth::True,
    };
    // Evaluated even where it does not apply: a misspelt name is found on the first application, not on a rare one.
    let require = criterion.require.evaluate(facts).map_err(unknown_fact)?;
    Ok(match (when, require) {
        (Truth::False, _) => Outcome::NotApplicable,
        (_, Truth::True) => Outcome::Met,
        (Truth::True, Truth::False) => Outcome::Missed,
        (Truth::True | Truth::Unknown, _) => Outcome::Unknown,
    })
}

pub(crate) fn unknown_fact(criterion: &Criterion, fact: &str) -> EvaluateError {
    EvaluateError::UnknownFact {
        criterion: criterion.id.clone(),
        fact: fact.to_owned(),
    }
}

pub(crate) fn check(facts: &Facts) -> Result<(), EvaluateError> {
    if facts.len() > FACTS_MAX {
        return Err(EvaluateError::TooManyFacts(facts.len()));
    }
    for (name, fact) in facts {
        if let Fact::Between {
            min,
            max: Some(max),
        } = fact
            && max < min
        {
            return Err(EvaluateError::EmptyRange(name.clone()));
        }
    }
    Ok(())
}
