//! The log tells of every journal where its actor came to rest, once, in order, and nothing else.

use std::collections::BTreeMap;

use futures::FutureExt as _;
use loom_storage::{LeafRecord, Storage};
use loom_types::{ActorAddress, EntryBody, SequenceNumber};

use super::{
    Findings,
    journals::{Histories, History},
};

const WHOLE: &str = "the log is whole";
const TRUE: &str = "a leaf is of an entry where its actor came to rest";
const COVERED: &str = "what brings an actor to rest is in the log";
const NOW: &str = "the reference store answers at once";

/// What the log says of each actor, in order.
type Leaves = BTreeMap<ActorAddress, Vec<LeafRecord>>;

pub(super) fn check(durable: &Storage, histories: &Histories, findings: &mut Findings) {
    let leaves = read(durable, findings);
    for (actor, leaves) in &leaves {
        let Some(history) = histories.actors.get(actor) else {
            findings.expect(false, TRUE, || format!("{actor} has leaves and no journal"));
            continue;
        };
        check_leaves(actor, history, leaves, findings);
    }
    for (actor, history) in &histories.actors {
        check_covered(durable, actor, history, leaves.get(actor).map_or(&[], Vec::as_slice), findings);
    }
}

fn read(durable: &Storage, findings: &mut Findings) -> Leaves {
    let size = durable.log.size().now_or_never().expect(NOW).expect(NOW);
    let all = durable.log.leaves(0, usize::MAX).now_or_never().expect(NOW).expect(NOW);
    findings.expect(all.len() as u64 == size, WHOLE, || format!("{} of its {size} leaves are there", all.len()));
    let mut leaves = Leaves::new();
    for (at, record) in all.into_iter().enumerate() {
        let index = record.index;
        findings.expect(index == at as u64, WHOLE, || format!("leaf {index} stands where {at} should"));
        leaves.entry(record.actor.clone()).or_default().push(record);
    }
    leaves
}

fn check_leaves(actor: &ActorAddress, history: &History, leaves: &[LeafRecord], findings: &mut Findings) {
    for pair in leaves.windows(2) {
        findings.expect(pair[0].leaf.seq < pair[1].leaf.seq, WHOLE, || {
            format!("{actor}: entry {} comes after entry {}", pair[1].leaf.seq, pair[0].leaf.seq)
        });
    }
    for LeafRecord { index, leaf, .. } in leaves {
        let entry = usize::try_from(leaf.seq.0).ok().and_then(|seq| history.entries.get(seq));
        let is_named = entry.is_some_and(|entry| entry.encode().cid == leaf.head);
        findings.expect(is_named, TRUE, || format!("{actor}: leaf {index} has another entry {}", leaf.seq));
        let rests = entry.is_some_and(|entry| match entry.body {
            EntryBody::TurnEnded { .. } => true,
            EntryBody::Control { .. } => !history.is_in_turn(leaf.seq),
            _ => false,
        });
        findings.expect(rests, TRUE, || format!("{actor}: leaf {index} is of entry {} in a turn", leaf.seq));
    }
}

fn check_covered(
    durable: &Storage,
    actor: &ActorAddress,
    history: &History,
    leaves: &[LeafRecord],
    findings: &mut Findings,
) {
    for entry in &history.entries {
        let ends = matches!(entry.body, EntryBody::TurnEnded { .. });
        let is_control = matches!(entry.body, EntryBody::Control { .. }) && !history.is_in_turn(entry.seq);
        let own = leaves.binary_search_by_key(&entry.seq, |record| record.leaf.seq);
        findings.expect(!(ends || is_control) || own.is_ok(), COVERED, || {
            format!("{actor}: no leaf is of entry {}, which is '{}'", entry.seq, entry.body.kind())
        });
        let expected = leaves.get(own.unwrap_or_else(|next| next));
        let found = durable.log.leaf_of(actor, entry.seq).now_or_never().expect(NOW).expect(NOW);
        findings.expect(found.as_ref() == expected, COVERED, || {
            format!("{actor}: the leaf of entry {} is {found:?}, should be {expected:?}", entry.seq)
        });
    }
}

impl History {
    /// Whether an entry is of a turn that was open.
    fn is_in_turn(&self, seq: SequenceNumber) -> bool {
        let at = usize::try_from(seq.0).unwrap_or(usize::MAX);
        self.turns.iter().any(|turn| turn.start <= at && turn.end.is_none_or(|end| at <= end))
    }
}
