//! The tree as far as it is in memory: its right edge, of each level of tiles the one that is not full.

use std::collections::HashMap;

use loom_evidence::{Hash, TILE_HASHES, TreeReader, node_hash, root};

/// Levels of the tree that a tile spans.
pub(super) const TILE_HEIGHT: u8 = 8;

/// A tile that has just become full.
pub(super) struct FullTile {
    pub(super) level: u8,
    pub(super) index: u64,
    pub(super) hashes: Vec<Hash>,
}

/// The right edge of the tree: of each level of tiles, the hashes of the one that is not full.
#[derive(Default)]
pub(super) struct Edge {
    pub(super) size: u64,
    pub(super) levels: Vec<Vec<Hash>>,
}

impl Edge {
    pub(super) fn append(&mut self, leaf: Hash) -> Vec<FullTile> {
        let (mut full, mut hash) = (Vec::new(), leaf);
        self.size += 1;
        for level in 0u8.. {
            let place = usize::from(level);
            if place == self.levels.len() {
                self.levels.push(Vec::new());
            }
            self.levels[place].push(hash);
            if (self.levels[place].len() as u64) < TILE_HASHES {
                break;
            }
            let hashes = std::mem::take(&mut self.levels[place]);
            hash = subtree(&hashes);
            let index = (self.size >> ((level + 1) * TILE_HEIGHT)) - 1;
            full.push(FullTile { level, index, hashes });
        }
        full
    }

    pub(super) fn root(&self) -> Hash {
        let reader = Tiles { edge: self, full: &HashMap::new() };
        match root(self.size, &reader) {
            Ok(root) => root,
            Err(missing) => unreachable!("the root is made of the edge, not of tile {missing:?}"),
        }
    }
}

/// The tree as far as it is at hand.
pub(super) struct Tiles<'a> {
    pub(super) edge: &'a Edge,
    pub(super) full: &'a HashMap<(u8, u64), Vec<Hash>>,
}

/// A full tile that has to be read first.
#[derive(Debug)]
pub(super) struct Missing {
    pub(super) level: u8,
    pub(super) index: u64,
}

impl TreeReader for Tiles<'_> {
    type Error = Missing;

    fn hash(&self, level: u8, index: u64) -> Result<Hash, Missing> {
        let (tiles, height) = (level / TILE_HEIGHT, level % TILE_HEIGHT);
        let place = Missing { level: tiles, index: index >> (TILE_HEIGHT - height) };
        let full = self.edge.size.checked_shr(u32::from((tiles + 1) * TILE_HEIGHT)).unwrap_or(0);
        let hashes = match place.index == full {
            true => &self.edge.levels[usize::from(tiles)],
            false => self.full.get(&(place.level, place.index)).ok_or(place)?,
        };
        let first = (index << height) % TILE_HASHES;
        Ok(subtree(&hashes[first as usize..(first + (1 << height)) as usize]))
    }
}

/// The root above a power of two of hashes.
pub(super) fn subtree(hashes: &[Hash]) -> Hash {
    match hashes {
        [hash] => *hash,
        _ => {
            let (left, right) = hashes.split_at(hashes.len() / 2);
            node_hash(subtree(left), subtree(right))
        }
    }
}
