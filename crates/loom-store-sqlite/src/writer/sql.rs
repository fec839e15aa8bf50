//! Statements of the commit path; a test checks that none of them scans a table.

pub(crate) const FIND_ACTOR: &str = "SELECT id, next_seq FROM actors WHERE address = ?1";
pub(crate) const NEW_ACTOR: &str = "INSERT INTO actors (address) VALUES (?1)";
pub(crate) const MOVE_HEAD: &str = "UPDATE actors SET next_seq = ?2, head = ?3, turn = ?4, open_turn = ?5, \
     changed_ms = ?6, is_paused = ?7 WHERE id = ?1";
/// By itself, because it is in an index, whose page is written even if nothing changes.
pub(crate) const SET_WORKING: &str = "UPDATE actors SET needs_worker = ?2 WHERE id = ?1 AND needs_worker <> ?2";
pub(crate) const NAME_STATE: &str = "UPDATE actors SET state = ?2 WHERE id = ?1";
pub(crate) const APPEND: &str = "INSERT INTO segments (id, bytes, leaf) VALUES (?1, ?2, ?3)";
/// Row ids go on after the greatest there is; none is ever deleted.
pub(crate) const NEW_LEAF: &str = "INSERT INTO leaves (actor, seq, head) VALUES (?1, ?2, ?3)";
pub(crate) const COUNT_LEAVES: &str = "UPDATE meta SET value = value + ?1 WHERE key = 'leaves' RETURNING value";
pub(crate) const SET_CHECKPOINT: &str =
    "INSERT OR REPLACE INTO checkpoint (id, size, at_ms, note) VALUES (0, ?1, ?2, ?3)";
pub(crate) const SET_WITNESSED: &str =
    "INSERT OR REPLACE INTO witnessed (id, size, at_ms, note) VALUES (0, ?1, ?2, ?3)";
pub(crate) const SET_TILE: &str = "INSERT OR REPLACE INTO tiles (level, number, cid) VALUES (?1, ?2, ?3)";
pub(crate) const SET_STATE: &str = "INSERT OR REPLACE INTO states (actor, block) VALUES (?1, ?2)";
pub(crate) const CLEAR_STATE: &str = "DELETE FROM states WHERE actor = ?1";
pub(crate) const IS_WAITING: &str = "SELECT 1 FROM mailbox WHERE position = ?1 AND actor = ?2";
/// Once per opening, so that it may look at every row.
pub(crate) const MAILBOX: &str = "SELECT count(*) FROM mailbox";
pub(crate) const TAKE: &str = "DELETE FROM mailbox WHERE position = ?1";
pub(crate) const WAITING: &str = "SELECT count(*) FROM (SELECT 1 FROM mailbox WHERE actor = ?1 AND lane = 0 LIMIT ?2)";
pub(crate) const DELIVER: &str = "INSERT INTO mailbox (actor, lane, failed, name, block) VALUES (?1, ?2, ?3, ?4, ?5)";
pub(crate) const DELAY: &str = "INSERT INTO delayed (due_ms, actor, name, block) VALUES (?1, ?2, ?3, ?4)";
pub(crate) const DELAYED_DUE: &str =
    "SELECT id, actor, name, block FROM delayed WHERE due_ms <= ?1 ORDER BY due_ms LIMIT ?2";
pub(crate) const DELAYED_GONE: &str = "DELETE FROM delayed WHERE id = ?1";
pub(crate) const NEW_DEAD_LETTER: &str =
    "INSERT INTO dead_letters (actor, turn, name, block, reason, at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
pub(crate) const FORGET_DEAD_LETTER: &str = "DELETE FROM dead_letters WHERE id = ?1 AND actor IN \
     (SELECT id FROM actors WHERE actors.id = dead_letters.actor AND address > ?2 AND address < ?3)";
pub(crate) const ADMIT: &str =
    "INSERT OR REPLACE INTO messages (actor, id, body_digest, turn, ended, ended_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
pub(crate) const SET_TIMER: &str =
    "INSERT OR REPLACE INTO timers (actor, turn, n, due_ms, attempts) VALUES (?1, ?2, ?3, ?4, ?5)";
pub(crate) const CLEAR_TIMER: &str = "DELETE FROM timers WHERE actor = ?1 AND turn = ?2 AND n = ?3";
pub(crate) const NEW_PROMISE: &str = "INSERT INTO promises (token, actor, turn, n, label, data, created_ms) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
pub(crate) const CLEAR_PROMISE: &str = "DELETE FROM promises WHERE token = ?1";
pub(crate) const FIND_PROMISE: &str = "SELECT actor, turn, n, resolved FROM promises WHERE token = ?1";
pub(crate) const RESOLVED: &str = "UPDATE promises SET resolved = 1 WHERE token = ?1";
pub(crate) const ADDRESS: &str = "SELECT address FROM actors WHERE id = ?1";
pub(crate) const ACTIVATE: &str =
    "INSERT INTO deployments (namespace, name, cid, activated_ms, activated_by) VALUES (?1, ?2, ?3, ?4, ?5)";
pub(crate) const FORGET_DEPLOYMENTS: &str = "DELETE FROM deployments WHERE namespace = ?1 AND name = ?2 AND id <= \
     (SELECT id FROM deployments WHERE namespace = ?1 AND name = ?2 ORDER BY id DESC LIMIT 1 OFFSET ?3)";

pub(crate) const COUNT: &str = "UPDATE meta SET value = value + 1 WHERE key = 'transactions' RETURNING value";
pub(crate) const OLD_IDS: &str = "SELECT actor, id FROM messages WHERE ended_ms < ?1 ORDER BY ended_ms LIMIT ?2";
pub(crate) const FORGET: &str = "DELETE FROM messages WHERE actor = ?1 AND id = ?2";
pub(crate) const ERASABLE: &str = "SELECT id, next_seq, open_turn, erased_to FROM actors WHERE address = ?1";
pub(crate) const SEGMENTS_BACK: &str = "SELECT bytes FROM segments WHERE id >= ?1 AND id < ?2 ORDER BY id DESC";
pub(crate) const SEGMENTS_ON: &str = "SELECT id, bytes FROM segments WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT ?3";
pub(crate) const REWRITE: &str = "UPDATE segments SET bytes = ?2 WHERE id = ?1";
pub(crate) const ERASED: &str = "UPDATE actors SET erased_to = ?2 WHERE id = ?1";

#[cfg(test)]
pub(crate) const ALL: &[&str] = &[
    FIND_ACTOR,
    NEW_ACTOR,
    MOVE_HEAD,
    SET_WORKING,
    APPEND,
    NEW_LEAF,
    COUNT_LEAVES,
    SET_CHECKPOINT,
    SET_WITNESSED,
    SET_TILE,
    SET_STATE,
    CLEAR_STATE,
    NAME_STATE,
    IS_WAITING,
    TAKE,
    WAITING,
    DELIVER,
    DELAY,
    DELAYED_DUE,
    DELAYED_GONE,
    ADMIT,
    SET_TIMER,
    CLEAR_TIMER,
    NEW_PROMISE,
    NEW_DEAD_LETTER,
    FORGET_DEAD_LETTER,
    CLEAR_PROMISE,
    FIND_PROMISE,
    RESOLVED,
    ADDRESS,
    ACTIVATE,
    FORGET_DEPLOYMENTS,
    COUNT,
    OLD_IDS,
    FORGET,
    ERASABLE,
    SEGMENTS_BACK,
    SEGMENTS_ON,
    REWRITE,
    ERASED,
];
