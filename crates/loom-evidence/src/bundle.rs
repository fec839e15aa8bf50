//! The bundle: one file with a piece of history and everything that is needed to run it again. Bytes and rules are in
//! `docs/formats/bundle.md`.
//!
//! The file is one way to write what it says: blocks stand in one order, each once, and none without a reason. A reader
//! refuses everything else, so two bundles that differ in a byte say different things. Only the blocks of payloads may
//! be missing: that is redaction, and makes what they held unknown, never another.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
};

use bytes::Bytes;
use loom_types::{ActorAddress, Cid, Codec, DecodeError, Entry, Payload, canonical};
use serde::{Deserialize, Serialize};

use crate::{
    car::{self, CarError},
    limits::{HANDOVERS_MAX, HISTORIES_MAX, MANIFEST_BYTES_MAX},
    tree::Hash,
};

const VERSION: u64 = 1;

/// What a bundle holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Stretches of journals, one of each actor. The first is what the bundle is about.
    pub histories: Vec<History>,
    /// The checkpoint of the log that the histories stand in.
    pub log: Option<LogEvidence>,
    /// Deployments, modules and other blobs, in order of their CIDs.
    pub material: Vec<Cid>,
}

/// A stretch of an actor's journal. If it does not begin with the journal's first entry, the first entry is there only
/// for the state that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// Whose.
    pub actor: ActorAddress,
    /// Its entries, each following the one before.
    pub entries: Vec<Cid>,
    /// Where its last entry stands in the log.
    pub inclusion: Option<Inclusion>,
}

/// A place in the log, and the proof that leads from there to the checkpoint's root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inclusion {
    /// Index of the leaf.
    pub index: u64,
    /// Hashes beside the way up.
    pub proof: Vec<Hash>,
}

/// The log's side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEvidence {
    /// A signed checkpoint, with the signatures of witnesses.
    pub checkpoint: String,
    /// How the log came from its first key to the one that signs now: signed notes, the oldest first.
    pub handovers: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    v: u64,
    checkpoint: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    handovers: Vec<String>,
    histories: Vec<WireHistory>,
    material: Vec<Cid>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireHistory {
    actor: String,
    entries: Vec<Cid>,
    inclusion: Option<WireInclusion>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireInclusion {
    index: u64,
    proof: Vec<serde_bytes::ByteArray<32>>,
}

impl Manifest {
    /// The block that stands first in the file.
    pub fn encode(&self) -> Vec<u8> {
        let history = |history: &History| WireHistory {
            actor: history.actor.to_string(),
            entries: history.entries.clone(),
            inclusion: history.inclusion.as_ref().map(|inclusion| WireInclusion {
                index: inclusion.index,
                proof: inclusion.proof.iter().map(|hash| (*hash).into()).collect(),
            }),
        };
        canonical::encode(&Wire {
            v: VERSION,
            checkpoint: self.log.as_ref().map(|log| log.checkpoint.clone()),
            handovers: self.log.as_ref().map_or_else(Vec::new, |log| log.handovers.clone()),
            histories: self.histories.iter().map(history).collect(),
            material: self.material.clone(),
        })
    }

    /// Reads [`Manifest::encode`]'s bytes; refuses anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let wire: Wire = canonical::decode("manifest", bytes, MANIFEST_BYTES_MAX)?;
        if wire.v != VERSION {
            return Err(DecodeError::Version { what: "manifest", found: wire.v, known: VERSION });
        }
        let malformed = |detail: String| DecodeError::Malformed { what: "manifest", detail };
        if wire.histories.is_empty() || wire.histories.len() > HISTORIES_MAX {
            return Err(malformed(format!("{} histories, 1 to {HISTORIES_MAX} are read", wire.histories.len())));
        }
        if !wire.material.is_sorted_by(|a, b| a.to_bytes() < b.to_bytes()) {
            return Err(malformed("the material is not in order".to_owned()));
        }
        if wire.checkpoint.is_none() && wire.histories.iter().any(|history| history.inclusion.is_some()) {
            return Err(malformed("a place in a log without its checkpoint".to_owned()));
        }
        if wire.handovers.len() > HANDOVERS_MAX || (wire.checkpoint.is_none() && !wire.handovers.is_empty()) {
            return Err(malformed("handovers of a key without a checkpoint, or too many".to_owned()));
        }
        let mut entries = BTreeSet::new();
        for cid in wire.histories.iter().flat_map(|history| &history.entries) {
            if cid.codec() != Codec::DagCbor {
                return Err(malformed("an entry that is a blob".to_owned()));
            }
            // It would be read as often as it is named.
            if !entries.insert(cid) {
                return Err(malformed(format!("entry {cid} twice")));
            }
        }
        let mut actors = BTreeSet::new();
        let history = |history: WireHistory| {
            let actor: ActorAddress =
                history.actor.parse().map_err(|error| malformed(format!("actor '{}': {error}", history.actor)))?;
            if history.entries.is_empty() || !actors.insert(actor.clone()) {
                return Err(malformed(format!("{actor} has no entries, or more than one history")));
            }
            let inclusion = history.inclusion.map(|inclusion| Inclusion {
                index: inclusion.index,
                proof: inclusion.proof.into_iter().map(|hash| hash.into_array()).collect(),
            });
            Ok(History { actor, entries: history.entries, inclusion })
        };
        Ok(Self {
            histories: wire.histories.into_iter().map(history).collect::<Result<_, _>>()?,
            log: wire.checkpoint.map(|checkpoint| LogEvidence { checkpoint, handovers: wire.handovers }),
            material: wire.material,
        })
    }
}

/// Why a file is no bundle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// The container cannot be read.
    #[error("not a bundle: {0}")]
    Container(String),
    /// The first block is no manifest.
    #[error("not a bundle: {0}")]
    Manifest(DecodeError),
    /// A block's bytes are not those that its name names.
    #[error("the bytes of block {0} are not those that its name names")]
    Damaged(Cid),
    /// Something that must be there is not.
    #[error("{what} {cid} is missing")]
    Missing {
        /// What it is.
        what: &'static str,
        /// Its name.
        cid: Cid,
    },
    /// A block that stands where another belongs: moved, doubled, or without a reason to be there.
    #[error("block {place} is {found}, where {} belongs", .expected.map_or("the end".to_owned(), |cid| cid.to_string()))]
    OutOfPlace {
        /// Its place, from 0.
        place: usize,
        /// What stands there.
        found: Cid,
        /// What belongs there; nothing after the last block.
        expected: Option<Cid>,
    },
    /// An entry's block is no entry.
    #[error("block {cid} is no entry: {error}")]
    Entry {
        /// Its name.
        cid: Cid,
        /// Why not.
        error: DecodeError,
    },
    /// A payload's block is no payload.
    #[error("block {cid} is no payload: {error}")]
    Payload {
        /// Its name.
        cid: Cid,
        /// Why not.
        error: DecodeError,
    },
}

impl BundleError {
    /// Whether the file is a bundle that contradicts itself, rather than something else.
    pub fn is_contradiction(&self) -> bool {
        !matches!(self, BundleError::Container(_) | BundleError::Manifest(_))
    }
}

impl From<CarError> for BundleError {
    fn from(error: CarError) -> Self {
        BundleError::Container(error.to_string())
    }
}

/// A bundle in memory. What it says about itself holds: names name their bytes, nothing is missing but payloads.
#[derive(Clone, Debug)]
pub struct Bundle {
    manifest: Manifest,
    entries: Vec<Vec<Entry>>,
    payloads: BTreeMap<Cid, Payload>,
    material: BTreeMap<Cid, Bytes>,
    /// Blocks in the order of the file.
    blocks: Vec<(Cid, Bytes)>,
}

impl Bundle {
    /// Puts a bundle together. Of `blocks` it takes what the manifest and the entries name. What no verifier would read
    /// is not made.
    pub fn assemble(manifest: Manifest, mut blocks: BTreeMap<Cid, Bytes>) -> Result<Self, BundleError> {
        let encoded: Bytes = manifest.encode().into();
        Manifest::decode(&encoded).map_err(BundleError::Manifest)?;
        blocks.insert(Cid::of(Codec::DagCbor, &encoded), encoded.clone());
        let bundle = Self::of(manifest, &encoded, &blocks)?;
        car::fits(bundle.cid(), &bundle.blocks)?;
        Ok(bundle)
    }

    /// Reads a file.
    pub fn read(bytes: &Bytes) -> Result<Self, BundleError> {
        let (root, found) = car::read(bytes)?;
        if let Some((cid, _)) = found.iter().find(|(cid, bytes)| !cid.names(bytes)) {
            return Err(BundleError::Damaged(*cid));
        }
        let blocks: BTreeMap<Cid, Bytes> = found.iter().cloned().collect();
        let encoded = blocks.get(&root).ok_or(BundleError::Missing { what: "the manifest", cid: root })?.clone();
        let manifest = Manifest::decode(&encoded).map_err(BundleError::Manifest)?;
        let bundle = Self::of(manifest, &encoded, &blocks)?;
        for place in 0..found.len().max(bundle.blocks.len()) {
            let expected = bundle.blocks.get(place).map(|(cid, _)| *cid);
            match found.get(place) {
                Some((cid, _)) if Some(*cid) == expected => {}
                Some((cid, _)) => return Err(BundleError::OutOfPlace { place, found: *cid, expected }),
                None => unreachable!("what is expected was found"),
            }
        }
        Ok(bundle)
    }

    fn of(manifest: Manifest, encoded: &Bytes, blocks: &BTreeMap<Cid, Bytes>) -> Result<Self, BundleError> {
        let need = |what, cid: &Cid| blocks.get(cid).cloned().ok_or(BundleError::Missing { what, cid: *cid });
        let mut order = Order { blocks: vec![(Cid::of(Codec::DagCbor, encoded), encoded.clone())], ..Order::default() };
        let mut entries = Vec::new();
        for history in &manifest.histories {
            let mut read = Vec::with_capacity(history.entries.len());
            for cid in &history.entries {
                let bytes = need("entry", cid)?;
                read.push(Entry::decode(&bytes).map_err(|error| BundleError::Entry { cid: *cid, error })?);
                order.put(*cid, bytes);
            }
            entries.push(read);
        }
        let mut payloads = BTreeMap::new();
        for cid in named_payloads(&entries) {
            let Some(bytes) = blocks.get(&cid) else { continue };
            let payload = Payload::from_block(bytes.clone());
            let payload = payload.map_err(|error| BundleError::Payload { cid, error })?;
            payloads.insert(cid, payload);
            order.put(cid, bytes.clone());
        }
        let mut material = BTreeMap::new();
        for cid in &manifest.material {
            let bytes = need("material", cid)?;
            order.put(*cid, bytes.clone());
            material.insert(*cid, bytes);
        }
        Ok(Self { manifest, entries, payloads, material, blocks: order.blocks })
    }

    /// What it holds.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Its name: the CID of the manifest, which names all the rest.
    pub fn cid(&self) -> Cid {
        self.blocks[0].0
    }

    /// The entries of each history, in the manifest's order.
    pub fn entries(&self) -> &[Vec<Entry>] {
        &self.entries
    }

    /// Payloads that were not left out.
    pub fn payloads(&self) -> &BTreeMap<Cid, Payload> {
        &self.payloads
    }

    /// Deployments, modules and other blobs.
    pub fn material(&self) -> &BTreeMap<Cid, Bytes> {
        &self.material
    }

    /// All blocks but the manifest's, for making another bundle of them.
    pub fn parts(&self) -> BTreeMap<Cid, Bytes> {
        self.blocks[1..].iter().cloned().collect()
    }

    /// How many blocks the file has.
    pub fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// Writes the file. The same bundle is the same bytes.
    pub fn write(&self, sink: &mut impl Write) -> io::Result<()> {
        car::write_header(self.cid(), sink)?;
        self.blocks.iter().try_for_each(|(cid, bytes)| {
            car::write_head(*cid, bytes.len(), sink)?;
            sink.write_all(bytes)
        })
    }

    /// The same file in pieces, for whoever sends it on and need not hold it twice.
    pub fn into_pieces(self) -> impl Iterator<Item = Bytes> {
        let mut header = Vec::new();
        car::write_header(self.cid(), &mut header).expect("memory takes all");
        let section = |(cid, bytes): (Cid, Bytes)| {
            let mut head = Vec::new();
            car::write_head(cid, bytes.len(), &mut head).expect("memory takes all");
            [head.into(), bytes]
        };
        std::iter::once(header.into()).chain(self.blocks.into_iter().flat_map(section))
    }
}

/// Payloads that entries name, in the order in which they do. Of a stretch's first entry, when it stands there for its
/// state alone, only that.
fn named_payloads(entries: &[Vec<Entry>]) -> Vec<Cid> {
    let mut named = Vec::new();
    for history in entries {
        for (place, entry) in history.iter().enumerate() {
            let is_context = place == 0 && entry.seq.0 > 0;
            let payloads = entry.body.payloads().into_iter();
            named.extend(payloads.filter(|(role, _)| !is_context || *role == "state").map(|(_, cid)| cid));
        }
    }
    named
}

#[derive(Default)]
struct Order {
    blocks: Vec<(Cid, Bytes)>,
    known: BTreeSet<Cid>,
}

impl Order {
    fn put(&mut self, cid: Cid, bytes: Bytes) {
        if self.known.insert(cid) {
            self.blocks.push((cid, bytes));
        }
    }
}

#[cfg(test)]
#[path = "bundle_tests.rs"]
mod tests;
