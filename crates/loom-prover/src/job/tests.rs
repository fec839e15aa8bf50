//! What a job's folder holds, and who may read it.

use super::{
    jobs::{FINISHED_MAX, REFUSED_MAX},
    *,
};

fn task(input: &'static [u8]) -> Task {
    let [program, input] = [&b"program"[..], input].map(Bytes::from_static);
    Task { image_id: ImageId([1; 32]), program, input, cycles_max: None }
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
    for (name, count) in [(RECEIPT, FINISHED_MAX + 5), (REFUSED, REFUSED_MAX + 5)] {
        for number in 0..count {
            let job = folder.path().join(format!("{number:050}{name:0>14}"));
            fs::create_dir(&job).unwrap();
            fs::write(job.join(name), b"how it ended").unwrap();
        }
    }
    jobs.job(&task(b"new"), &[1; 32]).unwrap();
    let kept = |name| {
        let folders = fs::read_dir(folder.path()).unwrap();
        folders.filter(|job| job.as_ref().unwrap().path().join(name).is_file()).count()
    };
    assert_eq!((kept(RECEIPT), kept(REFUSED)), (FINISHED_MAX - 1, REFUSED_MAX - 1));
    assert!(open.secret().is_ok());
}

/// What a worker leaves that is killed right after it has stored how the job ended.
#[test]
fn what_a_crash_leaves_over_is_removed_by_the_next_holder() {
    let folder = tempfile::tempdir().unwrap();
    let jobs = Jobs::open(folder.path()).unwrap();
    for (name, input) in [(RECEIPT, &b"one"[..]), (REFUSED, b"two")] {
        let job = jobs.job(&task(input), &[1; 32]).unwrap();
        fs::write(job.folder().join(name), b"{}").unwrap();
        assert_eq!(jobs.unfinished().unwrap().len(), 1, "it is still found");
        job.tidy().unwrap();
        let left = fs::read_dir(job.folder()).unwrap().map(|file| file.unwrap().file_name());
        assert_eq!(left.collect::<Vec<_>>(), [name]);
        assert!(jobs.unfinished().unwrap().is_empty());
    }
}

#[test]
fn a_folder_with_nothing_to_work_on_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let jobs = Jobs::open(folder.path()).unwrap();
    let job = jobs.job(&task(b"input"), &[1; 32]).unwrap();
    for spoil in [
        (|job: &Job| fs::remove_file(job.folder().join(PROGRAM)).unwrap()) as fn(&Job),
        |job| job.refuse(&Refused::ExitCode { code: 1 }).unwrap(),
        |job| fs::write(job.folder().join(REFUSED), b"not JSON").unwrap(),
        |job| job.discard().unwrap(),
    ] {
        spoil(&job);
        assert!(jobs.job(&task(b"input"), &[2; 32]).unwrap().input().is_ok());
    }
    let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    assert_eq!(names.collect::<Vec<_>>(), [job.folder()]);
}

#[test]
fn whoever_holds_a_lock_holds_that_of_the_job_that_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let jobs = Jobs::open(folder.path()).unwrap();
    let job = jobs.job(&task(b"input"), &[1; 32]).unwrap();
    assert!(!job.is_worked_on().unwrap());
    let held = job.lock().unwrap();
    assert!(job.is_worked_on().unwrap() && job.try_lock().unwrap().is_none());
    // Whoever holds it makes it anew; the old lock is of no use any more.
    job.take_away().unwrap();
    jobs.job(&task(b"input"), &[1; 32]).unwrap();
    assert!(job.try_lock().unwrap().is_some());
    drop(held);
}
