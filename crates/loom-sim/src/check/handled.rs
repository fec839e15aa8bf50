//! Where messages were handled, and how they were answered: by turns of their own, or inside those of others.

use std::collections::{BTreeMap, BTreeSet};

use loom_machine::{Control, Message};
use loom_types::{ActorAddress, Cid, Entry, EntryBody, MessageId, Payload, Resolution, TurnResult};

use super::journals::{Histories, History, TurnSpan};

/// How a message was handled.
pub(crate) struct Handling<'a> {
    pub(crate) actor: &'a ActorAddress,
    /// Index of the entry that took it.
    pub(crate) place: usize,
    /// The envelope that was taken.
    pub(crate) taken: Cid,
    /// The `type` that it was received for; none if it was simply the next.
    pub(crate) wanted: Option<String>,
    pub(crate) answer: Option<Answer>,
}

/// What a message was answered with.
pub(crate) struct Answer {
    /// Index of the entry that says so.
    pub(crate) place: usize,
    /// The payload; none where the entry says more than the answer.
    pub(crate) cid: Option<Cid>,
    pub(crate) result: Result<String, String>,
}

/// Every message that was taken, each time.
pub(crate) type Handled<'a> = BTreeMap<MessageId, Vec<Handling<'a>>>;

pub(crate) fn handled(histories: &Histories) -> Handled<'_> {
    let mut handled = Handled::new();
    for (actor, history) in &histories.actors {
        let mut before: Option<&TurnSpan> = None;
        for turn in &history.turns {
            if before.is_some_and(|before| is_restarted(history, before)) {
                // The same message goes on; the answer is the last turn's.
                let handlings = handled.get_mut(&turn.message.id);
                if let Some(handling) = handlings.and_then(|handlings| handlings.last_mut()) {
                    handling.answer = answer_of(history, turn);
                }
            } else {
                let (place, taken, answer) = (turn.start, turn.message_cid, answer_of(history, turn));
                let handling = Handling { actor, place, taken, wanted: None, answer };
                handled.entry(turn.message.id.clone()).or_default().push(handling);
            }
            for (id, handling) in received(actor, history, turn) {
                handled.entry(id).or_default().push(handling);
            }
            before = Some(turn);
        }
    }
    handled
}

fn is_restarted(history: &History, turn: &TurnSpan) -> bool {
    let end = turn.end.map(|end| &history.entries[end].body);
    matches!(end, Some(EntryBody::TurnEnded { result: TurnResult::Restarted(_), .. }))
}

fn answer_of(history: &History, turn: &TurnSpan) -> Option<Answer> {
    if is_restarted(history, turn) {
        return None;
    }
    let (cid, result) = history.result_of(turn)?;
    Some(Answer { place: turn.end?, cid: Some(cid), result })
}

/// Messages taken inside a turn. One that a reset left behind and that was taken again counts once, where it first was.
fn received<'a>(actor: &'a ActorAddress, history: &'a History, turn: &TurnSpan) -> Vec<(MessageId, Handling<'a>)> {
    let mut found: Vec<(MessageId, BTreeSet<u32>, Handling<'a>)> = Vec::new();
    let entries = history.entries_of(turn);
    for (offset, entry) in entries.iter().enumerate() {
        let EntryBody::Outcome { n, result: Resolution::Ok(taken), .. } = &entry.body else { continue };
        let Some(wanted) = receives(history, entries, *n) else { continue };
        let message = Message::decode(history.text(taken).as_bytes()).expect("the runtime made it");
        let was_reset = |from: u32| {
            let step = entries.iter().position(|entry| is_step(entry, from)).expect("it has an outcome");
            is_discarded(history, entries, step, offset)
        };
        let again =
            found.iter_mut().find(|(id, handles, _)| *id == message.id && handles.iter().all(|n| was_reset(*n)));
        if let Some((_, handles, _)) = again {
            handles.insert(*n);
            continue;
        }
        let handling = Handling { actor, place: turn.start + offset, taken: *taken, wanted, answer: None };
        found.push((message.id, BTreeSet::from([*n]), handling));
    }
    for (_, handles, handling) in &mut found {
        handling.answer = reply(history, turn, handles).or_else(|| at_end(history, turn));
    }
    found.into_iter().map(|(id, _, handling)| (id, handling)).collect()
}

fn is_step(entry: &Entry, step: u32) -> bool {
    matches!(&entry.body, EntryBody::Step { n, .. } if *n == step)
}

/// The type that step `n` receives, if it receives.
fn receives(history: &History, entries: &[Entry], n: u32) -> Option<Option<String>> {
    let step = entries.iter().find(|entry| is_step(entry, n))?;
    let EntryBody::Step { op, request, .. } = &step.body else { return None };
    let request: serde_json::Value = serde_json::from_str(history.text(request)).ok()?;
    op.starts_with("receive").then(|| request["type"].as_str().map(str::to_owned))
}

/// Whether a reset before entry `until` left the step at entry `step` behind.
pub(crate) fn is_discarded(history: &History, entries: &[Entry], step: usize, until: usize) -> bool {
    let resets = entries[step..until].iter().filter_map(|entry| match control(history, entry) {
        Some(Control::Reset { to, .. }) => Some(to),
        _ => None,
    });
    resets.into_iter().any(|to| entries[step].seq.0 > to)
}

/// What a control entry says.
pub(crate) fn control(history: &History, entry: &Entry) -> Option<Control> {
    let EntryBody::Control { detail: Some(detail), .. } = &entry.body else { return None };
    Some(Control::read(history.payloads.get(detail)?).expect("the runtime made it"))
}

/// The first reply to any of these handles.
fn reply(history: &History, turn: &TurnSpan, handles: &BTreeSet<u32>) -> Option<Answer> {
    let entries = history.entries_of(turn);
    entries.iter().enumerate().find_map(|(offset, entry)| {
        let EntryBody::Step { op, request, outcome: Some(Resolution::Ok(said)), .. } = &entry.body else { return None };
        if op != "reply" {
            return None;
        }
        let request: serde_json::Value = serde_json::from_str(history.text(request)).ok()?;
        let handle = u32::try_from(request["handle"].as_u64()?).ok()?;
        let answer =
            || Answer { place: turn.start + offset, cid: Some(*said), result: Ok(history.text(said).to_owned()) };
        handles.contains(&handle).then(answer)
    })
}

fn at_end(history: &History, turn: &TurnSpan) -> Option<Answer> {
    if is_restarted(history, turn) {
        return Some(Answer { place: turn.end?, cid: None, result: Ok("null".to_owned()) });
    }
    answer_of(history, turn)
}

/// What the body of a message asks to be received as.
pub(crate) fn type_of(payload: &Payload) -> Option<String> {
    let message = Message::decode(payload.value()).ok()?;
    let body: serde_json::Value = serde_json::from_str(&message.body).ok()?;
    body["type"].as_str().map(str::to_owned)
}
