//! Messages: none is lost, none is handled twice, and the order between two actors is kept.

use std::collections::BTreeMap;

use loom_machine::Message;
use loom_types::{ActorAddress, Entry, EntryBody, MessageId, Resolution, StepRef};

use super::{
    Findings,
    journals::{Handled, Histories, handled},
};
use crate::record::{Dated, Fact};

const ONCE: &str = "a message is handled once";
const KEPT: &str = "no acknowledged message is lost";
const ORDER: &str = "messages between two actors keep their order";
const CLIENT_ORDER: &str = "a client's messages keep their order";
const TRUE: &str = "what a client is told is in the journal";
const REPLIES: &str = "a call's outcome is the other turn's result";

pub(super) fn check(histories: &Histories, facts: &[Dated], at_rest: bool, findings: &mut Findings) {
    let handled = handled(histories);
    for (id, turns) in &handled {
        findings.expect(turns.len() == 1, ONCE, || format!("{id} has {} turns", turns.len()));
    }
    let sent = sent_messages(histories);
    check_sent(histories, &sent, &handled, at_rest, findings);
    check_clients(histories, &handled, facts, at_rest, findings);
    check_client_order(&handled, facts, findings);
    check_replies(histories, &handled, findings);
}

/// A message that an actor sent.
struct SentMessage {
    message: Message,
    cid: loom_types::Cid,
}

/// What each actor sent to each other, in program order.
fn sent_messages(histories: &Histories) -> BTreeMap<(ActorAddress, ActorAddress), Vec<SentMessage>> {
    let mut sent: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (actor, history) in &histories.actors {
        for entry in &history.entries {
            let Some(cid) = sends(entry) else { continue };
            let message = Message::decode(history.text(&cid).as_bytes()).expect("the runtime made it");
            let pair = (actor.clone(), message.to.clone());
            sent.entry(pair).or_default().push(SentMessage { message, cid });
        }
    }
    sent
}

/// The request of a step that sent a message.
fn sends(entry: &Entry) -> Option<loom_types::Cid> {
    match &entry.body {
        EntryBody::Step { op, request, outcome, .. } => match (op.as_str(), outcome) {
            ("send", Some(Resolution::Ok(_))) | ("call" | "call.start", None) => Some(*request),
            _ => None,
        },
        _ => None,
    }
}

fn check_sent(
    histories: &Histories,
    sent: &BTreeMap<(ActorAddress, ActorAddress), Vec<SentMessage>>,
    handled: &Handled<'_>,
    at_rest: bool,
    findings: &mut Findings,
) {
    let mut known = Vec::new();
    for ((sender, receiver), messages) in sent {
        let mut before: Option<(usize, &MessageId)> = None;
        for SentMessage { message, cid } in messages {
            known.push(&message.id);
            let Some((actor, place)) = handled.get(&message.id).and_then(|turns| turns.first()) else {
                findings.expect(!at_rest, KEPT, || format!("{} was never handled", message.id));
                continue;
            };
            findings.expect(*actor == receiver, ONCE, || format!("{} was handled by {actor}", message.id));
            let taken = histories.actors[*actor].turns[*place].message_cid;
            findings.expect(taken == *cid, TRUE, || format!("{} was changed on its way", message.id));
            if message.delay_ms.is_some() {
                continue;
            }
            if let Some((earlier, id)) = before {
                findings.expect(earlier < *place, ORDER, || {
                    format!("{sender} sent {id} before {}, and {receiver} handled it after", message.id)
                });
            }
            before = Some((*place, &message.id));
        }
    }
    known.sort();
    for id in handled.keys().filter(|id| id.sender().is_some()) {
        let is_known = known.binary_search(id).is_ok();
        findings.expect(is_known, TRUE, || format!("{id} was handled, and no journal says that it was sent"));
    }
}

/// What clients were told is so, and was so before they were told.
fn check_clients(
    histories: &Histories,
    handled: &Handled<'_>,
    facts: &[Dated],
    at_rest: bool,
    findings: &mut Findings,
) {
    let mut durable: BTreeMap<&ActorAddress, usize> = BTreeMap::new();
    for dated in facts {
        match &dated.fact {
            Fact::Applied { actor, entries, .. } => *durable.entry(actor).or_default() += entries.len(),
            Fact::Accepted { id } => {
                let id = MessageId::from_stored(id).expect("well-formed");
                findings.expect(handled.contains_key(&id) || !at_rest, KEPT, || {
                    format!("{id} was accepted and never handled")
                });
            }
            Fact::Settled { id, result } => {
                let id = MessageId::from_stored(id).expect("well-formed");
                let found = handled.get(&id).and_then(|turns| turns.first());
                let Some((actor, place)) = found else {
                    findings.expect(false, TRUE, || format!("{id} was settled and never handled"));
                    continue;
                };
                let history = &histories.actors[*actor];
                let turn = &history.turns[*place];
                let journaled = history.result_of(turn).map(|(_, result)| result);
                findings.expect(journaled.as_ref() == Some(result), TRUE, || {
                    format!("{id} was settled with {result:?}, the journal has {journaled:?}")
                });
                let written = durable.get(*actor).copied().unwrap_or_default();
                findings.expect(turn.end.is_some_and(|end| end < written), TRUE, || {
                    format!("{id} was settled at {:?}, before that was durable", dated.at)
                });
            }
            _ => {}
        }
    }
}

/// If one message was durable before the next was sent, it is handled before it.
fn check_client_order(handled: &Handled<'_>, facts: &[Dated], findings: &mut Findings) {
    let mut accepted: Vec<(MessageId, &ActorAddress)> = Vec::new();
    let mut sent: BTreeMap<&str, (&ActorAddress, Vec<MessageId>)> = BTreeMap::new();
    for dated in facts {
        match &dated.fact {
            Fact::Sent { id, to, .. } => {
                let before = || accepted.iter().filter(|(_, actor)| *actor == to).map(|(id, _)| id.clone()).collect();
                sent.entry(id).or_insert_with(|| (to, before()));
            }
            Fact::Accepted { id } => {
                if let Some((to, _)) = sent.get(id.as_str()) {
                    accepted.push((MessageId::from_stored(id).expect("well-formed"), to));
                }
            }
            _ => {}
        }
    }
    let place = |id: &MessageId| handled.get(id).and_then(|turns| turns.first()).map(|(_, place)| *place);
    for (id, (_, before)) in sent {
        let Some(later) = place(&MessageId::from_stored(id).expect("well-formed")) else { continue };
        for earlier in before {
            findings.expect(place(&earlier).is_none_or(|earlier| earlier <= later), CLIENT_ORDER, || {
                format!("{earlier} was durable before {id} was sent, and was handled after it")
            });
        }
    }
}

/// A reply, its outcome and the other actor's turn name the same payload.
fn check_replies(histories: &Histories, handled: &Handled<'_>, findings: &mut Findings) {
    for (actor, history, turn) in histories.turns() {
        let entries = history.entries_of(turn);
        let is_call = |n: u32| {
            entries.iter().any(|entry| {
                matches!(&entry.body, EntryBody::Step { n: step, op, outcome: None, .. }
                    if *step == n && op.starts_with("call"))
            })
        };
        for entry in entries {
            let EntryBody::Outcome { n, result, .. } = &entry.body else { continue };
            if !is_call(*n) || is_deadline(history.text(&result.cid())) {
                continue;
            }
            let id = MessageId::of_step(actor, StepRef { turn: entry.turn, n: *n });
            let answered = handled.get(&id).and_then(|turns| turns.first()).and_then(|(callee, place)| {
                let callee = &histories.actors[*callee];
                callee.result_of(&callee.turns[*place])
            });
            findings.expect(answered.is_some_and(|(cid, _)| cid == result.cid()), REPLIES, || {
                format!("the outcome of {id} is not what its turn came to")
            });
        }
    }
}

fn is_deadline(text: &str) -> bool {
    text.contains("\"kind\":\"deadline\"")
}
