//! What one transaction does, operation by operation. Each looks before it writes: a refusal is an answer and leaves
//! nothing behind; an error is SQLite's and fails the transaction.

use std::collections::HashMap;

use loom_storage::{
    ActiveDeployment, Commit, CommitError, EnqueueError, Enqueued, Lane, NewDeadLetter, NewMessage, OutgoingCancel,
    OutgoingMessage, Position, ResolveError, StateWrite, StoreError, TimerWrite, limits::DEPLOYMENTS_KEPT_MAX,
};
use loom_types::{ActorAddress, Namespace, Payload, Resolution, SequenceNumber, StepRef, TurnNumber};
use rusqlite::{OptionalExtension as _, Transaction, params};

use super::{log::NewLeaves, sql};
use crate::{
    reader::{self, ReadError, integer, lane_number, segment_id},
    store::Grants,
};

/// What the writer remembers of an actor between commits.
#[derive(Clone, Copy)]
pub(crate) struct ActorRow {
    id: i64,
    next_seq: u64,
}

/// Applies operations inside one transaction.
pub(crate) struct GroupWriter<'g> {
    pub(super) transaction: &'g Transaction<'g>,
    pub(super) rows: &'g mut HashMap<ActorAddress, ActorRow>,
    pub(super) grants: &'g Grants,
    /// By how much the mailboxes grew.
    pub(super) mailbox: i64,
    /// What it adds to the log.
    pub(super) leaves: NewLeaves,
}

impl GroupWriter<'_> {
    /// Counts the transaction; says how many there were.
    pub(super) fn count(&self) -> rusqlite::Result<u64> {
        self.transaction.prepare_cached(sql::COUNT)?.query_row([], |row| row.get(0))
    }

    pub(crate) fn activate(&self, deployment: &ActiveDeployment) -> rusqlite::Result<Result<(), StoreError>> {
        let ActiveDeployment { namespace, name, cid, activated_ms, by } = deployment;
        self.run(sql::ACTIVATE, params![namespace.as_str(), name, cid.to_string(), activated_ms, by])?;
        let kept = DEPLOYMENTS_KEPT_MAX as u64;
        self.run(sql::FORGET_DEPLOYMENTS, params![namespace.as_str(), name, kept]).map(Ok)
    }

    pub(super) fn run(&self, statement: &str, params: impl rusqlite::Params) -> rusqlite::Result<()> {
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

    /// Applies a commit. One that is refused takes the right to append with it.
    pub(crate) fn commit(&mut self, commit: &Commit) -> rusqlite::Result<Result<(), CommitError>> {
        let result = self.try_commit(commit)?;
        if result.is_err() {
            self.grants.revoke(&commit.actor, commit.token);
        }
        Ok(result)
    }

    fn try_commit(&mut self, commit: &Commit) -> rusqlite::Result<Result<(), CommitError>> {
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

    fn append(&mut self, actor: i64, commit: &Commit) -> rusqlite::Result<()> {
        let next_seq = commit.expected_seq.0 + commit.segment.entries.len() as u64;
        assert!(next_seq < 1 << 32 && actor < 1 << 31, "row ids of segments have room for these");
        if !commit.segment.entries.is_empty() {
            let leaf = commit.leaf.as_ref().map(|leaf| self.add_leaf(actor, leaf)).transpose()?;
            let id = segment_id(actor, commit.expected_seq.0);
            self.run(sql::APPEND, params![id, commit.segment.encode(), leaf])?;
        }
        self.run(
            sql::MOVE_HEAD,
            params![
                actor,
                next_seq,
                &commit.head.digest()[..],
                commit.turn.0,
                commit.open_turn.map(|seq| seq.0),
                commit.at_ms,
                commit.is_paused
            ],
        )?;
        self.run(sql::SET_WORKING, params![actor, commit.needs_worker])?;
        match &commit.state {
            StateWrite::Keep => Ok(()),
            StateWrite::Set(state) => {
                self.run(sql::NAME_STATE, params![actor, &state.cid().digest()[..]])?;
                self.run(sql::SET_STATE, params![actor, &state.block()[..]])
            }
            StateWrite::Clear => {
                let none: Option<&[u8]> = None;
                self.run(sql::NAME_STATE, params![actor, none])?;
                self.run(sql::CLEAR_STATE, params![actor])
            }
        }
    }

    fn apply_effects(&mut self, actor: i64, commit: &Commit) -> rusqlite::Result<()> {
        for position in &commit.taken {
            self.run(sql::TAKE, params![position.0])?;
            self.mailbox -= 1;
        }
        for admission in &commit.admissions {
            let (id, digest) = (admission.id.as_str(), &admission.body_digest[..]);
            let ended = admission.ended.map(|seq| seq.0);
            let ended_ms = ended.map(|_| commit.at_ms);
            self.run(sql::ADMIT, params![actor, id, digest, admission.turn.0, ended, ended_ms])?;
        }
        for write in &commit.timers {
            match write {
                TimerWrite::Set { step, due_ms, attempts } => {
                    self.run(sql::SET_TIMER, params![actor, step.turn.0, step.n, integer(*due_ms), attempts])?;
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
            self.mailbox += 1;
            self.run(sql::DELIVER, params![to.id, lane_number(Lane::Outcomes), false, message.as_str(), nothing])?;
        }
        for NewDeadLetter { message, payload, reason } in &commit.dead_letters {
            let (name, block) = (message.as_str(), &payload.block()[..]);
            self.run(sql::NEW_DEAD_LETTER, params![actor, commit.turn.0, name, block, reason, commit.at_ms])?;
        }
        Ok(())
    }

    pub(crate) fn forget_dead_letter(
        &self,
        namespace: &Namespace,
        id: u64,
    ) -> rusqlite::Result<Result<bool, StoreError>> {
        let (prefix, end) = reader::prefix(namespace, None);
        let mut statement = self.transaction.prepare_cached(sql::FORGET_DEAD_LETTER)?;
        Ok(Ok(statement.execute(params![integer(id), prefix, end])? > 0))
    }

    fn send(&mut self, message: &OutgoingMessage) -> rusqlite::Result<()> {
        let to = self.row(&message.to)?;
        let (name, block) = (message.id.as_str(), &message.payload.block()[..]);
        match message.not_before_ms {
            Some(due_ms) => self.run(sql::DELAY, params![integer(due_ms), to.id, name, block]),
            None => {
                self.mailbox += 1;
                self.run(sql::DELIVER, params![to.id, lane_number(Lane::Messages), false, name, block])
            }
        }
    }

    fn deliver_outcome(
        &mut self,
        to: i64,
        step: StepRef,
        result: &Resolution,
        payload: &Payload,
    ) -> rusqlite::Result<()> {
        self.mailbox += 1;
        let failed = matches!(result, Resolution::Err(_));
        let lane = lane_number(Lane::Outcomes);
        self.run(sql::DELIVER, params![to, lane, failed, step.to_string(), &payload.block()[..]])
    }

    pub(crate) fn enqueue(
        &mut self,
        actor: &ActorAddress,
        message: &NewMessage,
        depth_max: u64,
    ) -> rusqlite::Result<Result<Enqueued, EnqueueError>> {
        let row = self.row(actor)?;
        match reader::status(self.transaction, row.id, &message.id) {
            Ok(Some(status)) => return Ok(Ok(Enqueued::Known(status))),
            Ok(None) => {}
            Err(ReadError::Sqlite(error)) => return Err(error),
            Err(ReadError::Corrupt(what)) => return Ok(Err(EnqueueError::Store(StoreError::Corrupt { what }))),
        }
        let waiting: u64 =
            self.transaction.prepare_cached(sql::WAITING)?.query_row(params![row.id, depth_max], |row| row.get(0))?;
        if waiting >= depth_max {
            return Ok(Err(EnqueueError::Full { waiting, limit: depth_max }));
        }
        let nothing: Option<u64> = None;
        self.run(
            sql::ADMIT,
            params![row.id, message.id.as_str(), &message.body_digest[..], nothing, nothing, nothing],
        )?;
        self.mailbox += 1;
        let position = self.transaction.prepare_cached(sql::DELIVER)?.insert(params![
            row.id,
            lane_number(Lane::Messages),
            false,
            message.id.as_str(),
            &message.payload.block()[..]
        ])?;
        Ok(Ok(Enqueued::At(Position(position as u64))))
    }

    pub(crate) fn resolve(
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

    pub(crate) fn release(
        &mut self,
        now_ms: u64,
        limit: usize,
    ) -> rusqlite::Result<Result<Vec<ActorAddress>, StoreError>> {
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
            self.mailbox += 1;
            self.run(sql::DELIVER, params![actor, lane_number(Lane::Messages), false, name, block])?;
            receivers.extend(self.address(actor)?);
        }
        Ok(Ok(receivers))
    }
}
