//! Checkpoints: growth is cosigned, a fork is not, and nothing is forgotten.

use std::sync::{Arc, atomic::Ordering};

use loom_evidence::{Checkpoint, SigningKey};
use loom_witness::{Clock, OpenError, Reason, WatchedLog, Witness};

use crate::support::{Log, ORIGIN, World, ask, known};

const COSIGNED: &str = "cosigned at 1700000000";

#[tokio::test]
async fn honest_growth_is_cosigned() {
    let (world, log) = (World::new(), Log::of(300));
    let witness = world.witness();
    let mut old = 0;
    for size in [0, 1, 2, 3, 7, 8, 255, 256, 257, 300] {
        assert_eq!(ask(&witness, &log.request(old, size)).await, COSIGNED, "{old} to {size}");
        old = size;
    }
    assert_eq!(known(&witness).await, 300);
}

#[tokio::test]
async fn the_same_checkpoint_is_cosigned_again_with_a_new_time() {
    let (world, log) = (World::new(), Log::of(9));
    let witness = world.witness();
    assert_eq!(ask(&witness, &log.request(0, 5)).await, COSIGNED);
    // The answer was lost: the log learns where the witness stands and asks from there.
    assert_eq!(ask(&witness, &log.request(0, 5)).await, "409: 5");
    world.clock.0.fetch_add(60, Ordering::SeqCst);
    assert_eq!(ask(&witness, &log.request(5, 5)).await, "cosigned at 1700000060");
    assert_eq!(ask(&witness, &log.request(5, 9)).await, "cosigned at 1700000060");
}

#[tokio::test]
async fn a_log_that_went_back_is_refused() {
    let (world, log) = (World::new(), Log::of(10));
    let witness = world.witness();
    assert_eq!(ask(&witness, &log.request(0, 10)).await, COSIGNED);
    let mut copy = log.back_to(6);
    // Smaller, and later of the same size, then larger than what was cosigned.
    copy.grow(2, "other");
    assert_eq!(ask(&witness, &copy.request(6, 8)).await, "409: 10");
    copy.grow(2, "other");
    assert_eq!(ask(&witness, &copy.request(6, 10)).await, "409: 10");
    let forked = "409: another checkpoint of size 10 was cosigned; the log 'log.example/loans' has forked";
    assert_eq!(ask(&witness, &copy.request(10, 10)).await, forked);
    copy.grow(5, "other");
    assert_eq!(ask(&witness, &copy.request(6, 15)).await, "409: 10");
    assert_eq!(ask(&witness, &copy.request(10, 15)).await, "422: the proof does not lead from size 10 to size 15");
    assert_eq!(known(&witness).await, 10);

    // What the log signed is kept, once: the fork proves itself, beside what was cosigned.
    let kept = loom_witness::refusals(world.folder.path(), ORIGIN).unwrap();
    let kinds: Vec<_> = kept.iter().map(|refused| (refused.reason, refused.times)).collect();
    assert_eq!(kinds, [(Reason::Forked, 2), (Reason::Inconsistent, 1)]);
    assert_eq!(kept[0].note, copy.checkpoint(10).text());
    assert_eq!(kept[0].known.as_deref(), Some(log.checkpoint(10).text()));
    assert_eq!(kept[1].note, copy.checkpoint(15).text());
    // The honest log goes on.
    let mut log = log;
    log.grow(1, "honest");
    assert_eq!(ask(&witness, &log.request(10, 11)).await, COSIGNED);
}

#[tokio::test]
async fn an_empty_log_has_one_root() {
    let (world, log) = (World::new(), Log::new());
    let witness = world.witness();
    let odd = Checkpoint { root: [1; 32], ..log.checkpoint(0).checkpoint().clone() }.sign(&log.key);
    let answer = ask(&witness, &format!("old 0\n\n{}", odd.text())).await;
    assert!(answer.starts_with("409: another checkpoint of size 0"), "{answer}");
    assert_eq!(ask(&witness, &log.request(0, 0)).await, COSIGNED);
}

#[tokio::test]
async fn only_the_log_s_own_keys_count() {
    let (world, log) = (World::new(), Log::of(3));
    let witness = world.witness();
    let refused = "403: not signed by a known key of the log 'log.example/loans'";
    let other_key = SigningKey::from_secret(ORIGIN, &[8; 32]).unwrap();
    let by_other = Log { key: other_key.clone(), ..log.clone() };
    assert_eq!(ask(&witness, &by_other.request(0, 3)).await, refused);
    // A witness's key of the log's name, and the very same secret.
    let cosigner = SigningKey::witness_from_secret(ORIGIN, &[7; 32]).unwrap();
    let signed = log.checkpoint(3);
    let own_line = signed.text().split_once("\n\n").unwrap().1;
    let only_cosigned = signed.text().replace(own_line, &signed.cosign(&cosigner, 5));
    assert_eq!(ask(&witness, &format!("old 0\n\n{only_cosigned}")).await, refused);
    // The log's name and id before a signature of something else.
    let forged = log.request(0, 3).replacen("\n3\n", "\n2\n", 1);
    assert_eq!(ask(&witness, &forged).await, refused);
    let unknown = Log { key: SigningKey::from_secret("other.example", &[7; 32]).unwrap(), ..log.clone() };
    assert_eq!(ask(&witness, &unknown.request(0, 3)).await, "404: unknown log");
    assert_eq!(known(&witness).await, 0);

    // After the log's key was changed either signature will do.
    drop(witness);
    let mut settings = world.settings(false);
    settings.logs.push(WatchedLog { key: other_key.public(), url: None, token: None });
    let witness = world.open(&settings).unwrap();
    assert_eq!(ask(&witness, &by_other.request(0, 2)).await, COSIGNED);
    assert_eq!(ask(&witness, &log.request(2, 3)).await, COSIGNED);
}

#[tokio::test]
async fn what_strangers_added_is_not_kept() {
    let (world, log) = (World::new(), Log::of(3));
    let witness = world.witness();
    let stranger = SigningKey::witness_from_secret("stranger.example", &[1; 32]).unwrap();
    let checkpoint = log.checkpoint(3);
    let longer = checkpoint.with_signatures(&[checkpoint.cosign(&stranger, 1)]).unwrap();
    assert_eq!(ask(&witness, &format!("old 0\n\n{}", longer.text())).await, COSIGNED);
    assert_eq!(witness.status().await.unwrap()[0].note.as_deref(), Some(checkpoint.text()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_at_once_one_is_cosigned() {
    for round in 0..20 {
        let (world, base) = (World::new(), Log::of(10));
        let witness = world.witness();
        assert_eq!(ask(&witness, &base.request(0, 10)).await, COSIGNED);
        let asked: Vec<_> = (0..4)
            .map(|branch| {
                let mut log = base.clone();
                log.grow(1 + (branch + round) % 3, &format!("branch {branch}"));
                let (request, witness) = (log.request(10, log.size()), witness.clone());
                tokio::spawn(async move { ask(&witness, &request).await })
            })
            .collect();
        let mut answers = Vec::new();
        for answer in asked {
            answers.push(answer.await.unwrap());
        }
        assert_eq!(answers.iter().filter(|answer| *answer == COSIGNED).count(), 1, "{answers:?}");
        let size = known(&witness).await;
        assert_eq!(answers.iter().filter(|answer| **answer == format!("409: {size}")).count(), 3, "{answers:?}");
    }
}

#[tokio::test]
async fn a_restart_forgets_nothing() {
    let (world, log) = (World::new(), Log::of(12));
    let witness = world.witness();
    let key = witness.public_key();
    assert_eq!(ask(&witness, &log.request(0, 7)).await, COSIGNED);
    assert!(matches!(world.open(&world.settings(false)), Err(OpenError::InUse { .. })), "one process at a time");
    drop(witness);
    let witness = world.witness();
    assert_eq!(witness.public_key(), key);
    assert_eq!(ask(&witness, &log.request(0, 12)).await, "409: 7");
    assert_eq!(ask(&witness, &log.request(7, 12)).await, COSIGNED);
    drop(witness);

    // Read by another program, while nobody has it open.
    let status = loom_witness::status(world.folder.path()).unwrap();
    assert_eq!((status[0].origin.as_str(), status[0].size, status[0].at), (ORIGIN, 12, Some(1_700_000_000)));
    assert_eq!(status[0].note.as_deref(), Some(log.checkpoint(12).text()));
}

/// Tells the time once, and ends what asks again: between the state that is durable and the cosignature.
struct Ends(std::sync::atomic::AtomicBool);

impl Clock for Ends {
    fn now_seconds(&self) -> u64 {
        assert!(!self.0.swap(true, Ordering::SeqCst), "killed");
        1_700_000_000
    }
}

#[tokio::test]
async fn to_be_killed_before_the_answer_is_harmless() {
    let (world, log) = (World::new(), Log::of(9));
    assert_eq!(ask(&world.witness(), &log.request(0, 5)).await, COSIGNED);
    let witness = Witness::open(&world.settings(false), Arc::new(Ends(false.into()))).unwrap();
    let request = log.request(5, 9);
    let killed = tokio::spawn(async move { witness.add_checkpoint(request.as_bytes()).await });
    assert!(killed.await.unwrap_err().is_panic());
    let witness = world.witness();
    assert_eq!(ask(&witness, &log.request(5, 9)).await, "409: 9", "the state was durable first");
    assert_eq!(ask(&witness, &log.request(9, 9)).await, COSIGNED);
}

#[tokio::test]
async fn a_clock_without_sense_changes_nothing() {
    let (world, log) = (World::new(), Log::of(4));
    let witness = world.witness();
    for time in [0, u64::MAX] {
        world.clock.0.store(time, Ordering::SeqCst);
        assert_eq!(ask(&witness, &log.request(0, 4)).await, "500: the witness failed");
    }
    assert_eq!(known(&witness).await, 0);
}

#[tokio::test]
async fn a_key_stays_with_its_memory() {
    let (world, log) = (World::new(), Log::of(4));
    assert_eq!(ask(&world.witness(), &log.request(0, 4)).await, COSIGNED);
    let path = world.folder.path().join("witness.key");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let mut settings = world.settings(false);
    settings.name = Some("witness.example/w2".to_owned());
    assert!(matches!(world.open(&settings), Err(OpenError::OtherName { .. })));
    for file in ["witness.db", "witness.db-wal", "witness.db-shm"] {
        let _ = std::fs::remove_file(world.folder.path().join(file));
    }
    assert!(matches!(world.open(&world.settings(false)), Err(OpenError::StateLost { .. })));
    // A log's key is no witness's.
    std::fs::write(&path, log.key.to_secret_text()).unwrap();
    std::fs::write(world.folder.path().join("witness.db"), "").unwrap();
    assert!(matches!(world.open(&world.settings(false)), Err(OpenError::Key { .. })));
}
