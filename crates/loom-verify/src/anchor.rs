//! The log's side: who vouches that a history is the one that was written down, and the only one.

use jiff::Timestamp;
use loom_evidence::{
    Bundle, Checkpoint, Handover, History, KeyKind, Leaf, LogEvidence, PublicKey, SignedCheckpoint, included,
};
use loom_types::{Cid, Entry};

use crate::{Auditor, Class, Report};

/// Of each history, the trusted keys that vouch for it; none if nobody does.
pub(crate) type Anchors = Vec<Vec<String>>;

/// Who vouches for each history: it stands in a log whose checkpoint a trusted key signed.
pub(crate) fn check(bundle: &Bundle, auditor: &Auditor, report: &mut Report) -> Anchors {
    let histories = &bundle.manifest().histories;
    let vouched = bundle.manifest().log.as_ref().and_then(|log| read(log, bundle.cid(), auditor, report));
    let Some((checkpoint, keys)) = vouched else {
        for history in histories {
            let detail = "the history is in no log: it may have been written at any time";
            report.claim(&history.actor, Class::Claimed, detail);
        }
        return vec![Vec::new(); histories.len()];
    };
    let vouch = |(history, entries): (&History, &Vec<Entry>)| {
        let stands = entries.last().is_some_and(|last| stands_in_log(history, last, &checkpoint, &keys, report));
        if stands { keys.clone() } else { Vec::new() }
    };
    histories.iter().zip(bundle.entries()).map(vouch).collect()
}

/// The checkpoint, and the trusted keys of its node that signed it.
fn read(log: &LogEvidence, file: Cid, auditor: &Auditor, report: &mut Report) -> Option<(Checkpoint, Vec<String>)> {
    let signed = match SignedCheckpoint::read(&log.checkpoint) {
        Ok(signed) => signed,
        Err(error) => {
            report.contradiction_of(file, error.to_string());
            return None;
        }
    };
    let checkpoint = signed.checkpoint().clone();
    let subject = format!("log {}", checkpoint.origin);
    let trusted = trusted(&checkpoint.origin, log, file, auditor, report);
    let own: Vec<PublicKey> = trusted.iter().map(|trusted| trusted.key.clone()).collect();
    let signers: Vec<&Trusted> = match signed.signed_by(&own) {
        Ok(keys) => trusted.iter().filter(|trusted| keys.contains(&&trusted.key)).collect(),
        Err(error) => {
            report.contradiction_of(file, error.to_string());
            Vec::new()
        }
    };
    let mut nodes: Vec<String> = Vec::new();
    for key in signers.iter().flat_map(|signer| std::iter::once(&signer.key).chain(&signer.before)) {
        if !nodes.contains(&key.to_string()) {
            nodes.push(key.to_string());
        }
    }
    match (nodes.is_empty(), auditor.keys.is_empty()) {
        (false, _) => {
            let is_direct = signers.iter().any(|signer| signer.before.is_empty());
            let by = match is_direct {
                true => "the node's key".to_owned(),
                false => format!("{}, to which the key that you named handed the log over", nodes[0]),
            };
            let detail = format!("{} leaves, signed by {by}", checkpoint.size);
            report.claimed(&subject, Class::Attested, detail).by.clone_from(&nodes);
        }
        (true, true) => {
            let detail = "a checkpoint by a key that nobody vouched for: name the node's with --key";
            report.claim(&subject, Class::Claimed, detail);
        }
        (true, false) => {
            let known: Vec<_> = auditor.keys.iter().map(PublicKey::name).collect();
            let origin = &checkpoint.origin;
            let reason = format!("the checkpoint of '{origin}' is signed by none of the keys: {}", known.join(", "));
            report.contradiction_of(file, reason);
        }
    }
    watched(&signed, file, auditor, &subject, report);
    Some((checkpoint, nodes))
}

/// A key that may speak for a log.
struct Trusted {
    key: PublicKey,
    /// The keys that handed the log over, from the one that the auditor named; none if this is that one.
    before: Vec<PublicKey>,
}

/// The keys of a log that the auditor named, and those to which these handed it over.
fn trusted(origin: &str, log: &LogEvidence, file: Cid, auditor: &Auditor, report: &mut Report) -> Vec<Trusted> {
    // A node's key is its log's name: another node's key, however trusted, cannot speak for this log.
    // Nor can a witness's key, whatever its name.
    let is_own = |key: &&PublicKey| key.name() == origin && key.kind() == KeyKind::Log;
    let named = auditor.keys.iter().filter(is_own).cloned();
    let mut trusted: Vec<Trusted> = named.map(|key| Trusted { key, before: Vec::new() }).collect();
    for text in &log.handovers {
        let handover = match Handover::read(text) {
            Ok(handover) if handover.from().name() == origin => handover,
            Ok(handover) => {
                let other = handover.from().name();
                report
                    .contradiction_of(file, format!("a handover of the log '{other}' stands with the log '{origin}'"));
                continue;
            }
            Err(error) => {
                report.contradiction_of(file, error.to_string());
                continue;
            }
        };
        let is_known = trusted.iter().any(|trusted| trusted.key == *handover.to());
        if let Some(from) = trusted.iter().find(|trusted| trusted.key == *handover.from())
            && !is_known
        {
            let before = from.before.iter().chain([&from.key]).cloned().collect();
            trusted.push(Trusted { key: handover.to().clone(), before });
        }
    }
    trusted
}

/// Who has watched the log grow.
fn watched(signed: &SignedCheckpoint, file: Cid, auditor: &Auditor, subject: &str, report: &mut Report) {
    let mut by = |keys: &[PublicKey]| match signed.cosigned_by(keys) {
        Ok(cosigned) => cosigned.into_iter().map(|cosigned| (cosigned.key.clone(), cosigned.time)).collect(),
        Err(error) => {
            report.contradiction_of(file, error.to_string());
            Vec::new()
        }
    };
    let monitors: Vec<(PublicKey, u64)> = by(&auditor.monitors);
    let mut witnesses: Vec<(PublicKey, u64)> = by(&auditor.witnesses);
    witnesses.extend(monitors.iter().filter(|monitor| !auditor.witnesses.contains(&monitor.0)).cloned());
    let mut claim = |what: &str, who: &[(PublicKey, u64)], seen: &str, unseen: &str| {
        let named: Vec<_> = who.iter().map(|(key, time)| format!("{} on {}", key.name(), date(*time))).collect();
        let (class, detail) = match who.is_empty() {
            false => (Class::Attested, format!("{seen} {}", named.join(", "))),
            true => (Class::Claimed, unseen.to_owned()),
        };
        let keys = who.iter().map(|(key, _)| key.to_string()).collect();
        report.claimed(format!("{subject} {what}"), class, detail).by = keys;
    };
    claim(
        "rewind",
        &witnesses,
        &format!("up to these {} leaves the log only ever grew, says", signed.checkpoint().size),
        "rewind not excluded: no witness that you named has seen this log; its node may show others another one",
    );
    claim(
        "fork",
        &monitors,
        &format!("all {} leaves were read, and no actor has two histories among them, says", signed.checkpoint().size),
        "fork not excluded: no monitor that you named has read this log; it may hold another history of the same actor",
    );
}

fn date(unix_seconds: u64) -> String {
    let time = i64::try_from(unix_seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.map_or_else(|| format!("second {unix_seconds}"), |time| time.to_string())
}

fn stands_in_log(
    history: &History,
    last: &Entry,
    checkpoint: &Checkpoint,
    keys: &[String],
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
            let class = if keys.is_empty() { Class::Claimed } else { Class::Attested };
            report.claimed(&history.actor, class, detail).by = keys.to_vec();
            true
        }
        Err(error) => {
            report.contradiction(last, format!("leaf {} of the log: {error}", inclusion.index));
            false
        }
    }
}
