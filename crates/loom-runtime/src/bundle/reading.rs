//! Reading of an actor's journal the stretch that an auditor needs, however long the journal is.

use std::collections::{BTreeSet, HashMap};

use loom_storage::{Storage, StoreError};
use loom_types::{ActorAddress, Cid, Entry, EntryBody, Payload, Resolution, SequenceNumber, TurnNumber, TurnResult};

use crate::load;

/// Which turns of an actor are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// All that are over.
    pub(super) all: bool,
    /// These.
    pub(super) turns: BTreeSet<TurnNumber>,
    /// Those that took these messages.
    pub(super) messages: BTreeSet<Cid>,
}

/// A stretch of a journal: from where the state is named that its first turn begins with, to the end of its last.
pub(super) struct Stretch {
    pub(super) actor: ActorAddress,
    pub(super) entries: Vec<Entry>,
    pub(super) payloads: HashMap<Cid, Payload>,
}

/// Reads the shortest stretch that has all of the wanted turns that are over; nothing if there is none. `most` entries
/// are the limit: beyond it only their number is told.
pub(super) async fn read(
    storage: &Storage,
    actor: &ActorAddress,
    wanted: Wanted,
    most: usize,
) -> Result<Result<Option<Stretch>, usize>, StoreError> {
    let mut reader = Reader { wanted, entries: Vec::new(), payloads: HashMap::new(), needed: 0, open: None };
    let mut next = SequenceNumber(0);
    loop {
        let segments = storage.journal.read(actor, next).await?;
        let read_before = next;
        for segment in &segments {
            reader.payloads.extend(segment.payloads.iter().map(|payload| (payload.cid(), payload.clone())));
            for entry in load::decode(actor, segment)? {
                if entry.seq >= next {
                    next = entry.seq.next();
                    reader.take(entry);
                }
            }
            if reader.entries.len() > most {
                return Ok(Err(reader.entries.len()));
            }
        }
        if next == read_before || reader.is_done() {
            return Ok(Ok(reader.stretch(actor)));
        }
    }
}

struct Reader {
    wanted: Wanted,
    entries: Vec<Entry>,
    payloads: HashMap<Cid, Payload>,
    /// How many of the entries belong into the stretch for certain.
    needed: usize,
    /// The turn that is open, and whether it is wanted.
    open: Option<(TurnNumber, bool)>,
}

impl Reader {
    fn take(&mut self, entry: Entry) {
        match &entry.body {
            EntryBody::TurnStarted { message, .. } => {
                let is_wanted = self.wanted.turns.remove(&entry.turn) | self.wanted.messages.remove(message);
                self.open = Some((entry.turn, is_wanted || self.wanted.all));
            }
            // A `receive` took it.
            EntryBody::Outcome { result: Resolution::Ok(message), .. } if self.wanted.messages.remove(message) => {
                self.open = self.open.map(|(turn, _)| (turn, true));
            }
            _ => {}
        }
        let ended = match &entry.body {
            EntryBody::TurnEnded { result, .. } => Some(matches!(result, TurnResult::Restarted(_))),
            _ => None,
        };
        let names_state = ended.is_some() || matches!(entry.body, EntryBody::Control { state: Some(_), .. });
        self.entries.push(entry);
        // What is done to an actor at rest, and every entry of an audit log, has a leaf of its own.
        if self.wanted.all
            && self.open.is_none()
            && matches!(self.entries.last(), Some(last) if last.body.kind() == "control")
        {
            self.needed = self.entries.len();
        }
        if let Some(goes_on) = ended
            && let Some((turn, true)) = self.open.take()
        {
            self.needed = self.entries.len();
            if goes_on {
                self.wanted.turns.insert(turn.next());
            }
        }
        // As long as nothing before is needed, what comes next can begin here.
        if names_state && self.needed == 0 && self.open.is_none() {
            let names = |entry: &Entry| entry.body.payloads().into_iter().map(|(_, cid)| cid).collect::<Vec<_>>();
            let before: Vec<Entry> = self.entries.drain(..self.entries.len() - 1).collect();
            // A state that a failed turn left as it was is named again, and stored but once.
            let kept = names(&self.entries[0]);
            let gone = before.iter().flat_map(names).filter(|cid| !kept.contains(cid));
            gone.for_each(|cid| drop(self.payloads.remove(&cid)));
        }
    }

    fn is_done(&self) -> bool {
        let Wanted { all, turns, messages } = &self.wanted;
        !all && turns.is_empty() && messages.is_empty() && !matches!(self.open, Some((_, true)))
    }

    fn stretch(mut self, actor: &ActorAddress) -> Option<Stretch> {
        self.entries.truncate(self.needed);
        let actor = actor.clone();
        (!self.entries.is_empty()).then_some(Stretch { actor, entries: self.entries, payloads: self.payloads })
    }
}
