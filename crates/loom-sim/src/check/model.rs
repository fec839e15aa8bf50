//! The sequential model: what states and results must be, given the order of turns alone.

use std::collections::BTreeMap;

use loom_types::{EntryBody, Payload};

use super::{
    Findings,
    journals::{Histories, History},
};
use crate::program::{Op, Program};

const STATE: &str = "the state is what the turns in their order make it";
const RESULT: &str = "a turn ends as its program says";

pub(super) fn check(histories: &Histories, findings: &mut Findings) {
    for (actor, history) in &histories.actors {
        let expected = modelled(history, findings, actor.local());
        let actual: BTreeMap<String, i64> = history
            .state
            .as_ref()
            .and_then(Payload::text)
            .map(|text| serde_json::from_str(text).expect("programs keep numbers"))
            .unwrap_or_default();
        findings
            .expect(expected == actual, STATE, || format!("{actor} has {actual:?}, its turns come to {expected:?}"));
    }
}

fn modelled(history: &History, findings: &mut Findings, actor: &str) -> BTreeMap<String, i64> {
    let mut state = forked(history);
    for turn in &history.turns {
        let Some((_, result)) = history.result_of(turn) else { continue };
        let is_ended = result.as_ref().is_err_and(|failure| {
            failure.contains("\"kind\":\"cancelled\"") || failure.contains("\"kind\":\"turn-failed\"")
        });
        findings.expect(is_ended || result.is_ok() == turn.program.ends_well(), RESULT, || {
            format!("{} of {actor} ended with {result:?}", turn.message.id)
        });
        if result.is_ok() {
            apply(&turn.program, &mut state);
        }
    }
    state
}

/// What a fork began with.
fn forked(history: &History) -> BTreeMap<String, i64> {
    match history.entries.get(1).map(|entry| &entry.body) {
        Some(EntryBody::Control { state: Some(state), .. }) => {
            serde_json::from_str(history.text(state)).expect("programs keep numbers")
        }
        _ => BTreeMap::new(),
    }
}

fn apply(program: &Program, state: &mut BTreeMap<String, i64>) {
    for op in program.run_ops() {
        match op {
            Op::Add { name, amount } => *state.entry(name.clone()).or_default() += amount,
            Op::Delete { name } => {
                state.remove(name);
            }
            _ => {}
        }
    }
}
