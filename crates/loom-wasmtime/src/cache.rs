//! Compiled code, kept between runs in a folder of this user's own.
//!
//! The cache only saves time: whatever is wrong with a file, the module is compiled again. A file is the SHA-256
//! of the module's CID and the code, then the code, because a crash may leave any part of a file behind, and
//! native code with a hole in it must not run.

use std::{
    fs,
    io::{self, ErrorKind, Write as _},
    path::{Path, PathBuf},
};

use loom_types::Cid;
use sha2::{Digest, Sha256};
use wasmtime::{Engine, Module};

use crate::EngineError;

/// A private folder of compiled modules, for one engine on one kind of processor.
pub(crate) struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// The folder for `engine` inside `folder`.
    pub(crate) fn open(folder: &Path, engine: &Engine) -> Result<Self, EngineError> {
        use std::hash::{Hash as _, Hasher as _};
        #[expect(deprecated, reason = "SipHash with fixed keys: the name must be the same in the next process")]
        let mut hasher = std::hash::SipHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let folder = folder.join(format!("{:016x}", hasher.finish()));
        make_private(&folder).map_err(|source| EngineError::Cache { path: folder.clone(), source })?;
        Ok(Self { folder })
    }

    /// The module, if its code is here and whole.
    pub(crate) fn load(&self, engine: &Engine, cid: Cid) -> Option<Module> {
        let path = self.path(cid);
        let loaded = match fs::read(&path) {
            Ok(file) => load(engine, cid, &file),
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            Err(error) => Err(error.to_string()),
        };
        loaded
            .inspect_err(
                |error| tracing::warn!(path = %path.display(), %error, "compiled code is unusable, compiling again"),
            )
            .ok()
    }

    /// Keeps the module's code.
    pub(crate) fn store(&self, cid: Cid, module: &Module) {
        let path = self.path(cid);
        if let Err(error) = self.write(&path, cid, module) {
            tracing::warn!(path = %path.display(), %error, "keeping compiled code");
        }
    }

    fn write(&self, path: &Path, cid: Cid, module: &Module) -> Result<(), Box<dyn std::error::Error>> {
        let code = module.serialize()?;
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(&digest(cid, &code))?;
        file.write_all(&code)?;
        file.persist(path)?;
        Ok(())
    }

    fn path(&self, cid: Cid) -> PathBuf {
        self.folder.join(format!("{cid}.cwasm"))
    }
}

fn digest(cid: Cid, code: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(cid.digest()).chain_update(code).finalize().into()
}

fn load(engine: &Engine, cid: Cid, file: &[u8]) -> Result<Module, String> {
    let Some((recorded, code)) = file.split_first_chunk::<32>() else {
        return Err("the file is cut off".into());
    };
    if *recorded != digest(cid, code) {
        return Err("the file is damaged".into());
    }
    // SAFETY: these are all the bytes, and only the bytes, that this program wrote, in a folder that belongs to its
    // user and that nobody else may enter, named after the engine's own compatibility hash. Nothing from a shared
    // store ever gets there.
    #[expect(unsafe_code, reason = "loading one's own compiled code is what the cache is for")]
    let module = unsafe { Module::deserialize(engine, code) };
    module.map_err(|error| format!("{error:#}"))
}

/// Makes a folder that only its owner may enter, and makes sure that this process is its owner.
#[cfg(unix)]
fn make_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let own = tempfile::NamedTempFile::new_in(folder)?.as_file().metadata()?.uid();
    if fs::metadata(folder)?.uid() != own {
        return Err(io::Error::new(ErrorKind::PermissionDenied, "the folder belongs to another user"));
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
}

#[cfg(not(unix))]
fn make_private(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}
