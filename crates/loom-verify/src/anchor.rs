//! The log's side: who vouches that a history is the one that was written down, and the only one.

use loom_evidence::{Bundle, Checkpoint, History, Leaf, PublicKey, SignedCheckpoint, included};
use loom_types::Entry;

use crate::{Auditor, Class, Report};

/// Whether each history stands in a log whose checkpoint a trusted key signed.
pub(crate) fn check(bundle: &Bundle, auditor: &Auditor, report: &mut Report) -> Vec<bool> {
    let histories = &bundle.manifest().histories;
    let vouched = bundle.manifest().log.as_ref().and_then(|log| read(&log.checkpoint, auditor, report));
    let Some((checkpoint, is_signed)) = vouched else {
        for history in histories {
            report.claim(
                &history.actor,
                Class::Claimed,
                "the history is in no log: it may have been written at any time",
            );
        }
        return vec![false; histories.len()];
    };
    let stands = |(history, entries): (&History, &Vec<Entry>)| {
        let Some(last) = entries.last() else { return false };
        stands_in_log(history, last, &checkpoint, is_signed, report) && is_signed
    };
    histories.iter().zip(bundle.entries()).map(stands).collect()
}

/// The checkpoint, and whether a trusted key signed it.
fn read(text: &str, auditor: &Auditor, report: &mut Report) -> Option<(Checkpoint, bool)> {
    let signed = match SignedCheckpoint::read(text) {
        Ok(signed) => signed,
        Err(error) => {
            report.contradiction(None, error.to_string());
            return None;
        }
    };
    let checkpoint = signed.checkpoint().clone();
    let subject = format!("log {}", checkpoint.origin);
    let by = |keys: &[PublicKey], report: &mut Report| match signed.signed_by(keys) {
        Ok(by) => by.into_iter().map(|key| key.name().to_owned()).collect(),
        Err(error) => {
            report.contradiction(None, error.to_string());
            Vec::new()
        }
    };
    // A node's key is its log's name: another node's key, however trusted, cannot speak for this log.
    let own: Vec<_> = auditor.keys.iter().filter(|key| key.name() == checkpoint.origin).cloned().collect();
    let nodes: Vec<String> = by(&own, report);
    let witnesses: Vec<String> = by(&auditor.witnesses, report);
    let is_signed = !nodes.is_empty();
    match (is_signed, auditor.keys.is_empty()) {
        (true, _) => {
            let detail = format!("{} leaves, signed by the node's key {}", checkpoint.size, nodes.join(", "));
            report.claim(&subject, Class::Attested, detail);
        }
        (false, true) => {
            let detail = "a checkpoint by a key that nobody vouched for: name the node's with --key";
            report.claim(&subject, Class::Claimed, detail);
        }
        (false, false) => {
            let known: Vec<_> = auditor.keys.iter().map(PublicKey::name).collect();
            let reason = format!(
                "the checkpoint of '{}' is signed by none of the keys: {}",
                checkpoint.origin,
                known.join(", ")
            );
            report.contradiction(None, reason);
        }
    }
    match witnesses.is_empty() {
        false => {
            let detail = format!("witnessed by {}: the log was shown to it, and never rewound", witnesses.join(", "));
            report.claim(&subject, Class::Attested, detail);
        }
        true => {
            let detail =
                "fork not excluded: no witness that you named has seen this log; its node may show others another one";
            report.claim(&subject, Class::Claimed, detail);
        }
    }
    Some((checkpoint, is_signed))
}

fn stands_in_log(
    history: &History,
    last: &Entry,
    checkpoint: &Checkpoint,
    is_signed: bool,
    report: &mut Report,
) -> bool {
    let Some(inclusion) = &history.inclusion else {
        report.claim(&history.actor, Class::Claimed, "the history is not shown to be in the log");
        return false;
    };
    let head = *history.entries.last().expect("a history has entries");
    let leaf = Leaf::of(&checkpoint.origin, &history.actor, last.seq, head);
    match included(&inclusion.proof, checkpoint.size, checkpoint.root, inclusion.index, leaf.hash()) {
        Ok(()) => {
            let detail = format!("entries up to {} are leaf {} of the log", last.seq, inclusion.index);
            let class = if is_signed { Class::Attested } else { Class::Claimed };
            report.claim(&history.actor, class, detail);
            true
        }
        Err(error) => {
            report.contradiction(Some(last), format!("leaf {} of the log: {error}", inclusion.index));
            false
        }
    }
}
