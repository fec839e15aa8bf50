//! Whether entries make a journal: linked, in order, and of a shape that the runtime writes.

use loom_evidence::History;
use loom_types::{Cid, Entry, EntryBody, TurnNumber, TurnResult};

use crate::Report;

/// Checks a history; false if it cannot be run again.
pub(crate) fn check(history: &History, entries: &[Entry], report: &mut Report) -> bool {
    let before = report.failures.len();
    for (place, entry) in entries.iter().enumerate() {
        if entry.actor != history.actor {
            report.unequal(entry, "the entry is another actor's", &history.actor, &entry.actor);
        }
        let Some(last) = place.checked_sub(1) else { continue };
        let expected = entries[last].seq.next();
        if entry.seq != expected {
            report.unequal(entry, "an entry does not follow the one before", entry.seq, expected);
        }
        if entry.prev != Some(history.entries[last]) {
            let link = entry.prev.map_or("nothing".to_owned(), |prev| prev.to_string());
            report.unequal(entry, "an entry is not linked to the one before", link, history.entries[last]);
        }
    }
    if report.failures.len() == before {
        order(entries, report);
    }
    report.failures.len() == before
}

/// Turns follow one another, and everything stands where it can.
fn order(entries: &[Entry], report: &mut Report) {
    // A stretch from the middle begins where a turn has ended.
    let mut newest = entries.first().map_or(TurnNumber(0), |first| first.turn);
    let mut open: Option<TurnNumber> = None;
    // What the state was when the newest turn began, as far as the stretch tells.
    let mut state: Option<Option<Cid>> = entries.first().filter(|first| first.seq.0 == 0).map(|_| None);
    let mut restarts: Option<Cid> = None;
    for (place, entry) in entries.iter().enumerate() {
        if place == 0 && entry.seq.0 > 0 {
            match entry.body {
                EntryBody::TurnEnded { state: named, .. } => state = Some(named),
                EntryBody::Control { state: Some(named), .. } => state = Some(Some(named)),
                _ => return report.contradiction(entry, "the stretch begins where no state is named"),
            }
            continue;
        }
        if let Some(message) = restarts.take()
            && !matches!(entry.body, EntryBody::TurnStarted { message: handled, .. } if handled == message)
        {
            return report.contradiction(entry, "the turn before went on as another, which is not this one");
        }
        let belongs = open.unwrap_or(TurnNumber(0));
        let problem = match &entry.body {
            EntryBody::Opened {} => None,
            EntryBody::TurnStarted { .. } if open.is_some() => Some("a turn begins inside another"),
            EntryBody::TurnStarted { .. } => {
                let is_next = entry.turn == newest.next() || place <= 1 && newest.0 == 0 && entry.seq.0 > 1;
                (newest, open) = (entry.turn, Some(entry.turn));
                (!is_next).then_some("a turn is left out")
            }
            EntryBody::Control { what, state: set, .. } => {
                match set {
                    Some(set) => state = Some(Some(*set)),
                    None if what == "purge" => state = Some(None),
                    None => {}
                }
                (entry.turn != belongs).then_some("a control stands in another turn than it says")
            }
            _ if open.is_none() => Some("the entry belongs to no turn"),
            _ if entry.turn != belongs => Some("the entry belongs to another turn"),
            EntryBody::TurnEnded { result, state: after, .. } => {
                open = None;
                if let TurnResult::Restarted(message) = result {
                    restarts = Some(*message);
                }
                let is_kept = state.is_none_or(|before| before == *after);
                state = Some(*after);
                let has_failed = matches!(result, TurnResult::Failure(_));
                (has_failed && !is_kept).then_some("a turn that failed changed the state")
            }
            _ => None,
        };
        if let Some(problem) = problem {
            return report.contradiction(entry, problem);
        }
    }
}
