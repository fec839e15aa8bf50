//! The program: what [`crate::evaluate`] runs. Built only by [`Program::parse`], which checks every bound.

use alloc::string::String;
use alloc::vec::Vec;

use crate::condition::Condition;

/// A checked criteria program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) criteria: Vec<Criterion>,
    pub(crate) overlays: Vec<Overlay>,
}

impl Program {
    /// The program's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The program's own version, as its author wrote it.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The criteria that hold in every state.
    pub fn criteria(&self) -> &[Criterion] {
        &self.criteria
    }

    /// What some states add or replace.
    pub fn overlays(&self) -> &[Overlay] {
        &self.overlays
    }
}

/// One criterion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Criterion {
    /// Its id, unique within the base criteria and within what applies in one state.
    pub id: String,
    /// Where it applies; a criterion that does not apply appears in no list of the review.
    pub when: Option<Condition>,
    /// What must hold.
    pub require: Condition,
    /// What missing it means.
    pub severity: Severity,
    /// The reason's code when it is missed.
    pub code: u16,
    /// The reason's text when it is missed.
    pub text: String,
    /// What not knowing means.
    pub unknown: WhenUnknown,
}

/// What a missed criterion leads to; the gravest wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// A person decides.
    Refer,
    /// The application is denied.
    Deny,
}

/// What an unknown criterion leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhenUnknown {
    /// No severity: it is listed as unknown and has no other effect.
    pub severity: Option<Severity>,
    /// The reason's code.
    pub code: u16,
    /// The reason's text.
    pub text: String,
}

/// Criteria of some states. One with the id of a base criterion replaces it there, another is added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlay {
    /// Two-letter codes.
    pub states: Vec<String>,
    /// What is added or replaced.
    pub criteria: Vec<Criterion>,
}
