//! What whoever waits sees of a job that others work on. The receipt is a real one, of somebody else's program.

use std::path::Path;

use bytes::Bytes;
use loom_runtime::OsSalts;

use super::*;
use crate::{Cost, Effort, Refused};

fn testdata(file: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../loom-risc0-verify/testdata");
    std::fs::read(folder.join(file)).unwrap()
}

fn receipt() -> Vec<u8> {
    testdata("groth16_3.0.receipt.borsh")
}

fn request() -> ProofRequest {
    let hex = String::from_utf8(testdata("groth16_3.0.image_id")).unwrap();
    let image_id = loom_machine::ImageId(hex.trim().parse::<ImageId>().unwrap().0);
    let [program, input] = [&b"program"[..], b"private"].map(Bytes::from_static);
    ProofRequest { image_id, program, input, public: Bytes::new() }
}

/// Somebody who waits in this folder.
fn waiting(folder: &Path, progress: &ProofProgress) -> tokio::task::JoinHandle<Result<Proof, ProveError>> {
    let workers = Workers::new(Jobs::open(folder).unwrap(), 1 << 20, OsSalts::sources(), Handle::current());
    tokio::spawn(Workers { look_interval: Duration::ZERO, ..workers }.prove(request(), progress.clone()))
}

/// The job, as soon as it is there.
async fn begun(folder: &Path) -> Job {
    let jobs = Jobs::open(folder).unwrap();
    loop {
        if let [job] = &jobs.unfinished().unwrap()[..] {
            return job.clone();
        }
        tokio::task::yield_now().await;
    }
}

async fn until(progress: &ProofProgress, stage: ProofStage) {
    while progress.stage() != stage {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn whoever_waits_sees_how_far_a_worker_is_and_gets_the_receipt() {
    let (folder, progress) = (tempfile::tempdir().unwrap(), ProofProgress::default());
    let waits = waiting(folder.path(), &progress);
    let job = begun(folder.path()).await;
    assert!(!job.is_worked_on().unwrap());
    let lock = loop {
        // Whoever looks shares it for a moment.
        if let Some(lock) = job.try_lock().unwrap() {
            break lock;
        }
    };
    until(&progress, ProofStage::Executing).await;
    let cost = Cost { user_cycles: 1, paging_cycles: 2, segment_po2: vec![14, 15] };
    job.store_effort(&Effort { cost, wall_ms: 3, cpu_ms: None, memory_mib: None }).unwrap();
    until(&progress, ProofStage::Segment { number: 1, of: 2 }).await;
    job.store_seal(0, &[1]).unwrap();
    until(&progress, ProofStage::Segment { number: 2, of: 2 }).await;
    drop(lock);
    until(&progress, ProofStage::Queued).await;
    job.finish(&receipt()).unwrap();
    let proof = waits.await.unwrap().unwrap();
    assert_eq!((&proof.public_output[..], proof.segments), (&b"just a simple receipt"[..], 2));
    // One who comes later has it at once.
    assert_eq!(waiting(folder.path(), &progress).await.unwrap(), Ok(proof));
}

#[tokio::test]
async fn a_refusal_says_nothing_private_and_counts_until_it_is_asked_again() {
    let (folder, progress) = (tempfile::tempdir().unwrap(), ProofProgress::default());
    let waits = waiting(folder.path(), &progress);
    let job = begun(folder.path()).await;
    job.refuse(&Refused::Input { detail: "an income of 1,234".to_owned() }).unwrap();
    let refused = ProveError::Refused { reason: "the program refused its input".to_owned() };
    assert_eq!(waits.await.unwrap(), Err(refused));
    let mut files: Vec<_> = std::fs::read_dir(job.folder()).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|file| !file.ends_with("lock"));
    let [refusal] = &files[..] else { panic!("{files:?}") };
    assert!(!std::fs::read_to_string(refusal).unwrap().contains("1,234"));

    let again = waiting(folder.path(), &progress);
    assert!(begun(folder.path()).await.input().is_ok());
    again.abort();
}

#[tokio::test]
async fn a_receipt_of_another_program_is_nobodys_proof() {
    let (folder, progress) = (tempfile::tempdir().unwrap(), ProofProgress::default());
    let waits = waiting(folder.path(), &progress);
    begun(folder.path()).await.finish(b"no receipt").unwrap();
    let Err(ProveError::Fault { reason }) = waits.await.unwrap() else { panic!("it is none") };
    assert!(reason.contains("does not verify"), "{reason}");
    // It is gone, and whoever asks again has it made.
    let again = waiting(folder.path(), &progress);
    assert_eq!(begun(folder.path()).await.cycles_max().unwrap(), Some(1 << 20));
    again.abort();
}
