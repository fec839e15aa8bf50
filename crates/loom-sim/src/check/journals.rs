//! Journals are whole: every entry links to the one before, every payload is there, and turns follow each other.

use std::collections::{BTreeMap, HashMap};

use futures::FutureExt as _;
use loom_machine::{Failure, Message};
use loom_storage::Storage;
use loom_types::{ActorAddress, Cid, Entry, EntryBody, Namespace, Payload, SequenceNumber, TurnResult};

use super::Findings;
use crate::program::Program;

const WHOLE: &str = "a journal is whole";
const NOW: &str = "the reference store answers at once";

/// Every actor's journal.
pub(crate) struct Histories {
    pub(crate) actors: BTreeMap<ActorAddress, History>,
}

/// One actor's journal, taken apart.
pub(crate) struct History {
    pub(crate) entries: Vec<Entry>,
    pub(crate) payloads: HashMap<Cid, Payload>,
    pub(crate) turns: Vec<TurnSpan>,
    /// The state as the store has it.
    pub(crate) state: Option<Payload>,
}

/// Where a turn stands in its journal.
pub(crate) struct TurnSpan {
    pub(crate) message: Message,
    pub(crate) message_cid: Cid,
    pub(crate) program: Program,
    /// Index of `turn-started`.
    pub(crate) start: usize,
    /// Index of `turn-ended`, if it is there.
    pub(crate) end: Option<usize>,
}

impl Histories {
    pub(crate) fn read(durable: &Storage, findings: &mut Findings) -> Self {
        let all = durable.catalog.actors(&Namespace::default(), None, None, usize::MAX).now_or_never();
        let mut actors = BTreeMap::new();
        for summary in all.expect(NOW).expect(NOW) {
            let history = History::read(durable, &summary.address, findings);
            actors.insert(summary.address, history);
        }
        Self { actors }
    }

    /// Every turn with its actor.
    pub(crate) fn turns(&self) -> impl Iterator<Item = (&ActorAddress, &History, &TurnSpan)> {
        self.actors.iter().flat_map(|(actor, history)| history.turns.iter().map(move |turn| (actor, history, turn)))
    }
}

impl History {
    fn read(durable: &Storage, actor: &ActorAddress, findings: &mut Findings) -> Self {
        let record = durable.journal.load(actor).now_or_never().expect(NOW).expect(NOW).expect("it was listed");
        let mut history =
            Self { entries: Vec::new(), payloads: HashMap::new(), turns: Vec::new(), state: record.state };
        loop {
            let next = SequenceNumber(history.entries.len() as u64);
            let segments = durable.journal.read(actor, next).now_or_never().expect(NOW).expect(NOW);
            let before = history.entries.len();
            for segment in segments {
                for encoded in segment.entries {
                    history.entries.push(Entry::decode(&encoded.bytes).expect("the runtime made it"));
                }
                history.payloads.extend(segment.payloads.into_iter().map(|payload| (payload.cid(), payload)));
            }
            if history.entries.len() == before {
                break;
            }
        }
        history.check_links(actor, record.head, findings);
        history.check_turns(actor, findings);
        history
    }

    fn check_links(&self, actor: &ActorAddress, head: Cid, findings: &mut Findings) {
        let mut before = None;
        for (n, entry) in self.entries.iter().enumerate() {
            let linked = entry.actor == *actor && entry.seq.0 == n as u64 && entry.prev == before;
            findings.expect(linked, WHOLE, || format!("{actor}: entry {n} does not follow the one before it"));
            findings.expect((n == 0) == matches!(entry.body, EntryBody::Opened {}), WHOLE, || {
                format!("{actor}: entry {n} is '{}'", entry.body.kind())
            });
            for (role, cid) in entry.body.payloads() {
                // A state that did not change is named again and stands where it was written.
                let known = self.payloads.contains_key(&cid);
                findings.expect(known, WHOLE, || format!("{actor}: the {role} of entry {n} is missing"));
            }
            before = Some(entry.encode().cid);
        }
        findings.expect(before == Some(head), WHOLE, || format!("{actor}: the head is not the newest entry"));
    }

    fn check_turns(&mut self, actor: &ActorAddress, findings: &mut Findings) {
        let mut open = false;
        for n in 0..self.entries.len() {
            let entry = &self.entries[n];
            match &entry.body {
                EntryBody::TurnStarted { message, .. } => {
                    let expected = self.turns.len() as u64 + 1;
                    findings.expect(!open && entry.turn.0 == expected, WHOLE, || {
                        format!("{actor}: turn {} begins where turn {expected} should", entry.turn)
                    });
                    open = true;
                    let Some(payload) = self.payloads.get(message) else { continue };
                    let decoded = Message::decode(payload.value()).expect("the runtime made it");
                    let program = serde_json::from_str(&decoded.body).expect("bodies are programs");
                    let turn = TurnSpan { message: decoded, message_cid: *message, program, start: n, end: None };
                    self.turns.push(turn);
                }
                EntryBody::TurnEnded { .. } => {
                    findings.expect(open, WHOLE, || format!("{actor}: entry {n} ends a turn that is not open"));
                    open = false;
                    if let Some(turn) = self.turns.last_mut() {
                        turn.end = Some(n);
                    }
                }
                EntryBody::Step { .. } | EntryBody::Outcome { .. } => {
                    findings.expect(open, WHOLE, || format!("{actor}: entry {n} is outside of any turn"));
                }
                EntryBody::Opened {} | EntryBody::Control { .. } => {}
            }
        }
    }

    /// The entries of a turn, as far as there are any.
    pub(crate) fn entries_of(&self, turn: &TurnSpan) -> &[Entry] {
        let next = self.turns.iter().map(|other| other.start).find(|start| *start > turn.start);
        let end = turn.end.map_or(next.unwrap_or(self.entries.len()), |end| end + 1);
        &self.entries[turn.start..end]
    }

    /// How the turn ended: the reply, or the failure's text.
    pub(crate) fn result_of(&self, turn: &TurnSpan) -> Option<(Cid, Result<String, String>)> {
        let EntryBody::TurnEnded { result, .. } = &self.entries[turn.end?].body else { return None };
        let payload = self.payloads.get(&result.cid())?;
        let text = payload.text().unwrap_or_default().to_owned();
        Some((
            result.cid(),
            match result {
                TurnResult::Reply(_) | TurnResult::Restarted(_) => Ok(text),
                TurnResult::Failure(_) => Err(Failure::from_json(text.as_bytes()).to_json()),
            },
        ))
    }

    pub(crate) fn text(&self, cid: &Cid) -> &str {
        self.payloads.get(cid).and_then(Payload::text).unwrap_or_default()
    }
}
