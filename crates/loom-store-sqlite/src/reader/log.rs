//! Reading the log, checked against what is counted and, for one leaf, against the journal.

use loom_storage::{CheckpointRecord, Leaf, LeafRecord};
use loom_types::{ActorAddress, Cid, Codec, Segment, SequenceNumber};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{ReadError, Reader, address, integer, journal::SEGMENT_BEFORE, segment_id};

pub(super) const SIZE: &str = "SELECT value FROM meta WHERE key = 'leaves'";
// A leaf whose actor is gone is missing, and `CROSS JOIN` keeps SQLite from walking through the actors.
pub(super) const LEAVES: &str = "SELECT leaves.id, address, seq, leaves.head FROM leaves \
     CROSS JOIN actors ON actors.id = actor WHERE leaves.id > ?1 ORDER BY leaves.id LIMIT ?2";
pub(super) const LEAF: &str = "SELECT actor, seq, head FROM leaves WHERE id = ?1";
pub(super) const ACTOR_END: &str = "SELECT id, next_seq FROM actors WHERE address = ?1";
pub(super) const SEGMENT_WITH_LEAF: &str =
    "SELECT id, leaf, bytes FROM segments WHERE id >= ?1 AND id < ?2 AND leaf IS NOT NULL ORDER BY id LIMIT 1";
pub(super) const TILE: &str = "SELECT cid FROM tiles WHERE level = ?1 AND number = ?2";
pub(super) const CHECKPOINT: &str = "SELECT size, at_ms, note FROM checkpoint WHERE id = 0";

pub(super) const WITNESSED: &str = "SELECT size, at_ms, note FROM witnessed WHERE id = 0";

/// A segment's row whose commit brought a leaf.
struct WithLeaf {
    id: i64,
    leaf: u64,
    bytes: Vec<u8>,
}

/// How many leaves there are; also asked by the writer.
pub(crate) fn size(connection: &Connection) -> rusqlite::Result<u64> {
    connection.prepare_cached(SIZE)?.query_row([], |row| row.get(0))
}

/// The newest checkpoint; also asked by the writer.
pub(crate) fn checkpoint(connection: &Connection) -> rusqlite::Result<Option<CheckpointRecord>> {
    record(connection, CHECKPOINT)
}

/// The newest checkpoint that witnesses cosigned; also asked by the writer.
pub(crate) fn witnessed(connection: &Connection) -> rusqlite::Result<Option<CheckpointRecord>> {
    record(connection, WITNESSED)
}

fn record(connection: &Connection, statement: &str) -> rusqlite::Result<Option<CheckpointRecord>> {
    let mut query = connection.prepare_cached(statement)?;
    let found =
        query.query_row([], |row| Ok(CheckpointRecord { size: row.get(0)?, at_ms: row.get(1)?, note: row.get(2)? }));
    found.optional()
}

fn missing(index: u64, size: u64) -> ReadError {
    ReadError::Corrupt(format!("leaf {index} of the log's {size} is missing"))
}

impl Reader<'_> {
    pub(crate) fn log_size(&self) -> Result<u64, ReadError> {
        Ok(size(self.connection)?)
    }

    pub(crate) fn leaves(&self, from: u64, limit: usize) -> Result<Vec<LeafRecord>, ReadError> {
        // One transaction, so that the count is of the same moment.
        let transaction = self.connection.unchecked_transaction()?;
        let size = size(&transaction)?;
        let expected = size.saturating_sub(from).min(u64::try_from(limit).unwrap_or(u64::MAX));
        let mut query = transaction.prepare_cached(LEAVES)?;
        let mut rows = query.query(params![integer(from), integer(expected)])?;
        let mut leaves = Vec::new();
        for index in from..from + expected {
            let row = rows.next()?.ok_or_else(|| missing(index, size))?;
            // SQLite counts from 1.
            if row.get::<_, u64>(0)? != index + 1 {
                return Err(missing(index, size));
            }
            let leaf = Leaf { seq: SequenceNumber(row.get(2)?), head: Cid::from_digest(Codec::DagCbor, row.get(3)?) };
            leaves.push(LeafRecord { index, actor: address(row, 1)?, leaf });
        }
        Ok(leaves)
    }

    pub(crate) fn leaf_of(&self, actor: &ActorAddress, seq: SequenceNumber) -> Result<Option<LeafRecord>, ReadError> {
        let transaction = self.connection.unchecked_transaction()?;
        let mut query = transaction.prepare_cached(ACTOR_END)?;
        let found = query.query_row(params![actor.as_str()], |row| Ok((row.get(0)?, row.get::<_, u64>(1)?)));
        let Some((id, next_seq)) = found.optional()? else { return Ok(None) };
        if seq.0 >= next_seq {
            return Ok(None);
        }
        let first = segment_id(id, 0);
        let mut before = transaction.prepare_cached(SEGMENT_BEFORE)?;
        let start: Option<i64> =
            before.query_row(params![first, segment_id(id, seq.0)], |row| row.get(0)).optional()?;
        let mut start = start.unwrap_or(first);
        let mut query = transaction.prepare_cached(SEGMENT_WITH_LEAF)?;
        // The first may be of an entry before `seq`, in the same segment.
        loop {
            let found = query.query_row(params![start, segment_id(id + 1, 0)], |row| {
                Ok(WithLeaf { id: row.get(0)?, leaf: row.get(1)?, bytes: row.get(2)? })
            });
            let Some(found) = found.optional()? else { return Ok(None) };
            start = found.id + 1;
            let record = found.record(&transaction, actor, id)?;
            if record.leaf.seq >= seq {
                return Ok(Some(record));
            }
        }
    }

    pub(crate) fn tile(&self, level: u8, index: u64) -> Result<Option<Cid>, ReadError> {
        let mut query = self.connection.prepare_cached(TILE)?;
        let found: Option<String> = query.query_row(params![level, integer(index)], |row| row.get(0)).optional()?;
        let corrupt = |error| ReadError::Corrupt(format!("tile {level}/{index} of the log: {error}"));
        found.map(|cid| cid.parse().map_err(corrupt)).transpose()
    }

    pub(crate) fn checkpoint(&self) -> Result<Option<CheckpointRecord>, ReadError> {
        Ok(checkpoint(self.connection)?)
    }

    pub(crate) fn witnessed(&self) -> Result<Option<CheckpointRecord>, ReadError> {
        Ok(witnessed(self.connection)?)
    }
}

impl WithLeaf {
    /// The leaf, if it says of the journal what the journal says.
    fn record(self, connection: &Connection, actor: &ActorAddress, actor_id: i64) -> Result<LeafRecord, ReadError> {
        let index = self.leaf.saturating_sub(1);
        let corrupt =
            |what: String| ReadError::Corrupt(format!("leaf {index} of the log, which is of {actor}: {what}"));
        let mut query = connection.prepare_cached(LEAF)?;
        let found = query
            .query_row(params![self.leaf], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, u64>(1)?, row.get(2)?)))
            .optional()?;
        let (found_actor, seq, digest) = found.ok_or_else(|| corrupt("it is missing".to_owned()))?;
        let (_, segment) = Segment::decode(&self.bytes).map_err(|error| corrupt(format!("its segment: {error}")))?;
        let first = (self.id - segment_id(actor_id, 0)) as u64;
        let at = seq.checked_sub(first).and_then(|at| usize::try_from(at).ok());
        let head = Cid::from_digest(Codec::DagCbor, digest);
        let named = at.and_then(|at| segment.entries.get(at));
        if found_actor != actor_id || named.is_none_or(|entry| entry.cid != head) {
            return Err(corrupt("it does not name an entry of the segment that names it".to_owned()));
        }
        Ok(LeafRecord { index, actor: actor.clone(), leaf: Leaf { seq: SequenceNumber(seq), head } })
    }
}
