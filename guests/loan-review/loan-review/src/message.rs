//! What the actor receives, sends and answers.

use criteria::{Decision, Facts, Reason};
use dti_case::Figures;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::facts::{Range, Source};
use crate::proof::RatioProof;
use crate::statement::{Income, Statement};

/// Characters of the name of a person who decides.
const NAME_LENGTH_MAX: usize = 200;
/// Characters of what that person notes.
const NOTE_LENGTH_MAX: usize = 4000;

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Message {
    Review {
        /// The columns of the public HMDA schema, as text.
        application: Map<String, Value>,
        /// CID of the criteria program.
        program: String,
        /// Whether the debt-to-income ratio is proved.
        #[serde(default)]
        prove: bool,
        /// The `dti-batch` actor that has it proved together with others.
        batch: Option<String>,
        /// A bank's statement of the income, as a notary saw it.
        statement: Option<Statement>,
    },
}

/// Input of the activity `criteria-reviewer`.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct ReviewerInput<'a> {
    pub(crate) program: &'a str,
    pub(crate) state: Option<&'a str>,
    pub(crate) facts: &'a Facts,
    /// The fact whose limit is wanted instead of a review.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) limit_of: Option<&'a str>,
}

/// What it answers about a limit.
#[derive(Deserialize)]
pub(crate) struct Limit {
    pub(crate) limit: Option<i64>,
}

/// What a person sees of a referred application.
#[derive(Serialize)]
pub(crate) struct Referral<'a> {
    pub(crate) application_id: &'a str,
    pub(crate) reasons: &'a [Reason],
    /// Why the answer before this one could not be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) problem: Option<&'a str>,
}

/// What a person answers.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answer {
    decision: Verdict,
    by: String,
    note: Option<String>,
}

impl Answer {
    pub(crate) fn checked(self) -> Result<Person, String> {
        if self.by.trim().is_empty() {
            return Err("\"by\" names nobody".to_owned());
        }
        if self.by.chars().count() > NAME_LENGTH_MAX {
            return Err(format!(
                "\"by\" is longer than {NAME_LENGTH_MAX} characters"
            ));
        }
        if self
            .note
            .as_ref()
            .is_some_and(|note| note.chars().count() > NOTE_LENGTH_MAX)
        {
            return Err(format!(
                "\"note\" is longer than {NOTE_LENGTH_MAX} characters"
            ));
        }
        Ok(Person {
            decision: self.decision,
            by: self.by,
            note: self.note,
        })
    }
}

/// A person can decide, but not refer.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Approve,
    Deny,
}

impl From<Verdict> for Decision {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Approve => Self::Approve,
            Verdict::Deny => Self::Deny,
        }
    }
}

/// Who decided what the program referred.
#[derive(Debug, Serialize)]
pub(crate) struct Person {
    #[serde(skip)]
    pub(crate) decision: Verdict,
    by: String,
    note: Option<String>,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum By {
    Program,
    Person,
}

/// What the lender's portfolio hears.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum ToPortfolio<'a> {
    Referred {
        application_id: &'a str,
        amount_cents: i64,
    },
    Abandoned {
        application_id: &'a str,
        amount_cents: i64,
    },
    Decided {
        application_id: &'a str,
        decision: Decision,
        by: By,
        amount_cents: i64,
    },
}

/// What a `dti-batch` actor hears. The figures go there and nowhere else.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum ToBatch<'a> {
    Case {
        application_id: &'a str,
        figures: &'a Figures,
    },
}

#[derive(Debug, Serialize)]
pub(crate) struct Reply {
    pub(crate) application_id: String,
    /// `approve` or `deny`.
    pub(crate) decision: Decision,
    pub(crate) by: By,
    pub(crate) criteria: CriteriaLists,
    pub(crate) reasons: Vec<Reason>,
    pub(crate) ltv_bps: Option<i64>,
    pub(crate) ltv_source: Source,
    pub(crate) dti: Option<Range>,
    pub(crate) dti_source: Source,
    /// CID of the program that was applied.
    pub(crate) program: String,
    /// Only where a bank's statement was handed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) income: Option<Income>,
    /// Only where it was asked for; nothing where there is nothing to prove.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) proof: Option<Option<RatioProof>>,
    /// Only where a person decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) person: Option<Person>,
}

#[derive(Debug, Serialize)]
pub(crate) struct CriteriaLists {
    pub(crate) met: Vec<String>,
    pub(crate) missed: Vec<String>,
    pub(crate) unknown: Vec<String>,
}
