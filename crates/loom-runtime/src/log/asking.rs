//! Asking witnesses to cosign what was signed.
//!
//! All are asked about the same checkpoint, so that it carries the cosignatures of all that answer. What is stored is
//! the newest checkpoint that any of them cosigned.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::{FutureExt as _, StreamExt as _, stream::FuturesUnordered};
use loom_evidence::{PublicKey, SignedCheckpoint, consistency};
use loom_storage::CheckpointRecord;

use super::{LogError, NodeLog, Witness, WitnessAnswer, WitnessStatus, with_kept};
use crate::causes;

/// How often one witness is asked about one checkpoint: once to learn where it stands, once more if it moved
/// meanwhile.
const PROOFS_MAX: usize = 4;
/// How often a witness that is busy is asked about one checkpoint. One that reads leaves needs a request for every
/// 16,384.
const BUSY_MAX: usize = 32;
/// The pause before a witness that is busy is asked again.
const BUSY_PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

/// What it may mean that a witness knows another log.
const WENT_BACK: &str = "an older copy of the store was put back, or another node signs with the same key";

/// A witness of this log and how it stood when it was asked last.
pub(super) struct Watching {
    witness: Arc<dyn Witness>,
    asking: tokio::sync::Mutex<()>,
    standing: Mutex<Standing>,
}

#[derive(Clone, Default)]
struct Standing {
    cosigned: Option<u64>,
    problem: Option<String>,
}

impl Watching {
    pub(super) fn new(witness: Arc<dyn Witness>) -> Self {
        Self { witness, asking: tokio::sync::Mutex::default(), standing: Mutex::default() }
    }

    pub(super) fn key(&self) -> &PublicKey {
        self.witness.key()
    }

    pub(super) fn status(&self) -> WitnessStatus {
        let Standing { cosigned, problem } = self.standing().clone();
        WitnessStatus { key: self.key().clone(), cosigned, problem }
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes how it stands. Only a change is worth a line.
    fn note(&self, size: u64, problem: Option<String>) {
        let mut standing = self.standing();
        let (witness, is_news) = (self.key().name(), standing.problem != problem);
        match &problem {
            Some(problem) if is_news => tracing::error!(witness, size, problem, "a witness does not cosign the log"),
            None if standing.cosigned.is_none() || is_news => {
                tracing::info!(witness, size, "the witness cosigns the log");
            }
            _ => {}
        }
        if problem.is_none() {
            standing.cosigned = Some(size);
        }
        standing.problem = problem;
    }

    /// The cosignature, or none and the reason noted. One question at a time.
    async fn ask(&self, log: &NodeLog, signed: &SignedCheckpoint) -> Option<String> {
        let _one_at_a_time = self.asking.lock().await;
        let size = signed.checkpoint().size;
        let mut old = self.standing().cosigned.filter(|old| *old <= size).unwrap_or(0);
        let (mut proofs, mut busy) = (0, 0);
        let problem = loop {
            let proof = match old == 0 || old == size {
                true => Ok(Vec::new()),
                false => log.consistency(size, old).await,
            };
            let proof = match proof {
                Ok(proof) => proof,
                Err(error) => break causes(&error),
            };
            match self.witness.cosign(old, &proof, signed).await {
                WitnessAnswer::Cosigned(line) => match signed.cosignature_time(&line, self.key()) {
                    Ok(_) => {
                        self.note(size, None);
                        return Some(line);
                    }
                    Err(error) => break error.to_string(),
                },
                WitnessAnswer::CountsFrom(other) if other > size => {
                    break format!(
                        "it says that it cosigned this log at {other} leaves, and here it has {size}: {WENT_BACK}"
                    );
                }
                WitnessAnswer::CountsFrom(other) if proofs < PROOFS_MAX => {
                    (old, proofs) = (other, proofs + 1);
                }
                WitnessAnswer::CountsFrom(_) => break "it does not say where to prove from".to_owned(),
                WitnessAnswer::Contradicts(why) => break format!("{why}: {WENT_BACK}"),
                WitnessAnswer::Busy(why) if busy < BUSY_MAX => {
                    busy += 1;
                    self.note(size, Some(why));
                    log.clock.sleep(BUSY_PAUSE).await;
                }
                WitnessAnswer::Busy(why) | WitnessAnswer::Refused(why) | WitnessAnswer::Silent(why) => break why,
            }
        };
        self.note(size, Some(problem));
        None
    }
}

impl NodeLog {
    /// Has what was signed last cosigned by those who have not yet, and stores each cosignature as it comes: one who is
    /// slow takes nothing from the others. At first all are asked, for what they know may be news.
    pub(super) async fn ask_witnesses(&self) -> Result<(), LogError> {
        if self.witnesses.is_empty() {
            return Ok(());
        }
        let note = self.sealed.lock().await.as_ref().map(|sealed| sealed.note.clone()).filter(|note| !note.is_empty());
        let Some(note) = note else { return Ok(()) };
        let signed = SignedCheckpoint::read(&note)?;
        let (asked, known) = (&signed, self.keep(&signed, None).await?);
        let is_news = |watching: &&Watching| watching.standing().cosigned.is_none() || !known.contains(watching.key());
        let answers = self
            .witnesses
            .iter()
            .filter(is_news)
            .map(|watching| async move { (watching, watching.ask(self, asked).await) });
        let mut answers: FuturesUnordered<_> = answers.collect();
        while let Some((watching, line)) = answers.next().await {
            if let Some(line) = line {
                self.keep(&signed, Some((watching.key(), line))).await?;
            }
            let problems = self.witnesses.iter().filter(|watching| watching.standing().problem.is_some()).count();
            self.metrics.log_witness_problems.set(problems as i64);
        }
        Ok(())
    }

    /// Stores the checkpoint with the cosignatures that it has by now and this one; says whose it has. Nothing is stored
    /// without any, or if a later one is there.
    async fn keep(
        &self,
        signed: &SignedCheckpoint,
        line: Option<(&PublicKey, String)>,
    ) -> Result<Vec<PublicKey>, LogError> {
        let _one_at_a_time = self.keeping.lock().await;
        let keys: Vec<PublicKey> = self.witnesses.iter().map(|watching| watching.key().clone()).collect();
        let kept = self.storage.log.witnessed().await?;
        let signed = with_kept(signed.clone(), kept.as_ref())?;
        let signed = match line {
            // It may have been asked twice, by a bundle too.
            Some((key, line)) if signed.cosigned_by(std::slice::from_ref(key))?.is_empty() => {
                signed.with_signatures(&[line])?
            }
            _ => signed,
        };
        let cosigned = signed.cosigned_by(&keys)?;
        let by: Vec<PublicKey> = cosigned.into_iter().map(|cosigned| cosigned.key.clone()).collect();
        let size = signed.checkpoint().size;
        let is_new = kept.as_ref().is_none_or(|kept| kept.size <= size && kept.note != signed.text());
        if is_new && !by.is_empty() {
            let record = CheckpointRecord { size, at_ms: self.clock.now_ms(), note: signed.text().to_owned() };
            self.storage.log.keep_witnessed(record).await?;
            self.metrics.log_witnessed.set(i64::try_from(size).unwrap_or(i64::MAX));
        }
        Ok(by)
    }

    /// Proves that the tree of `old` leaves is the beginning of the one of `size`, which was signed.
    async fn consistency(&self, size: u64, old: u64) -> Result<Vec<loom_evidence::Hash>, LogError> {
        let mut place = self.sealed.lock().await;
        let sealed = self.up_to(&mut place, size).await?;
        self.read_tree(sealed, &mut Default::default(), |tree| consistency(size, old, tree)).await
    }

    /// The newest checkpoint that witnesses cosigned, if it covers the leaf. They are asked if it does not, and
    /// waited for a moment.
    pub(super) async fn witnessed(&self, leaf: u64) -> Result<Option<CheckpointRecord>, LogError> {
        let kept = async || {
            let kept = self.storage.log.witnessed().await?;
            Ok::<_, LogError>(kept.filter(|kept| kept.size > leaf))
        };
        if let Some(kept) = kept().await? {
            return Ok(Some(kept));
        }
        if self.witnesses.is_empty() {
            return Ok(None);
        }
        futures::select_biased! {
            asked = self.ask_witnesses().boxed().fuse() => asked?,
            () = self.clock.sleep(super::WITNESS_PATIENCE).fuse() => {}
        }
        kept().await
    }
}
