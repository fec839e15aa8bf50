//! The head of one actor's journal: numbers and links entries.

use loom_storage::Leaf;
use loom_types::{ActorAddress, Cid, EncodedEntry, Entry, EntryBody, SequenceNumber, TurnNumber};

/// Where the next entry goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chain {
    pub(crate) next_seq: SequenceNumber,
    pub(crate) head: Option<Cid>,
}

impl Chain {
    /// Links `bodies` to the head, in order.
    pub(crate) fn append(
        &mut self,
        actor: &ActorAddress,
        turn: TurnNumber,
        bodies: Vec<(u64, EntryBody)>,
    ) -> Vec<EncodedEntry> {
        let seal = |(at_ms, body): (u64, EntryBody)| {
            let turn = if matches!(body, EntryBody::Opened {}) { TurnNumber(0) } else { turn };
            let entry = Entry { actor: actor.clone(), seq: self.next_seq, prev: self.head, turn, at_ms, body };
            let encoded = entry.encode();
            self.next_seq = self.next_seq.next();
            self.head = Some(encoded.cid);
            encoded
        };
        bodies.into_iter().map(seal).collect()
    }

    /// What the log gets if the actor rests at the newest entry.
    pub(crate) fn leaf(&self) -> Option<Leaf> {
        self.head.map(|head| Leaf { seq: SequenceNumber(self.next_seq.0 - 1), head })
    }
}
