//! What a job's folder holds, and who may read it.

use super::*;

fn task(input: &'static [u8]) -> Task {
    Task { image_id: ImageId([1; 32]), program: Bytes::from_static(b"program"), input: Bytes::from_static(input) }
}

#[test]
fn a_task_is_one_job_and_keeps_its_secret() {
    let folder = tempfile::tempdir().unwrap();
    let jobs = Jobs::open(folder.path().join("proofs")).unwrap();
    let job = jobs.job(&task(b"input"), &[1; 32]).unwrap();
    let again = jobs.job(&task(b"input"), &[2; 32]).unwrap();
    assert_eq!((job.folder(), job.secret().unwrap()), (again.folder(), [1; 32]));
    assert_eq!(again.secret().unwrap(), [1; 32]);
    assert_ne!(jobs.job(&task(b"other"), &[1; 32]).unwrap().folder(), job.folder());
    assert_eq!((&job.program().unwrap()[..], &job.input().unwrap()[..]), (&b"program"[..], &b"input"[..]));
}

#[test]
#[cfg(unix)]
fn only_the_owner_can_read_a_job() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let jobs = Jobs::open(folder.path().join("proofs")).unwrap();
    let job = jobs.job(&task(b"input"), &[1; 32]).unwrap();
    job.store_seal(0, &[1, 2]).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o077;
    assert_eq!((mode(&folder.path().join("proofs")), mode(job.folder())), (0, 0));
    for file in fs::read_dir(job.folder()).unwrap() {
        assert_eq!(mode(&file.unwrap().path()), 0);
    }
}

#[test]
fn a_finished_job_has_nothing_private_and_is_not_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let jobs = Jobs::open(folder.path()).unwrap();
    let job = jobs.job(&task(b"input"), &[1; 32]).unwrap();
    job.store_seal(3, &[1, 2]).unwrap();
    assert_eq!((job.segments().unwrap(), job.seal(3).unwrap(), job.seal(0).unwrap()), (1, Some(vec![1, 2]), None));
    job.finish(b"receipt").unwrap();
    let left = fs::read_dir(job.folder()).unwrap().map(|file| file.unwrap().file_name());
    assert_eq!(left.collect::<Vec<_>>(), [RECEIPT]);
    let again = jobs.job(&task(b"input"), &[2; 32]).unwrap();
    assert_eq!(again.receipt().unwrap().as_deref(), Some(&b"receipt"[..]));
}

#[test]
fn what_a_receipt_took_is_kept_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let jobs = Jobs::open(folder.path()).unwrap();
    let cost = crate::Cost { user_cycles: 1, paging_cycles: 2, segment_po2: vec![14, 15] };
    let effort = Effort { cost, wall_ms: 3, cpu_ms: Some(4), memory_mib: None };
    for (input, receipt) in [(b"one", b"receipt 1"), (b"two", b"receipt 2")] {
        let job = jobs.job(&task(input), &[1; 32]).unwrap();
        assert_eq!(job.effort().unwrap(), None);
        if input == b"two" {
            job.store_effort(&effort).unwrap();
        }
        job.finish(receipt).unwrap();
    }
    assert_eq!(jobs.effort(b"receipt 2").unwrap(), Some(effort));
    assert_eq!((jobs.effort(b"receipt 1").unwrap(), jobs.effort(b"receipt 3").unwrap()), (None, None));
}

#[test]
fn so_many_ended_jobs_are_kept_and_no_open_one_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let jobs = Jobs::open(folder.path()).unwrap();
    let open = jobs.job(&task(b"open"), &[1; 32]).unwrap();
    for number in 0..FINISHED_MAX + 5 {
        let job = folder.path().join(format!("{number:064}"));
        fs::create_dir(&job).unwrap();
        let name = if number % 2 == 0 { RECEIPT } else { REFUSED };
        fs::write(job.join(name), b"how it ended").unwrap();
    }
    jobs.job(&task(b"new"), &[1; 32]).unwrap();
    let finished = fs::read_dir(folder.path()).unwrap().filter(|job| {
        let job = job.as_ref().unwrap().path();
        job.join(RECEIPT).is_file() || job.join(REFUSED).is_file()
    });
    assert_eq!(finished.count(), FINISHED_MAX - 1);
    assert!(open.secret().is_ok());
}
