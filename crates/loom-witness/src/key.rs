//! The file with the witness's key.

use std::{
    fs,
    io::{ErrorKind, Write as _},
    path::Path,
};

use data_encoding::HEXLOWER;
use loom_evidence::{InvalidKey, SigningKey};

use crate::OpenError;

/// Its name in the folder.
const KEY_FILE: &str = "witness.key";
/// Largest file that is taken for a key, in bytes.
const KEY_BYTES_MAX: u64 = 4096;

/// The key, if there is one.
pub(crate) fn read(folder: &Path) -> Result<Option<SigningKey>, OpenError> {
    let path = folder.join(KEY_FILE);
    let io = |source| OpenError::Io { path: path.clone(), source };
    match fs::metadata(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(error)),
        Ok(metadata) if metadata.len() > KEY_BYTES_MAX => {
            return Err(OpenError::Key { path, source: InvalidKey::Signing });
        }
        Ok(_) => {}
    }
    let text = fs::read_to_string(&path).map_err(io)?;
    SigningKey::read_witness(text.trim()).map(Some).map_err(|source| OpenError::Key { path, source })
}

/// Makes a key. Only its owner may read the file; one that is there is not replaced.
pub(crate) fn generate(folder: &Path, name: Option<&str>) -> Result<SigningKey, OpenError> {
    let path = folder.join(KEY_FILE);
    let random_name = format!("witness.invalid/{}", HEXLOWER.encode(&random::<8>()));
    let key = SigningKey::witness_from_secret(name.unwrap_or(&random_name), &random());
    let key = key.map_err(|source| OpenError::Key { path: path.clone(), source })?;
    let text = format!("{}\n", key.to_secret_text());
    write(folder, &path, &text).map_err(|source| OpenError::Io { path, source })?;
    Ok(key)
}

#[expect(clippy::disallowed_methods, reason = "a key is the one thing that is drawn here")]
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system provides randomness");
    bytes
}

/// A key that was only half written would be a witness that cannot start: it gets its name when it is whole.
fn write(folder: &Path, path: &Path, text: &str) -> std::io::Result<()> {
    // Readable for its owner alone from the beginning.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    fs::File::open(folder)?.sync_all()
}
