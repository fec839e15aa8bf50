//! What an operator reads: where each log stands, and what was refused.

use std::path::Path;

use loom_evidence::{Frontier, Hash, Leaf};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row, params, types::Type};

use super::FILE;
use crate::{LeafAt, StoreError, Violation};

/// Why a checkpoint that the log's key signed was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The log signed another tree of the same size before: the two notes prove it.
    Forked,
    /// The proof that came with it leads nowhere. It proves nothing by itself: the proof may not have been the log's.
    Inconsistent,
    /// Its leaves hold two histories of one actor.
    TwoHistories,
}

impl Reason {
    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Forked => "forked",
            Self::Inconsistent => "inconsistent",
            Self::TwoHistories => "two-histories",
        }
    }

    fn read(text: &str) -> Option<Self> {
        [Self::Forked, Self::Inconsistent, Self::TwoHistories].into_iter().find(|reason| reason.as_str() == text)
    }
}

/// Where a log stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogStatus {
    /// The log.
    pub origin: String,
    /// Whether it is still watched.
    pub is_watched: bool,
    /// Whether its leaves are read.
    pub is_monitored: bool,
    /// The size that was cosigned last; 0 if none was.
    pub size: u64,
    /// Its root.
    pub root: Hash,
    /// The checkpoint, with the log's signatures.
    pub note: Option<String>,
    /// When it was cosigned for the first time, in seconds since 1970.
    pub at: Option<u64>,
    /// How many leaves were read and found good.
    pub checked: u64,
    /// How many were read towards a checkpoint that is not reached yet.
    pub reading: Option<u64>,
    /// The two histories for which nothing of this log is cosigned any more.
    pub caught: Option<Violation>,
    /// How many checkpoints were refused and kept.
    pub refusals: u64,
}

/// A checkpoint that the log signed and the witness refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub reason: Reason,
    /// The checkpoint, with the log's signatures.
    pub note: String,
    /// What was cosigned then.
    pub known: Option<String>,
    /// When it came first, in seconds since 1970.
    pub at: u64,
    /// When it came last.
    pub last_at: u64,
    /// How often it came.
    pub times: u64,
    /// The two leaves of one actor.
    pub leaves: Option<(LeafAt, LeafAt)>,
}

/// Where the logs of the witness in `folder` stand. A witness that runs is not disturbed.
pub fn status(folder: &Path) -> Result<Vec<LogStatus>, StoreError> {
    all(&open(folder)?)
}

/// What the witness in `folder` refused of a log, in the order in which it came.
pub fn refusals(folder: &Path, origin: &str) -> Result<Vec<Refused>, StoreError> {
    let connection = open(folder)?;
    let mut statement = connection.prepare(
        "SELECT reason, refusals.note, known, refusals.at, last_at, times,
             first_position, first_leaf, second_position, second_leaf
         FROM refusals JOIN logs ON logs.id = refusals.log WHERE origin = ?1 ORDER BY refusals.id",
    )?;
    let rows = statement.query_map(params![origin], refused)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn open(folder: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(folder.join(FILE), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    Ok(connection)
}

pub(super) fn all(connection: &Connection) -> Result<Vec<LogStatus>, StoreError> {
    let mut statement = connection.prepare(
        "SELECT id, origin, is_watched, is_monitored, size, root, note, at, checked, reading,
             (SELECT count(*) FROM refusals WHERE log = logs.id)
         FROM logs ORDER BY origin",
    )?;
    let size = |bytes: Vec<u8>| {
        let edge = Frontier::decode(&bytes).map_err(|_| StoreError::Corrupt { what: "an edge that is none" })?;
        Ok::<_, StoreError>(edge.size())
    };
    let (mut rows, mut found) = (statement.query([])?, Vec::new());
    while let Some(row) = rows.next()? {
        found.push(LogStatus {
            origin: row.get(1)?,
            is_watched: row.get(2)?,
            is_monitored: row.get(3)?,
            size: row.get(4)?,
            root: row.get(5)?,
            note: row.get(6)?,
            at: row.get(7)?,
            checked: size(row.get(8)?)?,
            reading: row.get::<_, Option<Vec<u8>>>(9)?.map(size).transpose()?,
            caught: caught(connection, row.get(0)?)?,
            refusals: row.get(10)?,
        });
    }
    Ok(found)
}

/// The two histories of which a log was convicted.
pub(super) fn caught(connection: &Connection, log: i64) -> Result<Option<Violation>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT first_position, first_leaf, second_position, second_leaf, origin
         FROM logs JOIN refusals ON refusals.id = logs.caught WHERE logs.id = ?1",
    )?;
    let read = |row: &Row<'_>| {
        let (first, second) = pair(row, 0)?;
        Ok(Violation { origin: row.get(4)?, first, second })
    };
    Ok(statement.query_row(params![log], read).optional()?)
}

pub(super) fn suspects(connection: &Connection, log: i64) -> Result<Option<(LeafAt, LeafAt)>, StoreError> {
    let sql = "SELECT first_position, first_leaf, second_position, second_leaf FROM suspects WHERE log = ?1";
    Ok(connection.query_row(sql, params![log], |row| pair(row, 0)).optional()?)
}

pub(super) fn leaf(bytes: Vec<u8>) -> Result<Leaf, StoreError> {
    Leaf::decode(&bytes).map_err(|_| StoreError::Corrupt { what: "a leaf that is none" })
}

fn refused(row: &Row<'_>) -> rusqlite::Result<Refused> {
    let reason: String = row.get(0)?;
    let unknown = || rusqlite::Error::InvalidColumnType(0, "reason".to_owned(), Type::Text);
    let has_leaves = row.get::<_, Option<u64>>(6)?.is_some();
    Ok(Refused {
        reason: Reason::read(&reason).ok_or_else(unknown)?,
        note: row.get(1)?,
        known: row.get(2)?,
        at: row.get(3)?,
        last_at: row.get(4)?,
        times: row.get(5)?,
        leaves: if has_leaves { Some(pair(row, 6)?) } else { None },
    })
}

/// Two leaves in four columns.
fn pair(row: &Row<'_>, column: usize) -> rusqlite::Result<(LeafAt, LeafAt)> {
    let leaf_at = |column: usize| {
        let bytes: Vec<u8> = row.get(column + 1)?;
        let foreign = |error| rusqlite::Error::FromSqlConversionFailure(column + 1, Type::Blob, Box::new(error));
        Ok::<_, rusqlite::Error>(LeafAt { index: row.get(column)?, leaf: Leaf::decode(&bytes).map_err(foreign)? })
    };
    Ok((leaf_at(column)?, leaf_at(column + 2)?))
}
