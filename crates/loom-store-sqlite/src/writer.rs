//! The writer thread: takes what has gathered, makes one transaction of it, syncs once, answers all.
//!
//! Each operation looks before it writes, so a refusal never leaves half an operation behind. If SQLite itself
//! fails, the whole group is rolled back and everyone in it is told.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
};

use loom_storage::{
    ActiveDeployment, Commit, CommitError, EnqueueError, Enqueued, Lane, NewDeadLetter, NewMessage, OutgoingCancel,
    OutgoingMessage, Position, ResolveError, StateWrite, StoreError, TimerWrite, limits::MAILBOX_DEPTH_MAX,
};
use loom_types::{ActorAddress, Namespace, Payload, Resolution, SequenceNumber, StepRef, TurnNumber};
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use tokio::sync::oneshot;

use crate::{
    error::{WriterError, backend},
    lock::FolderLock,
    reader::{self, ReadError, lane_number, segment_id},
    store::Grants,
};

/// Operations that may wait for the writer. Callers wait for their answers, so this many are in flight at most.
const QUEUE_MAX: usize = 64 * 1024;
/// Actors whose row the writer remembers; all are forgotten together when it grows past this.
const ROWS_MAX: usize = 64 * 1024;

type Done<T> = oneshot::Sender<T>;

/// Something to write, and whom to tell.
pub(crate) enum Operation {
    Commit(Box<Commit>, Done<Result<(), CommitError>>),
    Enqueue(ActorAddress, NewMessage, Done<Result<Enqueued, EnqueueError>>),
    Resolve { token: String, result: Resolution, payload: Payload, done: Done<Result<ActorAddress, ResolveError>> },
    Release { now_ms: u64, limit: usize, done: Done<Result<Vec<ActorAddress>, StoreError>> },
    Activate(ActiveDeployment, Done<Result<(), StoreError>>),
    ForgetDeadLetter { namespace: Namespace, id: u64, done: Done<Result<bool, StoreError>> },
}

/// Answers an operation, once its transaction is durable or has failed.
type Answer = Box<dyn FnOnce(Option<&GroupError>) + Send>;

/// Why a whole group failed.
struct GroupError {
    error: loom_storage::BackendError,
    /// Whether the transaction may have become durable all the same.
    unknown: bool,
}

/// The thread's handle. Dropping it finishes what was submitted and closes the database.
pub(crate) struct Writer {
    queue: Option<SyncSender<Operation>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(crate) fn spawn(
        connection: Connection,
        group_max: usize,
        grants: Arc<Grants>,
        lock: FolderLock,
    ) -> std::io::Result<Self> {
        let (queue, operations) = sync_channel(QUEUE_MAX);
        let run = move || {
            let mut worker = Worker { connection, rows: HashMap::new(), grants };
            worker.run(&operations, group_max);
            worker.close();
            drop(lock);
        };
        let thread = std::thread::Builder::new().name("loom-writer".into()).spawn(run)?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    pub(crate) fn submit(&self, operation: Operation) -> Result<(), WriterError> {
        let queue = self.queue.as_ref().ok_or(WriterError::Gone)?;
        queue.try_send(operation).map_err(|error| match error {
            TrySendError::Full(_) => WriterError::Full(QUEUE_MAX),
            TrySendError::Disconnected(_) => WriterError::Gone,
        })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // The thread answers everyone even when it fails; a panic there was reported by the hook.
            let _ = thread.join();
        }
    }
}

/// What the writer remembers of an actor between commits.
#[derive(Clone, Copy)]
struct ActorRow {
    id: i64,
    next_seq: u64,
}

struct Worker {
    connection: Connection,
    rows: HashMap<ActorAddress, ActorRow>,
    grants: Arc<Grants>,
}

impl Worker {
    fn run(&mut self, operations: &Receiver<Operation>, group_max: usize) {
        while let Ok(first) = operations.recv() {
            let mut group = vec![first];
            group.extend(std::iter::from_fn(|| operations.try_recv().ok()).take(group_max - 1));
            self.write(group);
        }
    }

    fn close(&self) {
        // Housekeeping only: what was committed is durable without it.
        if let Err(error) = self.connection.execute_batch("PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE);") {
            tracing::warn!(%error, "closing the database");
        }
    }

    fn write(&mut self, group: Vec<Operation>) {
        if self.rows.len() > ROWS_MAX {
            self.rows.clear();
        }
        let mut answers: Vec<Answer> = Vec::with_capacity(group.len());
        let failed = match self.apply_all(group, &mut answers) {
            Ok(()) => None,
            Err(failure) => {
                self.rows.clear();
                Some(failure)
            }
        };
        for answer in answers {
            answer(failed.as_ref());
        }
    }

    fn apply_all(&mut self, group: Vec<Operation>, answers: &mut Vec<Answer>) -> Result<(), GroupError> {
        let refused = |error: rusqlite::Error| GroupError { error: backend(error), unknown: false };
        let transaction = match self.connection.unchecked_transaction() {
            Ok(transaction) => transaction,
            Err(error) => {
                answers.extend(group.into_iter().map(|operation| operation.into_failed_answer()));
                return Err(refused(error));
            }
        };
        let mut group_writer = GroupWriter { transaction: &transaction, rows: &mut self.rows, grants: &self.grants };
        let mut failure = None;
        for operation in group {
            // After a failure the rest of the group is only told.
            if failure.is_some() {
                answers.push(operation.into_failed_answer());
                continue;
            }
            if let Err(error) = group_writer.apply(operation, answers) {
                failure = Some(refused(error));
            }
        }
        match failure {
            Some(failure) => {
                drop(transaction);
                Err(failure)
            }
            None => transaction.commit().map_err(|error| GroupError { error: backend(error), unknown: true }),
        }
    }
}

impl Operation {
    /// An answer for an operation that was not applied; only ever told about a failure.
    fn into_failed_answer(self) -> Answer {
        match self {
            Operation::Commit(_, done) => commit_answer(done, Ok(())),
            Operation::Enqueue(_, _, done) => enqueue_answer(done, Ok(Enqueued::At(Position(0)))),
            Operation::Resolve { done, .. } => resolve_answer(done, Err(ResolveError::Unknown)),
            Operation::Release { done, .. } => store_answer(done, Vec::new()),
            Operation::Activate(_, done) => store_answer(done, ()),
            Operation::ForgetDeadLetter { done, .. } => store_answer(done, false),
        }
    }
}

// A caller that went away needs no answer, so sending one may fail.

fn commit_answer(done: Done<Result<(), CommitError>>, result: Result<(), CommitError>) -> Answer {
    Box::new(move |failed| {
        let result = match failed {
            Some(GroupError { error, unknown: true }) => Err(CommitError::Unknown(error.clone())),
            Some(GroupError { error, unknown: false }) => Err(CommitError::Unavailable(error.clone())),
            None => result,
        };
        let _ = done.send(result);
    })
}

fn enqueue_answer(done: Done<Result<Enqueued, EnqueueError>>, result: Result<Enqueued, EnqueueError>) -> Answer {
    Box::new(move |failed| {
        let failed = failed.map(|failed| EnqueueError::Store(StoreError::Unavailable(failed.error.clone())));
        let _ = done.send(failed.map_or(result, Err));
    })
}

fn resolve_answer(
    done: Done<Result<ActorAddress, ResolveError>>,
    result: Result<ActorAddress, ResolveError>,
) -> Answer {
    Box::new(move |failed| {
        let failed = failed.map(|failed| ResolveError::Unavailable(failed.error.clone()));
        let _ = done.send(failed.map_or(result, Err));
    })
}

fn store_answer<T: Send + 'static>(done: Done<Result<T, StoreError>>, value: T) -> Answer {
    Box::new(move |failed| {
        let failed = failed.map(|failed| StoreError::Unavailable(failed.error.clone()));
        let _ = done.send(failed.map_or(Ok(value), Err));
    })
}

/// Statements of the commit path; `plans.rs` checks every one of them.
pub(crate) mod sql {
    pub(crate) const FIND_ACTOR: &str = "SELECT id, next_seq FROM actors WHERE address = ?1";
    pub(crate) const NEW_ACTOR: &str = "INSERT INTO actors (address) VALUES (?1)";
    pub(crate) const MOVE_HEAD: &str = "UPDATE actors SET next_seq = ?2, head = ?3, turn = ?4, open_turn = ?5, \
         needs_worker = ?6, changed_ms = ?7, is_paused = ?8 WHERE id = ?1";
    pub(crate) const APPEND: &str = "INSERT INTO segments (id, bytes) VALUES (?1, ?2)";
    pub(crate) const SET_STATE: &str = "INSERT OR REPLACE INTO states (actor, block) VALUES (?1, ?2)";
    pub(crate) const CLEAR_STATE: &str = "DELETE FROM states WHERE actor = ?1";
    pub(crate) const IS_WAITING: &str = "SELECT 1 FROM mailbox WHERE position = ?1 AND actor = ?2";
    pub(crate) const TAKE: &str = "DELETE FROM mailbox WHERE position = ?1";
    pub(crate) const WAITING: &str =
        "SELECT count(*) FROM (SELECT 1 FROM mailbox WHERE actor = ?1 AND lane = 0 LIMIT ?2)";
    pub(crate) const DELIVER: &str =
        "INSERT INTO mailbox (actor, lane, failed, name, block) VALUES (?1, ?2, ?3, ?4, ?5)";
    pub(crate) const DELAY: &str = "INSERT INTO delayed (due_ms, actor, name, block) VALUES (?1, ?2, ?3, ?4)";
    pub(crate) const DELAYED_DUE: &str =
        "SELECT id, actor, name, block FROM delayed WHERE due_ms <= ?1 ORDER BY due_ms LIMIT ?2";
    pub(crate) const DELAYED_GONE: &str = "DELETE FROM delayed WHERE id = ?1";
    pub(crate) const NEW_DEAD_LETTER: &str =
        "INSERT INTO dead_letters (actor, turn, name, block, reason, at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    pub(crate) const FORGET_DEAD_LETTER: &str = "DELETE FROM dead_letters WHERE id = ?1 AND actor IN \
         (SELECT id FROM actors WHERE actors.id = dead_letters.actor AND address > ?2 AND address < ?3)";
    pub(crate) const ADMIT: &str =
        "INSERT OR REPLACE INTO messages (actor, id, body_digest, turn, ended) VALUES (?1, ?2, ?3, ?4, ?5)";
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
        "INSERT OR REPLACE INTO deployments (namespace, name, cid, activated_ms) VALUES (?1, ?2, ?3, ?4)";

    #[cfg(test)]
    pub(crate) const ALL: &[&str] = &[
        FIND_ACTOR,
        NEW_ACTOR,
        MOVE_HEAD,
        APPEND,
        SET_STATE,
        CLEAR_STATE,
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
    ];
}

/// A time as SQLite can hold it: what is later than its integers go never comes.
fn due(due_ms: u64) -> i64 {
    i64::try_from(due_ms).unwrap_or(i64::MAX)
}

/// Applies operations inside one transaction.
struct GroupWriter<'g> {
    transaction: &'g Transaction<'g>,
    rows: &'g mut HashMap<ActorAddress, ActorRow>,
    grants: &'g Grants,
}

impl GroupWriter<'_> {
    /// An error is SQLite's and fails the group; refusals travel in the answer.
    fn apply(&mut self, operation: Operation, answers: &mut Vec<Answer>) -> rusqlite::Result<()> {
        match operation {
            Operation::Commit(commit, done) => {
                let result = self.commit(&commit);
                answers.push(commit_answer(done, result.as_ref().map_or(Ok(()), Clone::clone)));
                result.map(drop)
            }
            Operation::Enqueue(actor, message, done) => {
                let result = self.enqueue(&actor, &message);
                match result {
                    Ok(result) => answers.push(enqueue_answer(done, result)),
                    Err(error) => {
                        answers.push(enqueue_answer(done, Ok(Enqueued::At(Position(0)))));
                        return Err(error);
                    }
                }
                Ok(())
            }
            Operation::Resolve { token, result, payload, done } => match self.resolve(&token, &result, &payload) {
                Ok(resolved) => {
                    answers.push(resolve_answer(done, resolved));
                    Ok(())
                }
                Err(error) => {
                    answers.push(resolve_answer(done, Err(ResolveError::Unknown)));
                    Err(error)
                }
            },
            Operation::Release { now_ms, limit, done } => {
                let released = self.release(now_ms, limit);
                answers.push(store_answer(done, released.as_ref().cloned().unwrap_or_default()));
                released.map(drop)
            }
            Operation::ForgetDeadLetter { namespace, id, done } => {
                let forgotten = self.forget_dead_letter(&namespace, id);
                answers.push(store_answer(done, *forgotten.as_ref().unwrap_or(&false)));
                forgotten.map(drop)
            }
            Operation::Activate(deployment, done) => {
                answers.push(store_answer(done, ()));
                self.run(
                    sql::ACTIVATE,
                    params![
                        deployment.namespace.as_str(),
                        deployment.name,
                        deployment.cid.to_string(),
                        deployment.activated_ms
                    ],
                )
            }
        }
    }

    fn forget_dead_letter(&self, namespace: &Namespace, id: u64) -> rusqlite::Result<bool> {
        let (prefix, end) = reader::prefix(namespace, None);
        let mut statement = self.transaction.prepare_cached(sql::FORGET_DEAD_LETTER)?;
        Ok(statement.execute(params![id, prefix, end])? > 0)
    }

    fn run(&self, statement: &str, params: impl rusqlite::Params) -> rusqlite::Result<()> {
        self.transaction.prepare_cached(statement)?.execute(params).map(drop)
    }

    fn row(&mut self, actor: &ActorAddress) -> rusqlite::Result<ActorRow> {
        if let Some(row) = self.rows.get(actor) {
            return Ok(*row);
        }
        let found = self
            .transaction
            .prepare_cached(sql::FIND_ACTOR)?
            .query_row(params![actor.as_str()], |row| Ok(ActorRow { id: row.get(0)?, next_seq: row.get(1)? }))
            .optional()?;
        let row = match found {
            Some(row) => row,
            None => {
                let id = self.transaction.prepare_cached(sql::NEW_ACTOR)?.insert(params![actor.as_str()])?;
                ActorRow { id, next_seq: 0 }
            }
        };
        self.rows.insert(actor.clone(), row);
        Ok(row)
    }

    fn commit(&mut self, commit: &Commit) -> rusqlite::Result<Result<(), CommitError>> {
        if let Err(error) = self.grants.check(&commit.actor, commit.token) {
            return Ok(Err(error));
        }
        let row = self.row(&commit.actor)?;
        if row.next_seq != commit.expected_seq.0 {
            let actual = SequenceNumber(row.next_seq);
            return Ok(Err(CommitError::Conflict { expected: commit.expected_seq, actual }));
        }
        for position in &commit.taken {
            let mut query = self.transaction.prepare_cached(sql::IS_WAITING)?;
            if !query.exists(params![position.0, row.id])? {
                return Ok(Err(CommitError::Taken { position: position.0 }));
            }
        }
        self.append(row.id, commit)?;
        let next_seq = row.next_seq + commit.segment.entries.len() as u64;
        self.rows.insert(commit.actor.clone(), ActorRow { id: row.id, next_seq });
        self.apply_effects(row.id, commit)?;
        Ok(Ok(()))
    }

    fn append(&self, actor: i64, commit: &Commit) -> rusqlite::Result<()> {
        let next_seq = commit.expected_seq.0 + commit.segment.entries.len() as u64;
        assert!(next_seq < 1 << 32 && actor < 1 << 31, "row ids of segments have room for these");
        if !commit.segment.entries.is_empty() {
            self.run(sql::APPEND, params![segment_id(actor, commit.expected_seq.0), commit.segment.encode()])?;
        }
        self.run(
            sql::MOVE_HEAD,
            params![
                actor,
                next_seq,
                &commit.head.digest()[..],
                commit.turn.0,
                commit.open_turn.map(|seq| seq.0),
                commit.needs_worker,
                commit.at_ms,
                commit.is_paused
            ],
        )?;
        match &commit.state {
            StateWrite::Keep => Ok(()),
            StateWrite::Set(state) => self.run(sql::SET_STATE, params![actor, &state.block()[..]]),
            StateWrite::Clear => self.run(sql::CLEAR_STATE, params![actor]),
        }
    }

    fn apply_effects(&mut self, actor: i64, commit: &Commit) -> rusqlite::Result<()> {
        for position in &commit.taken {
            self.run(sql::TAKE, params![position.0])?;
        }
        for admission in &commit.admissions {
            let ended = admission.ended.map(|seq| seq.0);
            self.run(
                sql::ADMIT,
                params![actor, admission.id.as_str(), &admission.body_digest[..], admission.turn.0, ended],
            )?;
        }
        for write in &commit.timers {
            match write {
                TimerWrite::Set { step, due_ms, attempts } => {
                    self.run(sql::SET_TIMER, params![actor, step.turn.0, step.n, due(*due_ms), attempts])?;
                }
                TimerWrite::Clear { step } => self.run(sql::CLEAR_TIMER, params![actor, step.turn.0, step.n])?,
            }
        }
        for promise in &commit.promises_created {
            let step = promise.step;
            self.run(
                sql::NEW_PROMISE,
                params![promise.token, actor, step.turn.0, step.n, promise.label, promise.data, commit.at_ms],
            )?;
        }
        for token in &commit.promises_cleared {
            self.run(sql::CLEAR_PROMISE, params![token])?;
        }
        for message in &commit.messages {
            self.send(message)?;
        }
        for outcome in &commit.outcomes {
            let to = self.row(&outcome.to)?;
            self.deliver_outcome(to.id, outcome.step, &outcome.result, &outcome.payload)?;
        }
        self.apply_letters(actor, commit)
    }

    /// What waits for other actors, or for people, from now on.
    fn apply_letters(&mut self, actor: i64, commit: &Commit) -> rusqlite::Result<()> {
        for OutgoingCancel { to, message } in &commit.cancels {
            let to = self.row(to)?;
            let nothing: &[u8] = &[];
            self.run(sql::DELIVER, params![to.id, lane_number(Lane::Outcomes), false, message.as_str(), nothing])?;
        }
        for NewDeadLetter { message, payload, reason } in &commit.dead_letters {
            let (name, block) = (message.as_str(), &payload.block()[..]);
            self.run(sql::NEW_DEAD_LETTER, params![actor, commit.turn.0, name, block, reason, commit.at_ms])?;
        }
        Ok(())
    }

    fn send(&mut self, message: &OutgoingMessage) -> rusqlite::Result<()> {
        let to = self.row(&message.to)?;
        let (name, block) = (message.id.as_str(), &message.payload.block()[..]);
        match message.not_before_ms {
            Some(due_ms) => self.run(sql::DELAY, params![due(due_ms), to.id, name, block]),
            None => self.run(sql::DELIVER, params![to.id, lane_number(Lane::Messages), false, name, block]),
        }
    }

    fn deliver_outcome(&self, to: i64, step: StepRef, result: &Resolution, payload: &Payload) -> rusqlite::Result<()> {
        let failed = matches!(result, Resolution::Err(_));
        let lane = lane_number(Lane::Outcomes);
        self.run(sql::DELIVER, params![to, lane, failed, step.to_string(), &payload.block()[..]])
    }

    fn enqueue(
        &mut self,
        actor: &ActorAddress,
        message: &NewMessage,
    ) -> rusqlite::Result<Result<Enqueued, EnqueueError>> {
        let row = self.row(actor)?;
        match reader::status(self.transaction, row.id, &message.id) {
            Ok(Some(status)) => return Ok(Ok(Enqueued::Known(status))),
            Ok(None) => {}
            Err(ReadError::Sqlite(error)) => return Err(error),
            Err(ReadError::Corrupt(what)) => return Ok(Err(EnqueueError::Store(StoreError::Corrupt { what }))),
        }
        let waiting: u64 = self
            .transaction
            .prepare_cached(sql::WAITING)?
            .query_row(params![row.id, MAILBOX_DEPTH_MAX], |row| row.get(0))?;
        if waiting >= MAILBOX_DEPTH_MAX {
            return Ok(Err(EnqueueError::Full { waiting, limit: MAILBOX_DEPTH_MAX }));
        }
        let nothing: Option<u64> = None;
        self.run(sql::ADMIT, params![row.id, message.id.as_str(), &message.body_digest[..], nothing, nothing])?;
        let position = self.transaction.prepare_cached(sql::DELIVER)?.insert(params![
            row.id,
            lane_number(Lane::Messages),
            false,
            message.id.as_str(),
            &message.payload.block()[..]
        ])?;
        Ok(Ok(Enqueued::At(Position(position as u64))))
    }

    fn resolve(
        &mut self,
        token: &str,
        result: &Resolution,
        payload: &Payload,
    ) -> rusqlite::Result<Result<ActorAddress, ResolveError>> {
        let found: Option<(i64, u64, u32, bool)> = self
            .transaction
            .prepare_cached(sql::FIND_PROMISE)?
            .query_row(params![token], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
            .optional()?;
        let Some((actor, turn, n, resolved)) = found else { return Ok(Err(ResolveError::Unknown)) };
        if resolved {
            return Ok(Err(ResolveError::Resolved));
        }
        self.run(sql::RESOLVED, params![token])?;
        self.deliver_outcome(actor, StepRef { turn: TurnNumber(turn), n }, result, payload)?;
        let Some(address) = self.address(actor)? else { return Ok(Err(ResolveError::Unknown)) };
        Ok(Ok(address))
    }

    fn address(&self, actor: i64) -> rusqlite::Result<Option<ActorAddress>> {
        let text: String =
            self.transaction.prepare_cached(sql::ADDRESS)?.query_row(params![actor], |row| row.get(0))?;
        Ok(text.parse().ok())
    }

    fn release(&mut self, now_ms: u64, limit: usize) -> rusqlite::Result<Vec<ActorAddress>> {
        let due: Vec<(i64, i64, String, Vec<u8>)> = self
            .transaction
            .prepare_cached(sql::DELAYED_DUE)?
            .query_map(params![now_ms as i64, limit as i64], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })?
            .collect::<rusqlite::Result<_>>()?;
        let mut receivers = Vec::new();
        for (id, actor, name, block) in due {
            self.run(sql::DELAYED_GONE, params![id])?;
            self.run(sql::DELIVER, params![actor, lane_number(Lane::Messages), false, name, block])?;
            receivers.extend(self.address(actor)?);
        }
        Ok(receivers)
    }
}
