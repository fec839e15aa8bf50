use loom_evidence::{Checkpoint, SigningKey};

use super::*;

fn evidence(reason: Reason, size: u64) -> Evidence {
    let key = SigningKey::from_secret("log.example", &[7; 32]).unwrap();
    let checkpoint = Checkpoint { origin: "log.example".to_owned(), size, root: [1; 32] }.sign(&key);
    Evidence { log: 1, reason, checkpoint, known: None, at: 5 }
}

/// Anybody can send a checkpoint with a proof that leads nowhere. What proves a fork is not displaced by that.
#[test]
fn refusals_are_bounded_and_proofs_stay() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path()).unwrap();
    assert_eq!(store.watch(&[("log.example", false)]).unwrap(), [1]);
    let count = |store: &Store| store.status().unwrap()[0].refusals;
    for size in 0..REFUSALS_MAX - 1 {
        store.refuse(&evidence(Reason::Inconsistent, size)).unwrap();
    }
    for size in 0..3 {
        store.refuse(&evidence(Reason::Forked, size)).unwrap();
    }
    store.refuse(&evidence(Reason::Inconsistent, REFUSALS_MAX)).unwrap();
    assert_eq!(count(&store), REFUSALS_MAX);
    let kept = refusals(folder.path(), "log.example").unwrap();
    assert_eq!(kept.iter().filter(|refused| refused.reason == Reason::Forked).count(), 3);
    assert_eq!(kept.last().unwrap().note, evidence(Reason::Inconsistent, REFUSALS_MAX).checkpoint.text());
    for size in 0..2 * REFUSALS_MAX {
        store.refuse(&evidence(Reason::Forked, size)).unwrap();
    }
    assert_eq!(count(&store), REFUSALS_MAX);
    let kept = refusals(folder.path(), "log.example").unwrap();
    assert!(kept.iter().all(|refused| refused.reason == Reason::Forked), "nothing else is left to make room");
}
