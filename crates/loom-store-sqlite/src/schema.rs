//! Tables and how they are opened.

use std::{io::Read as _, path::Path};

use rusqlite::{Connection, OpenFlags, config::DbConfig, params};

use crate::{
    OpenError, Settings,
    checked::{self, PAGE_BYTES},
    tally::{Counted, StoreId},
};

/// Format of the tables below, and of the pages they are on. Format 1 had no page digests and is not read.
const FORMAT: i64 = OLDEST_FORMAT + ADDED.len() as i64;
/// The oldest format that is taken over when it is opened.
const OLDEST_FORMAT: i64 = 2;
/// What each format since added, to a new database as to one of the format before.
const ADDED: &[&str] = &[LOG, WITNESSED];

/// The tables of format 2.
///
/// `segments.id` is `actor << 32 | seq`: one b-tree, clustered by actor, appended at its end.
/// An actor has a row from the moment something is sent to it; its journal begins with `next_seq` 1.
/// `actors.head` and `actors.state` are digests of the newest entry and of the block in `states`: loading an actor
/// checks both. `actors.erased_to`: nothing before this entry is left to erase.
/// `messages.ended_ms`: when the commit was made that ended the message's turn.
/// `deployments`: of each name, the row with the greatest id is active; the others are history.
/// `mailbox.lane`: 0 messages, 1 outcomes and cancellations. `mailbox.failed`: the outcome is a failure.
/// `mailbox.name`: a message's id; in lane 1 `turn.n` of an outcome's step, or the id of the message that is cancelled,
/// which is another actor's and therefore has a `#`.
const SCHEMA: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
INSERT INTO meta (key, value) VALUES ('store', randomblob(16)), ('epoch', 0), ('transactions', 0);
CREATE TABLE actors (
    id INTEGER PRIMARY KEY,
    address TEXT NOT NULL UNIQUE,
    next_seq INTEGER NOT NULL DEFAULT 0,
    head BLOB,
    turn INTEGER NOT NULL DEFAULT 0,
    open_turn INTEGER,
    needs_worker INTEGER NOT NULL DEFAULT 0,
    is_paused INTEGER NOT NULL DEFAULT 0,
    changed_ms INTEGER NOT NULL DEFAULT 0,
    state BLOB,
    erased_to INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX actors_working ON actors (address) WHERE needs_worker = 1;
CREATE TABLE states (actor INTEGER PRIMARY KEY, block BLOB NOT NULL);
CREATE TABLE segments (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
CREATE TABLE mailbox (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    actor INTEGER NOT NULL,
    lane INTEGER NOT NULL,
    failed INTEGER NOT NULL DEFAULT 0,
    name TEXT NOT NULL,
    block BLOB NOT NULL
);
CREATE INDEX mailbox_actor ON mailbox (actor, lane, position);
CREATE TABLE messages (
    actor INTEGER NOT NULL,
    id TEXT NOT NULL,
    body_digest BLOB NOT NULL,
    turn INTEGER,
    ended INTEGER,
    ended_ms INTEGER,
    PRIMARY KEY (actor, id)
) WITHOUT ROWID;
CREATE INDEX messages_ended ON messages (ended_ms) WHERE ended_ms IS NOT NULL;
CREATE TABLE timers (
    actor INTEGER NOT NULL,
    turn INTEGER NOT NULL,
    n INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    PRIMARY KEY (actor, turn, n)
) WITHOUT ROWID;
CREATE INDEX timers_due ON timers (due_ms) WHERE due_ms < 9223372036854775807;
CREATE TABLE delayed (
    id INTEGER PRIMARY KEY,
    due_ms INTEGER NOT NULL,
    actor INTEGER NOT NULL,
    name TEXT NOT NULL,
    block BLOB NOT NULL
);
CREATE INDEX delayed_due ON delayed (due_ms);
CREATE TABLE promises (
    token TEXT PRIMARY KEY,
    actor INTEGER NOT NULL,
    turn INTEGER NOT NULL,
    n INTEGER NOT NULL,
    label TEXT,
    data TEXT,
    created_ms INTEGER NOT NULL,
    resolved INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX promises_actor ON promises (actor);
CREATE TABLE dead_letters (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    actor INTEGER NOT NULL,
    turn INTEGER NOT NULL,
    name TEXT NOT NULL,
    block BLOB NOT NULL,
    reason TEXT NOT NULL,
    at_ms INTEGER NOT NULL
);
CREATE INDEX dead_letters_actor ON dead_letters (actor, id);
CREATE TABLE deployments (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    cid TEXT NOT NULL,
    activated_ms INTEGER NOT NULL,
    activated_by TEXT
);
CREATE INDEX deployments_name ON deployments (namespace, name, id);
";

/// What format 3 adds.
///
/// `leaves.id` is a leaf's index and 1, `leaves.head` the digest of the entry `seq`; `meta` counts the leaves, on the page
/// that every transaction writes. `segments.leaf`: the leaf that came with the segment, if one did, so that the way from
/// an entry to its leaf needs no index.
///
/// A database of format 2 has actors already. Those at rest get their leaves here, in order of id; those with an open
/// turn when it ends.
const LOG: &str = "
ALTER TABLE segments ADD COLUMN leaf INTEGER;
CREATE TABLE leaves (
    id INTEGER PRIMARY KEY,
    actor INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    head BLOB NOT NULL
);
CREATE TABLE tiles (
    level INTEGER NOT NULL,
    number INTEGER NOT NULL,
    cid TEXT NOT NULL,
    PRIMARY KEY (level, number)
) WITHOUT ROWID;
CREATE TABLE checkpoint (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    size INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    note TEXT NOT NULL
);
INSERT INTO leaves (actor, seq, head)
    SELECT id, next_seq - 1, head FROM actors WHERE next_seq > 0 AND open_turn IS NULL ORDER BY id;
UPDATE segments SET leaf = newest.leaf FROM (
    SELECT leaves.id AS leaf, (
        SELECT max(tail.id) FROM segments AS tail WHERE tail.id >= actor << 32 AND tail.id < (actor + 1) << 32
    ) AS segment FROM leaves
) AS newest WHERE segments.id = newest.segment;
INSERT INTO meta (key, value) SELECT 'leaves', count(*) FROM leaves;
";

/// What format 4 adds: the newest checkpoint that witnesses cosigned.
const WITNESSED: &str = "
CREATE TABLE witnessed (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    size INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    note TEXT NOT NULL
);
";

/// The writing connection, and what the database says of itself.
pub(crate) struct Opened {
    pub(crate) connection: Connection,
    /// Grows with every opening.
    pub(crate) epoch: u64,
    pub(crate) counted: Counted,
}

/// Opens the writing connection, makes the tables if they are missing, and counts this opening. `counted` is what the
/// tally says. Nothing is written before the database was compared with it: a log that lost its end may still be mended
/// by hand, as long as nobody writes over it.
pub(crate) fn open_writer(path: &Path, settings: &Settings, counted: Option<Counted>) -> Result<Opened, OpenError> {
    let database = |source| OpenError::Database { path: path.to_owned(), source };
    let version = |found| OpenError::Version { folder: settings.folder.clone(), found, known: FORMAT };
    if has_no_digests(path).map_err(|source| OpenError::Io { path: path.to_owned(), source })? {
        return Err(version(1));
    }
    let connection = connect(path, OpenFlags::default()).map_err(database)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(database)?;
    prepare(&connection, settings).map_err(database)?;
    match user_version(&connection).map_err(database)? {
        found @ OLDEST_FORMAT..=FORMAT => {
            check_counted(&connection, settings, counted, path)?;
            if found < FORMAT {
                take_over(&connection, found).map_err(database)?;
            }
        }
        0 if counted.is_none() => make_tables(&connection).map_err(database)?,
        0 => return Err(lost(settings, 0, counted.map_or(0, |counted| counted.transactions))),
        found => return Err(version(found)),
    }
    let (epoch, counted) = count_opening(&connection).map_err(database)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false).map_err(database)?;
    Ok(Opened { connection, epoch, counted })
}

fn prepare(connection: &Connection, settings: &Settings) -> rusqlite::Result<()> {
    checked::reserve(connection)?;
    connection.pragma_update(None, "page_size", PAGE_BYTES as i64)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cache_size", -i64::from(settings.cache_kib))?;
    // Fewer, larger checkpoints: hot pages are copied into the database once per 16 MiB of log.
    connection.pragma_update(None, "wal_autocheckpoint", 4096)?;
    // What is erased or forgotten does not stay behind on a free page.
    connection.pragma_update(None, "secure_delete", true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

fn user_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn lost(settings: &Settings, found: u64, counted: u64) -> OpenError {
    OpenError::Lost { folder: settings.folder.clone(), found, counted }
}

/// Compares what the database counts with what was counted beside it.
fn check_counted(
    connection: &Connection,
    settings: &Settings,
    counted: Option<Counted>,
    path: &Path,
) -> Result<(), OpenError> {
    let Some(counted) = counted else { return Ok(()) };
    let found = count(connection).map_err(|source| OpenError::Database { path: path.to_owned(), source })?;
    if counted.store != found.store {
        return Err(OpenError::Replaced { folder: settings.folder.clone() });
    }
    match counted.transactions > found.transactions {
        true => Err(lost(settings, found.transactions, counted.transactions)),
        false => Ok(()),
    }
}

fn make_tables(connection: &Connection) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    transaction.execute_batch(SCHEMA)?;
    add(&transaction, OLDEST_FORMAT)?;
    transaction.commit()
}

/// Takes over a database of an older format.
fn take_over(connection: &Connection, found: i64) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    add(&transaction, found)?;
    transaction.commit()
}

/// What was added since format `found`.
fn add(transaction: &Connection, found: i64) -> rusqlite::Result<()> {
    for added in &ADDED[(found - OLDEST_FORMAT) as usize..] {
        transaction.execute_batch(added)?;
    }
    transaction.pragma_update(None, "user_version", FORMAT)
}

fn count(connection: &Connection) -> rusqlite::Result<Counted> {
    let meta = "SELECT value FROM meta WHERE key = ?1";
    let store: StoreId = connection.query_row(meta, params!["store"], |row| row.get(0))?;
    let transactions: u64 = connection.query_row(meta, params!["transactions"], |row| row.get(0))?;
    Ok(Counted { store, transactions })
}

fn count_opening(connection: &Connection) -> rusqlite::Result<(u64, Counted)> {
    let transaction = connection.unchecked_transaction()?;
    transaction.execute("UPDATE meta SET value = value + 1 WHERE key IN ('epoch', 'transactions')", [])?;
    let epoch = transaction.query_row("SELECT value FROM meta WHERE key = 'epoch'", [], |row| row.get(0))?;
    let counted = count(&transaction)?;
    transaction.commit()?;
    Ok((epoch, counted))
}

/// Whether there is a database whose pages have no room for digests. Its header says how much they have.
fn has_no_digests(path: &Path) -> std::io::Result<bool> {
    const RESERVED_AT: usize = 20;
    let mut header = Vec::new();
    match std::fs::File::open(path) {
        Ok(file) => drop(file.take(100).read_to_end(&mut header)?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    }
    let is_database = header.starts_with(b"SQLite format 3\0");
    Ok(is_database && header.get(RESERVED_AT) == Some(&0))
}

fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    if !checked::register() {
        return Err(rusqlite::Error::InvalidPath("loom-checked".into()));
    }
    Connection::open_with_flags_and_vfs(path, flags, checked::NAME)
}

/// Opens a reading connection.
pub(crate) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = connect(path, flags)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    Ok(connection)
}

#[cfg(test)]
mod tests;
