//! Scripts: what a guest is told, what it must ask, what it is answered, and what must come of it.

use loom_machine::Failure;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, value::RawValue};

use crate::limits::SCRIPT_BYTES_MAX;

/// The time at which cases begin unless they say otherwise: 2026-01-01 00:00:00 UTC.
const NOW_MS_DEFAULT: u64 = 1_767_225_600_000;

/// JSON text as it stands in the script: its numbers and the order of its members are the guest's to see.
type Text = Box<RawValue>;

/// A file of cases for one actor type or activity.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    #[serde(default)]
    actor: Option<String>,
    #[serde(default)]
    activity: Option<String>,
    /// Files whose bytes the guest finds as blobs; paths are relative to the script's folder.
    #[serde(default)]
    pub blobs: Vec<String>,
    pub(crate) cases: Vec<Case>,
}

/// What a script is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject<'a> {
    Actor(&'a str),
    Activity(&'a str),
}

/// One story: runs of the guest, one after the other, on one state.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) name: String,
    #[serde(default = "default_key")]
    pub(crate) key: String,
    #[serde(default = "default_now_ms")]
    pub(crate) now_ms: u64,
    /// The state before the first run.
    #[serde(default)]
    pub(crate) state: Option<Text>,
    pub(crate) runs: Vec<Run>,
}

/// One message to an actor, or one call of an activity.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Run {
    #[serde(default = "null")]
    pub(crate) input: Text,
    /// `type/key` of the actor that sends the message.
    #[serde(default)]
    pub(crate) sender: Option<String>,
    /// Whether every request must be listed, even those the harness answers by itself.
    #[serde(default)]
    pub(crate) strict: bool,
    #[serde(default)]
    pub(crate) steps: Vec<Step>,
    #[serde(default, deserialize_with = "given")]
    pub(crate) output: Option<Value>,
    #[serde(default, deserialize_with = "given")]
    pub(crate) output_like: Option<Value>,
    #[serde(default)]
    pub(crate) failure: Option<ExpectedFailure>,
    /// The state after the run.
    #[serde(default, deserialize_with = "given")]
    pub(crate) state: Option<Value>,
    #[serde(default, deserialize_with = "given")]
    pub(crate) state_like: Option<Value>,
}

/// A request that the guest must make, and what it is answered.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    #[serde(default)]
    pub(crate) request: Option<Value>,
    #[serde(default)]
    pub(crate) request_like: Option<Value>,
    #[serde(default)]
    pub(crate) answer: Option<Answer>,
    /// How long the answer takes, on the simulated clock.
    #[serde(default)]
    pub(crate) after_ms: u64,
}

/// What came of a step.
#[derive(Clone, Debug, Deserialize)]
pub(crate) enum Answer {
    #[serde(rename = "ok")]
    Ok(Text),
    #[serde(rename = "err")]
    Err(Failure),
}

/// A failure's kind, and a part of its message.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpectedFailure {
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) message: String,
}

/// Why a script cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidScript {
    /// Too large to be a script.
    #[error("the script has {bytes} bytes, at most {SCRIPT_BYTES_MAX} are read")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Not JSON, or not a script's.
    #[error("{0}")]
    Malformed(#[from] serde_json::Error),
    /// A script that contradicts itself.
    #[error("{at}: {problem}")]
    Contradiction {
        /// Where.
        at: String,
        /// What is wrong.
        problem: String,
    },
}

impl Script {
    /// Reads a script's text.
    pub fn parse(text: &str) -> Result<Self, InvalidScript> {
        if text.len() > SCRIPT_BYTES_MAX {
            return Err(InvalidScript::TooLarge { bytes: text.len() });
        }
        let script: Self = serde_json::from_str(text)?;
        script.check().map(|()| script)
    }

    /// The actor type or activity it is about, for people.
    pub fn subject_name(&self) -> String {
        match self.subject() {
            Subject::Actor(name) => format!("actor {name}"),
            Subject::Activity(name) => format!("activity {name}"),
        }
    }

    pub(crate) fn subject(&self) -> Subject<'_> {
        match (&self.actor, &self.activity) {
            (Some(actor), None) => Subject::Actor(actor),
            (_, Some(activity)) => Subject::Activity(activity),
            (None, None) => unreachable!("checked when it was read"),
        }
    }

    fn check(&self) -> Result<(), InvalidScript> {
        if self.actor.is_some() == self.activity.is_some() {
            return contradiction("the script", "needs exactly one of 'actor' and 'activity'");
        }
        if self.cases.is_empty() {
            return contradiction("cases", "a script without a case checks nothing");
        }
        for case in &self.cases {
            if case.runs.is_empty() {
                return contradiction(&format!("case '{}'", case.name), "needs at least one run");
            }
            for (index, run) in case.runs.iter().enumerate() {
                let at = format!("case '{}', run {}", case.name, index + 1);
                run.check(&at, self.activity.is_some())?;
            }
        }
        Ok(())
    }
}

impl Run {
    fn check(&self, at: &str, is_activity: bool) -> Result<(), InvalidScript> {
        let ends = [self.output.is_some(), self.output_like.is_some(), self.failure.is_some()];
        if ends.iter().filter(|given| **given).count() > 1 {
            return contradiction(at, "give one of 'output', 'output_like' and 'failure'");
        }
        if self.state.is_some() && self.state_like.is_some() {
            return contradiction(at, "give one of 'state' and 'state_like'");
        }
        if is_activity && (self.state.is_some() || self.state_like.is_some() || self.sender.is_some()) {
            return contradiction(at, "an activity has no state and no sender");
        }
        for (index, step) in self.steps.iter().enumerate() {
            step.check(&format!("{at}, step {}", index + 1))?;
        }
        Ok(())
    }
}

impl Step {
    fn check(&self, at: &str) -> Result<(), InvalidScript> {
        if self.request.is_some() == self.request_like.is_some() {
            return contradiction(at, "needs exactly one of 'request' and 'request_like'");
        }
        if self.op().is_none() {
            return contradiction(at, "the request needs the text member 'op'");
        }
        Ok(())
    }

    /// The request, whole or in part.
    pub(crate) fn expected(&self) -> &Value {
        self.request.as_ref().or(self.request_like.as_ref()).unwrap_or(&Value::Null)
    }

    pub(crate) fn op(&self) -> Option<&str> {
        self.expected().get("op")?.as_str()
    }
}

fn contradiction(at: &str, problem: &str) -> Result<(), InvalidScript> {
    Err(InvalidScript::Contradiction { at: at.to_owned(), problem: problem.to_owned() })
}

/// A member that is there, even if it is `null`.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

fn null() -> Text {
    RawValue::from_string("null".to_owned()).expect("null is JSON")
}

fn default_key() -> String {
    "test".to_owned()
}

fn default_now_ms() -> u64 {
    NOW_MS_DEFAULT
}
