//! Gathering what an auditor needs: stretches of journals, what their turns were run with, and the proof that they stand
//! in the node's log. Then leaving out what nobody else is to read.

mod reading;
mod redact;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use loom_evidence::{
    Bundle, BundleError, History, Inclusion, LogEvidence, Manifest,
    limits::{BLOCKS_MAX, BUNDLE_BYTES_MAX, HISTORIES_MAX},
};
use loom_machine::{Deployment, HostFault, Message, Verification};
use loom_storage::{BlobError, StoreError};
use loom_types::{ActorAddress, Cid, Entry, EntryBody, TurnNumber};

use self::reading::{Stretch, Wanted};
pub use self::redact::{Redaction, RedactionError, redact};
use crate::{Handle, LogError};

/// What a bundle is to have in it.
#[derive(Clone, Debug, Default)]
pub struct BundleOptions {
    /// One finished turn; all up to the newest without.
    pub turn: Option<TurnNumber>,
    /// Also the turns of the actors that were called, of those that these called, and so on.
    pub closure: bool,
    /// What is to be left out.
    pub redact: Vec<Redaction>,
    /// Also what would give away what is left out; otherwise such a bundle is refused.
    pub cascade: bool,
    /// Also what programs that are proved were given in private; otherwise it is left out.
    pub disclose_inputs: bool,
}

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
    #[error("the history has {entries} entries or more, at most {ENTRIES_MAX} go into a bundle; ask for one turn")]
    TooLarge {
        /// How many there are.
        entries: u64,
    },
    /// Too many actors for one file.
    #[error("the turns lead to more than {HISTORIES_MAX} actors; ask for a bundle without closure")]
    TooWide,
    /// Too many bytes or blocks for one file.
    #[error("the histories have more than {BUNDLE_BYTES_MAX} bytes, or {BLOCKS_MAX} blocks; ask for one turn")]
    TooLong,
    /// Something would be given away, or cannot be left out.
    #[error(transparent)]
    Redaction(#[from] RedactionError),
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
    Damaged(#[source] BundleError),
}

impl From<BundleError> for BundleRequestError {
    fn from(error: BundleError) -> Self {
        // What was gathered is put into a container by us: only its size can be wrong with that.
        if error.is_contradiction() { Self::Damaged(error) } else { Self::TooLong }
    }
}

/// Most entries of a bundle.
const ENTRIES_MAX: u64 = 200_000;

impl Handle {
    /// Gathers an actor's history up to its newest finished turn, or that of one turn, into a bundle.
    pub async fn bundle(&self, actor: &ActorAddress, options: &BundleOptions) -> Result<Bundle, BundleRequestError> {
        let limit = self.inner.queries_max;
        let _place = self.inner.queries.try_acquire().map_err(|_| BundleRequestError::Busy { limit })?;
        let storage = &self.inner.storage;
        let record = storage.journal.load(actor).await?;
        let record = record.ok_or_else(|| BundleRequestError::UnknownActor(actor.clone()))?;
        if options.turn.is_none() && record.next_seq.0 > ENTRIES_MAX {
            return Err(BundleRequestError::TooLarge { entries: record.next_seq.0 });
        }
        let wanted =
            Wanted { all: options.turn.is_none(), turns: options.turn.into_iter().collect(), ..Wanted::default() };
        let first = self.stretch(actor, wanted.clone(), 0).await?;
        let first =
            first.ok_or_else(|| BundleRequestError::UnknownTurn { actor: actor.clone(), turn: options.turn })?;
        let stretches = if options.closure { self.closure(first, wanted).await? } else { vec![first] };
        let bundle = self.put_together(&stretches).await?;
        let inputs = if options.disclose_inputs { BTreeSet::new() } else { redact::private_inputs(&bundle) };
        if options.redact.is_empty() && inputs.is_empty() {
            return Ok(bundle);
        }
        // Looking for what gives a value away takes its time.
        let (redactions, cascade) = (options.redact.clone(), options.cascade);
        let redacted = self.inner.blocking.run(move || redact(bundle, &redactions, cascade, &inputs)).await;
        Ok(redacted.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?)
    }

    /// `taken`: how many entries are in the bundle already.
    async fn stretch(
        &self,
        actor: &ActorAddress,
        wanted: Wanted,
        taken: usize,
    ) -> Result<Option<Stretch>, BundleRequestError> {
        let most = (ENTRIES_MAX as usize).saturating_sub(taken);
        let read = reading::read(&self.inner.storage, actor, wanted, most).await?;
        read.map_err(|more| BundleRequestError::TooLarge { entries: (taken + more) as u64 })
    }

    /// The stretch, and those of all actors whose answers it rests on.
    async fn closure(&self, first: Stretch, wanted: Wanted) -> Result<Vec<Stretch>, BundleRequestError> {
        let subject = first.actor.clone();
        let mut wanted: BTreeMap<ActorAddress, Wanted> = [(subject.clone(), wanted)].into();
        let mut found: BTreeMap<ActorAddress, Stretch> = BTreeMap::new();
        let mut changed: BTreeMap<ActorAddress, Option<Stretch>> = [(subject.clone(), Some(first))].into();
        while let Some((actor, stretch)) = changed.pop_first() {
            let taken = found.values().filter(|other| other.actor != actor).map(|other| other.entries.len()).sum();
            let stretch = match stretch {
                Some(stretch) => Some(stretch),
                None => self.stretch(&actor, wanted[&actor].clone(), taken).await?,
            };
            // An actor that never took the message has no part in this.
            let Some(stretch) = stretch else { continue };
            for (to, message) in calls(&stretch) {
                let of = wanted.entry(to.clone()).or_default();
                if !of.all && of.messages.insert(message) {
                    changed.entry(to).or_default();
                }
            }
            if wanted.len() > HISTORIES_MAX {
                return Err(BundleRequestError::TooWide);
            }
            found.insert(actor, stretch);
        }
        let first = found.remove(&subject).expect("it was the first");
        Ok([first].into_iter().chain(found.into_values()).collect())
    }

    async fn put_together(&self, stretches: &[Stretch]) -> Result<Bundle, BundleRequestError> {
        let mut blocks = Blocks::default();
        let mut material = BTreeSet::new();
        let mut histories = Vec::new();
        for Stretch { actor, entries, payloads } in stretches {
            let mut names = Vec::new();
            for entry in entries {
                let encoded = entry.encode();
                names.push(encoded.cid);
                blocks.add(encoded.cid, encoded.bytes)?;
            }
            let kept = payloads.values().filter(|payload| payload.marker().is_none());
            for payload in kept {
                blocks.add(payload.cid(), payload.block().clone())?;
            }
            material.extend(self.material(entries, payloads).await?);
            histories.push(History { actor: actor.clone(), entries: names, inclusion: None });
        }
        for cid in &material {
            blocks.add(*cid, self.inner.storage.blobs.get(*cid).await?)?;
        }
        let material: BTreeMap<_, _> = material.into_iter().map(|cid| (cid.to_bytes(), cid)).collect();
        let log = self.prove(stretches, &mut histories).await?;
        Ok(Bundle::assemble(Manifest { histories, log, material: material.into_values().collect() }, blocks.all)?)
    }

    /// Shows where each stretch ends in the log. A node without a key has no log.
    async fn prove(
        &self,
        stretches: &[Stretch],
        histories: &mut [History],
    ) -> Result<Option<LogEvidence>, BundleRequestError> {
        let Some(log) = &self.inner.log else { return Ok(None) };
        let mut places = Vec::new();
        for (history, stretch) in stretches.iter().enumerate() {
            let Some(last) = stretch.entries.last() else { continue };
            let leaf = self.inner.storage.log.leaf_of(&stretch.actor, last.seq).await?;
            places.extend(leaf.filter(|record| record.leaf.seq == last.seq).map(|record| (history, record.index)));
        }
        let indexes: Vec<u64> = places.iter().map(|(_, index)| *index).collect();
        if indexes.is_empty() {
            return Ok(None);
        }
        let proved = log.prove(&indexes).await?;
        for ((history, index), proof) in places.into_iter().zip(proved.proofs) {
            histories[history].inclusion = Some(Inclusion { index, proof });
        }
        Ok(Some(LogEvidence { checkpoint: proved.checkpoint, handovers: proved.handovers }))
    }

    /// Deployments, modules of actors and of the pure activities and verifiers that ran, receipts, evidence, and blobs
    /// that were read.
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
                if let EntryBody::Outcome { evidence, .. } = &entry.body {
                    for cid in evidence {
                        // An auditor who misses it believes less.
                        if self.inner.storage.blobs.has(*cid).await? {
                            material.insert(*cid);
                        }
                    }
                }
                let EntryBody::Step { op, request, .. } = &entry.body else { continue };
                let Some(text) = payloads.get(request).and_then(|payload| payload.text()) else { continue };
                if op == Verification::OP
                    && let Ok(verification) = Verification::from_json(text)
                {
                    material.insert(verification.module);
                    // An auditor who misses it believes less.
                    if self.inner.storage.blobs.has(verification.evidence).await? {
                        material.insert(verification.evidence);
                    }
                }
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

/// What goes into the file, as long as it fits.
#[derive(Default)]
struct Blocks {
    all: BTreeMap<Cid, Bytes>,
    bytes: usize,
}

impl Blocks {
    fn add(&mut self, cid: Cid, block: Bytes) -> Result<(), BundleRequestError> {
        self.bytes += block.len();
        self.all.insert(cid, block);
        let fits = self.all.len() <= BLOCKS_MAX && self.bytes <= BUNDLE_BYTES_MAX;
        if fits { Ok(()) } else { Err(BundleRequestError::TooLong) }
    }
}

/// Messages whose answers the turns of a stretch rest on, and to whom they went.
fn calls(stretch: &Stretch) -> Vec<(ActorAddress, Cid)> {
    let called = |entry: &Entry| match &entry.body {
        EntryBody::Step { op, request, .. } if matches!(op.as_str(), "call" | "call.start" | "spawn") => {
            let envelope = stretch.payloads.get(request).filter(|payload| payload.marker().is_none())?;
            // A request that was refused is no envelope.
            Some((Message::decode(envelope.value()).ok()?.to, *request))
        }
        _ => None,
    };
    stretch.entries.iter().filter_map(called).collect()
}
