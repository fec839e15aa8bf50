//! What operators and parents did: nothing runs while it is paused, steps keep their numbers, the cancelled do not begin.

use std::collections::BTreeMap;

use loom_machine::{Message, MessageKind};
use loom_types::{ActorAddress, Entry, EntryBody, MessageId, Resolution, TurnResult};

use super::{
    Findings,
    handled::{Handled, is_discarded},
    journals::{Histories, History, TurnSpan},
};
use crate::record::{Dated, Fact};

const PAUSED: &str = "nothing runs while an actor is paused";
const NUMBERS: &str = "steps keep their numbers";
const KEPT: &str = "entries are never rewritten";
const LETTERS: &str = "a failed one-way message is a dead letter once";
const CANCELLED: &str = "a child that was cancelled before it began does not run";

pub(super) fn check(histories: &Histories, handled: &Handled<'_>, facts: &[Dated], findings: &mut Findings) {
    for (actor, history) in &histories.actors {
        check_pauses(actor, history, findings);
        check_numbers(actor, history, findings);
    }
    check_written(histories, facts, findings);
    check_letters(histories, facts, findings);
    check_children(histories, handled, facts, findings);
}

fn check_pauses(actor: &ActorAddress, history: &History, findings: &mut Findings) {
    let mut is_paused = false;
    for entry in &history.entries {
        match &entry.body {
            EntryBody::Control { what, .. } if what == "pause" || what == "resume" => is_paused = what == "pause",
            EntryBody::TurnStarted { .. } | EntryBody::Step { .. } => {
                findings
                    .expect(!is_paused, PAUSED, || format!("{actor}: entry {} is '{}'", entry.seq, entry.body.kind()));
            }
            _ => {}
        }
    }
}

fn check_numbers(actor: &ActorAddress, history: &History, findings: &mut Findings) {
    for turn in &history.turns {
        let steps = history.entries_of(turn).iter().filter_map(|entry| match &entry.body {
            EntryBody::Step { n, .. } => Some(*n),
            _ => None,
        });
        let numbers: Vec<_> = steps.collect();
        findings.expect(numbers.iter().copied().eq(0..numbers.len() as u32), NUMBERS, || {
            format!("the turn of {actor} at entry {} has the steps {numbers:?}", turn.start)
        });
    }
}

/// The journal is what was committed, in that order, and nothing else.
fn check_written(histories: &Histories, facts: &[Dated], findings: &mut Findings) {
    let mut written: BTreeMap<&ActorAddress, Vec<&Entry>> = BTreeMap::new();
    for dated in facts {
        if let Fact::Applied { actor, entries, .. } = &dated.fact {
            written.entry(actor).or_default().extend(entries);
        }
    }
    for (actor, history) in &histories.actors {
        let written = written.remove(actor).unwrap_or_default();
        findings.expect(written.iter().copied().eq(&history.entries), KEPT, || {
            format!("the journal of {actor} is not what was written")
        });
    }
}

fn check_letters(histories: &Histories, facts: &[Dated], findings: &mut Findings) {
    let mut letters: BTreeMap<String, usize> = BTreeMap::new();
    for dated in facts {
        if let Fact::Applied { letters: new, .. } = &dated.fact {
            new.iter().for_each(|message| *letters.entry(message.clone()).or_default() += 1);
        }
    }
    for (_, history, turn) in histories.turns().filter(|(.., turn)| turn.message.kind == MessageKind::Send) {
        let Some(EntryBody::TurnEnded { result, .. }) = turn.end.map(|end| &history.entries[end].body) else {
            continue;
        };
        if matches!(result, TurnResult::Restarted(_)) {
            continue;
        }
        let found = letters.remove(turn.message.id.as_str()).unwrap_or_default();
        let expected = usize::from(matches!(result, TurnResult::Failure(_)));
        findings.expect(found == expected, LETTERS, || format!("{} is {found} letters", turn.message.id));
    }
    findings.expect(letters.is_empty(), LETTERS, || format!("nobody failed with {letters:?}"));
}

/// Where and when a turn gave up a child.
struct GivenUp {
    child: MessageId,
    /// Index of the fact by which that is durable.
    at: usize,
}

/// A node that came up after a child was given up knows of it before it begins the child.
fn check_children(histories: &Histories, handled: &Handled<'_>, facts: &[Dated], findings: &mut Findings) {
    let started: Vec<usize> = facts
        .iter()
        .enumerate()
        .filter(|(_, dated)| matches!(dated.fact, Fact::Started { .. }))
        .map(|(at, _)| at)
        .collect();
    let durable = durable(facts);
    for (parent, history, turn) in histories.turns() {
        for GivenUp { child, at } in given_up(parent, history, turn, &durable) {
            let Some(handling) = handled.get(&child).and_then(|handlings| handlings.first()) else { continue };
            let Some(begun) = durable.get(&(handling.actor, handling.place as u64)) else { continue };
            let restarted = started.iter().any(|start| at < *start && *start < *begun);
            let history = &histories.actors[handling.actor];
            let Some(turn) = history.turns.iter().find(|turn| turn.start == handling.place) else { continue };
            let ran = history.entries_of(turn).iter().any(|entry| matches!(entry.body, EntryBody::Step { .. }));
            findings.expect(!restarted || !ran, CANCELLED, || format!("{child} was given up before it began, and ran"));
        }
    }
}

/// By which fact each entry became durable.
fn durable(facts: &[Dated]) -> BTreeMap<(&ActorAddress, u64), usize> {
    let mut durable = BTreeMap::new();
    for (at, dated) in facts.iter().enumerate() {
        if let Fact::Applied { actor, entries, .. } = &dated.fact {
            durable.extend(entries.iter().map(|entry| ((actor, entry.seq.0), at)));
        }
    }
    durable
}

fn given_up(
    parent: &ActorAddress,
    history: &History,
    turn: &TurnSpan,
    durable: &BTreeMap<(&ActorAddress, u64), usize>,
) -> Vec<GivenUp> {
    let Some(end) = turn.end else { return Vec::new() };
    let entries = history.entries_of(turn);
    let mut given_up = Vec::new();
    for (place, entry) in entries.iter().enumerate() {
        let EntryBody::Step { n, op, request, outcome: Some(Resolution::Ok(_)), .. } = &entry.body else { continue };
        let is_done = |entry: &Entry| matches!(&entry.body, EntryBody::Outcome { n: step, .. } if step == n);
        if op != "spawn" || entries.iter().any(is_done) || is_discarded(history, entries, place, entries.len()) {
            continue;
        }
        let message = Message::decode(history.text(request).as_bytes()).expect("the runtime made it");
        if let (false, Some(at)) = (message.is_detached, durable.get(&(parent, end as u64))) {
            given_up.push(GivenUp { child: message.id, at: *at });
        }
    }
    given_up
}
