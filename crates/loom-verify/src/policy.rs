//! What an auditor requires of a bundle, beyond that nothing in it is contradicted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Claim, Class, Report};

/// Largest policy file, in bytes.
pub(crate) const POLICY_BYTES_MAX: usize = 1024 * 1024;
const VERSION: u64 = 1;

/// A policy file. `docs/formats/policy.md` describes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    v: u64,
    /// For people.
    #[serde(default)]
    name: String,
    /// Turns may run under these deployments alone.
    #[serde(default)]
    deployments: Option<Vec<String>>,
    /// Turns of these types of actors may run these modules alone.
    #[serde(default)]
    modules: BTreeMap<String, Vec<String>>,
    /// What must be claimed, and on what it must rest.
    #[serde(default)]
    require: Vec<Requirement>,
}

/// One thing that must be so.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Requirement {
    /// Which claims: words, in which `*` stands for any characters but spaces.
    subject: String,
    /// Each of them must have one of these classes.
    class: Vec<Class>,
    /// Each of them must be vouched for by one of these keys.
    #[serde(default)]
    by: Option<Vec<String>>,
    /// At least so many there must be.
    #[serde(default = "one")]
    at_least: usize,
}

fn one() -> usize {
    1
}

/// Why a file is no policy.
#[derive(Clone, Debug, thiserror::Error)]
pub enum InvalidPolicy {
    /// Not JSON of this form.
    #[error("not a policy: {0}")]
    Malformed(String),
    /// It asks for nothing.
    #[error("the policy requires nothing: a file that says nothing at all would meet it")]
    Empty,
}

/// Whether a policy is met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Judgement {
    /// The policy's name.
    pub name: String,
    /// Whether all that it requires is so.
    pub met: bool,
    /// What is not.
    pub unmet: Vec<Unmet>,
}

/// A requirement that is not met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unmet {
    /// The requirement: the pattern of a subject, or what was pinned.
    pub requirement: String,
    /// The claim that does not meet it; none if there is none that could.
    pub subject: Option<String>,
    /// Why.
    pub reason: String,
}

impl Policy {
    /// Reads a policy file.
    pub fn read(text: &str) -> Result<Self, InvalidPolicy> {
        if text.len() > POLICY_BYTES_MAX {
            return Err(InvalidPolicy::Malformed(format!("it has more than {POLICY_BYTES_MAX} bytes")));
        }
        let policy: Self = serde_json::from_str(text).map_err(|error| InvalidPolicy::Malformed(error.to_string()))?;
        if policy.v != VERSION {
            let problem = format!("version {} is not known, {VERSION} is", policy.v);
            return Err(InvalidPolicy::Malformed(problem));
        }
        if policy.deployments.is_none() && policy.modules.is_empty() && policy.require.is_empty() {
            return Err(InvalidPolicy::Empty);
        }
        Ok(policy)
    }

    /// Holds it against what a verification found.
    pub fn judge(&self, report: &Report) -> Judgement {
        let mut unmet = Vec::new();
        self.pinned(report, &mut unmet);
        self.require.iter().for_each(|requirement| requirement.judge(report, &mut unmet));
        Judgement { name: self.name.clone(), met: unmet.is_empty(), unmet }
    }

    fn pinned(&self, report: &Report, unmet: &mut Vec<Unmet>) {
        let turns: Vec<_> = report.claims.iter().filter_map(|claim| Some((claim, claim.code.as_ref()?))).collect();
        let mut refuse = |requirement: &str, claim: &Claim, reason: String| {
            unmet.push(Unmet { requirement: requirement.to_owned(), subject: Some(claim.subject.clone()), reason });
        };
        for (claim, code) in &turns {
            if self.deployments.as_ref().is_some_and(|allowed| !allowed.contains(&code.deployment)) {
                refuse("deployments", claim, format!("it ran under deployment {}", code.deployment));
            }
            let modules = self.modules.get(&code.actor_type);
            if modules.is_some_and(|allowed| !allowed.contains(&code.module)) {
                refuse("modules", claim, format!("it ran module {}", code.module));
            }
        }
        for actor_type in self.modules.keys() {
            if !turns.iter().any(|(_, code)| code.actor_type == *actor_type) {
                let reason = "no turn of this type of actor is in the file".to_owned();
                unmet.push(Unmet { requirement: format!("modules {actor_type}"), subject: None, reason });
            }
        }
        if self.deployments.is_some() && turns.is_empty() {
            let reason = "no turn is in the file".to_owned();
            unmet.push(Unmet { requirement: "deployments".to_owned(), subject: None, reason });
        }
    }
}

impl Requirement {
    fn judge(&self, report: &Report, unmet: &mut Vec<Unmet>) {
        let mut matching = 0;
        for claim in report.claims.iter().filter(|claim| is_like(&claim.subject, &self.subject)) {
            matching += 1;
            if let Err(reason) = self.is_met_by(claim) {
                let (requirement, subject) = (self.subject.clone(), Some(claim.subject.clone()));
                unmet.push(Unmet { requirement, subject, reason });
            }
        }
        if matching < self.at_least {
            let reason = format!("{matching} claims are about this, at least {} must be", self.at_least);
            unmet.push(Unmet { requirement: self.subject.clone(), subject: None, reason });
        }
    }

    fn is_met_by(&self, claim: &Claim) -> Result<(), String> {
        if !self.class.contains(&claim.class) {
            let wanted: Vec<_> = self.class.iter().map(Class::to_string).collect();
            return Err(format!("it is {}, not {}: {}", claim.class, wanted.join(" or "), claim.detail));
        }
        match &self.by {
            Some(keys) if !keys.iter().any(|key| claim.by.contains(key)) => {
                Err("none of the required keys vouches for it".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// Whether a subject has the words of a pattern, in which `*` stands for anything within a word.
fn is_like(subject: &str, pattern: &str) -> bool {
    let (mut words, mut patterns) = (subject.split(' '), pattern.split(' '));
    loop {
        match (words.next(), patterns.next()) {
            (None, None) => return true,
            (Some(word), Some(pattern)) if is_word_like(word, pattern) => {}
            _ => return false,
        }
    }
}

fn is_word_like(word: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = word.strip_prefix(first) else { return false };
    let mut parts: Vec<_> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything_within_a_word() {
        for (subject, pattern) in [
            ("default/loan/1 turn 1", "default/loan/1 turn 1"),
            ("default/loan/1 turn 1", "*/loan/* turn *"),
            ("default/loan/1 turn 12", "* turn 1*"),
            ("log a.example fork", "log * fork"),
            ("ab", "a*b"),
            ("axxbxxb", "*x*b"),
        ] {
            assert!(is_like(subject, pattern), "{subject} {pattern}");
        }
        for (subject, pattern) in [
            ("default/loan/1 turn 1 message", "* turn *"),
            ("default/loan/1", "default/loan"),
            ("default/loan/12 turn 1", "*/1 turn *"),
            ("a", "a*a"),
            ("log a.example", "log * fork"),
            ("", "*a"),
        ] {
            assert!(!is_like(subject, pattern), "{subject} {pattern}");
        }
    }
}
