//! Blobs as files: `blobs/ab/<cid>`, written aside and moved into place.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use bytes::Bytes;
use loom_storage::{BlobError, BlobRecord, Blobs, Collection, Hold, Holds};
use loom_types::{Cid, limits::BLOB_BYTES_MAX};

use crate::{OpenError, error::backend};

/// Where blobs are written before they are moved into place.
const UNFINISHED: &str = ".unfinished";

/// A folder of blobs. Only the process that owns it may open it.
pub struct FileBlobs {
    folder: Arc<Path>,
    holds: Holds,
}

impl FileBlobs {
    /// Opens a folder; makes it if it is missing. What a killed process left unfinished is removed.
    pub fn open(folder: PathBuf) -> Result<Self, OpenError> {
        let unfinished = folder.join(UNFINISHED);
        let cleared = if unfinished.exists() { fs::remove_dir_all(&unfinished) } else { Ok(()) };
        let made = cleared.and_then(|()| fs::create_dir_all(&unfinished));
        made.map_err(|source| OpenError::Io { path: unfinished, source })?;
        Ok(Self { folder: folder.into(), holds: Holds::default() })
    }

    async fn on_a_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Path) -> Result<T, BlobError> + Send + 'static,
    ) -> Result<T, BlobError> {
        let folder = self.folder.clone();
        let joined = tokio::task::spawn_blocking(move || work(&folder)).await;
        joined.map_err(unavailable)?
    }
}

fn unavailable(error: impl std::error::Error + Send + Sync + 'static) -> BlobError {
    BlobError::Unavailable(backend(error))
}

/// The last two letters spread best: a CID's beginning is the same for all.
fn path(folder: &Path, cid: Cid) -> PathBuf {
    let name = cid.to_string();
    folder.join(&name[name.len() - 2..]).join(&name)
}

fn write(root: &Path, cid: Cid, bytes: &[u8]) -> std::io::Result<()> {
    let path = &path(root, cid);
    let folder = path.parent().expect("made of a folder and a name");
    // A damaged one is written again.
    if fs::read(path).is_ok_and(|found| found == bytes) {
        touch(path)?;
        // Whoever moved it into place may not have come that far.
        return sync_names(root, folder);
    }
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(root.join(UNFINISHED))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    sync_names(root, folder)
}

/// A name is durable only when both folders are: the one it stands in may be new itself.
fn sync_names(root: &Path, folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()?;
    File::open(root)?.sync_all()
}

/// Makes a blob young again.
#[expect(clippy::disallowed_methods, reason = "beside the file's own times, which the system's clock gives")]
fn touch(path: &Path) -> std::io::Result<()> {
    File::open(path)?.set_modified(SystemTime::now())
}

/// Names in a folder, in order.
fn names(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.extend(entry?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

/// Blobs of one of the folders `XY`; whatever else lies there is none.
fn list_folder(folder: &Path, after: Option<&str>, found: &mut Vec<BlobRecord>) -> std::io::Result<()> {
    for name in names(folder)? {
        let Ok(cid) = name.parse() else { continue };
        if after.is_some_and(|after| name.as_str() <= after) {
            continue;
        }
        match fs::metadata(folder.join(&name)) {
            Ok(metadata) => {
                let since = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
                let put_ms = since.and_then(|since| u64::try_from(since.as_millis()).ok());
                found.push(BlobRecord { cid, bytes: metadata.len(), put_ms });
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn list(folder: &Path, after: Option<Cid>, limit: usize) -> std::io::Result<Vec<BlobRecord>> {
    let after = after.map(|cid| cid.to_string());
    let folder_after = after.as_deref().map_or("", |name| &name[name.len() - 2..]);
    let mut found = Vec::new();
    for name in names(folder)? {
        if name.as_str() >= folder_after && found.len() < limit {
            let after = after.as_deref().filter(|_| name == folder_after);
            list_folder(&folder.join(name), after, &mut found)?;
        }
    }
    found.truncate(limit);
    Ok(found)
}

#[async_trait]
impl Blobs for FileBlobs {
    async fn put(&self, cid: Cid, bytes: Bytes) -> Result<(), BlobError> {
        if bytes.len() > BLOB_BYTES_MAX {
            return Err(BlobError::TooLarge { bytes: bytes.len(), limit: BLOB_BYTES_MAX });
        }
        if !cid.names(&bytes) {
            return Err(BlobError::Damaged(cid));
        }
        // Held by the thread, which goes on even if the caller does not.
        let hold: Hold = self.holds.hold(cid);
        self.on_a_thread(move |folder| {
            let _hold = hold;
            write(folder, cid, &bytes).map_err(unavailable)
        })
        .await
    }

    async fn get(&self, cid: Cid) -> Result<Bytes, BlobError> {
        let read = move |folder: &Path| match fs::read(path(folder, cid)) {
            Ok(bytes) if cid.names(&bytes) => Ok(Bytes::from(bytes)),
            Ok(_) => Err(BlobError::Damaged(cid)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(BlobError::NotFound(cid)),
            Err(error) => Err(unavailable(error)),
        };
        self.on_a_thread(read).await
    }

    async fn has(&self, cid: Cid) -> Result<bool, BlobError> {
        self.on_a_thread(move |folder| Ok(path(folder, cid).exists())).await
    }

    fn holds(&self) -> &Holds {
        &self.holds
    }

    async fn list(&self, after: Option<Cid>, limit: usize) -> Result<Vec<BlobRecord>, BlobError> {
        self.on_a_thread(move |folder| list(folder, after, limit).map_err(unavailable)).await
    }

    async fn remove(&self, cid: Cid, collection: &Collection) -> Result<bool, BlobError> {
        // One `unlink`, on this thread: the collection's lock must not wait for another.
        match collection.unless_kept(cid, || fs::remove_file(path(&self.folder, cid))) {
            None => Ok(false),
            Some(Ok(())) => Ok(true),
            Some(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
            Some(Err(error)) => Err(unavailable(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_process_left_unfinished_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let unfinished = folder.path().join(UNFINISHED);
        drop(FileBlobs::open(folder.path().to_owned()).unwrap());
        fs::write(unfinished.join("half"), b"of a blob").unwrap();
        drop(FileBlobs::open(folder.path().to_owned()).unwrap());
        assert_eq!(names(&unfinished).unwrap(), Vec::<String>::new());
    }
}
