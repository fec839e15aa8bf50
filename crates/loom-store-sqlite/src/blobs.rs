//! Blobs as files: `blobs/ab/<cid>`, written aside and moved into place.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use loom_storage::{BlobError, Blobs};
use loom_types::{Cid, limits::BLOB_BYTES_MAX};

use crate::{OpenError, error::backend};

/// A folder of blobs. Several processes may share one.
pub struct FileBlobs {
    folder: Arc<Path>,
}

impl FileBlobs {
    /// Opens a folder; makes it if it is missing.
    pub fn open(folder: PathBuf) -> Result<Self, OpenError> {
        fs::create_dir_all(&folder).map_err(|source| OpenError::Io { path: folder.clone(), source })?;
        Ok(Self { folder: folder.into() })
    }

    async fn on_a_thread<T: Send + 'static>(
        &self,
        cid: Cid,
        work: impl FnOnce(&Path) -> Result<T, BlobError> + Send + 'static,
    ) -> Result<T, BlobError> {
        let path = path(&self.folder, cid);
        let joined = tokio::task::spawn_blocking(move || work(&path)).await;
        joined.map_err(|error| BlobError::Unavailable(backend(error)))?
    }
}

/// The last two letters spread best: a CID's beginning is the same for all.
fn path(folder: &Path, cid: Cid) -> PathBuf {
    let name = cid.to_string();
    folder.join(&name[name.len() - 2..]).join(&name)
}

fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    let folder = path.parent().expect("made of a folder and a name");
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    // The name is durable only when both folders are: the one it stands in may be new itself.
    File::open(folder)?.sync_all()?;
    folder.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
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
        self.on_a_thread(cid, move |path| write(path, &bytes).map_err(|error| BlobError::Unavailable(backend(error))))
            .await
    }

    async fn get(&self, cid: Cid) -> Result<Bytes, BlobError> {
        let read = move |path: &Path| match fs::read(path) {
            Ok(bytes) if cid.names(&bytes) => Ok(Bytes::from(bytes)),
            Ok(_) => Err(BlobError::Damaged(cid)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(BlobError::NotFound(cid)),
            Err(error) => Err(BlobError::Unavailable(backend(error))),
        };
        self.on_a_thread(cid, read).await
    }

    async fn has(&self, cid: Cid) -> Result<bool, BlobError> {
        self.on_a_thread(cid, |path| Ok(path.exists())).await
    }
}
