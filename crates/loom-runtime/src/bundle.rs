//! Gathering what an auditor needs: a stretch of an actor's journal, what its turns were run with, and the proof that
//! it stands in the node's log.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use loom_evidence::{Bundle, BundleError, History, Inclusion, LogEvidence, Manifest};
use loom_machine::{Deployment, HostFault};
use loom_storage::{BlobError, StoreError};
use loom_types::{ActorAddress, Cid, Entry, EntryBody, SequenceNumber, TurnNumber};

use crate::{Handle, LogError, load};

/// Why there is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleRequestError {
    /// There is no such actor.
    #[error("there is no actor {0}")]
    UnknownActor(ActorAddress),
    /// It has no such turn, or none that is over.
    #[error("{actor} has no {}", .turn.map_or("finished turn".to_owned(), |turn| format!("finished turn {turn}")))]
    UnknownTurn {
        /// The actor.
        actor: ActorAddress,
        /// The turn asked for, if one was.
        turn: Option<TurnNumber>,
    },
    /// As many as may be read at once are.
    #[error("{limit} queries and bundles are under way already")]
    Busy {
        /// The limit.
        limit: usize,
    },
    /// Too much for one file.
    #[error("the history has {entries} entries, at most {ENTRIES_MAX} go into a bundle; ask for one turn")]
    TooLarge {
        /// How many there are.
        entries: u64,
    },
    /// Something that has to be in it cannot be read.
    #[error("cannot gather what belongs into the bundle")]
    Blob(#[from] BlobError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log failed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A deployment cannot be read.
    #[error(transparent)]
    Host(#[from] HostFault),
    /// What was gathered does not make a bundle: the store is damaged.
    #[error("the store does not hold a history that could be handed out")]
    Damaged(#[from] BundleError),
}

/// Most entries of a bundle that is not about one turn.
const ENTRIES_MAX: u64 = 200_000;

impl Handle {
    /// Gathers an actor's history up to its newest finished turn, or that of one turn, into a bundle.
    pub async fn bundle(&self, actor: &ActorAddress, turn: Option<TurnNumber>) -> Result<Bundle, BundleRequestError> {
        let limit = self.inner.queries_max;
        let _place = self.inner.queries.try_acquire().map_err(|_| BundleRequestError::Busy { limit })?;
        let storage = &self.inner.storage;
        let record = storage.journal.load(actor).await?;
        let record = record.ok_or_else(|| BundleRequestError::UnknownActor(actor.clone()))?;
        if turn.is_none() && record.next_seq.0 > ENTRIES_MAX {
            return Err(BundleRequestError::TooLarge { entries: record.next_seq.0 });
        }
        let (entries, payloads) = load::read_turn(storage, actor, SequenceNumber(0)).await?;
        let (from, to) =
            stretch(&entries, turn).ok_or_else(|| BundleRequestError::UnknownTurn { actor: actor.clone(), turn })?;
        let (log, inclusion) = self.proof(actor, entries[to].seq).await?;
        let entries = &entries[from..=to];

        let mut blocks: BTreeMap<Cid, Bytes> = BTreeMap::new();
        let mut names = Vec::new();
        for entry in entries {
            let encoded = entry.encode();
            names.push(encoded.cid);
            blocks.insert(encoded.cid, encoded.bytes);
        }
        let kept = payloads.values().filter(|payload| payload.marker().is_none());
        blocks.extend(kept.map(|payload| (payload.cid(), payload.block().clone())));
        let mut material = BTreeSet::new();
        for cid in self.material(entries, &payloads).await? {
            blocks.insert(cid, storage.blobs.get(cid).await?);
            material.insert(cid.to_bytes());
        }
        let material = material.iter().map(|bytes| Cid::from_bytes(bytes).expect("was one")).collect();
        let history = History { actor: actor.clone(), entries: names, inclusion };
        Ok(Bundle::assemble(Manifest { histories: vec![history], log, material }, blocks)?)
    }

    /// Where the entry stands in the log. A node without a key has no log.
    async fn proof(
        &self,
        actor: &ActorAddress,
        seq: SequenceNumber,
    ) -> Result<(Option<LogEvidence>, Option<Inclusion>), BundleRequestError> {
        let Some(log) = &self.inner.log else { return Ok((None, None)) };
        let leaf = self.inner.storage.log.leaf_of(actor, seq).await?.filter(|record| record.leaf.seq == seq);
        let Some(leaf) = leaf else { return Ok((None, None)) };
        let proved = log.prove(leaf.index).await?;
        let inclusion = Inclusion { index: leaf.index, proof: proved.proof };
        Ok((Some(LogEvidence { checkpoint: proved.checkpoint }), Some(inclusion)))
    }

    /// Deployments, modules of actors and of the pure activities that ran, and blobs that were read.
    async fn material(
        &self,
        entries: &[Entry],
        payloads: &std::collections::HashMap<Cid, loom_types::Payload>,
    ) -> Result<BTreeSet<Cid>, BundleRequestError> {
        let mut material = BTreeSet::new();
        let mut pinned: Vec<std::sync::Arc<Deployment>> = Vec::new();
        for turn in loom_machine::replay::turns(entries, &payloads.clone().into(), None) {
            let began_with = turn.entries.first().map(|first| &first.body);
            let Some(EntryBody::TurnStarted { deployment, .. }) = began_with else { continue };
            for cid in [*deployment].into_iter().chain(turn.deployment()) {
                let manifest = self.inner.deployments.manifest(cid).await?;
                material.insert(cid);
                material.extend(manifest.actors.get(turn.entries[0].actor.actor_type()).map(|spec| spec.module));
                pinned.push(manifest);
            }
            for entry in &turn.entries {
                let EntryBody::Step { op, request, .. } = &entry.body else { continue };
                let Some(text) = payloads.get(request).and_then(|payload| payload.text()) else { continue };
                let Ok(request) = serde_json::from_str::<serde_json::Value>(text) else { continue };
                let member = |name| request.get(name).and_then(|value| value.as_str());
                match op.as_str() {
                    "activity" | "activity.start" => {
                        let specs = pinned.iter().filter_map(|it| it.activities.get(member("name")?));
                        material.extend(specs.filter(|spec| !spec.is_effectful()).map(|spec| spec.module));
                    }
                    "blob.get" => {
                        let cid = member("cid").and_then(|cid| cid.parse().ok());
                        // What was not there then need not be there now.
                        if let Some(cid) = cid
                            && self.inner.storage.blobs.has(cid).await?
                        {
                            material.insert(cid);
                        }
                    }
                    _ => {}
                }
            }
        }
        Ok(material)
    }
}

/// Places of the first and last entry. One turn's stretch begins with the entry before it that names the state.
fn stretch(entries: &[Entry], turn: Option<TurnNumber>) -> Option<(usize, usize)> {
    let ends = |entry: &Entry| matches!(entry.body, EntryBody::TurnEnded { .. });
    let Some(turn) = turn else {
        return Some((0, entries.iter().rposition(ends)?));
    };
    let to = entries.iter().position(|entry| entry.turn == turn && ends(entry))?;
    let start =
        entries.iter().position(|entry| entry.turn == turn && matches!(entry.body, EntryBody::TurnStarted { .. }))?;
    let names_state = |entry: &Entry| ends(entry) || matches!(entry.body, EntryBody::Control { state: Some(_), .. });
    Some((entries[..start].iter().rposition(names_state).unwrap_or(0), to))
}
