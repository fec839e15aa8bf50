//! Effects: nothing reaches the world before the entry that led to it is durable, and attempts are counted.

use std::collections::BTreeMap;

use loom_types::{ActorAddress, Entry, EntryBody, Resolution, SequenceNumber};
use serde_json::Value;

use super::{Findings, journals::Histories};
use crate::{
    node::ATTEMPTS_MAX,
    record::{Dated, Fact},
};

const AFTER: &str = "effects follow their entry";
const ATTEMPTS: &str = "attempts are counted";
const PROMISES: &str = "a promise comes out as it was settled";

/// An effectful step.
struct Effectful<'a> {
    actor: &'a ActorAddress,
    seq: SequenceNumber,
    /// Attempts and result, if it has an outcome.
    outcome: Option<(u32, Resolution, &'a str)>,
}

pub(super) fn check(histories: &Histories, facts: &[Dated], findings: &mut Findings) {
    let effectful = effectful_steps(histories);
    let promises = promises(histories);
    let mut durable: BTreeMap<&ActorAddress, u64> = BTreeMap::new();
    let (mut made, mut abandoned) = (BTreeMap::<&str, u32>::new(), BTreeMap::<&str, u32>::new());
    let mut said = BTreeMap::new();
    for dated in facts {
        let is_durable = |durable: &BTreeMap<&ActorAddress, u64>, actor: &ActorAddress, seq: SequenceNumber| {
            durable.get(actor).is_some_and(|written| seq.0 < *written)
        };
        match &dated.fact {
            Fact::Applied { actor, entries, .. } => *durable.entry(actor).or_default() += entries.len() as u64,
            Fact::Effect { key, count } => {
                made.insert(key, *count);
                let holds = effectful
                    .get(key)
                    .is_some_and(|steps| steps.iter().any(|step| is_durable(&durable, step.actor, step.seq)));
                findings.expect(holds, AFTER, || format!("{key} reached the world before its entry was durable"));
            }
            Fact::Abandoned { key } => *abandoned.entry(key).or_default() += 1,
            Fact::Seen { token } => {
                let created = promises.get(token.as_str());
                let holds = created.is_some_and(|promise| is_durable(&durable, promise.actor, promise.seq));
                findings.expect(holds, AFTER, || format!("{token} was shown before it was durable"));
            }
            Fact::Resolved { token, value } => {
                said.insert(token.as_str(), value);
            }
            _ => {}
        }
    }
    for (key, steps) in &effectful {
        let made = made.get(key.as_str()).copied().unwrap_or_default();
        let abandoned = abandoned.get(key.as_str()).copied().unwrap_or_default();
        check_attempts(key, steps, made, abandoned, findings);
    }
    for (token, promise) in promises {
        let Some((_, _, text)) = promise.outcome else { continue };
        let holds = match said.get(token.as_str()) {
            _ if is_cancelled(text) => true,
            Some(Ok(value)) => text == value,
            Some(Err(_)) => text.contains("\"kind\":\"rejected\""),
            None => false,
        };
        findings.expect(holds, PROMISES, || format!("{token} came out as {text}"));
    }
}

fn check_attempts(key: &str, steps: &[Effectful<'_>], made: u32, abandoned: u32, findings: &mut Findings) {
    let mut most = 0;
    for Effectful { outcome, .. } in steps {
        let counted = outcome.filter(|(.., text)| !is_cancelled(text)).map_or(ATTEMPTS_MAX, |(attempts, ..)| attempts);
        findings
            .expect(counted <= ATTEMPTS_MAX && counted > 0, ATTEMPTS, || format!("{key} was tried {counted} times"));
        most += counted;
    }
    findings.expect(made <= most + abandoned, ATTEMPTS, || {
        format!("{key} reached the world {made} times, {most} attempts are journaled, {abandoned} were the host's")
    });
    let was_tried = |(_, result, text): (u32, Resolution, &str)| {
        !matches!(result, Resolution::Err(_)) || !text.contains("\"kind\":\"interrupted\"") && !is_cancelled(text)
    };
    let is_tried = steps.iter().any(|step| step.outcome.is_some_and(was_tried));
    findings.expect(made > 0 || !is_tried, AFTER, || format!("{key} has an outcome and was never tried"));
}

fn is_cancelled(text: &str) -> bool {
    text.contains("\"kind\":\"cancelled\"")
}

/// Effectful activities by their key.
fn effectful_steps(histories: &Histories) -> BTreeMap<String, Vec<Effectful<'_>>> {
    steps(histories, |op, request, _| {
        let is_effect = op.starts_with("activity") && request["name"] == "effect";
        is_effect.then(|| request["input"]["key"].as_str().expect("effects have keys").to_owned())
    })
    .into_iter()
    .fold(BTreeMap::new(), |mut found, (key, step)| {
        // A reset lets an operation be done again, as another step.
        found.entry(key).or_insert_with(Vec::new).push(step);
        found
    })
}

/// Promises by their token.
fn promises(histories: &Histories) -> BTreeMap<String, Effectful<'_>> {
    steps(histories, |op, _, outcome| {
        (op == "promise.create").then(|| outcome["token"].as_str().map(str::to_owned)).flatten()
    })
    .into_iter()
    .collect()
}

/// Steps that `name` names, given their operation, request and immediate outcome.
fn steps<'a>(
    histories: &'a Histories,
    name: impl Fn(&str, &Value, &Value) -> Option<String>,
) -> Vec<(String, Effectful<'a>)> {
    let mut found = Vec::new();
    for (actor, history, turn) in histories.turns() {
        let entries = history.entries_of(turn);
        for entry in entries {
            let EntryBody::Step { n, op, request, outcome, .. } = &entry.body else { continue };
            let json = |text: &str| serde_json::from_str(text).unwrap_or(Value::Null);
            let immediate = outcome.map_or(Value::Null, |outcome| json(history.text(&outcome.cid())));
            let Some(name) = name(op, &json(history.text(request)), &immediate) else { continue };
            let later = |entry: &Entry| match &entry.body {
                EntryBody::Outcome { n: step, attempts, result, .. } if step == n => {
                    Some((*attempts, *result, history.text(&result.cid())))
                }
                _ => None,
            };
            let outcome = entries.iter().find_map(later);
            found.push((name, Effectful { actor, seq: entry.seq, outcome }));
        }
    }
    found
}
