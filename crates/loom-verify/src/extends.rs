//! Two bundles of one actor: whether the later one goes on where the earlier one ended, or tells another history.

use std::collections::BTreeMap;

use loom_evidence::{Bundle, History, SignedCheckpoint};
use loom_types::{Cid, Entry, SequenceNumber};

use crate::{Class, Report, anchor::Anchors};

/// What is compared of a bundle.
struct Side<'a> {
    history: &'a History,
    entries: &'a [Entry],
    cids: BTreeMap<SequenceNumber, Cid>,
    log: Option<SignedCheckpoint>,
    /// Somebody trusted signed the log.
    is_anchored: bool,
}

impl<'a> Side<'a> {
    /// The history of an actor in a bundle, if it is there.
    fn of(bundle: &'a Bundle, anchors: &Anchors, actor: &loom_types::ActorAddress) -> Option<Self> {
        let place = bundle.manifest().histories.iter().position(|history| history.actor == *actor)?;
        let (history, entries) = (&bundle.manifest().histories[place], &bundle.entries()[place]);
        let cids = entries.iter().map(|entry| entry.seq).zip(history.entries.iter().copied()).collect();
        let log = bundle.manifest().log.as_ref().and_then(|log| SignedCheckpoint::read(&log.checkpoint).ok());
        Some(Self { history, entries, cids, log, is_anchored: !anchors[place].is_empty() })
    }

    fn last(&self) -> &'a Entry {
        self.entries.last().expect("a history has entries")
    }
}

/// Checks that the later bundle extends the earlier one; both are verified already.
pub(crate) fn check(earlier: (&Bundle, &Anchors), later: (&Bundle, &Anchors), report: &mut Report) {
    let (actor, file) = (&earlier.0.manifest().histories[0].actor, later.0.cid());
    let sides = (Side::of(earlier.0, earlier.1, actor), Side::of(later.0, later.1, actor));
    let (Some(earlier), Some(later)) = sides else {
        return report
            .contradiction_of(file, format!("the second file has no history of {actor}, which the first is about"));
    };
    logs(&earlier, &later, file, report);
    let parts = later.entries.iter().zip(&later.history.entries);
    for (entry, cid) in parts {
        let Some(before) = earlier.cids.get(&entry.seq).filter(|before| *before != cid) else { continue };
        let mut reason = format!("there are two histories of {actor}: they part at entry {}", entry.seq);
        if let (true, true, Some(one), Some(other)) = (earlier.is_anchored, later.is_anchored, &earlier.log, &later.log)
        {
            let (one, other) = (&one.checkpoint().origin, &other.checkpoint().origin);
            reason.push_str(&format!("; the keys of {one} and {other} vouch for both"));
        }
        return report.unequal(entry, &reason, before, cid);
    }
    let (end, from) = (earlier.last(), &later.entries[0]);
    let subject = format!("{actor}#{} continued", end.seq);
    if later.last().seq < end.seq {
        let reason =
            format!("the second file ends at entry {}, before the first: give the older one first", later.last().seq);
        report.contradiction(later.last(), reason);
    } else if later.cids.contains_key(&end.seq) {
        let detail = format!("entry {} is the same in both files, and the second goes on from its state", end.seq);
        report.claim(subject, Class::ReExecuted, detail);
    } else if from.seq == end.seq.next() {
        let last = earlier.history.entries.last().copied();
        if from.prev == last {
            let detail = "the second file begins right after the first, and links to its last entry";
            report.claim(subject, Class::ReExecuted, detail);
        } else {
            let link = |cid: Option<Cid>| cid.map_or("nothing".to_owned(), |cid| cid.to_string());
            report.unequal(
                from,
                "the second file does not link to the first one's last entry",
                link(from.prev),
                link(last),
            );
        }
    } else {
        let detail = format!("not shown: entries {} to {} are in neither file", end.seq.next(), from.seq.0 - 1);
        report.claim(subject, Class::Claimed, detail);
    }
}

/// What the logs of the two say about each other.
fn logs(earlier: &Side<'_>, later: &Side<'_>, file: Cid, report: &mut Report) {
    let (Some(one), Some(other)) = (&earlier.log, &later.log) else { return };
    let (one, other) = (one.checkpoint(), other.checkpoint());
    if one.origin != other.origin {
        return;
    }
    if one.size == other.size && one.root != other.root {
        let reason = format!("there are two logs '{}' of {} leaves", one.origin, one.size);
        report.contradiction_of(file, reason);
    }
    let (Some(first), Some(second)) = (&earlier.history.inclusion, &later.history.inclusion) else { return };
    let (first, second) = ((earlier.last().seq, first.index), (later.last().seq, second.index));
    // Leaves of an actor stand in the order of its entries, and each entry has one at most.
    if first.0.cmp(&second.0) != first.1.cmp(&second.1) {
        let leaf = |(seq, index): (SequenceNumber, u64)| format!("entry {seq} is leaf {index}");
        report.unequal(
            later.last(),
            &format!("the log '{}' has leaves of this actor that do not grow: a history was written twice", one.origin),
            leaf(first),
            leaf(second),
        );
    }
}
