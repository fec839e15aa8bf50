//! What a witness remembers, in one SQLite file.
//!
//! Every change is one transaction that checks what it starts from, and it is on disk when it returns. Of each log there
//! are two readings of its leaves: the one that was checked, which ends where a cosigned checkpoint ends, and the one
//! under way, which is believed only when it reaches a signed root and is thrown away otherwise.

mod records;

use std::path::Path;

use loom_evidence::{Frontier, Hash, Leaf, SignedCheckpoint};
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, named_params, params};

pub use self::records::{LogStatus, Reason, Refused, refusals, status};
use crate::{LeafAt, OpenError, StoreError, Violation, limits::REFUSALS_MAX};

/// Its name in the folder.
pub(crate) const FILE: &str = "witness.db";
/// Format of the tables below.
const FORMAT: i64 = 1;

/// `logs.size`, `root`, `note`, `at`: what was cosigned last, and when this became the newest.
/// `logs.checked`: the edge of the tree of leaves that were read and found good; `reading`: of those under way.
/// `logs.caught`: the refusal that proves two histories of an actor.
/// `actors`: the newest leaf of each actor among those that were checked, and its index; `actors_reading`: among those
/// under way; `suspects`: the first pair of leaves under way that would be two histories, if the log signed them.
/// `refusals.known`: what was cosigned then.
const SCHEMA: &str = "
CREATE TABLE logs (
    id INTEGER PRIMARY KEY,
    origin TEXT NOT NULL UNIQUE,
    is_watched INTEGER NOT NULL DEFAULT 0,
    is_monitored INTEGER NOT NULL DEFAULT 0,
    size INTEGER NOT NULL DEFAULT 0,
    root BLOB NOT NULL,
    note TEXT,
    at INTEGER,
    checked BLOB NOT NULL,
    reading BLOB,
    caught INTEGER
);
CREATE TABLE actors (
    log INTEGER NOT NULL,
    actor BLOB NOT NULL,
    position INTEGER NOT NULL,
    leaf BLOB NOT NULL,
    PRIMARY KEY (log, actor)
) WITHOUT ROWID;
CREATE TABLE actors_reading (
    log INTEGER NOT NULL,
    actor BLOB NOT NULL,
    position INTEGER NOT NULL,
    leaf BLOB NOT NULL,
    PRIMARY KEY (log, actor)
) WITHOUT ROWID;
CREATE TABLE suspects (
    log INTEGER PRIMARY KEY,
    first_position INTEGER NOT NULL,
    first_leaf BLOB NOT NULL,
    second_position INTEGER NOT NULL,
    second_leaf BLOB NOT NULL
);
CREATE TABLE refusals (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    log INTEGER NOT NULL,
    reason TEXT NOT NULL,
    size INTEGER NOT NULL,
    root BLOB NOT NULL,
    at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    times INTEGER NOT NULL DEFAULT 1,
    note TEXT NOT NULL,
    known TEXT,
    first_position INTEGER,
    first_leaf BLOB,
    second_position INTEGER,
    second_leaf BLOB,
    UNIQUE (log, reason, size, root)
);
";

/// A log, as far as it is known.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) size: u64,
    pub(crate) root: Hash,
    pub(crate) note: Option<String>,
    pub(crate) caught: Option<Violation>,
}

/// What is to be cosigned.
#[derive(Clone, Debug)]
pub(crate) struct Advance {
    pub(crate) log: i64,
    /// The size that was cosigned last.
    pub(crate) old: u64,
    /// The new checkpoint, with the log's own signatures.
    pub(crate) checkpoint: SignedCheckpoint,
    pub(crate) at: u64,
    /// The leaves were read and must lead to the root.
    pub(crate) is_monitored: bool,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Advanced {
    /// It is durable.
    Done,
    /// Another checkpoint was cosigned meanwhile.
    Stale,
    /// The leaves that were read are others than the log signed. They are forgotten.
    OtherLeaves,
    /// The log signed two histories of one actor.
    TwoHistories(Violation),
}

/// A checkpoint that the log signed and the witness refused.
#[derive(Clone, Debug)]
pub(crate) struct Evidence {
    pub(crate) log: i64,
    pub(crate) reason: Reason,
    pub(crate) checkpoint: SignedCheckpoint,
    pub(crate) known: Option<String>,
    pub(crate) at: u64,
}

/// The database.
#[derive(Debug)]
pub(crate) struct Store {
    connection: Connection,
}

impl Store {
    /// Opens it; makes it if it is missing.
    pub(crate) fn open(folder: &Path) -> Result<Self, OpenError> {
        let mut connection = Connection::open(folder.join(FILE)).map_err(StoreError::from)?;
        match prepare(&mut connection).map_err(StoreError::from)? {
            FORMAT => Ok(Self { connection }),
            found => Err(OpenError::Version { folder: folder.to_owned(), found, known: FORMAT }),
        }
    }

    /// Names the logs that are watched from now on, and returns their ids in the same order.
    pub(crate) fn watch(&mut self, logs: &[(&str, bool)]) -> Result<Vec<i64>, StoreError> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute("UPDATE logs SET is_watched = 0, is_monitored = 0", [])?;
        let empty = Frontier::default();
        let mut ids = Vec::new();
        for (origin, is_monitored) in logs {
            let id = transaction.query_row(
                "INSERT INTO logs (origin, is_watched, is_monitored, root, checked) VALUES (?1, 1, ?2, ?3, ?4)
                 ON CONFLICT (origin) DO UPDATE SET is_watched = 1, is_monitored = ?2 RETURNING id",
                params![origin, is_monitored, empty.root(), empty.encode()],
                |row| row.get(0),
            )?;
            ids.push(id);
        }
        transaction.commit()?;
        Ok(ids)
    }

    /// What was cosigned last of a log.
    pub(crate) fn state(&mut self, log: i64) -> Result<State, StoreError> {
        let transaction = self.connection.transaction()?;
        let (size, root, note) =
            transaction.query_row("SELECT size, root, note FROM logs WHERE id = ?1", params![log], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?;
        let caught = records::caught(&transaction, log)?;
        Ok(State { size, root, note, caught })
    }

    /// Where reading goes on for a checkpoint of this size. What was read beyond it is forgotten.
    pub(crate) fn begin_reading(&mut self, log: i64, size: u64) -> Result<u64, StoreError> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut edge = read_so_far(&transaction, log)?;
        if edge.size() > size {
            forget_reading(&transaction, log)?;
            edge = read_so_far(&transaction, log)?;
        }
        transaction.commit()?;
        Ok(edge.size())
    }

    /// Adds leaves to the reading under way, from `first` on. Does nothing and says so, if it is not there any more.
    pub(crate) fn read_on(&mut self, log: i64, first: u64, leaves: &[Leaf]) -> Result<bool, StoreError> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut edge = read_so_far(&transaction, log)?;
        if edge.size() != first {
            return Ok(false);
        }
        for leaf in leaves {
            note_leaf(&transaction, log, LeafAt { index: edge.size(), leaf: *leaf })?;
            edge.append(leaf.hash());
        }
        transaction.execute("UPDATE logs SET reading = ?2 WHERE id = ?1", params![log, edge.encode()])?;
        transaction.commit()?;
        Ok(true)
    }

    /// Makes a checkpoint the newest, if the log still stands where it was looked at.
    pub(crate) fn advance(&mut self, advance: &Advance) -> Result<Advanced, StoreError> {
        let Advance { log, old, checkpoint, at, is_monitored } = advance;
        let new = checkpoint.checkpoint();
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (size, root, caught): (u64, Hash, bool) = transaction.query_row(
            "SELECT size, root, caught IS NOT NULL FROM logs WHERE id = ?1",
            params![log],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
        if size != *old || caught || new.size < size || (new.size == size && new.root != root) {
            return Ok(Advanced::Stale);
        }
        if *is_monitored {
            let stopped = settle_reading(&transaction, advance)?;
            if stopped != Advanced::Done {
                transaction.commit()?;
                return Ok(stopped);
            }
        }
        // The same checkpoint again is cosigned again, and there is nothing new to remember.
        if new.size > size {
            transaction.execute(
                "UPDATE logs SET size = ?2, root = ?3, note = ?4, at = ?5 WHERE id = ?1",
                params![log, new.size, new.root, checkpoint.text(), at],
            )?;
        } else {
            transaction.execute(
                "UPDATE logs SET note = ?2, at = ?3 WHERE id = ?1 AND note IS NULL",
                params![log, checkpoint.text(), at],
            )?;
        }
        transaction.commit()?;
        Ok(Advanced::Done)
    }

    /// Keeps a refused checkpoint.
    pub(crate) fn refuse(&mut self, evidence: &Evidence) -> Result<(), StoreError> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        insert_refusal(&transaction, evidence, None)?;
        transaction.commit()?;
        Ok(())
    }

    pub(crate) fn status(&self) -> Result<Vec<LogStatus>, StoreError> {
        records::all(&self.connection)
    }
}

/// Returns the format.
fn prepare(connection: &mut Connection) -> rusqlite::Result<i64> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    let format = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if format != 0 {
        return Ok(format);
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(SCHEMA)?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.commit()?;
    Ok(FORMAT)
}

/// The edge of the tree of what was read: of the reading under way, or of the one that was checked.
fn read_so_far(transaction: &Transaction<'_>, log: i64) -> Result<Frontier, StoreError> {
    let bytes: Vec<u8> =
        transaction
            .query_row("SELECT coalesce(reading, checked) FROM logs WHERE id = ?1", params![log], |row| row.get(0))?;
    Frontier::decode(&bytes).map_err(|_| StoreError::Corrupt { what: "an edge that is none" })
}

fn forget_reading(transaction: &Transaction<'_>, log: i64) -> rusqlite::Result<()> {
    transaction.execute("DELETE FROM actors_reading WHERE log = ?1", params![log])?;
    transaction.execute("DELETE FROM suspects WHERE log = ?1", params![log])?;
    transaction.execute("UPDATE logs SET reading = NULL WHERE id = ?1", params![log])?;
    Ok(())
}

/// Compares a leaf with the newest of its actor, and makes it the newest.
fn note_leaf(transaction: &Transaction<'_>, log: i64, new: LeafAt) -> Result<(), StoreError> {
    let mut known = transaction.prepare_cached(
        "SELECT position, leaf FROM (
             SELECT 0 AS place, position, leaf FROM actors_reading WHERE log = ?1 AND actor = ?2
             UNION ALL SELECT 1, position, leaf FROM actors WHERE log = ?1 AND actor = ?2
         ) ORDER BY place LIMIT 1",
    )?;
    let known = known.query_row(params![log, new.leaf.actor], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    if let Some((index, bytes)) = known {
        let old = LeafAt { index, leaf: records::leaf(bytes)? };
        if new.leaf.seq <= old.leaf.seq {
            transaction.execute(
                "INSERT OR IGNORE INTO suspects VALUES (?1, ?2, ?3, ?4, ?5)",
                params![log, old.index, old.leaf.encode(), new.index, new.leaf.encode()],
            )?;
        }
    }
    let mut newest = transaction.prepare_cached("INSERT OR REPLACE INTO actors_reading VALUES (?1, ?2, ?3, ?4)")?;
    newest.execute(params![log, new.leaf.actor, new.index, new.leaf.encode()])?;
    Ok(())
}

/// Believes the reading under way if it led to the root that was signed; forgets it otherwise.
fn settle_reading(transaction: &Transaction<'_>, advance: &Advance) -> Result<Advanced, StoreError> {
    let (log, new) = (advance.log, advance.checkpoint.checkpoint());
    let edge = read_so_far(transaction, log)?;
    if edge.size() != new.size || edge.root() != new.root {
        forget_reading(transaction, log)?;
        return Ok(Advanced::OtherLeaves);
    }
    if let Some((first, second)) = records::suspects(transaction, log)? {
        let known = transaction.query_row("SELECT note FROM logs WHERE id = ?1", params![log], |row| row.get(0))?;
        let (checkpoint, at) = (advance.checkpoint.clone(), advance.at);
        let evidence = Evidence { log, reason: Reason::TwoHistories, checkpoint, known, at };
        let id = insert_refusal(transaction, &evidence, Some((first, second)))?;
        forget_reading(transaction, log)?;
        transaction.execute("UPDATE logs SET caught = ?2 WHERE id = ?1", params![log, id])?;
        return Ok(Advanced::TwoHistories(Violation { origin: new.origin.clone(), first, second }));
    }
    transaction.execute("INSERT OR REPLACE INTO actors SELECT * FROM actors_reading WHERE log = ?1", params![log])?;
    transaction.execute("UPDATE logs SET checked = ?2 WHERE id = ?1", params![log, edge.encode()])?;
    forget_reading(transaction, log)?;
    Ok(Advanced::Done)
}

/// Keeps a refused checkpoint once, and counts how often it came. Where there are too many, what proves something
/// stays: two roots of one size, and two histories of an actor. A proof that leads nowhere may be a stranger's.
fn insert_refusal(
    transaction: &Transaction<'_>,
    evidence: &Evidence,
    leaves: Option<(LeafAt, LeafAt)>,
) -> Result<Option<i64>, StoreError> {
    let Evidence { log, reason, checkpoint, known, at } = evidence;
    let new = checkpoint.checkpoint();
    let again = transaction.query_row(
        "UPDATE refusals SET times = times + 1, last_at = ?5
         WHERE log = ?1 AND reason = ?2 AND size = ?3 AND root = ?4 RETURNING id",
        params![log, reason.as_str(), new.size, new.root, at],
        |row| row.get(0),
    );
    if let Some(id) = again.optional()? {
        return Ok(Some(id));
    }
    if *reason != Reason::TwoHistories && !make_room(transaction, *log)? {
        return Ok(None);
    }
    let (first, second) = leaves.unzip();
    transaction.execute(
        "INSERT INTO refusals (log, reason, size, root, at, last_at, note, known,
             first_position, first_leaf, second_position, second_leaf)
         VALUES (:log, :reason, :size, :root, :at, :at, :note, :known, :first, :first_leaf, :second, :second_leaf)",
        named_params! {
            ":log": log, ":reason": reason.as_str(), ":size": new.size, ":root": new.root, ":at": at,
            ":note": checkpoint.text(), ":known": known,
            ":first": first.map(|it| it.index), ":first_leaf": first.map(|it| it.leaf.encode()),
            ":second": second.map(|it| it.index), ":second_leaf": second.map(|it| it.leaf.encode()),
        },
    )?;
    Ok(Some(transaction.last_insert_rowid()))
}

fn make_room(transaction: &Transaction<'_>, log: i64) -> Result<bool, StoreError> {
    let count: u64 =
        transaction.query_row("SELECT count(*) FROM refusals WHERE log = ?1", params![log], |row| row.get(0))?;
    if count < REFUSALS_MAX {
        return Ok(true);
    }
    let oldest = "DELETE FROM refusals WHERE id = (SELECT min(id) FROM refusals WHERE log = ?1 AND reason = ?2)";
    Ok(transaction.execute(oldest, params![log, Reason::Inconsistent.as_str()])? > 0)
}

#[cfg(test)]
mod tests;
