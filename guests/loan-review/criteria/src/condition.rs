//! Conditions over facts, in Kleene's three-valued logic.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::fact::{Fact, Facts};

/// What a condition came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// Holds whatever the unknown values are.
    True,
    /// Fails whatever the unknown values are.
    False,
    /// Depends on a value that is missing, or known only as a range.
    Unknown,
}

impl Truth {
    fn of(value: bool) -> Self {
        if value { Self::True } else { Self::False }
    }

    fn not(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Unknown => Self::Unknown,
        }
    }
}

/// A condition as read from a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// `{"field": F, "at_most": N}`.
    AtMost(String, i64),
    /// `{"field": F, "at_least": N}`.
    AtLeast(String, i64),
    /// `{"field": F, "in": [N, ..]}`; `{"field": F, "is": N}` is the list of one.
    In(String, Vec<i64>),
    /// `{"field": F, "present": true}`: a range counts as present. Never unknown.
    Present(String),
    /// `{"all": [..]}`.
    All(Vec<Condition>),
    /// `{"any": [..]}`.
    Any(Vec<Condition>),
    /// `{"not": ..}`.
    Not(Box<Condition>),
}

impl Condition {
    /// Evaluates the condition; the error is the name of a fact that was not given.
    pub(crate) fn evaluate<'a>(&'a self, facts: &Facts) -> Result<Truth, &'a str> {
        let fact = |name: &'a String| facts.get(name).copied().ok_or(name.as_str());
        Ok(match self {
            Self::AtMost(name, limit) => at_most(fact(name)?, *limit),
            Self::AtLeast(name, limit) => at_least(fact(name)?, *limit),
            Self::In(name, values) => is_in(fact(name)?, values),
            Self::Present(name) => Truth::of(fact(name)? != Fact::Missing),
            Self::All(conditions) => fold(conditions, facts, Truth::True, Truth::False)?,
            Self::Any(conditions) => fold(conditions, facts, Truth::False, Truth::True)?,
            Self::Not(condition) => condition.evaluate(facts)?.not(),
        })
    }
}

/// Every member is evaluated, so that an unknown name is found wherever it stands.
fn fold<'a>(
    conditions: &'a [Condition],
    facts: &Facts,
    neutral: Truth,
    decisive: Truth,
) -> Result<Truth, &'a str> {
    let mut result = neutral;
    for condition in conditions {
        let truth = condition.evaluate(facts)?;
        if truth == decisive || (truth == Truth::Unknown && result == neutral) {
            result = truth;
        }
    }
    Ok(result)
}

fn at_most(fact: Fact, limit: i64) -> Truth {
    match fact.range() {
        Some((_, Some(max))) if max <= limit => Truth::True,
        Some((min, _)) if min > limit => Truth::False,
        _ => Truth::Unknown,
    }
}

fn at_least(fact: Fact, limit: i64) -> Truth {
    match fact.range() {
        Some((min, _)) if min >= limit => Truth::True,
        Some((_, Some(max))) if max < limit => Truth::False,
        _ => Truth::Unknown,
    }
}

fn is_in(fact: Fact, values: &[i64]) -> Truth {
    match fact {
        Fact::Missing => Truth::Unknown,
        Fact::Exactly(value) => Truth::of(values.contains(&value)),
        Fact::Between { min, max } => {
            let possible = |value: &i64| *value >= min && max.is_none_or(|max| *value <= max);
            if !values.iter().any(possible) {
                return Truth::False;
            }
            // A range is inside a list when the list names each of its values.
            let Some(max) = max else {
                return Truth::Unknown;
            };
            let width = max.abs_diff(min);
            let all_named =
                width < values.len() as u64 && (min..=max).all(|value| values.contains(&value));
            if all_named {
                Truth::True
            } else {
                Truth::Unknown
            }
        }
    }
}
