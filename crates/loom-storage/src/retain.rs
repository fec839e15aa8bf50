//! Retention: erasing the payloads of turns that ended long enough ago, and forgetting old client ids.

use loom_types::{ActorAddress, Entry, EntryBody, SequenceNumber};

use crate::{EraseError, Storage, StoreError, Unerased};

/// Actors looked at, or ids forgotten, at once.
const PAGE: usize = 500;

/// Erases the payloads of every turn that ended before `ended_before_ms`, and says how many blocks went. An actor whose
/// journal is damaged does not keep it from the others, but is reported in the end.
pub async fn erase_old_payloads(storage: &Storage, ended_before_ms: u64) -> Result<u64, StoreError> {
    let (mut erased, mut damaged) = (0, None);
    let mut after: Option<ActorAddress> = None;
    loop {
        let page = storage.upkeep.unerased(after.as_ref(), PAGE).await?;
        let Some(last) = page.last() else { return damaged.map_or(Ok(erased), Err) };
        after = Some(last.actor.clone());
        for unerased in page {
            match erase_old_turns(storage, &unerased, ended_before_ms).await {
                Ok(blocks) => erased += blocks,
                Err(error) if error.is_retryable() => return Err(error),
                Err(error) => damaged = damaged.or(Some(error)),
            }
        }
    }
}

async fn erase_old_turns(storage: &Storage, unerased: &Unerased, ended_before_ms: u64) -> Result<u64, StoreError> {
    let Some(before) = last_old_turn(storage, &unerased.actor, unerased.from, ended_before_ms).await? else {
        return Ok(0);
    };
    match storage.upkeep.erase(&unerased.actor, before).await {
        Ok(blocks) => Ok(blocks),
        Err(EraseError::Open { .. }) => Ok(0),
        Err(EraseError::Store(error)) => Err(error),
    }
}

/// The first entry after the newest turn that ended before the time; none if no turn did.
async fn last_old_turn(
    storage: &Storage,
    actor: &ActorAddress,
    from: SequenceNumber,
    ended_before_ms: u64,
) -> Result<Option<SequenceNumber>, StoreError> {
    let (mut next, mut found) = (from, None);
    loop {
        let read_before = next;
        for segment in storage.journal.read(actor, next).await? {
            for encoded in &segment.entries {
                let corrupt = |error| StoreError::Corrupt { what: format!("journal of {actor}: {error}") };
                let entry = Entry::decode(&encoded.bytes).map_err(corrupt)?;
                if entry.at_ms >= ended_before_ms {
                    return Ok(found);
                }
                next = entry.seq.next();
                if matches!(entry.body, EntryBody::TurnEnded { .. }) {
                    found = Some(next);
                }
            }
        }
        if next == read_before {
            return Ok(found);
        }
    }
}

/// Forgets every client id whose turn ended before `ended_before_ms`, and says how many.
pub async fn forget_old_ids(storage: &Storage, ended_before_ms: u64) -> Result<u64, StoreError> {
    let mut forgotten = 0;
    loop {
        let page = storage.upkeep.forget(ended_before_ms, PAGE).await?;
        forgotten += page as u64;
        if page < PAGE {
            return Ok(forgotten);
        }
    }
}
