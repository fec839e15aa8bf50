//! Erasing payloads and forgetting ids.

use loom_storage::{EraseError, Erasure, StoreError};
use loom_types::{ActorAddress, DecodeError, Segment, SequenceNumber};
use rusqlite::{OptionalExtension as _, params};

use super::{GroupWriter, sql};
use crate::reader::segment_id;

/// Segments that one transaction goes through, so that commits are not held up for long.
const SEGMENTS_MAX: usize = 256;

/// How far erasing has come. It takes as many transactions as there are pages of segments.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct EraseStep {
    /// Blocks that went.
    pub(crate) erased: u64,
    /// Where to go on; none at the end.
    pub(crate) next: Option<SequenceNumber>,
    /// The first segment that has to be looked at another time.
    revisit: Option<SequenceNumber>,
    erasure: Option<Erasure>,
}

struct Erasable {
    id: i64,
    next_seq: u64,
    open_turn: Option<u64>,
    erased_to: u64,
}

impl GroupWriter<'_> {
    /// One step of erasing what stands before `before`.
    pub(crate) fn erase(
        &mut self,
        actor: &ActorAddress,
        before: SequenceNumber,
        step: EraseStep,
    ) -> rusqlite::Result<Result<EraseStep, EraseError>> {
        let Some(row) = self.erasable(actor)? else { return Ok(Ok(step)) };
        let before = SequenceNumber(before.0.min(row.next_seq));
        if let Some(started) = row.open_turn.map(SequenceNumber).filter(|started| before > *started) {
            return Ok(Err(EraseError::Open { started }));
        }
        let corrupt = |error: DecodeError| {
            EraseError::Store(StoreError::Corrupt {
                what: format!("journal of {actor} before entry {before}: {error}"),
            })
        };
        let erasure = match step.erasure {
            Some(erasure) => erasure,
            None => match self.find_erasure(row.id, before)? {
                Ok(Some(erasure)) => erasure,
                Ok(None) => return Ok(Ok(EraseStep { next: None, ..step })),
                Err(error) => return Ok(Err(corrupt(error))),
            },
        };
        let from = step.next.unwrap_or(SequenceNumber(row.erased_to));
        let step = EraseStep { erasure: Some(erasure), ..step };
        Ok(self.erase_page(&row, from, step, erasure)?.map_err(corrupt))
    }

    fn erasable(&self, actor: &ActorAddress) -> rusqlite::Result<Option<Erasable>> {
        let mut query = self.transaction.prepare_cached(sql::ERASABLE)?;
        let row = query.query_row(params![actor.as_str()], |row| {
            Ok(Erasable { id: row.get(0)?, next_seq: row.get(1)?, open_turn: row.get(2)?, erased_to: row.get(3)? })
        });
        row.optional()
    }

    /// Looks backwards for the end of the newest turn that goes.
    fn find_erasure(
        &self,
        actor: i64,
        before: SequenceNumber,
    ) -> rusqlite::Result<Result<Option<Erasure>, DecodeError>> {
        let mut query = self.transaction.prepare_cached(sql::SEGMENTS_BACK)?;
        let mut rows = query.query(params![segment_id(actor, 0), segment_id(actor, before.0)])?;
        while let Some(row) = rows.next()? {
            let bytes: Vec<u8> = row.get(0)?;
            let (entries, _) = match Segment::decode(&bytes) {
                Ok(decoded) => decoded,
                Err(error) => return Ok(Err(error)),
            };
            if let Some(erasure) = entries.iter().rev().find_map(|entry| Erasure::new(before, entry)) {
                return Ok(Ok(Some(erasure)));
            }
        }
        Ok(Ok(None))
    }

    fn erase_page(
        &self,
        row: &Erasable,
        from: SequenceNumber,
        mut step: EraseStep,
        erasure: Erasure,
    ) -> rusqlite::Result<Result<EraseStep, DecodeError>> {
        let page = self.segments(row.id, from, erasure.before)?;
        step.next = None;
        for (seq, bytes) in &page {
            let (entries, mut segment) = match Segment::decode(bytes) {
                Ok(decoded) => decoded,
                Err(error) => return Ok(Err(error)),
            };
            let (erased, keeps_state) = erasure.apply(&entries, &mut segment);
            let end = SequenceNumber(seq.0 + entries.len() as u64);
            if keeps_state || end > erasure.before {
                step.revisit = step.revisit.or(Some(*seq));
            }
            if erased > 0 {
                step.erased += erased;
                self.run(sql::REWRITE, params![segment_id(row.id, seq.0), segment.encode()])?;
            }
            step.next = Some(end);
        }
        if page.len() < SEGMENTS_MAX {
            step.next = None;
            let erased_to = step.revisit.unwrap_or(erasure.before);
            self.run(sql::ERASED, params![row.id, erased_to.0.max(row.erased_to)])?;
        }
        Ok(Ok(step))
    }

    fn segments(
        &self,
        actor: i64,
        from: SequenceNumber,
        before: SequenceNumber,
    ) -> rusqlite::Result<Vec<(SequenceNumber, Vec<u8>)>> {
        let mut query = self.transaction.prepare_cached(sql::SEGMENTS_ON)?;
        let range = params![segment_id(actor, from.0), segment_id(actor, before.0), SEGMENTS_MAX as i64];
        let rows = query.query_map(range, |row| {
            let id: i64 = row.get(0)?;
            Ok((SequenceNumber((id - segment_id(actor, 0)) as u64), row.get(1)?))
        })?;
        rows.collect()
    }

    /// Forgets ids of messages whose turns ended before a time.
    pub(crate) fn forget(&mut self, ended_before_ms: u64, limit: usize) -> rusqlite::Result<Result<usize, StoreError>> {
        let before = i64::try_from(ended_before_ms).unwrap_or(i64::MAX);
        let mut query = self.transaction.prepare_cached(sql::OLD_IDS)?;
        let old = query.query_map(params![before, limit as i64], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let old: Vec<(i64, String)> = old.collect::<rusqlite::Result<_>>()?;
        for (actor, id) in &old {
            self.run(sql::FORGET, params![actor, id])?;
        }
        Ok(Ok(old.len()))
    }
}
