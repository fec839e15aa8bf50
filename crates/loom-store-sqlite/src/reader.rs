//! Reads: short, on connections of their own, each a primary-key look-up or a range of an index.

mod journal;
mod log;
mod upkeep;

use std::{path::PathBuf, sync::Mutex};

use loom_storage::{
    ActiveDeployment, ActorSummary, Arrival, DeadLetter, DueTimer, Lane, MessageStatus, Parcel, Position,
    PromiseRecord, StoreError,
};
use loom_types::{ActorAddress, MessageId, Namespace, Payload, Resolution, SequenceNumber, StepRef, TurnNumber};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

pub(crate) use self::log::{checkpoint, size as log_size, witnessed};
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

    /// Runs a query; `what` it is about goes into the error.
    pub(crate) fn read<T>(
        &self,
        what: impl std::fmt::Display,
        query: impl FnOnce(&Reader<'_>) -> Result<T, ReadError>,
    ) -> Result<T, StoreError> {
        let idle = self.idle.lock().expect("nothing panics under this lock").pop();
        let connection = match idle {
            Some(connection) => connection,
            None => schema::open_reader(&self.path).map_err(|error| store_error(error, &what))?,
        };
        let result = query(&Reader { connection: &connection });
        let mut idle = self.idle.lock().expect("nothing panics under this lock");
        if idle.len() < IDLE_MAX {
            idle.push(connection);
        }
        drop(idle);
        result.map_err(|error| match error {
            ReadError::Sqlite(error) => store_error(error, &what),
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

const ACTOR_ID: &str = "SELECT id FROM actors WHERE address = ?1";
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
/// What is due at the end of time, such as an activity that is under way, is never due: the index leaves it out, so
/// that beginning one writes a page less.
const DUE: &str = "SELECT actors.address, turn_, n, due_ms, attempts FROM \
     (SELECT actor, turn AS turn_, n, due_ms, attempts FROM timers \
     WHERE due_ms <= ?1 AND due_ms < 9223372036854775807 ORDER BY due_ms LIMIT ?2) \
     JOIN actors ON actors.id = actor ORDER BY due_ms";
const NEXT_TIMER: &str =
    "SELECT due_ms FROM timers WHERE due_ms > ?1 AND due_ms < 9223372036854775807 ORDER BY due_ms LIMIT 1";
const NEXT_DELAYED: &str = "SELECT due_ms FROM delayed ORDER BY due_ms LIMIT 1";
const DEPLOYMENTS: &str = "SELECT namespace, name, cid, activated_ms, activated_by FROM deployments \
     WHERE id IN (SELECT max(id) FROM deployments GROUP BY namespace, name) ORDER BY namespace, name";
const DEPLOYMENT_HISTORY: &str = "SELECT namespace, name, cid, activated_ms, activated_by FROM deployments \
     WHERE namespace = ?1 AND name = ?2 ORDER BY id DESC LIMIT ?3";
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
    journal::ACTOR,
    ACTOR_ID,
    journal::STATE,
    journal::TIMERS,
    journal::SEGMENT_BEFORE,
    journal::SEGMENTS,
    journal::TAIL,
    upkeep::UNERASED,
    log::SIZE,
    log::LEAVES,
    log::LEAF,
    log::ACTOR_END,
    log::SEGMENT_WITH_LEAF,
    log::TILE,
    log::WITNESSED,
    log::CHECKPOINT,
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
        let mut rows = query.query(params![integer(now_ms), limit as i64])?;
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
            .query_row(params![integer(now_ms)], |row| row.get(0))
            .optional()?;
        let delayed: Option<u64> =
            self.connection.prepare_cached(NEXT_DELAYED)?.query_row([], |row| row.get(0)).optional()?;
        Ok([timer, delayed].into_iter().flatten().min())
    }

    pub(crate) fn deployments(&self) -> Result<Vec<ActiveDeployment>, ReadError> {
        self.deployments_of(DEPLOYMENTS, [])
    }

    pub(crate) fn history(
        &self,
        namespace: &Namespace,
        name: &str,
        limit: usize,
    ) -> Result<Vec<ActiveDeployment>, ReadError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.deployments_of(DEPLOYMENT_HISTORY, params![namespace.as_str(), name, limit])
    }

    fn deployments_of(
        &self,
        statement: &str,
        params: impl rusqlite::Params,
    ) -> Result<Vec<ActiveDeployment>, ReadError> {
        let mut query = self.connection.prepare_cached(statement)?;
        let mut rows = query.query(params)?;
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
                by: row.get(4)?,
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
                let mut rows = query.query(params![id, actor.as_str(), integer(after), limit as i64])?;
                while let Some(row) = rows.next()? {
                    take(row)?;
                }
            }
            None => {
                let (prefix, end) = prefix(namespace, None);
                let mut query = self.connection.prepare_cached(DEAD_LETTERS)?;
                let mut rows = query.query(params![integer(after), prefix, end, limit as i64])?;
                while let Some(row) = rows.next()? {
                    take(row)?;
                }
            }
        }
        Ok(letters)
    }
}

/// A number from outside as SQLite can hold it. Beyond its integers there are no rows and no times that ever come.
pub(crate) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
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
