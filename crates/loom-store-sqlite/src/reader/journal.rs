//! Reading journals: where an actor stands, and its segments, each checked against what names it.

use loom_storage::{ActorRecord, TimerRecord, limits::READ_BYTES_MAX};
use loom_types::{ActorAddress, Cid, Codec, Payload, Segment, SequenceNumber, StepRef, TurnNumber};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{ReadError, Reader, payload, segment_id};

pub(super) const ACTOR: &str =
    "SELECT id, next_seq, head, turn, open_turn, needs_worker, state, is_paused FROM actors WHERE address = ?1";
pub(super) const STATE: &str = "SELECT block FROM states WHERE actor = ?1";
pub(super) const TIMERS: &str = "SELECT n, due_ms, attempts FROM timers WHERE actor = ?1 AND turn = ?2 ORDER BY n";
pub(super) const SEGMENT_BEFORE: &str = "SELECT id FROM segments WHERE id >= ?1 AND id <= ?2 ORDER BY id DESC LIMIT 1";
pub(super) const SEGMENTS: &str = "SELECT id, bytes FROM segments WHERE id >= ?1 AND id < ?2 ORDER BY id";
pub(super) const TAIL: &str = "SELECT bytes FROM segments WHERE id >= ?1 AND id < ?2 ORDER BY id DESC LIMIT 1";

/// An actor's row.
struct ActorRow {
    id: i64,
    next_seq: u64,
    head: Option<[u8; 32]>,
    turn: u64,
    open_turn: Option<u64>,
    needs_worker: bool,
    state: Option<[u8; 32]>,
    is_paused: bool,
}

impl ActorRow {
    fn find(connection: &Connection, actor: &ActorAddress) -> rusqlite::Result<Option<Self>> {
        let mut query = connection.prepare_cached(ACTOR)?;
        let row = query.query_row(params![actor.as_str()], |row| {
            Ok(Self {
                id: row.get(0)?,
                next_seq: row.get(1)?,
                head: row.get(2)?,
                turn: row.get(3)?,
                open_turn: row.get(4)?,
                needs_worker: row.get(5)?,
                state: row.get(6)?,
                is_paused: row.get(7)?,
            })
        });
        row.optional()
    }

    /// Whether the newest segment ends with the entry that the row names.
    fn check_tail(&self, connection: &Connection, actor: &ActorAddress) -> Result<(), ReadError> {
        let corrupt = |what: String| ReadError::Corrupt(format!("journal of {actor}: {what}"));
        let mut query = connection.prepare_cached(TAIL)?;
        let range = params![segment_id(self.id, 0), segment_id(self.id + 1, 0)];
        let bytes: Option<Vec<u8>> = query.query_row(range, |row| row.get(0)).optional()?;
        let Some(bytes) = bytes else {
            let is_new = self.head.is_none() && self.next_seq == 0;
            return if is_new { Ok(()) } else { Err(corrupt(format!("its {} entries are missing", self.next_seq))) };
        };
        let (entries, segment) =
            Segment::decode(&bytes).map_err(|error| corrupt(format!("newest segment: {error}")))?;
        let newest = entries.last().map(|entry| entry.seq.next().0).zip(segment.entries.last());
        match newest {
            Some((next_seq, encoded)) if next_seq == self.next_seq && Some(*encoded.cid.digest()) == self.head => {
                Ok(())
            }
            newest => {
                let found = newest.map_or(0, |(next_seq, _)| next_seq);
                Err(corrupt(format!("{found} entries are there, and the head is of {} or another one", self.next_seq)))
            }
        }
    }

    fn state(&self, connection: &Connection, actor: &ActorAddress) -> Result<Option<Payload>, ReadError> {
        let block: Option<Vec<u8>> =
            connection.prepare_cached(STATE)?.query_row(params![self.id], |row| row.get(0)).optional()?;
        let state = block.map(|block| payload(block, || format!("state of {actor}"))).transpose()?;
        if state.as_ref().map(|state| *state.cid().digest()) != self.state {
            return Err(ReadError::Corrupt(format!("state of {actor}: it is not the one that its head goes with")));
        }
        Ok(state)
    }

    fn timers(&self, connection: &Connection) -> rusqlite::Result<Vec<TimerRecord>> {
        let mut query = connection.prepare_cached(TIMERS)?;
        let timers = query.query_map(params![self.id, self.turn], |row| {
            let step = StepRef { turn: TurnNumber(self.turn), n: row.get(0)? };
            Ok(TimerRecord { step, due_ms: row.get(1)?, attempts: row.get(2)? })
        })?;
        timers.collect()
    }
}

impl Reader<'_> {
    pub(crate) fn load(&self, actor: &ActorAddress) -> Result<Option<ActorRecord>, ReadError> {
        // One transaction, so that state and head are of the same commit.
        let transaction = self.connection.unchecked_transaction()?;
        let Some(row) = ActorRow::find(&transaction, actor)? else { return Ok(None) };
        row.check_tail(&transaction, actor)?;
        let Some(head) = row.head else { return Ok(None) };
        Ok(Some(ActorRecord {
            next_seq: SequenceNumber(row.next_seq),
            head: Cid::from_digest(Codec::DagCbor, head),
            turn: TurnNumber(row.turn),
            open_turn: row.open_turn.map(SequenceNumber),
            needs_worker: row.needs_worker,
            is_paused: row.is_paused,
            state: row.state(&transaction, actor)?,
            timers: if row.open_turn.is_some() { row.timers(&transaction)? } else { Vec::new() },
        }))
    }

    pub(crate) fn segments(&self, actor: &ActorAddress, from: SequenceNumber) -> Result<Vec<Segment>, ReadError> {
        let transaction = self.connection.unchecked_transaction()?;
        let Some(row) = ActorRow::find(&transaction, actor)? else { return Ok(Vec::new()) };
        if from.0 >= row.next_seq {
            return Ok(Vec::new());
        }
        let first = segment_id(row.id, 0);
        let mut before = transaction.prepare_cached(SEGMENT_BEFORE)?;
        let start: Option<i64> =
            before.query_row(params![first, segment_id(row.id, from.0)], |row| row.get(0)).optional()?;
        let mut query = transaction.prepare_cached(SEGMENTS)?;
        let mut rows = query.query(params![start.unwrap_or(first), segment_id(row.id + 1, 0)])?;
        let mut page = Page { actor, next: None, segments: Vec::new(), bytes: 0 };
        while let Some(found) = rows.next()? {
            let seq = (found.get::<_, i64>(0)? - first) as u64;
            let bytes = found.get_ref(1)?.as_blob().map_err(|error| ReadError::Corrupt(error.to_string()))?;
            if !page.add(seq, bytes)? {
                return Ok(page.segments);
            }
        }
        page.ends_at(row.next_seq, row.head)
    }
}

/// Segments that follow each other without a gap.
struct Page<'a> {
    actor: &'a ActorAddress,
    /// Where the next one begins, and what it links to.
    next: Option<(u64, Cid)>,
    segments: Vec<Segment>,
    bytes: usize,
}

impl Page<'_> {
    /// False when there is no more room.
    fn add(&mut self, seq: u64, bytes: &[u8]) -> Result<bool, ReadError> {
        self.bytes += bytes.len();
        if self.bytes > READ_BYTES_MAX && !self.segments.is_empty() {
            return Ok(false);
        }
        let at =
            |problem: String| ReadError::Corrupt(format!("journal of {}: from entry {seq} on: {problem}", self.actor));
        let (entries, segment) = Segment::decode(bytes).map_err(|error| at(error.to_string()))?;
        let (Some(first), Some(last)) = (entries.first(), segment.entries.last()) else {
            return Err(at("a segment is empty".to_owned()));
        };
        let follows = self.next.is_none_or(|(next, prev)| next == seq && first.prev == Some(prev));
        if first.seq.0 != seq || !follows {
            return Err(at("it does not follow the entry before".to_owned()));
        }
        self.next = Some((seq + entries.len() as u64, last.cid));
        self.segments.push(segment);
        Ok(true)
    }

    /// The whole rest of the journal was read: it must end with the head.
    fn ends_at(self, next_seq: u64, head: Option<[u8; 32]>) -> Result<Vec<Segment>, ReadError> {
        match self.next {
            Some((next, last)) if next == next_seq && head == Some(*last.digest()) => Ok(self.segments),
            next => {
                let found = next.map_or(0, |(next, _)| next);
                let what = format!("journal of {}: {found} of its {next_seq} entries are there", self.actor);
                Err(ReadError::Corrupt(what))
            }
        }
    }
}
