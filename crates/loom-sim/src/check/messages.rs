//! Messages: none is lost, none is handled twice, and the order between two actors is kept.

use std::collections::BTreeMap;

use loom_machine::Message;
use loom_types::{ActorAddress, Entry, EntryBody, MessageId, Resolution, StepRef};

use super::{
    Findings,
    handled::{Answer, Handled, Handling, type_of},
    journals::Histories,
};
use crate::record::{Dated, Fact};

const ONCE: &str = "a message is handled once";
const KEPT: &str = "no acknowledged message is lost";
const ORDER: &str = "messages between two actors keep their order";
const CLIENT_ORDER: &str = "a client's messages keep their order";
const TRUE: &str = "what a client is told is in the journal";
const REPLIES: &str = "a call's outcome is the other turn's result";

pub(super) fn check(
    histories: &Histories,
    handled: &Handled<'_>,
    facts: &[Dated],
    at_rest: bool,
    findings: &mut Findings,
) {
    for (id, handlings) in handled {
        findings.expect(handlings.len() == 1, ONCE, || format!("{id} was taken {} times", handlings.len()));
        let answered = handlings.iter().all(|handling| handling.answer.is_some());
        findings.expect(answered || !at_rest, KEPT, || format!("{id} was taken and never answered"));
    }
    let sent = sent_messages(histories);
    check_sent(&sent, handled, at_rest, findings);
    check_clients(handled, facts, at_rest, findings);
    check_client_order(handled, facts, findings);
    check_replies(histories, handled, findings);
}

/// A message that an actor sent.
struct SentMessage {
    message: Message,
    cid: loom_types::Cid,
    /// The type that its body names.
    kind: Option<String>,
}

/// What each actor sent to each other, in program order.
fn sent_messages(histories: &Histories) -> BTreeMap<(ActorAddress, ActorAddress), Vec<SentMessage>> {
    let mut sent: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (actor, history) in &histories.actors {
        for entry in &history.entries {
            let Some(cid) = sends(entry) else { continue };
            let message = Message::decode(history.text(&cid).as_bytes()).expect("the runtime made it");
            let pair = (actor.clone(), message.to.clone());
            let kind = history.payloads.get(&cid).and_then(type_of);
            sent.entry(pair).or_default().push(SentMessage { message, cid, kind });
        }
    }
    sent
}

/// The request of a step that sent a message.
fn sends(entry: &Entry) -> Option<loom_types::Cid> {
    match &entry.body {
        EntryBody::Step { op, request, outcome, .. } => match (op.as_str(), outcome) {
            ("send" | "spawn", Some(Resolution::Ok(_))) | ("call" | "call.start", None) => Some(*request),
            _ => None,
        },
        _ => None,
    }
}

fn check_sent(
    sent: &BTreeMap<(ActorAddress, ActorAddress), Vec<SentMessage>>,
    handled: &Handled<'_>,
    at_rest: bool,
    findings: &mut Findings,
) {
    let mut known = Vec::new();
    for ((sender, receiver), messages) in sent {
        let mut before: Vec<(&SentMessage, &Handling<'_>)> = Vec::new();
        for sent in messages {
            let SentMessage { message, cid, .. } = sent;
            known.push(&message.id);
            let Some(handling) = handled.get(&message.id).and_then(|handlings| handlings.first()) else {
                findings.expect(!at_rest, KEPT, || format!("{} was never handled", message.id));
                continue;
            };
            let Handling { actor, taken, .. } = handling;
            findings.expect(*actor == receiver, ONCE, || format!("{} was handled by {actor}", message.id));
            findings.expect(taken == cid, TRUE, || format!("{} was changed on its way", message.id));
            if message.delay_ms.is_some() {
                continue;
            }
            // Who asks for a type takes the first of that type, and passes others over.
            let fits = |earlier: &SentMessage| handling.wanted.is_none() || handling.wanted == earlier.kind;
            for (earlier, place) in before.iter().filter(|(earlier, _)| fits(earlier)) {
                findings.expect(place.place < handling.place, ORDER, || {
                    let (earlier, later) = (&earlier.message.id, &message.id);
                    format!("{sender} sent {earlier} before {later}, and {receiver} handled it after")
                });
            }
            before.push((sent, handling));
        }
    }
    known.sort();
    for id in handled.keys().filter(|id| id.sender().is_some()) {
        let is_known = known.binary_search(&id).is_ok();
        findings.expect(is_known, TRUE, || format!("{id} was handled, and no journal says that it was sent"));
    }
}

/// What clients were told is so, and was so before they were told.
fn check_clients(handled: &Handled<'_>, facts: &[Dated], at_rest: bool, findings: &mut Findings) {
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
                let found = handled.get(&id).and_then(|handlings| handlings.first());
                let Some(Handling { actor, answer, .. }) = found else {
                    findings.expect(false, TRUE, || format!("{id} was settled and never handled"));
                    continue;
                };
                let journaled = answer.as_ref().map(|answer| &answer.result);
                findings.expect(journaled == Some(result), TRUE, || {
                    format!("{id} was settled with {result:?}, the journal has {journaled:?}")
                });
                let written = durable.get(*actor).copied().unwrap_or_default();
                findings.expect(answer.as_ref().is_some_and(|answer| answer.place < written), TRUE, || {
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
    let first = |id: &MessageId| handled.get(id).and_then(|handlings| handlings.first());
    for (id, (_, before)) in sent {
        let Some(later) = first(&MessageId::from_stored(id).expect("well-formed")) else { continue };
        // Who asks for a type passes others over.
        for earlier in before.iter().filter(|_| later.wanted.is_none()) {
            findings.expect(first(earlier).is_none_or(|earlier| earlier.place <= later.place), CLIENT_ORDER, || {
                format!("{earlier} was durable before {id} was sent, and was handled after it")
            });
        }
    }
}

/// A reply, its outcome and the other actor's turn name the same payload.
fn check_replies(histories: &Histories, handled: &Handled<'_>, findings: &mut Findings) {
    for (actor, history, turn) in histories.turns() {
        let entries = history.entries_of(turn);
        let asks = |n: u32| {
            entries.iter().any(|entry| {
                matches!(&entry.body, EntryBody::Step { n: step, op, .. }
                    if *step == n && (op.starts_with("call") || op == "spawn"))
            })
        };
        for entry in entries {
            let EntryBody::Outcome { n, result, .. } = &entry.body else { continue };
            if !asks(*n) || is_given_up(history.text(&result.cid())) {
                continue;
            }
            let id = MessageId::of_step(actor, StepRef { turn: entry.turn, n: *n });
            let answer = handled.get(&id).and_then(|handlings| handlings.first()?.answer.as_ref());
            // The end of a turn that goes on as another says more than the answer of what it had received.
            let is_same = |answer: &Answer| match answer.cid {
                Some(cid) => cid == result.cid(),
                None => answer.result.as_deref() == Ok(history.text(&result.cid())),
            };
            findings.expect(answer.is_some_and(is_same), REPLIES, || {
                format!("the outcome of {id} is not what it was answered with")
            });
        }
    }
}

/// Whether the caller waited no longer.
fn is_given_up(text: &str) -> bool {
    text.contains("\"kind\":\"deadline\"") || text.contains("\"kind\":\"cancelled\"")
}
