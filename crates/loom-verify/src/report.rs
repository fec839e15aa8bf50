//! What a verification found.

use std::{collections::HashMap, fmt};

use loom_evidence::{Bundle, BundleError};
use loom_machine::replay::Difference;
use loom_types::{ActorAddress, Cid, Entry};
use serde::{Deserialize, Serialize};

use crate::Judgement;

/// What a claim rests on, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// A proof that needs nobody's word.
    Proved,
    /// It was run again here, and came to the same bytes.
    ReExecuted,
    /// Somebody whose key the auditor named signed it.
    Attested,
    /// The node says so.
    Claimed,
    /// It was left out of the file.
    Redacted,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Class::Proved => "proved",
            Class::ReExecuted => "re-executed",
            Class::Attested => "attested",
            Class::Claimed => "claimed",
            Class::Redacted => "redacted",
        })
    }
}

/// One thing that the file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Claim {
    /// What it is about: an actor, a turn of it, a step.
    pub subject: String,
    /// What it rests on.
    pub class: Class,
    /// What is claimed, and why it has this class.
    pub detail: String,
    /// Keys that vouch for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<String>,
    /// Of a turn: what ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
}

/// The code of a turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Code {
    /// The type of its actor.
    pub actor_type: String,
    /// CID of the module.
    pub module: String,
    /// CID of the deployment that pinned it.
    pub deployment: String,
}

/// Something that cannot be true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Contradiction {
    /// `namespace/type/key#SEQ`, or the block, where one can be named.
    pub entry: Option<String>,
    /// What is wrong.
    pub reason: String,
    /// What the file says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actual: Option<String>,
}

/// How much was run again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Turns {
    /// Turns in the file.
    pub all: u64,
    /// Those whose end came out of their module again.
    pub re_executed: u64,
}

/// What a verification found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether nothing in the file contradicts anything.
    pub ok: bool,
    /// The actor that the file is about.
    pub subject: Option<String>,
    /// The file's name: the CID of its manifest.
    pub bundle: Option<String>,
    /// How many turns it holds, and how many came out again.
    pub turns: Turns,
    /// What it says, and what that rests on.
    pub claims: Vec<Claim>,
    /// What cannot be true.
    pub failures: Vec<Contradiction>,
    /// Whether the auditor's policy is met, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<Judgement>,
}

/// What is shown about a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it rests on.
    pub class: Class,
    /// Keys that vouch for it.
    pub by: Vec<String>,
    /// What is shown.
    pub detail: String,
}

/// What is shown about claims, by subject.
pub(crate) type Stronger = HashMap<String, Found>;

impl Report {
    pub(crate) fn about(bundle: &Bundle) -> Self {
        Self {
            ok: false,
            subject: bundle.manifest().histories.first().map(|history| history.actor.to_string()),
            bundle: Some(bundle.cid().to_string()),
            turns: Turns::default(),
            claims: Vec::new(),
            failures: Vec::new(),
            policy: None,
        }
    }

    pub(crate) fn of_broken(error: &BundleError) -> Self {
        let entry = match error {
            BundleError::Damaged(cid)
            | BundleError::Missing { cid, .. }
            | BundleError::OutOfPlace { found: cid, .. }
            | BundleError::Entry { cid, .. }
            | BundleError::Payload { cid, .. } => Some(cid.to_string()),
            BundleError::Container(_) | BundleError::Manifest(_) => None,
        };
        let failure = Contradiction { entry, reason: error.to_string(), expected: None, actual: None };
        Self {
            ok: false,
            subject: None,
            bundle: None,
            turns: Turns::default(),
            claims: Vec::new(),
            failures: vec![failure],
            policy: None,
        }
    }

    pub(crate) fn claim(&mut self, subject: impl fmt::Display, class: Class, detail: impl Into<String>) {
        self.claimed(subject, class, detail);
    }

    /// The same, for more to be said about it.
    pub(crate) fn claimed(
        &mut self,
        subject: impl fmt::Display,
        class: Class,
        detail: impl Into<String>,
    ) -> &mut Claim {
        let (by, code) = (Vec::new(), None);
        self.claims.push(Claim { subject: subject.to_string(), class, detail: detail.into(), by, code });
        self.claims.last_mut().expect("just put there")
    }

    /// What was only claimed rests on more, by subject: what else the file shows about it.
    pub(crate) fn strengthen(&mut self, stronger: &HashMap<String, (Class, String)>) {
        for claim in &mut self.claims {
            if let Some((class, detail)) = stronger.get(&claim.subject)
                && claim.class >= *class
            {
                claim.class = *class;
                claim.detail.clone_from(detail);
            }
        }
    }

    /// What a claim rests on is known: nothing else that was said about it counts. Of turns that were not run again,
    /// nothing else is said of their steps.
    pub(crate) fn settle(&mut self, found: Stronger) {
        let mut found: Vec<_> = found.into_iter().collect();
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        let places = self.claims.iter().enumerate().map(|(place, claim)| (claim.subject.clone(), place));
        let places: HashMap<_, _> = places.collect();
        for (subject, Found { class, detail, by }) in found {
            let claim = match places.get(&subject) {
                Some(place) => &mut self.claims[*place],
                None if class == Class::Claimed => continue,
                None => self.claimed(subject, class, ""),
            };
            (claim.class, claim.detail, claim.by) = (class, detail, by);
        }
    }

    /// Says more about what was claimed.
    pub(crate) fn add(&mut self, subject: &str, more: &str) {
        if let Some(claim) = self.claims.iter_mut().find(|claim| claim.subject == subject) {
            claim.detail.push_str(more);
        }
    }

    pub(crate) fn contradiction(&mut self, entry: &Entry, reason: impl Into<String>) {
        self.failed(place(entry), reason);
    }

    /// What the file as a whole says cannot be: the block that its header names stands for it.
    pub(crate) fn contradiction_of(&mut self, file: Cid, reason: impl Into<String>) {
        self.failed(file.to_string(), reason);
    }

    fn failed(&mut self, entry: String, reason: impl Into<String>) {
        self.failures.push(Contradiction { entry: Some(entry), reason: reason.into(), expected: None, actual: None });
    }

    pub(crate) fn unequal(&mut self, entry: &Entry, reason: &str, file: impl fmt::Display, fact: impl fmt::Display) {
        self.failures.push(Contradiction {
            entry: Some(place(entry)),
            reason: reason.to_owned(),
            expected: Some(file.to_string()),
            actual: Some(fact.to_string()),
        });
    }

    pub(crate) fn difference(&mut self, difference: &Difference) {
        let (journal, guest) = difference.side_by_side();
        self.failures.push(Contradiction {
            entry: Some(named(&difference.actor, difference.seq.0)),
            reason: format!("run again, turn {} does something else", difference.turn),
            expected: Some(journal),
            actual: Some(guest),
        });
    }

    /// Takes over what another file is contradicted by.
    pub(crate) fn absorb(&mut self, other: &Report) {
        for failure in &other.failures {
            let reason = format!("in the first file: {}", failure.reason);
            self.failures.push(Contradiction { reason, ..failure.clone() });
        }
    }

    pub(crate) fn finish(&mut self) {
        self.ok = self.failures.is_empty();
    }
}

fn place(entry: &Entry) -> String {
    named(&entry.actor, entry.seq.0)
}

fn named(actor: &ActorAddress, seq: u64) -> String {
    format!("{actor}#{seq}")
}
