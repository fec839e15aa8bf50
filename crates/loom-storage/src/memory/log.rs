//! The log in memory.

use async_trait::async_trait;
use loom_types::{ActorAddress, Cid, SequenceNumber};

use super::MemoryStore;
use crate::{CheckpointRecord, LeafRecord, Log, StoreError, TileRecord};

#[async_trait]
impl Log for MemoryStore {
    async fn size(&self) -> Result<u64, StoreError> {
        Ok(self.lock().leaves.len() as u64)
    }

    async fn leaves(&self, from: u64, limit: usize) -> Result<Vec<LeafRecord>, StoreError> {
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        Ok(self.lock().leaves.iter().skip(from).take(limit).cloned().collect())
    }

    async fn leaf_of(&self, actor: &ActorAddress, seq: SequenceNumber) -> Result<Option<LeafRecord>, StoreError> {
        let state = self.lock();
        let index = state.actors.get(actor).and_then(|actor| actor.leaves.range(seq..).next());
        Ok(index.map(|(_, index)| state.leaves[*index].clone()))
    }

    async fn tile(&self, level: u8, index: u64) -> Result<Option<Cid>, StoreError> {
        Ok(self.lock().tiles.get(&(level, index)).copied())
    }

    async fn checkpoint(&self) -> Result<Option<CheckpointRecord>, StoreError> {
        Ok(self.lock().checkpoint.clone())
    }

    async fn seal(&self, checkpoint: CheckpointRecord, tiles: Vec<TileRecord>) -> Result<(), StoreError> {
        let mut state = self.lock();
        let newest = state.checkpoint.as_ref().map_or(0, |newest| newest.size);
        let (size, leaves) = (checkpoint.size, state.leaves.len() as u64);
        if size < newest || size > leaves {
            return Err(StoreError::Unsealable { size, newest, leaves });
        }
        state.checkpoint = Some(checkpoint);
        state.tiles.extend(tiles.into_iter().map(|tile| ((tile.level, tile.index), tile.cid)));
        Ok(())
    }

    async fn witnessed(&self) -> Result<Option<CheckpointRecord>, StoreError> {
        Ok(self.lock().witnessed.clone())
    }

    async fn keep_witnessed(&self, checkpoint: CheckpointRecord) -> Result<(), StoreError> {
        let mut state = self.lock();
        let size_of = |record: &Option<CheckpointRecord>| record.as_ref().map_or(0, |record| record.size);
        let (size, newest, leaves) = (checkpoint.size, size_of(&state.witnessed), size_of(&state.checkpoint));
        if size < newest || size > leaves {
            return Err(StoreError::Unsealable { size, newest, leaves });
        }
        state.witnessed = Some(checkpoint);
        Ok(())
    }
}
