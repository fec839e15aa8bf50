//! `batch`: the debt-to-income ratios of many cases under one Merkle root.
//!
//! A leaf is SHA-256 of what the program [`dti`] says of the case alone, 37 bytes. A node is SHA-256 of its
//! children's hashes one after the other, [`CHILDREN`] of them, fewer only at the end of a level. No number of hashes
//! is as long as a leaf's 37 bytes, so that one cannot pass for the other. A level of one hash is the root.

use data_encoding::HEXLOWER_PERMISSIVE;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Digest, InvalidInput, InvalidOutput, dti, reader::Reader};

/// The media type of the payload.
pub const MEDIA_TYPE: &str = "loom/dti-set";
/// The most cases.
pub const CASES_MAX: usize = 65_536;
/// The most children of a node.
pub const CHILDREN: usize = 16;

/// Bytes of the block before the value's head: a list's head, the salt and its head, the media type and its head.
const VALUE_HEAD_AT: usize = 31;
/// Where cases begin in the block.
const CASES_AT: usize = 36;

/// What the private payload says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Payload blocks of single cases, in hex.
    pub cases: Vec<String>,
}

impl Input {
    pub(crate) fn read(json: &Value) -> Result<Self, InvalidInput> {
        Self::deserialize(json).map_err(InvalidInput::Json)
    }

    /// The payload's value.
    pub fn encode(&self) -> Result<Vec<u8>, InvalidInput> {
        let bytes = |(index, case): (usize, &String)| {
            HEXLOWER_PERMISSIVE.decode(case.as_bytes()).map_err(|_| InvalidInput::Case { index })
        };
        value(&self.cases.iter().enumerate().map(bytes).collect::<Result<Vec<_>, _>>()?)
    }
}

/// The payload's value for these cases, each a payload block of [`dti`].
pub fn value<B: AsRef<[u8]>>(cases: &[B]) -> Result<Vec<u8>, InvalidInput> {
    if !(1..=CASES_MAX).contains(&cases.len()) {
        return Err(InvalidInput::Count { what: "cases", found: cases.len(), max: CASES_MAX });
    }
    let fill = fill(cases.len());
    let mut value = Vec::with_capacity(fill + dti::BLOCK_BYTES * cases.len());
    value.resize(fill, 0);
    for (index, case) in cases.iter().enumerate() {
        if dti::Input::from_block(case.as_ref()).is_none() {
            return Err(InvalidInput::Case { index });
        }
        value.extend_from_slice(case.as_ref());
    }
    Ok(value)
}

/// Zeros before the first case, so that it is at [`CASES_AT`]: the longer the value, the longer the value's own head.
fn fill(cases: usize) -> usize {
    let is_of = |head: usize, lengths: std::ops::RangeInclusive<usize>| {
        let fill = CASES_AT - VALUE_HEAD_AT - head;
        lengths.contains(&(fill + cases * dti::BLOCK_BYTES)).then_some(fill)
    };
    is_of(2, 24..=0xff).or_else(|| is_of(3, 0x100..=0xffff)).unwrap_or(0)
}

/// What the program says in public.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// SHA-256 of the payload block of the whole set.
    pub payload_sha256: Digest,
    /// The root of the tree.
    pub root: Digest,
    /// How many cases there are.
    pub cases: u32,
    /// How many of them are within their limits.
    pub within_limit: u32,
}

impl Output {
    /// Reads a public output.
    pub fn decode(output: &[u8]) -> Result<Self, InvalidOutput> {
        let mut reader = Reader::new(output, "72");
        let output = Self {
            payload_sha256: reader.digest()?,
            root: reader.digest()?,
            cases: u32::from_le_bytes(reader.array()?),
            within_limit: u32::from_le_bytes(reader.array()?),
        };
        reader.end()?;
        if output.cases == 0 || output.cases as usize > CASES_MAX || output.within_limit > output.cases {
            return Err(InvalidOutput::Value { what: "number of cases" });
        }
        Ok(output)
    }
}

/// What [`dti`] says of each case in the payload block of a set, in their order.
pub fn outputs(block: &[u8]) -> Option<Vec<dti::Output>> {
    block.get(CASES_AT..)?.chunks(dti::BLOCK_BYTES).map(dti::Output::of).collect()
}

/// The leaf of a case.
pub fn leaf(case: &dti::Output) -> Digest {
    Digest::of(&case.encode())
}

/// The whole tree, for whoever has all cases.
#[derive(Clone, Debug)]
pub struct Tree {
    /// The leaves first; the last level is the root alone.
    levels: Vec<Vec<Digest>>,
}

impl Tree {
    /// The tree over what the program says of each case; nothing without cases.
    pub fn new(cases: &[dti::Output]) -> Option<Self> {
        let mut levels = vec![cases.iter().map(leaf).collect::<Vec<_>>()];
        while levels.last().is_some_and(|level| level.len() > 1) {
            let below = &levels[levels.len() - 1];
            levels.push(below.chunks(CHILDREN).map(node).collect());
        }
        (!cases.is_empty()).then_some(Self { levels })
    }

    /// The root.
    pub fn root(&self) -> Digest {
        self.levels[self.levels.len() - 1][0]
    }

    /// What shows that the case of this index is in the tree; nothing if there is none.
    pub fn path(&self, index: u32) -> Option<Path> {
        let mut at = index as usize;
        self.levels[0].get(at)?;
        let mut levels = Vec::new();
        for level in &self.levels[..self.levels.len() - 1] {
            let first = at - at % CHILDREN;
            let children = &level[first..level.len().min(first + CHILDREN)];
            let siblings = children.iter().enumerate().filter(|(child, _)| *child != at % CHILDREN);
            levels.push(siblings.map(|(_, hash)| *hash).collect());
            at /= CHILDREN;
        }
        Some(Path { index, levels })
    }
}

fn node(children: &[Digest]) -> Digest {
    Digest::of(&children.iter().flat_map(|child| child.0).collect::<Vec<u8>>())
}

/// From a leaf to the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Path {
    /// The case's place in the set, from 0.
    pub index: u32,
    /// The other children of each node on the way, from the leaf's.
    pub levels: Vec<Vec<Digest>>,
}

/// What whoever has one case of a set needs to see it in the proof of all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What the program says of it.
    pub output: dti::Output,
    /// That it is in the set.
    pub path: Path,
}

/// Why a case is not shown to be in a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotIncluded {
    /// The set has fewer cases.
    #[error("there is no case {index} among {cases}")]
    Index {
        /// The path's.
        index: u32,
        /// The set's.
        cases: u32,
    },
    /// Levels or siblings that no tree of so many cases has.
    #[error("the path is not that of a tree of {cases} cases")]
    Shape {
        /// The set's.
        cases: u32,
    },
    /// Another case, or another set.
    #[error("the path does not lead to the root")]
    Root,
}

impl Path {
    /// Checks that the program said this of a case, and of this set. Who trusts the set's proof can trust the case.
    pub fn verify(&self, case: &dti::Output, set: &Output) -> Result<(), NotIncluded> {
        let Output { root, cases, .. } = *set;
        if self.index >= cases {
            return Err(NotIncluded::Index { index: self.index, cases });
        }
        let (mut at, mut width) = (self.index as usize, cases as usize);
        let mut hash = leaf(case);
        let mut levels = self.levels.iter();
        while width > 1 {
            let siblings = levels.next().ok_or(NotIncluded::Shape { cases })?;
            let (first, child) = (at - at % CHILDREN, at % CHILDREN);
            if siblings.len() + 1 != (width - first).min(CHILDREN) {
                return Err(NotIncluded::Shape { cases });
            }
            let mut children = siblings.clone();
            children.insert(child, hash);
            hash = node(&children);
            (at, width) = (at / CHILDREN, width.div_ceil(CHILDREN));
        }
        match levels.next() {
            Some(_) => Err(NotIncluded::Shape { cases }),
            None if hash != root => Err(NotIncluded::Root),
            None => Ok(()),
        }
    }
}
