//! A full disk and a folder that cannot be written to.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use loom_storage::CommitError;
use loom_store_sqlite::{OpenError, Settings, open};
use loom_types::{Cid, Codec};

use crate::support::{actor, fill, payload, read_all, write};

/// A small file system in memory.
struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    /// None where this user may not mount one, which is said.
    fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let options = format!("size={size},mode=755");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder.path()).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self { folder });
        }
        eprintln!("not tested here: only root can mount the small disk that this test fills");
        None
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn remount(&self, option: &str) {
        let remount = format!("remount,{option}");
        assert!(Command::new("mount").args(["-o", &remount]).arg(self.folder.path()).status().unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // What is still open is let go of when it is closed.
        let _ = Command::new("umount").arg("--lazy").arg(self.folder.path()).status();
    }
}

/// Takes all the room there is.
fn take_all_room(path: &Path) {
    use std::io::Write as _;
    let mut file = std::fs::File::create(path).unwrap();
    for size in [1 << 16, 1 << 12, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}

/// Commits fail and say so, reads go on, nothing acknowledged is lost, and with room again all goes on.
#[tokio::test]
async fn a_full_disk_loses_nothing() {
    let Some(disk) = SmallDisk::mount("8m") else { return };
    let storage = open(&Settings::new(disk.data())).unwrap();
    fill(&storage).await;
    let filler = disk.folder.path().join("filler");
    take_all_room(&filler);
    let mut acknowledged = 4;
    let error = loop {
        let large = payload(&"z".repeat(60_000));
        match write(&storage, &actor(0), |commit| commit.segment.payloads.push(large)).await {
            Ok(()) => acknowledged += 1,
            Err(error) => break error,
        }
        assert!(acknowledged < 1000, "the disk never gets full");
    };
    assert!(matches!(error, CommitError::Unavailable(_) | CommitError::Unknown(_)), "{error:?}");
    let bytes = vec![1; 1 << 20];
    let blob = Cid::of(Codec::Raw, &bytes);
    storage.blobs.put(blob, bytes.clone().into()).await.expect_err("there is no room");
    let record = storage.journal.load(&actor(0)).await.unwrap().unwrap();
    assert!(record.next_seq.0 == acknowledged || record.next_seq.0 == acknowledged + 1, "{record:?}");
    assert!(read_all(&storage).await.values().all(Result::is_ok), "reads go on");

    std::fs::remove_file(&filler).unwrap();
    write(&storage, &actor(0), |_| ()).await.unwrap();
    storage.blobs.put(blob, bytes.into()).await.unwrap();
    let before = read_all(&storage).await;
    drop(storage);
    let storage = open(&Settings::new(disk.data())).unwrap();
    for (name, read) in read_all(&storage).await {
        assert_eq!(read.unwrap(), *before[&name].as_ref().unwrap(), "{name}");
    }
}

/// A folder that cannot be written to is refused by name, and nothing in it is lost.
#[tokio::test]
async fn a_read_only_folder_is_refused() {
    let Some(disk) = SmallDisk::mount("8m") else { return };
    let storage = open(&Settings::new(disk.data())).unwrap();
    fill(&storage).await;
    let before = read_all(&storage).await;
    drop(storage);
    disk.remount("ro");
    let Err(refused) = open(&Settings::new(disk.data())) else { panic!("it opened") };
    assert!(matches!(&refused, OpenError::Io { path, .. } if path.starts_with(disk.data())), "{refused:?}");
    disk.remount("rw");
    let storage = open(&Settings::new(disk.data())).unwrap();
    for (name, read) in read_all(&storage).await {
        assert_eq!(read.unwrap(), *before[&name].as_ref().unwrap(), "{name}");
    }
}
