//! The log's Merkle tree: RFC 9162 hashing, kept in tiles of 256 hashes as C2SP tlog-tiles has them.

use tlog_tiles::{HashReader, Tile, tlog};

use crate::limits::LOG_SIZE_MAX;

/// Hashes in a full tile.
pub const TILE_HASHES: u64 = 256;
/// Log2 of [`TILE_HASHES`].
const TILE_HEIGHT: u8 = 8;

/// Levels of tiles there can be, in a path.
const LEVELS: u8 = 64;

/// A node of the tree.
pub type Hash = [u8; 32];

/// A proof that proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the proof does not lead from the one to the other")]
pub struct InvalidProof;

/// Reads hashes of complete subtrees: that of the leaves `index * 2^level` to `(index + 1) * 2^level - 1`.
pub trait TreeReader {
    /// Why a hash could not be read.
    type Error;

    /// The subtree's root.
    fn hash(&self, level: u8, index: u64) -> Result<Hash, Self::Error>;
}

/// The hash of a leaf's bytes.
pub fn leaf_hash(bytes: &[u8]) -> Hash {
    tlog::record_hash(bytes).0
}

/// The hash above two others.
pub fn node_hash(left: Hash, right: Hash) -> Hash {
    tlog::node_hash(tlog::Hash(left), tlog::Hash(right)).0
}

/// The root of the first `size` leaves.
pub fn root<R: TreeReader>(size: u64, reader: &R) -> Result<Hash, R::Error> {
    read(reader, |hashes| tlog::tree_hash(size, hashes).map(|hash| hash.0))
}

/// Proves that leaf `index` is among the first `size`.
pub fn inclusion<R: TreeReader>(size: u64, index: u64, reader: &R) -> Result<Vec<Hash>, R::Error> {
    debug_assert!(index < size);
    read(reader, |hashes| tlog::prove_record(size, index, hashes).map(plain))
}

/// Proves that the first `old` leaves of the tree of `size` leaves are a tree that was signed before.
pub fn consistency<R: TreeReader>(size: u64, old: u64, reader: &R) -> Result<Vec<Hash>, R::Error> {
    debug_assert!(0 < old && old <= size);
    read(reader, |hashes| tlog::prove_tree(size, old, hashes).map(plain))
}

/// Checks [`inclusion`]'s proof.
pub fn included(proof: &[Hash], size: u64, root: Hash, index: u64, leaf: Hash) -> Result<(), InvalidProof> {
    if size > LOG_SIZE_MAX || index >= size {
        return Err(InvalidProof);
    }
    let proof = proof.iter().map(|hash| tlog::Hash(*hash)).collect();
    tlog::check_record(&proof, size, tlog::Hash(root), index, tlog::Hash(leaf)).map_err(|_| InvalidProof)
}

/// Checks [`consistency`]'s proof. Every tree extends the empty one, without a proof.
pub fn is_consistent(proof: &[Hash], size: u64, root: Hash, old_size: u64, old_root: Hash) -> Result<(), InvalidProof> {
    if size > LOG_SIZE_MAX || old_size > size {
        return Err(InvalidProof);
    }
    if old_size == 0 {
        return if proof.is_empty() && old_root == tlog::EMPTY_HASH.0 { Ok(()) } else { Err(InvalidProof) };
    }
    let proof = proof.iter().map(|hash| tlog::Hash(*hash)).collect();
    tlog::check_tree(&proof, size, tlog::Hash(root), old_size, tlog::Hash(old_root)).map_err(|_| InvalidProof)
}

/// The right edge of a tree: the roots of the complete subtrees that the tree is made of, the largest first. It is all
/// that it takes to append leaves and to know the root, in 48 hashes at most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// One for each bit that is set in `size`.
    roots: Vec<Hash>,
}

/// Bytes that are no frontier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the edge of a tree")]
pub struct InvalidFrontier;

impl Frontier {
    /// Adds a leaf, by its hash. A tree has at most [`LOG_SIZE_MAX`] leaves.
    pub fn append(&mut self, leaf: Hash) {
        assert!(self.size < LOG_SIZE_MAX, "nobody signs a larger tree");
        let mut root = leaf;
        // As in counting: two complete subtrees of one height are one of the next.
        for _ in 0..self.size.trailing_ones() {
            root = node_hash(self.roots.pop().expect("one for each bit"), root);
        }
        self.roots.push(root);
        self.size += 1;
    }

    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The tree's root.
    pub fn root(&self) -> Hash {
        let above = |right, left: &Hash| node_hash(*left, right);
        match self.roots.split_last() {
            Some((last, before)) => before.iter().rev().fold(*last, above),
            None => tlog::EMPTY_HASH.0,
        }
    }

    /// The size (8 bytes, big-endian), then the roots from left to right.
    pub fn encode(&self) -> Vec<u8> {
        [&self.size.to_be_bytes()[..], self.roots.as_flattened()].concat()
    }

    /// Reads [`Frontier::encode`]'s bytes; refuses anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidFrontier> {
        let (size, roots) = bytes.split_first_chunk().ok_or(InvalidFrontier)?;
        let size = u64::from_be_bytes(*size);
        let (roots, rest) = roots.as_chunks();
        let is_whole = rest.is_empty() && roots.len() == size.count_ones() as usize;
        if is_whole && size <= LOG_SIZE_MAX { Ok(Self { size, roots: roots.to_vec() }) } else { Err(InvalidFrontier) }
    }
}

/// Where C2SP tlog-tiles puts a tile: `tile/LEVEL/INDEX`, with `.p/WIDTH` if it is not full.
pub fn tile_path(level: u8, index: u64, width: u32) -> String {
    // The crate's paths name the height, which tlog-tiles fixes to 8 and leaves out.
    let path = Tile::new(TILE_HEIGHT, level, index, width, false).path();
    path.replacen("tile/8/", "tile/", 1)
}

/// What a path of a log names: hashes of a tile, or the leaves below a tile of level 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TileName {
    /// The level of its hashes; none if leaves are meant.
    pub level: Option<u8>,
    /// Its place within the level.
    pub index: u64,
    /// How many hashes or leaves, 1 to 256.
    pub width: u32,
}

impl TileName {
    /// Reads a path as [`TileName::path`] writes it. None for any other spelling.
    pub fn read(path: &str) -> Option<Self> {
        let (kind, place) = path.strip_prefix("tile/")?.split_once('/')?;
        let level = match kind {
            "entries" => None,
            level => Some(level.parse().ok()?),
        };
        let (place, width) = match place.split_once(".p/") {
            Some((place, width)) => (place, width.parse().ok()?),
            None => (place, TILE_HASHES as u32),
        };
        let mut index: u64 = 0;
        for group in place.split('/') {
            let digits: u64 = group.trim_start_matches('x').parse().ok()?;
            index = index.checked_mul(1000)?.checked_add(digits)?;
        }
        let name = Self { level, index, width };
        let is_tile = level.is_none_or(|level| level < LEVELS) && (1..=TILE_HASHES as u32).contains(&width);
        (is_tile && name.path() == path).then_some(name)
    }

    /// `tile/LEVEL/INDEX` or `tile/entries/INDEX`, with `.p/WIDTH` if it is not full.
    pub fn path(&self) -> String {
        match self.level {
            Some(level) => tile_path(level, self.index, self.width),
            None => tile_path(0, self.index, self.width).replacen("tile/0/", "tile/entries/", 1),
        }
    }
}

fn plain(hashes: Vec<tlog::Hash>) -> Vec<Hash> {
    hashes.into_iter().map(|hash| hash.0).collect()
}

/// Runs one of the crate's algorithms on our reader, whose error it cannot carry.
fn read<R: TreeReader, T>(
    reader: &R,
    run: impl FnOnce(&Adapter<'_, R>) -> Result<T, tlog::Error>,
) -> Result<T, R::Error> {
    let adapter = Adapter { reader, failed: std::cell::Cell::new(None) };
    match run(&adapter) {
        Ok(done) => Ok(done),
        Err(error) => Err(adapter.failed.take().unwrap_or_else(|| unreachable!("only reading fails: {error}"))),
    }
}

struct Adapter<'a, R: TreeReader> {
    reader: &'a R,
    failed: std::cell::Cell<Option<R::Error>>,
}

impl<R: TreeReader> HashReader for Adapter<'_, R> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog::Hash>, tlog::Error> {
        let read = |index: &u64| {
            let (level, n) = tlog::split_stored_hash_index(*index);
            self.reader.hash(level, n).map(tlog::Hash)
        };
        indexes.iter().map(read).collect::<Result<_, _>>().map_err(|error| {
            self.failed.set(Some(error));
            tlog::Error::IndexesNotInTree
        })
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    struct Leaves(u64);

    impl TreeReader for Leaves {
        type Error = Infallible;

        fn hash(&self, level: u8, index: u64) -> Result<Hash, Infallible> {
            assert!((index + 1) << level <= self.0, "a complete subtree");
            match level {
                0 => Ok(leaf_hash(&index.to_be_bytes())),
                _ => Ok(node_hash(self.hash(level - 1, 2 * index)?, self.hash(level - 1, 2 * index + 1)?)),
            }
        }
    }

    #[test]
    fn every_leaf_of_every_small_tree_is_proved_to_be_in_it_and_nothing_else_is() {
        for size in 1..40 {
            let tree = Leaves(size);
            let Ok(root) = root(size, &tree);
            for index in 0..size {
                let Ok(proof) = inclusion(size, index, &tree);
                let leaf = leaf_hash(&index.to_be_bytes());
                assert_eq!(included(&proof, size, root, index, leaf), Ok(()));
                assert!(included(&proof, size, root, index, leaf_hash(b"another")).is_err());
                assert!(included(&proof, size, root, index + 1, leaf).is_err());
                if !proof.is_empty() {
                    assert!(included(&proof[1..], size, root, index, leaf).is_err());
                }
            }
        }
    }

    #[test]
    fn a_tree_extends_what_was_signed_before_and_no_fork_of_it() {
        for size in 1..40 {
            let Ok(root) = root(size, &Leaves(size));
            for old in 1..=size {
                let Ok(old_root) = super::root(old, &Leaves(size));
                let Ok(proof) = consistency(size, old, &Leaves(size));
                assert_eq!(is_consistent(&proof, size, root, old, old_root), Ok(()));
                assert!(is_consistent(&proof, size, root, old, leaf_hash(b"a fork")).is_err());
            }
        }
        assert_eq!(is_consistent(&[], 5, [1; 32], 0, tlog::EMPTY_HASH.0), Ok(()));
    }

    #[test]
    fn tiles_stand_where_the_specification_puts_them() {
        assert_eq!(tile_path(0, 1234067, 256), "tile/0/x001/x234/067");
        assert_eq!(tile_path(1, 0, 5), "tile/1/000.p/5");
        for (level, index, width) in [(0, 1_234_067, 256), (1, 0, 5), (5, 999, 255), (0, (1 << 40) - 1, 1)] {
            let name = TileName { level: Some(level), index, width };
            assert_eq!(TileName::read(&tile_path(level, index, width)), Some(name));
        }
        let entries = |index, width| Some(TileName { level: None, index, width });
        assert_eq!(TileName::read("tile/entries/x001/067.p/9"), entries(1067, 9));
        assert_eq!(TileName::read("tile/entries/000"), entries(0, 256));
        for path in [
            "",
            "tile/",
            "tile/0/1",
            "tile/0/0001",
            "tile/0/x000/001",
            "tile/0/000.p/0",
            "tile/0/000.p/00",
            "tile/entries/000.p/",
            "tile/64/000",
            "tile/0/000.p/256",
            "tile/0/000.p/05",
            "tile/00/000",
            "tile/256/000",
            "tile/data/000",
            "tile/8/0/000",
            "tile/0/../000",
            "/tile/0/000",
            "tile/0/x999/x999/x999/x999/x999/x999/x999/x999/999",
        ] {
            assert_eq!(TileName::read(path), None, "{path}");
        }
    }

    #[test]
    fn a_frontier_has_the_root_of_its_tree() {
        let mut frontier = Frontier::default();
        for size in 0..600 {
            assert_eq!(frontier.size(), size);
            if size < 70 || size % 97 == 0 {
                let Ok(root) = root(size, &Leaves(size));
                assert_eq!(frontier.root(), root, "{size}");
            }
            assert_eq!(Frontier::decode(&frontier.encode()).unwrap(), frontier);
            frontier.append(leaf_hash(&size.to_be_bytes()));
        }
    }

    /// The vector of `docs/formats/log.md`.
    #[test]
    fn a_frontier_has_the_root_of_the_format_document() {
        let hash = |hex: &str| -> Hash { data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap().try_into().unwrap() };
        let mut frontier = Frontier::default();
        for leaf in [
            "6189fb800583ee1cfef68210484ff146e98e69a65ed3def5da31b27656ab6872",
            "4e4f800f45b18cef7e953d0d4b5528564dba8fe78b845e3e04aad74101503ce2",
            "0e806f4b26e0d9d433ea414aff62d97e70f1c8820c546f1f47ad751686b40e72",
        ] {
            frontier.append(hash(leaf));
        }
        assert_eq!(frontier.root(), hash("2282775820442ef0ca390063d0b80fcdf70e7855b3c0a24ae6f07222771cba8e"));
    }

    #[test]
    fn bytes_that_are_no_frontier_are_refused() {
        let mut frontier = Frontier::default();
        for leaf in 0..5u64 {
            frontier.append(leaf_hash(&leaf.to_be_bytes()));
        }
        let bytes = frontier.encode();
        let with_size = |size: u64| [&size.to_be_bytes()[..], &bytes[8..]].concat();
        assert_eq!(Frontier::decode(&with_size(6)).unwrap().size(), 6, "two bits, two roots");
        let longer = [&bytes[..], &[0; 32]].concat();
        let too_large = with_size(LOG_SIZE_MAX | 1);
        for other in [&bytes[..7], &bytes[..8], &bytes[..bytes.len() - 1], &with_size(7), &longer, &too_large] {
            assert_eq!(Frontier::decode(other), Err(InvalidFrontier));
        }
        assert_eq!(Frontier::decode(&[0; 8]).unwrap(), Frontier::default());
    }
}
