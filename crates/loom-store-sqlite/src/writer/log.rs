//! Appending to the log, and sealing it.

use loom_storage::{CheckpointRecord, Leaf, StoreError, TileRecord};
use rusqlite::params;

use super::{GroupWriter, sql};
use crate::{
    error::GroupError,
    reader::{self, integer},
};

/// What one transaction adds to the log.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NewLeaves {
    count: u64,
    /// Row id of the newest.
    newest: i64,
}

impl GroupWriter<'_> {
    /// Gives the leaf the next place; says its row id.
    pub(super) fn add_leaf(&mut self, actor: i64, leaf: &Leaf) -> rusqlite::Result<i64> {
        let mut statement = self.transaction.prepare_cached(sql::NEW_LEAF)?;
        let id = statement.insert(params![actor, leaf.seq.0, &leaf.head.digest()[..]])?;
        self.leaves.count += 1;
        self.leaves.newest = id;
        Ok(id)
    }

    /// Counts the leaves of the transaction, on the page on which it counts itself. A log that has lost its end would
    /// go on with places that were given before; the count tells.
    pub(super) fn count_leaves(&self) -> Result<(), GroupError> {
        let NewLeaves { count, newest } = self.leaves;
        if count == 0 {
            return Ok(());
        }
        let counted = self.transaction.prepare_cached(sql::COUNT_LEAVES);
        let counted: i64 = counted
            .and_then(|mut statement| statement.query_row(params![count], |row| row.get(0)))
            .map_err(GroupError::refused)?;
        match counted == newest {
            true => Ok(()),
            false => Err(GroupError::damaged(format!("the log's newest leaf is number {newest} of {counted}"))),
        }
    }

    pub(crate) fn seal(
        &self,
        checkpoint: &CheckpointRecord,
        tiles: &[TileRecord],
    ) -> rusqlite::Result<Result<(), StoreError>> {
        let newest = reader::checkpoint(self.transaction)?.map_or(0, |newest| newest.size);
        let leaves = reader::log_size(self.transaction)? + self.leaves.count;
        let CheckpointRecord { size, at_ms, note } = checkpoint;
        if *size < newest || *size > leaves {
            return Ok(Err(StoreError::Unsealable { size: *size, newest, leaves }));
        }
        self.run(sql::SET_CHECKPOINT, params![size, integer(*at_ms), note])?;
        for TileRecord { level, index, cid } in tiles {
            self.run(sql::SET_TILE, params![level, integer(*index), cid.to_string()])?;
        }
        Ok(Ok(()))
    }

    pub(crate) fn keep_witnessed(&self, checkpoint: &CheckpointRecord) -> rusqlite::Result<Result<(), StoreError>> {
        let newest = reader::witnessed(self.transaction)?.map_or(0, |newest| newest.size);
        let leaves = reader::checkpoint(self.transaction)?.map_or(0, |sealed| sealed.size);
        let CheckpointRecord { size, at_ms, note } = checkpoint;
        if *size < newest || *size > leaves {
            return Ok(Err(StoreError::Unsealable { size: *size, newest, leaves }));
        }
        self.run(sql::SET_WITNESSED, params![size, integer(*at_ms), note])?;
        Ok(Ok(()))
    }
}
