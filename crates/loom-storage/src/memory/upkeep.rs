//! Erasing and forgetting in memory.

use std::collections::HashSet;

use async_trait::async_trait;
use loom_types::{ActorAddress, Cid, Entry, Payload, Segment, SequenceNumber};

use super::{Actor, MemoryStore, State};
use crate::{EraseError, Erasure, Parcel, StoreError, Unerased, Upkeep, references};

fn entries(segment: &Segment) -> Vec<Entry> {
    let decode = |encoded: &loom_types::EncodedEntry| Entry::decode(&encoded.bytes).expect("entries were encoded");
    segment.entries.iter().map(decode).collect()
}

impl Actor {
    fn erase(&mut self, before: SequenceNumber) -> u64 {
        let newest_first =
            self.segments.range(..before).rev().flat_map(|(_, segment)| entries(segment).into_iter().rev());
        let Some(erasure) = newest_first.into_iter().find_map(|entry| Erasure::new(before, &entry)) else { return 0 };
        let mut erased = 0;
        let mut erased_to = before;
        for (first, segment) in self.segments.range_mut(self.erased_to..before) {
            let entries = entries(segment);
            let (blocks, keeps_state) = erasure.apply(&entries, segment);
            erased += blocks;
            if keeps_state || first.0 + entries.len() as u64 > before.0 {
                erased_to = erased_to.min(*first);
            }
        }
        self.erased_to = self.erased_to.max(erased_to);
        erased
    }
}

impl State {
    fn payloads(&self) -> impl Iterator<Item = &Payload> {
        let waiting = self.mailboxes.values().flat_map(|mailbox| mailbox.values());
        let delayed = self.delayed.values().map(|(_, parcel)| parcel);
        let parcels = waiting.chain(delayed).filter_map(|parcel| match parcel {
            Parcel::Message { payload, .. } | Parcel::Outcome { payload, .. } => Some(payload),
            Parcel::Cancel { .. } => None,
        });
        let letters = self.dead_letters.values().map(|letter| &letter.payload);
        self.actors.values().filter_map(|actor| actor.record.state.as_ref()).chain(parcels).chain(letters)
    }
}

#[async_trait]
impl Upkeep for MemoryStore {
    async fn erase(&self, actor: &ActorAddress, before: SequenceNumber) -> Result<u64, EraseError> {
        let mut state = self.lock();
        let Some(actor) = state.actors.get_mut(actor) else { return Ok(0) };
        match actor.record.open_turn {
            Some(started) if before > started => Err(EraseError::Open { started }),
            _ => Ok(actor.erase(before.min(actor.record.next_seq))),
        }
    }

    async fn unerased(&self, after: Option<&ActorAddress>, limit: usize) -> Result<Vec<Unerased>, StoreError> {
        let state = self.lock();
        let with_payloads = state.actors.iter().filter(|(address, actor)| {
            actor.erased_to < actor.record.next_seq && after.is_none_or(|after| *address > after)
        });
        let found = with_payloads.map(|(address, actor)| Unerased { actor: address.clone(), from: actor.erased_to });
        Ok(found.take(limit).collect())
    }

    async fn forget(&self, ended_before_ms: u64, limit: usize) -> Result<usize, StoreError> {
        let mut state = self.lock();
        let is_old = |ended_ms: &Option<u64>| ended_ms.is_some_and(|ended_ms| ended_ms < ended_before_ms);
        let old = state.statuses.iter().filter(|(_, (_, ended_ms))| is_old(ended_ms)).map(|(key, _)| key.clone());
        let old: Vec<_> = old.take(limit).collect();
        for key in &old {
            state.statuses.remove(key);
        }
        Ok(old.len())
    }

    async fn unreferenced(&self, mut names: HashSet<Cid>) -> Result<HashSet<Cid>, StoreError> {
        let state = self.lock();
        let mut found = |cid: Cid| {
            names.remove(&cid);
        };
        for segment in state.actors.values().flat_map(|actor| actor.segments.values()) {
            references::in_segment(&entries(segment), segment, &mut found);
        }
        state.payloads().for_each(|payload| references::in_payload(payload, &mut found));
        for (promise, _) in state.promises.values() {
            let texts = [&promise.label, &promise.data].into_iter().flatten();
            texts.for_each(|text| references::in_text(text.as_bytes(), &mut found));
        }
        state.deployments.values().flatten().for_each(|deployment| found(deployment.cid));
        state.tiles.values().for_each(|tile| found(*tile));
        Ok(names)
    }
}
