//! What an operator is told about an actor whose replay diverged, and how it goes on from there.

use loom_machine::Divergence;
use loom_types::{Cid, SequenceNumber};

/// What happened, where, and the ways out. `first` is the entry that starts the turn, `pinned` the deployment that ran
/// it, and `active` the one that new turns run.
pub(super) fn report(divergence: &Divergence, first: SequenceNumber, pinned: Cid, active: Option<Cid>) -> String {
    let Divergence { address, n, entry, entry_last, .. } = divergence;
    let actor = address.local();
    let parted = first.0 + u64::from(*entry);
    let (before, last) = (parted - 1, first.0 + u64::from(*entry_last));
    let deployment = active.filter(|active| *active != pinned).map_or("ID".to_owned(), |active| active.to_string());
    format!(
        "{divergence}\n\
         entry {parted} (step {n}) is the first that the guest does not do again; nothing was written, and messages wait\n\
         ways out:\n  \
         loom reset {actor} --to {last} --deployment {deployment}   keep every step, on a deployment that asks for the same\n  \
         loom reset {actor} --to {before}   forget this step and those after it, go on with this module\n  \
         loom fail {actor}   end the turn as failed; what it did outside stands"
    )
}
