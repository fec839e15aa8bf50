//! Turns as a journal holds them.

use std::{collections::HashMap, sync::Arc};

use loom_types::{Cid, Entry, EntryBody, Payload, SequenceNumber};

use super::Impossible;
use crate::{CorruptTurn, Turn};

/// A turn, with what it takes to run it again.
#[derive(Clone, Debug)]
pub struct RecordedTurn {
    /// Its entries: `turn-started` first and, if it is over, `turn-ended` last.
    pub entries: Vec<Entry>,
    /// Payloads, at least those that its entries name, as far as they are kept.
    pub payloads: Arc<HashMap<Cid, Payload>>,
    /// The actor's state when it began.
    pub state: Result<Option<Payload>, Impossible>,
}

/// The turns in a stretch of a journal, oldest first. What stands before the first turn of the stretch tells the state
/// it began with; `newest` is the state after all of it.
pub fn turns(entries: &[Entry], payloads: &Arc<HashMap<Cid, Payload>>, newest: Option<&Payload>) -> Vec<RecordedTurn> {
    let find = |cid: &Cid| {
        let kept = payloads
            .get(cid)
            .filter(|payload| payload.marker().is_none())
            .or_else(|| newest.filter(|newest| newest.cid() == *cid));
        kept.cloned().map(Some).ok_or(Impossible::StateUnknown)
    };
    let is_from_the_start = entries.first().is_some_and(|first| first.seq.0 == 0);
    let mut state = is_from_the_start.then_some(Ok(None));
    // Where the turn began, and with what.
    let (mut turns, mut started) = (Vec::new(), None);
    for (place, entry) in entries.iter().enumerate() {
        match &entry.body {
            EntryBody::TurnStarted { .. } => started = Some((place, state.clone())),
            EntryBody::TurnEnded { state: after, .. } => {
                if let Some((start, state)) = started.take() {
                    let entries = entries[start..=place].to_vec();
                    let state = state.unwrap_or(Err(Impossible::StateUnknown));
                    turns.push(RecordedTurn { entries, payloads: payloads.clone(), state });
                }
                state = Some(after.as_ref().map_or(Ok(None), find));
            }
            EntryBody::Control { state: Some(after), .. } => state = Some(find(after)),
            EntryBody::Control { what, .. } if what == "purge" => state = Some(Ok(None)),
            _ => {}
        }
    }
    if let Some((start, state)) = started {
        // If nothing before it names the state, it is what the caller has: the open turn has not changed it.
        let state = state.unwrap_or_else(|| Ok(newest.cloned()));
        turns.push(RecordedTurn { entries: entries[start..].to_vec(), payloads: payloads.clone(), state });
    }
    turns
}

impl RecordedTurn {
    /// Whether the turn is over.
    pub fn is_over(&self) -> bool {
        self.entries.last().is_some_and(|last| matches!(last.body, EntryBody::TurnEnded { .. }))
    }

    /// The deployment it is pinned to; none if its first entry does not start a turn.
    pub fn deployment(&self) -> Option<Cid> {
        Turn::deployment_of(&self.entries, &|cid| self.payloads.get(cid).cloned())
    }

    /// A payload whose value is there.
    pub(super) fn payload(&self, cid: &Cid) -> Option<&Payload> {
        self.payloads.get(cid).filter(|payload| payload.marker().is_none())
    }

    /// The entry that starts it.
    pub(super) fn first_seq(&self) -> SequenceNumber {
        self.entries.first().map_or(SequenceNumber(0), |first| first.seq)
    }

    /// Its entries without the end.
    pub(super) fn inside(&self) -> &[Entry] {
        &self.entries[..self.entries.len() - usize::from(self.is_over())]
    }

    /// Every payload that the guest's doings are compared with is there. Private inputs need not be: a guest is told
    /// nothing about them that its requests do not say, and what they were is compared as far as it is known.
    pub(super) fn is_whole(&self) -> Result<(), Impossible> {
        for entry in self.inside() {
            let is_gone = |(role, cid): (&str, Cid)| role != "input" && self.payload(&cid).is_none();
            if entry.body.payloads().into_iter().any(is_gone) {
                return Err(Impossible::Erased(entry.seq));
            }
        }
        Ok(())
    }

    /// The state that the turn's end names.
    pub(super) fn state_after(&self, named: Option<Cid>) -> Result<Option<Payload>, Impossible> {
        let Some(cid) = named else { return Ok(None) };
        let unchanged = self.state.clone()?.filter(|before| before.cid() == cid);
        let kept = unchanged.or_else(|| self.payload(&cid).cloned());
        let seq = self.entries.last().map_or(SequenceNumber(0), |last| last.seq);
        kept.map(Some).ok_or(Impossible::Erased(seq))
    }

    pub(super) fn corrupt(&self, seq: SequenceNumber, problem: String) -> Impossible {
        let address = self.entries[0].actor.clone();
        Impossible::Corrupt(CorruptTurn { address, seq, problem })
    }
}
