//! The limit that a program sets a fact, for whoever shows that it is kept without showing more.

use crate::condition::{Condition, Truth};
use crate::evaluate::{EvaluateError, applicable, check, unknown_fact};
use crate::fact::Facts;
use crate::program::{Criterion, Program};

/// The lowest `at_most` that criteria which apply require of this fact, by itself or as a part of `all`. Without a
/// state, of all states.
pub fn limit(
    program: &Program,
    state: Option<&str>,
    facts: &Facts,
    name: &str,
) -> Result<Option<i64>, EvaluateError> {
    check(facts)?;
    let mut lowest: Option<i64> = None;
    for criterion in applicable(program, state)
        .iter()
        .flat_map(|candidates| &candidates.versions)
    {
        if applies(criterion, facts)? {
            let found = at_most(&criterion.require, name);
            lowest = lowest.into_iter().chain(found).min();
        }
    }
    Ok(lowest)
}

fn applies(criterion: &Criterion, facts: &Facts) -> Result<bool, EvaluateError> {
    let Some(when) = &criterion.when else {
        return Ok(true);
    };
    let truth = when.evaluate(facts);
    Ok(truth.map_err(|fact| unknown_fact(criterion, fact))? == Truth::True)
}

fn at_most(condition: &Condition, name: &str) -> Option<i64> {
    match condition {
        Condition::AtMost(field, limit) if field == name => Some(*limit),
        Condition::All(conditions) => conditions
            .iter()
            .filter_map(|condition| at_most(condition, name))
            .min(),
        _ => None,
    }
}
