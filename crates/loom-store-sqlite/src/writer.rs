//! The writer thread: takes what has gathered, makes one transaction of it, syncs once, answers all.
//!
//! If SQLite fails in the middle of a group, the group is rolled back and its operations are tried again one by one,
//! each in a transaction of its own: what fails because of one damaged page must not take others with it.

mod erase;
mod group;
mod log;
pub(crate) mod sql;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
    time::Instant,
};

use loom_types::ActorAddress;
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::{
    error::{GroupError, WriterError},
    figures::Figures,
    lock::FolderLock,
    store::Grants,
    tally::Tally,
};

pub(crate) use self::{erase::EraseStep, group::GroupWriter};
use self::{group::ActorRow, log::NewLeaves};

/// Operations that may wait for the writer. Callers wait for their answers, so this many are in flight at most.
const QUEUE_MAX: usize = 64 * 1024;
/// Actors whose row the writer remembers; all are forgotten together when it grows past this.
const ROWS_MAX: usize = 64 * 1024;

/// Something to write, and whom to tell.
pub(crate) trait Operation: Send {
    /// Applies it. May be called again after the transaction was rolled back.
    fn apply(&mut self, group: &mut GroupWriter<'_>) -> rusqlite::Result<()>;

    /// Tells the result, once the transaction is durable or has failed.
    fn answer(self: Box<Self>, failed: Option<&GroupError>);
}

/// An operation as a function of the transaction. Its own result is an answer, SQLite's error fails the group.
struct Task<T, E, F> {
    work: F,
    result: Option<Result<T, E>>,
    done: oneshot::Sender<Result<T, E>>,
    /// What has to happen before anything after it is applied, if its transaction fails.
    on_failure: Option<Box<dyn FnOnce() + Send>>,
}

impl<T, E, F> Operation for Task<T, E, F>
where
    T: Send,
    E: Send + for<'e> From<&'e GroupError>,
    F: FnMut(&mut GroupWriter<'_>) -> rusqlite::Result<Result<T, E>> + Send,
{
    fn apply(&mut self, group: &mut GroupWriter<'_>) -> rusqlite::Result<()> {
        self.result = Some((self.work)(group)?);
        Ok(())
    }

    fn answer(self: Box<Self>, failed: Option<&GroupError>) {
        let result = match failed {
            Some(failed) => {
                self.on_failure.into_iter().for_each(|act| act());
                Err(failed.into())
            }
            None => self.result.expect("an operation whose transaction succeeded was applied"),
        };
        // A caller that went away needs no answer.
        let _ = self.done.send(result);
    }
}

/// The thread's handle. Dropping it finishes what was submitted and closes the database.
pub(crate) struct Writer {
    queue: Option<SyncSender<Box<dyn Operation>>>,
    thread: Option<JoinHandle<()>>,
    figures: Arc<Figures>,
}

impl Writer {
    pub(crate) fn spawn(
        connection: Connection,
        group_max: usize,
        grants: Arc<Grants>,
        tally: Tally,
        lock: FolderLock,
    ) -> std::io::Result<Self> {
        let (queue, operations) = sync_channel(QUEUE_MAX);
        let mailbox = connection.query_row(sql::MAILBOX, [], |row| row.get(0)).unwrap_or(0);
        let figures = Arc::new(Figures::new(mailbox));
        let of_worker = figures.clone();
        let run = move || {
            let mut worker = Worker { connection, rows: HashMap::new(), grants, tally, figures: of_worker };
            worker.run(&operations, group_max);
            worker.close();
            drop(lock);
        };
        let thread = std::thread::Builder::new().name("loom-writer".into()).spawn(run)?;
        Ok(Self { queue: Some(queue), thread: Some(thread), figures })
    }

    pub(crate) fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Hands in an operation, in order. Its result comes when it is durable.
    pub(crate) fn submit<T, E>(
        &self,
        work: impl FnMut(&mut GroupWriter<'_>) -> rusqlite::Result<Result<T, E>> + Send + 'static,
        on_failure: Option<Box<dyn FnOnce() + Send>>,
    ) -> Result<oneshot::Receiver<Result<T, E>>, WriterError>
    where
        T: Send + 'static,
        E: Send + for<'e> From<&'e GroupError> + 'static,
    {
        let queue = self.queue.as_ref().ok_or(WriterError::Gone)?;
        let (done, answer) = oneshot::channel();
        // Counted first: the writer may take it before this returns.
        self.figures.submitted();
        let sent = queue.try_send(Box::new(Task { work, result: None, done, on_failure }));
        sent.map(|()| answer).map_err(|error| {
            self.figures.taken(1);
            match error {
                TrySendError::Full(_) => WriterError::Full(QUEUE_MAX),
                TrySendError::Disconnected(_) => WriterError::Gone,
            }
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

struct Worker {
    connection: Connection,
    rows: HashMap<ActorAddress, ActorRow>,
    grants: Arc<Grants>,
    tally: Tally,
    figures: Arc<Figures>,
}

impl Worker {
    fn run(&mut self, operations: &Receiver<Box<dyn Operation>>, group_max: usize) {
        while let Ok(first) = operations.recv() {
            let mut group = vec![first];
            group.extend(std::iter::from_fn(|| operations.try_recv().ok()).take(group_max - 1));
            self.figures.taken(group.len());
            self.write(group);
        }
    }

    fn close(&self) {
        // Housekeeping only: what was committed is durable without it.
        if let Err(error) = self.connection.execute_batch("PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE);") {
            tracing::warn!(%error, "closing the database");
        }
        if let Err(error) = self.tally.sync() {
            tracing::warn!(%error, "closing the tally");
        }
    }

    fn write(&mut self, mut group: Vec<Box<dyn Operation>>) {
        if self.rows.len() > ROWS_MAX {
            self.rows.clear();
        }
        let failed = self.transact(&mut group).err();
        match failed {
            Some(failed) if !failed.unknown && group.len() > 1 => {
                tracing::warn!(error = %failed.error, "a group of commits failed; trying them one by one");
                for mut operation in group {
                    let failed = self.transact(std::slice::from_mut(&mut operation)).err();
                    operation.answer(failed.as_ref());
                }
            }
            failed => group.into_iter().for_each(|operation| operation.answer(failed.as_ref())),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "this measures")]
    fn transact(&mut self, group: &mut [Box<dyn Operation>]) -> Result<(), GroupError> {
        let start = Instant::now();
        let result = self.apply(group);
        if result.is_err() {
            self.figures.failed();
            // What it remembers may be of a transaction that was rolled back.
            self.rows.clear();
        }
        let Applied { transactions, mailbox } = result?;
        self.figures.durable(group.len(), start.elapsed(), mailbox);
        if let Err(error) = self.tally.write(transactions) {
            // The database is ahead of the tally, which is no harm.
            tracing::warn!(%error, "writing the tally");
        }
        Ok(())
    }

    fn apply(&mut self, group: &mut [Box<dyn Operation>]) -> Result<Applied, GroupError> {
        let transaction = self.connection.unchecked_transaction().map_err(GroupError::refused)?;
        let mut writer = GroupWriter {
            transaction: &transaction,
            rows: &mut self.rows,
            grants: &self.grants,
            mailbox: 0,
            leaves: NewLeaves::default(),
        };
        for operation in group {
            operation.apply(&mut writer).map_err(GroupError::refused)?;
        }
        writer.count_leaves()?;
        let transactions = writer.count().map_err(GroupError::refused)?;
        let mailbox = writer.mailbox;
        transaction.commit().map_err(GroupError::unknown)?;
        Ok(Applied { transactions, mailbox })
    }
}

/// What a durable transaction leaves behind.
struct Applied {
    /// How many there were, this one included.
    transactions: u64,
    /// By how much the mailboxes grew.
    mailbox: i64,
}
