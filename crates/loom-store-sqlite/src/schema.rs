//! Tables and how they are opened.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};

use crate::{OpenError, Settings};

/// Format of the tables below.
const FORMAT: i64 = 1;

/// `segments.id` is `actor << 32 | seq`: one b-tree, clustered by actor, appended at its end.
/// An actor has a row from the moment something is sent to it; its journal begins with `next_seq` 1.
/// `mailbox.lane`: 0 messages, 1 outcomes and cancellations. `mailbox.failed`: the outcome is a failure.
/// `mailbox.name`: a message's id; in lane 1 `turn.n` of an outcome's step, or the id of the message that is cancelled,
/// which is another actor's and therefore has a `#`.
const SCHEMA: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE actors (
    id INTEGER PRIMARY KEY,
    address TEXT NOT NULL UNIQUE,
    next_seq INTEGER NOT NULL DEFAULT 0,
    head BLOB,
    turn INTEGER NOT NULL DEFAULT 0,
    open_turn INTEGER,
    needs_worker INTEGER NOT NULL DEFAULT 0,
    is_paused INTEGER NOT NULL DEFAULT 0,
    changed_ms INTEGER NOT NULL DEFAULT 0
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
    PRIMARY KEY (actor, id)
) WITHOUT ROWID;
CREATE TABLE timers (
    actor INTEGER NOT NULL,
    turn INTEGER NOT NULL,
    n INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    PRIMARY KEY (actor, turn, n)
) WITHOUT ROWID;
CREATE INDEX timers_due ON timers (due_ms);
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
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    cid TEXT NOT NULL,
    activated_ms INTEGER NOT NULL,
    PRIMARY KEY (namespace, name)
) WITHOUT ROWID;
";

/// Opens the writing connection, makes the tables if they are missing, and counts this opening.
pub(crate) fn open_writer(path: &Path, settings: &Settings) -> Result<(Connection, u64), OpenError> {
    let database = |source| OpenError::Database { path: path.to_owned(), source };
    let mut connection = Connection::open(path).map_err(database)?;
    let mut prepare = || -> rusqlite::Result<Result<u64, i64>> {
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "cache_size", -i64::from(settings.cache_kib))?;
        // Fewer, larger checkpoints: hot pages are copied into the database once per 16 MiB of log.
        connection.pragma_update(None, "wal_autocheckpoint", 4096)?;
        connection.set_prepared_statement_cache_capacity(64);
        let transaction = connection.transaction()?;
        let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
        match found {
            0 => {
                transaction.execute_batch(SCHEMA)?;
                transaction.pragma_update(None, "user_version", FORMAT)?;
            }
            FORMAT => {}
            newer => return Ok(Err(newer)),
        }
        let epoch: Option<i64> =
            transaction.query_row("SELECT value FROM meta WHERE key = 'epoch'", [], |row| row.get(0)).optional()?;
        let epoch = epoch.unwrap_or(0) + 1;
        transaction.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('epoch', ?1)", params![epoch])?;
        transaction.commit()?;
        Ok(Ok(epoch as u64))
    };
    let epoch = prepare().map_err(database)?;
    match epoch {
        Ok(epoch) => Ok((connection, epoch)),
        Err(found) => Err(OpenError::Version { folder: settings.folder.clone(), found, known: FORMAT }),
    }
}

/// Opens a reading connection.
pub(crate) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    Ok(connection)
}
