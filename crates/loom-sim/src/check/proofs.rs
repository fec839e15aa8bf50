//! Proofs: none is begun before its step is durable, each comes out once and as its input says, and its receipt is there
//! when its outcome is.

use std::collections::BTreeMap;

use loom_machine::Proved;
use loom_storage::Storage;
use loom_types::{ActorAddress, Cid, EntryBody, Resolution, SequenceNumber};

use super::{Findings, journals::Histories};
use crate::{
    prover::{REFUSED, program},
    record::{Dated, Fact},
};

const AFTER: &str = "proofs follow their entry";
const COMES_OUT: &str = "a proof comes out as its input says";

pub(super) fn check(durable: &Storage, histories: &Histories, facts: &[Dated], findings: &mut Findings) {
    let asked = asked(histories);
    let mut written: BTreeMap<&ActorAddress, u64> = BTreeMap::new();
    for dated in facts {
        match &dated.fact {
            Fact::Applied { actor, entries, .. } => *written.entry(actor).or_default() += entries.len() as u64,
            Fact::Proving { input } => {
                let is_durable = |(actor, seq): &(&ActorAddress, SequenceNumber)| {
                    written.get(actor).is_some_and(|written| seq.0 < *written)
                };
                let holds = asked.get(input).is_some_and(|steps| steps.iter().any(is_durable));
                findings.expect(holds, AFTER, || format!("{input} reached the prover before its entry was durable"));
            }
            _ => {}
        }
    }
    for (actor, history, turn) in histories.turns() {
        let mut inputs = BTreeMap::new();
        for entry in history.entries_of(turn) {
            match &entry.body {
                EntryBody::Step { n, op, input: Some(input), outcome: None, .. } if op == "prove.start" => {
                    inputs.insert(*n, *input);
                }
                EntryBody::Outcome { n, result, evidence, .. } => {
                    let Some(input) = inputs.remove(n) else { continue };
                    let value = history.text(&result.cid());
                    let came = came_out(durable, history.text(&input), input, *result, value, evidence);
                    findings.expect(came.is_ok(), COMES_OUT, || format!("{actor}#{}: {came:?}", entry.seq));
                }
                _ => {}
            }
        }
    }
}

fn came_out(
    durable: &Storage,
    given: &str,
    input: Cid,
    result: Resolution,
    value: &str,
    evidence: &[Cid],
) -> Result<(), String> {
    use futures::FutureExt as _;
    match result {
        Resolution::Err(_) if value.contains("\"kind\":\"cancelled\"") => Ok(()),
        Resolution::Err(_) if value.contains("\"kind\":\"proof-refused\"") && given.as_bytes() == REFUSED => Ok(()),
        Resolution::Err(_) => Err(format!("{given} failed: {value}")),
        Resolution::Ok(_) => {
            let proved = Proved::from_json(value.as_bytes())?;
            let has = durable.blobs.has(proved.receipt).now_or_never().expect("the reference store answers at once");
            let is_there = has.map_err(|error| error.to_string())?;
            let is_right =
                proved.is_over(input) && proved.image_id == program().image_id && evidence == [proved.receipt];
            if is_there && is_right && given.as_bytes() != REFUSED { Ok(()) } else { Err(format!("{given}: {value}")) }
        }
    }
}

/// Steps that ask for a proof, by the input's name.
fn asked(histories: &Histories) -> BTreeMap<Cid, Vec<(&ActorAddress, SequenceNumber)>> {
    let mut asked: BTreeMap<Cid, Vec<_>> = BTreeMap::new();
    for (actor, history, turn) in histories.turns() {
        for entry in history.entries_of(turn) {
            if let EntryBody::Step { input: Some(input), .. } = &entry.body {
                asked.entry(*input).or_default().push((actor, entry.seq));
            }
        }
    }
    asked
}
