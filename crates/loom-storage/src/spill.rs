//! Spilling: large payloads are blobs, and rows hold markers in their place.
//!
//! [`spilling`] goes around any store. On the way in, each payload block over
//! [`PAYLOAD_INLINE_BYTES_MAX`] becomes a blob under its own name, durable before the row that leads to it; on the
//! way out, markers become payloads again. Whoever uses the ports does not notice, and no backend has to care.
//!
//! A blob that is missing or damaged is the host's trouble: the read fails, says which, and may be tried again.

mod order;
mod ports;

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use loom_types::{ActorAddress, Cid, Marker, Payload, Resolution, Segment, limits::PAYLOAD_INLINE_BYTES_MAX};

use crate::{
    BackendError, BlobError, Blobs, Commit, Hold, Parcel, StateWrite, Storage, StoreError, limits::READ_BYTES_MAX,
};

use self::{order::Order, ports::Spilling};

/// The same store, with large payloads in its blobs.
pub fn spilling(storage: Storage) -> Storage {
    let store = Arc::new(Spilling {
        journal: storage.journal.clone(),
        mailbox: storage.mailbox.clone(),
        catalog: storage.catalog.clone(),
        blobs: storage.blobs.clone(),
        order: Order::default(),
    });
    Storage { journal: store.clone(), mailbox: store.clone(), catalog: store, ..storage }
}

/// A payload that is spilled could not be read.
#[derive(Clone, Debug, thiserror::Error)]
#[error("payload {cid} of {whose} cannot be read from the blob store")]
pub struct Unreadable {
    /// The payload.
    pub cid: Cid,
    /// Whose it is.
    pub whose: String,
    /// Why.
    #[source]
    pub source: BlobError,
}

/// Large blocks on their way into the blob store.
#[derive(Default)]
struct Spill {
    blocks: HashMap<Cid, Bytes>,
}

impl Spill {
    /// Puts a marker in the place of a large payload.
    fn take(&mut self, payload: &mut Payload) {
        if payload.block().len() > PAYLOAD_INLINE_BYTES_MAX {
            let marker = Marker::Spilled(payload.cid()).to_payload();
            let large = std::mem::replace(payload, marker);
            self.blocks.insert(large.cid(), large.block().clone());
        }
    }

    fn take_all(&mut self, commit: &mut Commit) {
        commit.segment.payloads.iter_mut().for_each(|payload| self.take(payload));
        if let StateWrite::Set(state) = &mut commit.state {
            self.take(state);
        }
        commit.messages.iter_mut().for_each(|message| self.take(&mut message.payload));
        commit.dead_letters.iter_mut().for_each(|letter| self.take(&mut letter.payload));
        commit.outcomes.iter_mut().for_each(|outcome| self.take(&mut outcome.payload));
    }

    /// Makes them durable. The holds are for whoever commits the markers.
    async fn write(self, blobs: &dyn Blobs) -> Result<Vec<Hold>, BackendError> {
        let mut holds = Vec::with_capacity(self.blocks.len());
        for (cid, block) in self.blocks {
            holds.push(blobs.holds().hold(cid));
            blobs.put(cid, block).await.map_err(|error| Arc::new(error) as BackendError)?;
        }
        Ok(holds)
    }
}

/// The payload itself, if this is a marker of a spilled one.
async fn whole(blobs: &dyn Blobs, payload: Payload, whose: &ActorAddress) -> Result<Payload, StoreError> {
    let Some(Marker::Spilled(cid)) = payload.marker() else { return Ok(payload) };
    let unreadable = |source| {
        StoreError::Unavailable(Arc::new(Unreadable { cid, whose: whose.to_string(), source }) as BackendError)
    };
    let block = blobs.get(cid).await.map_err(unreadable)?;
    let what = |error| StoreError::Corrupt { what: format!("payload {cid} of {whose}: {error}") };
    Payload::from_block(block).map_err(what)
}

async fn whole_parcel(blobs: &dyn Blobs, parcel: Parcel, whose: &ActorAddress) -> Result<Parcel, StoreError> {
    Ok(match parcel {
        Parcel::Message { id, payload } => Parcel::Message { id, payload: whole(blobs, payload, whose).await? },
        Parcel::Outcome { step, result, payload } => {
            let payload = whole(blobs, payload, whose).await?;
            let result = match result {
                Resolution::Ok(_) => Resolution::Ok(payload.cid()),
                Resolution::Err(_) => Resolution::Err(payload.cid()),
            };
            Parcel::Outcome { step, result, payload }
        }
        cancel @ Parcel::Cancel { .. } => cancel,
    })
}

/// Segments with their spilled payloads, at most about [`READ_BYTES_MAX`] of them, at least one.
async fn whole_segments(
    blobs: &dyn Blobs,
    segments: Vec<Segment>,
    whose: &ActorAddress,
) -> Result<Vec<Segment>, StoreError> {
    let mut read = Vec::with_capacity(segments.len());
    let mut bytes = 0;
    for mut segment in segments {
        if bytes > READ_BYTES_MAX {
            break;
        }
        for payload in &mut segment.payloads {
            if matches!(payload.marker(), Some(Marker::Spilled(_))) {
                *payload = whole(blobs, payload.clone(), whose).await?;
                bytes += payload.block().len();
            }
        }
        read.push(segment);
    }
    Ok(read)
}
