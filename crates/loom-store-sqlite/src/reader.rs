//! Reads: short, on connections of their own, each a primary-key look-up or a range of an index.

use std::{path::PathBuf, sync::Mutex};

use loom_storage::{
    ActiveDeployment, ActorRecord, ActorSummary, Arrival, DeadLetter, DueTimer, Lane, MessageStatus, Parcel, Position,
    PromiseRecord, StoreError, TimerRecord, limits::READ_BYTES_MAX,
};
use loom_types::{
    ActorAddress, Cid, Codec, MessageId, Namespace, Payload, Resolution, Segment, SequenceNumber, StepRef, TurnNumber,
};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::{error::store_error, schema};

/// Idle connections kept for the next read.
const IDLE_MAX: usize = 8;

/// A pool of reading connections.
pub(crate) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, idle: Mutex::new(Vec::new()) }
    }

    pub(crate) fn read<T>(&self, query: impl FnOnce(&Reader<'_>) -> Result<T, ReadError>) -> Result<T, StoreError> {
        let idle = self.idle.lock().expect("nothing panics under this lock").pop();
        let connection = match idle {
            Some(connection) => connection,
            None => schema::open_reader(&self.path).map_err(store_error)?,
        };
        let result = query(&Reader { connection: &connection });
        let mut idle = self.idle.lock().expect("nothing panics under this lock");
        if idle.len() < IDLE_MAX {
            idle.push(connection);
        }
        drop(idle);
        result.map_err(|error| match error {
            ReadError::Sqlite(error) => store_error(error),
            ReadError::Corrupt(what) => StoreError::Corrupt { what },
        })
    }
}

/// A failed read, before it is put into the port's words.
pub(crate) enum ReadError {
    Sqlite(rusqlite::Error),
    Corrupt(String),
}

impl From<rusqlite::Error> for ReadError {
    fn from(error: rusqlite::Error) -> Self {
        ReadError::Sqlite(error)
    }
}

/// One read on one connection.
pub(crate) struct Reader<'c> {
    pub(crate) connection: &'c Connection,
}

pub(crate) const ACTOR: &str =
    "SELECT id, next_seq, head, turn, open_turn, needs_worker, is_paused FROM actors WHERE address = ?1";
const ACTOR_ID: &str = "SELECT id FROM actors WHERE address = ?1";
const STATE: &str = "SELECT block FROM states WHERE actor = ?1";
const TIMERS: &str = "SELECT n, due_ms, attempts FROM timers WHERE actor = ?1 AND turn = ?2 ORDER BY n";
const SEGMENT_BEFORE: &str = "SELECT id FROM segments WHERE id >= ?1 AND id <= ?2 ORDER BY id DESC LIMIT 1";
const SEGMENTS: &str = "SELECT bytes FROM segments WHERE id >= ?1 AND id < ?2 ORDER BY id";
const ARRIVALS: &str = "SELECT position, failed, name, block FROM mailbox WHERE actor = ?1 AND lane = ?2 AND position > ?3 \
     ORDER BY position LIMIT ?4";
const STATUS: &str = "SELECT body_digest, turn, ended FROM messages WHERE actor = ?1 AND id = ?2";
const READY_WORKING: &str =
    "SELECT address FROM actors WHERE needs_worker = 1 AND address > ?1 ORDER BY address LIMIT ?2";
// Jumps from one actor that has something in its mailbox to the next, so that the others cost nothing.
const READY_MAILBOX: &str = "WITH RECURSIVE waiting (actor) AS (SELECT min(actor) FROM mailbox UNION ALL \
     SELECT (SELECT min(actor) FROM mailbox WHERE actor > waiting.actor) FROM waiting WHERE actor IS NOT NULL) \
     SELECT address FROM waiting CROSS JOIN actors ON actors.id = waiting.actor \
     WHERE address > ?1 ORDER BY address LIMIT ?2";
const DUE: &str = "SELECT actors.address, turn_, n, due_ms, attempts FROM \
     (SELECT actor, turn AS turn_, n, due_ms, attempts FROM timers WHERE due_ms <= ?1 ORDER BY due_ms LIMIT ?2) \
     JOIN actors ON actors.id = actor ORDER BY due_ms";
const NEXT_TIMER: &str = "SELECT due_ms FROM timers WHERE due_ms > ?1 ORDER BY due_ms LIMIT 1";
const NEXT_DELAYED: &str = "SELECT due_ms FROM delayed ORDER BY due_ms LIMIT 1";
const DEPLOYMENTS: &str = "SELECT namespace, name, cid, activated_ms FROM deployments ORDER BY namespace, name";
const ACTORS: &str = "SELECT address, next_seq, turn, open_turn IS NOT NULL, \
     (SELECT count(*) FROM mailbox WHERE mailbox.actor = actors.id), changed_ms, is_paused \
     FROM actors WHERE address > ?1 AND address < ?2 ORDER BY address LIMIT ?3";
// `CROSS JOIN` keeps SQLite from walking through all actors in search of those that wait.
const PROMISES: &str = "SELECT token, actors.address, promises.turn, n, label, data, created_ms \
     FROM promises CROSS JOIN actors ON actors.id = actor \
     WHERE token > ?1 AND resolved = 0 AND address > ?2 AND address < ?3 ORDER BY token LIMIT ?4";
const PROMISES_OF: &str = "SELECT token, ?3, turn, n, label, data, created_ms FROM promises \
     WHERE actor = ?1 AND token > ?2 AND resolved = 0 ORDER BY token LIMIT ?4";

const DEAD_LETTERS: &str = "SELECT dead_letters.id, address, dead_letters.turn, name, block, reason, at_ms \
     FROM dead_letters CROSS JOIN actors ON actors.id = actor \
     WHERE dead_letters.id > ?1 AND address > ?2 AND address < ?3 ORDER BY dead_letters.id LIMIT ?4";
const DEAD_LETTERS_OF: &str = "SELECT id, ?2, turn, name, block, reason, at_ms FROM dead_letters \
     WHERE actor = ?1 AND id > ?3 ORDER BY id LIMIT ?4";

/// Every query; `plans.rs` checks them.
#[cfg(test)]
pub(crate) const ALL: &[&str] = &[
    ACTOR,
    ACTOR_ID,
    STATE,
    TIMERS,
    SEGMENT_BEFORE,
    SEGMENTS,
    ARRIVALS,
    STATUS,
    READY_WORKING,
    READY_MAILBOX,
    DUE,
    NEXT_TIMER,
    NEXT_DELAYED,
    DEPLOYMENTS,
    ACTORS,
    PROMISES,
    PROMISES_OF,
    DEAD_LETTERS,
    DEAD_LETTERS_OF,
];

/// First row id of an actor's segments.
pub(crate) fn segment_id(actor: i64, seq: u64) -> i64 {
    (actor << 32) | seq as i64
}

impl Reader<'_> {
    fn actor_id(&self, actor: &ActorAddress) -> Result<Option<i64>, ReadError> {
        let mut query = self.connection.prepare_cached(ACTOR_ID)?;
        Ok(query.query_row(params![actor.as_str()], |row| row.get(0)).optional()?)
    }

    pub(crate) fn load(&self, actor: &ActorAddress) -> Result<Option<ActorRecord>, ReadError> {
        // One transaction, so that state and head are of the same commit.
        let transaction = self.connection.unchecked_transaction()?;
        let mut query = transaction.prepare_cached(ACTOR)?;
        let row = query
            .query_row(params![actor.as_str()], |row| {
                Ok((
                    row.get::<_, i64>(0)?,
                    row.get::<_, u64>(1)?,
                    row.get::<_, Option<[u8; 32]>>(2)?,
                    row.get::<_, u64>(3)?,
                    row.get::<_, Option<u64>>(4)?,
                    row.get::<_, bool>(5)?,
                    row.get::<_, bool>(6)?,
                ))
            })
            .optional()?;
        let Some((id, next_seq, Some(head), turn, open_turn, needs_worker, is_paused)) = row else { return Ok(None) };
        let block: Option<Vec<u8>> =
            transaction.prepare_cached(STATE)?.query_row(params![id], |row| row.get(0)).optional()?;
        let state = block.map(|block| payload(block, || format!("state of {actor}"))).transpose()?;
        let mut timers = Vec::new();
        if open_turn.is_some() {
            let mut query = transaction.prepare_cached(TIMERS)?;
            let mut rows = query.query(params![id, turn])?;
            while let Some(row) = rows.next()? {
                let step = StepRef { turn: TurnNumber(turn), n: row.get(0)? };
                timers.push(TimerRecord { step, due_ms: row.get(1)?, attempts: row.get(2)? });
            }
        }
        Ok(Some(ActorRecord {
            next_seq: SequenceNumber(next_seq),
            head: Cid::from_digest(Codec::DagCbor, head),
            turn: TurnNumber(turn),
            open_turn: open_turn.map(SequenceNumber),
            needs_worker,
            is_paused,
            state,
            timers,
        }))
    }

    pub(crate) fn segments(&self, actor: &ActorAddress, from: SequenceNumber) -> Result<Vec<Segment>, ReadError> {
        let Some(id) = self.actor_id(actor)? else { return Ok(Vec::new()) };
        let mut before = self.connection.prepare_cached(SEGMENT_BEFORE)?;
        let start: Option<i64> =
            before.query_row(params![segment_id(id, 0), segment_id(id, from.0)], |row| row.get(0)).optional()?;
        let mut query = self.connection.prepare_cached(SEGMENTS)?;
        let mut rows = query.query(params![start.unwrap_or_else(|| segment_id(id, 0)), segment_id(id + 1, 0)])?;
        let mut segments = Vec::new();
        let mut bytes_read = 0;
        while let Some(row) = rows.next()? {
            let bytes = row.get_ref(0)?.as_blob().map_err(|error| ReadError::Corrupt(error.to_string()))?;
            bytes_read += bytes.len();
            if bytes_read > READ_BYTES_MAX && !segments.is_empty() {
                break;
            }
            let (_, segment) = Segment::decode(bytes)
                .map_err(|error| ReadError::Corrupt(format!("journal of {actor} from entry {from} on: {error}")))?;
            segments.push(segment);
        }
        // The segment found may end before `from`, when `from` is past the head.
        if let Some(first) = segments.first()
            && start.is_some_and(|start| (start - segment_id(id, 0)) as u64 + first.entries.len() as u64 <= from.0)
        {
            segments.remove(0);
        }
        Ok(segments)
    }

    pub(crate) fn arrivals(
        &self,
        actor: &ActorAddress,
        lane: Lane,
        after: Position,
        limit: usize,
    ) -> Result<Vec<Arrival>, ReadError> {
        let Some(id) = self.actor_id(actor)? else { return Ok(Vec::new()) };
        let mut query = self.connection.prepare_cached(ARRIVALS)?;
        let mut rows = query.query(params![id, lane_number(lane), after.0, limit as i64])?;
        let mut arrivals = Vec::new();
        while let Some(row) = rows.next()? {
            let position = Position(row.get(0)?);
            arrivals.push(Arrival { position, parcel: parcel(actor, lane, row)? });
        }
        Ok(arrivals)
    }

    pub(crate) fn status(&self, actor: &ActorAddress, id: &MessageId) -> Result<Option<MessageStatus>, ReadError> {
        let Some(actor) = self.actor_id(actor)? else { return Ok(None) };
        status(self.connection, actor, id)
    }

    pub(crate) fn ready(&self, after: Option<&ActorAddress>, limit: usize) -> Result<Vec<ActorAddress>, ReadError> {
        let after = after.map_or("", ActorAddress::as_str);
        let mut ready = Vec::new();
        for query in [READY_WORKING, READY_MAILBOX] {
            let mut query = self.connection.prepare_cached(query)?;
            let mut rows = query.query(params![after, limit as i64])?;
            while let Some(row) = rows.next()? {
                ready.push(address(row, 0)?);
            }
        }
        ready.sort();
        ready.dedup();
        ready.truncate(limit);
        Ok(ready)
    }

    pub(crate) fn due(&self, now_ms: u64, limit: usize) -> Result<Vec<DueTimer>, ReadError> {
        let mut query = self.connection.prepare_cached(DUE)?;
        let mut rows = query.query(params![now_ms as i64, limit as i64])?;
        let mut due = Vec::new();
        while let Some(row) = rows.next()? {
            let step = StepRef { turn: TurnNumber(row.get(1)?), n: row.get(2)? };
            due.push(DueTimer { actor: address(row, 0)?, step, due_ms: row.get(3)?, attempts: row.get(4)? });
        }
        Ok(due)
    }

    pub(crate) fn has_delayed(&self, now_ms: u64) -> Result<bool, ReadError> {
        let next: Option<u64> =
            self.connection.prepare_cached(NEXT_DELAYED)?.query_row([], |row| row.get(0)).optional()?;
        Ok(next.is_some_and(|due_ms| due_ms <= now_ms))
    }

    pub(crate) fn next_due(&self, now_ms: u64) -> Result<Option<u64>, ReadError> {
        let timer: Option<u64> = self
            .connection
            .prepare_cached(NEXT_TIMER)?
            .query_row(params![now_ms as i64], |row| row.get(0))
            .optional()?;
        let delayed: Option<u64> =
            self.connection.prepare_cached(NEXT_DELAYED)?.query_row([], |row| row.get(0)).optional()?;
        Ok([timer, delayed].into_iter().flatten().min())
    }

    pub(crate) fn deployments(&self) -> Result<Vec<ActiveDeployment>, ReadError> {
        let mut query = self.connection.prepare_cached(DEPLOYMENTS)?;
        let mut rows = query.query([])?;
        let mut deployments = Vec::new();
        while let Some(row) = rows.next()? {
            let corrupt = |what: String| ReadError::Corrupt(format!("a deployment's row: {what}"));
            let namespace: String = row.get(0)?;
            let cid: String = row.get(2)?;
            deployments.push(ActiveDeployment {
                namespace: namespace.parse().map_err(|error| corrupt(format!("{error}")))?,
                name: row.get(1)?,
                cid: cid.parse().map_err(|error| corrupt(format!("{error}")))?,
                activated_ms: row.get(3)?,
            });
        }
        Ok(deployments)
    }

    pub(crate) fn actors(
        &self,
        namespace: &Namespace,
        actor_type: Option<&str>,
        after: Option<&ActorAddress>,
        limit: usize,
    ) -> Result<Vec<ActorSummary>, ReadError> {
        let (prefix, end) = prefix(namespace, actor_type);
        let after = after.map_or(prefix.as_str(), |after| after.as_str().max(prefix.as_str()));
        let mut query = self.connection.prepare_cached(ACTORS)?;
        let mut rows = query.query(params![after, end, limit as i64])?;
        let mut actors = Vec::new();
        while let Some(row) = rows.next()? {
            actors.push(ActorSummary {
                address: address(row, 0)?,
                next_seq: SequenceNumber(row.get(1)?),
                turn: TurnNumber(row.get(2)?),
                is_open: row.get(3)?,
                waiting: row.get(4)?,
                changed_ms: row.get(5)?,
                is_paused: row.get(6)?,
            });
        }
        Ok(actors)
    }

    pub(crate) fn promises(
        &self,
        namespace: &Namespace,
        actor: Option<&ActorAddress>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<PromiseRecord>, ReadError> {
        let after = after.unwrap_or("");
        let mut promises = Vec::new();
        let mut take = |row: &Row<'_>| -> Result<(), ReadError> {
            promises.push(PromiseRecord {
                token: row.get(0)?,
                actor: address(row, 1)?,
                step: StepRef { turn: TurnNumber(row.get(2)?), n: row.get(3)? },
                label: row.get(4)?,
                data: row.get(5)?,
                created_ms: row.get(6)?,
            });
            Ok(())
        };
        match actor {
            Some(actor) => {
                let Some(id) = self.actor_id(actor)? else { return Ok(promises) };
                let mut query = self.connection.prepare_cached(PROMISES_OF)?;
                let mut rows = query.query(params![id, after, actor.as_str(), limit as i64])?;
                while let Some(row) = rows.next()? {
                    take(row)?;
                }
            }
            None => {
                let (prefix, end) = prefix(namespace, None);
                let mut query = self.connection.prepare_cached(PROMISES)?;
                let mut rows = query.query(params![after, prefix, end, limit as i64])?;
                while let Some(row) = rows.next()? {
                    take(row)?;
                }
            }
        }
        Ok(promises)
    }

    pub(crate) fn dead_letters(
        &self,
        namespace: &Namespace,
        actor: Option<&ActorAddress>,
        after: u64,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, ReadError> {
        let mut letters = Vec::new();
        let mut take = |row: &Row<'_>| -> Result<(), ReadError> {
            let name: String = row.get(3)?;
            let what = || format!("dead letter {name}");
            letters.push(DeadLetter {
                id: row.get(0)?,
                actor: address(row, 1)?,
                turn: TurnNumber(row.get(2)?),
                message: MessageId::from_stored(&name)
                    .map_err(|error| ReadError::Corrupt(format!("{}: {error}", what())))?,
                payload: payload(row.get(4)?, what)?,
                reason: row.get(5)?,
                at_ms: row.get(6)?,
            });
            Ok(())
        };
        match actor {
            Some(actor) => {
                let Some(id) = self.actor_id(actor)? else { return Ok(letters) };
                let mut query = self.connection.prepare_cached(DEAD_LETTERS_OF)?;
                let mut rows = query.query(params![id, actor.as_str(), after, limit as i64])?;
                while let Some(row) = rows.next()? {
                    take(row)?;
                }
            }
            None => {
                let (prefix, end) = prefix(namespace, None);
                let mut query = self.connection.prepare_cached(DEAD_LETTERS)?;
                let mut rows = query.query(params![after, prefix, end, limit as i64])?;
                while let Some(row) = rows.next()? {
                    take(row)?;
                }
            }
        }
        Ok(letters)
    }
}

/// The range of addresses in a namespace or of a type. `0` follows `/` in ASCII.
pub(crate) fn prefix(namespace: &Namespace, actor_type: Option<&str>) -> (String, String) {
    match actor_type {
        Some(actor_type) => (format!("{namespace}/{actor_type}/"), format!("{namespace}/{actor_type}0")),
        None => (format!("{namespace}/"), format!("{namespace}0")),
    }
}

/// What is known of a client's message; also asked by the writer.
pub(crate) fn status(connection: &Connection, actor: i64, id: &MessageId) -> Result<Option<MessageStatus>, ReadError> {
    let mut query = connection.prepare_cached(STATUS)?;
    let found = query.query_row(params![actor, id.as_str()], |row| {
        Ok(MessageStatus {
            body_digest: row.get(0)?,
            turn: row.get::<_, Option<u64>>(1)?.map(TurnNumber),
            ended: row.get::<_, Option<u64>>(2)?.map(SequenceNumber),
        })
    });
    Ok(found.optional()?)
}

fn address(row: &Row<'_>, column: usize) -> Result<ActorAddress, ReadError> {
    let text: String = row.get(column)?;
    text.parse().map_err(|error| ReadError::Corrupt(format!("an actor's address: {error}")))
}

fn payload(block: Vec<u8>, what: impl Fn() -> String) -> Result<Payload, ReadError> {
    Payload::from_block(block.into()).map_err(|error| ReadError::Corrupt(format!("{}: {error}", what())))
}

/// As it stands in the table.
pub(crate) fn lane_number(lane: Lane) -> i64 {
    match lane {
        Lane::Messages => 0,
        Lane::Outcomes => 1,
    }
}

fn parcel(actor: &ActorAddress, lane: Lane, row: &Row<'_>) -> Result<Parcel, ReadError> {
    let what = || format!("mailbox of {actor}");
    let failed: bool = row.get(1)?;
    let name: String = row.get(2)?;
    let id = || MessageId::from_stored(&name).map_err(|error| ReadError::Corrupt(format!("{}: {error}", what())));
    if lane == Lane::Outcomes && name.contains('#') {
        return Ok(Parcel::Cancel { message: id()? });
    }
    let payload = payload(row.get(3)?, what)?;
    if lane == Lane::Messages {
        return Ok(Parcel::Message { id: id()?, payload });
    }
    let step = name
        .split_once('.')
        .and_then(|(turn, n)| Some(StepRef { turn: TurnNumber(turn.parse().ok()?), n: n.parse().ok()? }));
    let step = step.ok_or_else(|| ReadError::Corrupt(format!("{}: '{name}' is no step", what())))?;
    let result = if failed { Resolution::Err(payload.cid()) } else { Resolution::Ok(payload.cid()) };
    Ok(Parcel::Outcome { step, result, payload })
}
