//! Leaves: an actor with two histories is found, and what was not signed is not believed.

use std::sync::{Arc, atomic::Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use loom_evidence::Leaf;
use loom_witness::{InvalidSettings, Leaves, LeavesError, OpenError, Reason, Witness, limits::LEAVES_PER_REQUEST_MAX};

use crate::support::{Log, ORIGIN, World, ask, known};

const COSIGNED: &str = "cosigned at 1700000000";

async fn read(witness: &Witness) -> (u64, u64, Option<u64>) {
    let status = witness.status().await.unwrap().remove(0);
    (status.size, status.checked, status.reading)
}

#[tokio::test]
async fn a_backlog_across_bundles_is_read_and_cosigned() {
    let (world, log) = (World::new(), Log::of(700));
    world.served.serve(&log);
    let witness = world.monitor();
    let mut old = 0;
    for size in [1, 255, 256, 257, 511, 512, 513, 700] {
        assert_eq!(ask(&witness, &log.request(old, size)).await, COSIGNED, "{old} to {size}");
        assert_eq!(read(&witness).await, (size, size, None));
        old = size;
    }
    // Nothing new, nothing to read.
    let asked = world.served.asked.load(Ordering::SeqCst);
    assert_eq!(ask(&witness, &log.request(700, 700)).await, COSIGNED);
    assert_eq!(world.served.asked.load(Ordering::SeqCst), asked);
}

#[tokio::test]
async fn more_than_one_request_is_worth_takes_several() {
    let size = LEAVES_PER_REQUEST_MAX + 300;
    let (world, log) = (World::new(), Log::of(size));
    world.served.serve(&log);
    let witness = world.monitor();
    let request = log.request(0, size);
    assert_eq!(ask(&witness, &request).await, "503: leaves are still being read, 16384 of 16684 so far; try again");
    assert_eq!(read(&witness).await, (0, 0, Some(LEAVES_PER_REQUEST_MAX)));
    drop(witness);
    let witness = world.monitor();
    let asked = world.served.asked.load(Ordering::SeqCst);
    assert_eq!(ask(&witness, &request).await, COSIGNED, "what was read is not read again");
    assert_eq!(world.served.asked.load(Ordering::SeqCst) - asked, 2);
    assert_eq!(read(&witness).await, (size, size, None));
}

#[tokio::test]
async fn an_actor_with_two_histories_is_found() {
    for (case, seq, second) in [("repeated", 296, 300), ("falling", 5, 300)] {
        let (world, mut log) = (World::new(), Log::of(300));
        log.push(1, seq, "another history");
        log.grow(300, "honest");
        world.served.serve(&log);
        let witness = world.monitor();
        assert_eq!(ask(&witness, &log.request(0, 200)).await, COSIGNED);
        assert_eq!(ask(&witness, &log.request(200, 300)).await, COSIGNED);
        let told = format!(
            "422: log {ORIGIN}: actor {} has seq 296 at leaf 296 and seq {seq} at leaf {second}; it has two histories",
            "01".repeat(32)
        );
        assert_eq!(ask(&witness, &log.request(300, 601)).await, told, "{case}");
        // Neither a smaller part of it is cosigned any more, nor what was before, and a restart does not help.
        drop(witness);
        let witness = world.monitor();
        for (old, size) in [(300, 300), (300, 301), (300, 601), (0, 601)] {
            assert_eq!(ask(&witness, &log.request(old, size)).await, told, "{case}");
        }
        assert_eq!(read(&witness).await, (300, 300, None));
        let kept = loom_witness::refusals(world.folder.path(), ORIGIN).unwrap();
        assert_eq!((kept.len(), kept[0].reason), (1, Reason::TwoHistories));
        assert_eq!(kept[0].note, log.checkpoint(601).text(), "what the log signed over both leaves");
        let (first, later) = kept[0].leaves.unwrap();
        assert_eq!((first.index, first.leaf), (296, log.leaves[296]));
        assert_eq!((later.index, later.leaf), (300, log.leaves[300]));
        assert_eq!(witness.status().await.unwrap()[0].caught.as_ref().unwrap().second, later);
    }
}

#[tokio::test]
async fn both_histories_may_be_new() {
    let (world, mut log) = (World::new(), Log::of(300));
    log.push(9, 4, "one");
    log.grow(600, "honest");
    log.push(9, 4, "two");
    world.served.serve(&log);
    let witness = world.monitor();
    let answer = ask(&witness, &log.request(0, log.size())).await;
    assert!(answer.contains("has seq 4 at leaf 300 and seq 4 at leaf 901"), "{answer}");
    assert_eq!(known(&witness).await, 0);
}

/// Somebody else's leaves, or a log that serves others than it signs: nothing of them stays, also not two histories.
#[tokio::test]
async fn leaves_that_were_not_signed_leave_nothing_behind() {
    let (world, log) = (World::new(), Log::of(1500));
    let mut other = log.back_to(250);
    other.push(1, 3, "another history");
    other.grow(1249, "other");
    let witness = world.monitor();
    world.served.serve(&log);
    assert_eq!(ask(&witness, &log.request(0, 100)).await, COSIGNED);
    world.served.serve(&other);
    let told = "502: the leaves that the log 'log.example/loans' serves do not hash to the checkpoint's root";
    assert_eq!(ask(&witness, &log.request(100, 1500)).await, told);
    assert_eq!(read(&witness).await, (100, 100, None));
    assert!(witness.status().await.unwrap()[0].caught.is_none());
    assert_eq!(loom_witness::refusals(world.folder.path(), ORIGIN).unwrap(), []);
    world.served.serve(&log);
    assert_eq!(ask(&witness, &log.request(100, 1500)).await, COSIGNED);
}

#[tokio::test]
async fn bundles_that_are_cut_or_missing_change_nothing() {
    let (world, log) = (World::new(), Log::of(1600));
    world.served.serve(&log);
    let witness = world.monitor();
    assert_eq!(ask(&witness, &log.request(0, 300)).await, COSIGNED);
    let request = log.request(300, 1600);
    type Damage = fn(u64, Vec<u8>) -> Option<Vec<u8>>;
    let damages: [Damage; 6] = [
        |_, _| None,
        |_, _| Some(Vec::new()),
        |_, mut bytes| bytes.pop().map(|_| bytes),
        |_, bytes| Some([&bytes[..], &[0, 0]].concat()),
        |_, bytes| Some(bytes[..2 + usize::from(bytes[1])].to_vec()),
        // From the second page on.
        |index, bytes| (index < 5).then_some(bytes),
    ];
    for damage in damages {
        world.served.damage(damage);
        let answer = ask(&witness, &request).await;
        assert!(answer.starts_with("502: the leaves of the log 'log.example/loans' could not be read"), "{answer}");
        let (size, checked, _) = read(&witness).await;
        assert_eq!((size, checked), (300, 300));
    }
    assert_eq!(read(&witness).await.2, Some(1280), "whole pages are kept for the next request");
    world.served.mend();
    assert_eq!(ask(&witness, &request).await, COSIGNED);
    assert_eq!(read(&witness).await, (1600, 1600, None));
}

/// The log signs on while a backlog is read, and somebody comes with one of its older checkpoints.
#[tokio::test]
async fn a_reading_goes_on_towards_another_checkpoint() {
    let (world, log) = (World::new(), Log::of(3000));
    world.served.serve(&log);
    let witness = world.monitor();
    world.served.damage(|index, bytes| (index < 8).then_some(bytes));
    assert!(ask(&witness, &log.request(0, 2500)).await.starts_with("502"));
    assert_eq!(read(&witness).await.2, Some(2048));
    world.served.mend();
    assert_eq!(ask(&witness, &log.request(0, 3000)).await, COSIGNED, "a later one");

    let (world, log) = (World::new(), Log::of(3000));
    world.served.serve(&log);
    let witness = world.monitor();
    world.served.damage(|index, bytes| (index < 8).then_some(bytes));
    assert!(ask(&witness, &log.request(0, 2500)).await.starts_with("502"));
    world.served.mend();
    assert_eq!(ask(&witness, &log.request(0, 700)).await, COSIGNED, "an earlier one");
    assert_eq!(read(&witness).await, (700, 700, None));
    assert_eq!(ask(&witness, &log.request(700, 3000)).await, COSIGNED);
}

#[tokio::test]
async fn a_witness_may_begin_to_read_later() {
    let (world, mut log) = (World::new(), Log::of(300));
    log.push(1, 5, "another history");
    world.served.serve(&log);
    assert_eq!(ask(&world.witness(), &log.request(0, 301)).await, COSIGNED, "it does not look");
    let witness = world.monitor();
    let answer = ask(&witness, &log.request(301, 301)).await;
    assert!(answer.starts_with("422: log log.example/loans: actor 0101"), "{answer}");
}

/// Never answers.
struct Silent;

#[async_trait]
impl Leaves for Silent {
    async fn bundle(&self, _: u64, _: u32) -> Result<Bytes, LeavesError> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_client_that_goes_away_holds_nobody_up() {
    let (world, log) = (World::new(), Log::of(5));
    let witness = Witness::open_reading(&world.settings(true), world.clock.clone(), |_| Arc::new(Silent)).unwrap();
    let request = log.request(0, 5);
    let asked: Vec<_> = (0..8)
        .map(|_| {
            let (witness, request) = (witness.clone(), request.clone());
            tokio::spawn(async move { witness.add_checkpoint(request.as_bytes()).await.is_ok() })
        })
        .collect();
    // All of them begin; the ninth finds the queue full.
    tokio::task::yield_now().await;
    let told = "503: other requests about this log are under way; try again";
    assert_eq!(ask(&witness, &request).await, told);
    for task in &asked {
        task.abort();
    }
    for task in asked {
        assert!(task.await.unwrap_err().is_cancelled());
    }
    drop(witness);
    world.served.serve(&log);
    assert_eq!(ask(&world.monitor(), &request).await, COSIGNED);
}

#[test]
fn to_monitor_takes_an_address() {
    let world = World::new();
    let mut settings = world.settings(false);
    settings.monitor = true;
    let error = world.open(&settings).map(|_| ()).unwrap_err();
    assert!(matches!(error, OpenError::Settings(InvalidSettings::NoUrl { .. })), "{error}");
}

#[tokio::test]
async fn leaves_are_kept_as_they_were_signed() {
    let (world, log) = (World::new(), Log::of(3));
    world.served.serve(&log);
    // A byte of a head: another leaf that decodes.
    world.served.damage(|_, mut bytes| {
        *bytes.last_mut().unwrap() ^= 1;
        Some(bytes)
    });
    let witness = world.monitor();
    assert!(ask(&witness, &log.request(0, 3)).await.starts_with("502: the leaves that the log"));
    assert!(Leaf::decode(&log.leaves[2].encode()).is_ok());
    world.served.mend();
    assert_eq!(ask(&witness, &log.request(0, 3)).await, COSIGNED);
}
