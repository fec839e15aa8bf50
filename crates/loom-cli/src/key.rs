//! The file with the key that signs the node's log.

use std::{
    fs,
    io::{ErrorKind, Write as _},
    path::Path,
};

use loom_evidence::SigningKey;
use loom_runtime::{LogKeyError, OsSalts, Storage, causes, check_log_key, signed_log};
use loom_types::SaltSource as _;

use crate::CliError;

/// Its name in the data folder.
pub(crate) const KEY_FILE: &str = "log.key";
/// Largest file that is taken for a key, in bytes.
const KEY_BYTES_MAX: u64 = 4096;

/// The name of the key that is to follow it.
const NEXT_KEY_FILE: &str = "log.key.next";

/// The key, if there is one.
pub(crate) fn read(data: &Path) -> Result<Option<SigningKey>, CliError> {
    read_file(&data.join(KEY_FILE))
}

fn read_file(path: &Path) -> Result<Option<SigningKey>, CliError> {
    let length = match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(CliError::file(path, error)),
        Ok(metadata) => metadata.len(),
    };
    let invalid = |problem: String| CliError::new("key-invalid", format!("{}: {problem}", path.display()));
    if length > KEY_BYTES_MAX {
        return Err(invalid("too large for a key".to_owned()));
    }
    let text = fs::read_to_string(path).map_err(|error| CliError::file(path, error))?;
    text.trim().parse().map(Some).map_err(|error: loom_evidence::InvalidKey| invalid(error.to_string()))
}

/// The key of the log in the store; a new one if nothing was ever signed.
pub(crate) async fn open(data: &Path, storage: &Storage) -> Result<SigningKey, CliError> {
    match (read(data)?, signed_log(storage).await.map_err(differs)?) {
        (Some(key), _) => {
            check(storage, &key).await?;
            Ok(key)
        }
        (None, None) => generate(data, None),
        (None, Some(origin)) => {
            let message = format!("{} holds the log '{origin}', and its key log.key is not there", data.display());
            Err(CliError::new("log-key-differs", message).hint("put it back; another key cannot go on with this log"))
        }
    }
}

/// Refuses a key that is not the one of the log in the store.
pub(crate) async fn check(storage: &Storage, key: &SigningKey) -> Result<(), CliError> {
    check_log_key(storage, &key.public()).await.map_err(differs)
}

fn differs(error: LogKeyError) -> CliError {
    CliError::new("log-key-differs", causes(&error)).hint("put the log.key of this data folder back")
}

/// Makes a key. Only its owner may read the file; one that is there is not replaced.
pub(crate) fn generate(data: &Path, name: Option<&str>) -> Result<SigningKey, CliError> {
    generate_file(data, KEY_FILE, name)
}

/// The key that is to follow: one that waits already, or a new one under the same name.
pub(crate) fn next(data: &Path, name: &str) -> Result<SigningKey, CliError> {
    let path = data.join(NEXT_KEY_FILE);
    match read_file(&path)? {
        Some(key) if key.name() == name => Ok(key),
        Some(key) => {
            let problem = format!("{} is a key of '{}', and not of '{name}'; remove it", path.display(), key.name());
            Err(CliError::new("key-not-rotated", problem))
        }
        None => generate_file(data, NEXT_KEY_FILE, Some(name)),
    }
}

/// Lets the key that waits take the place of the key that signed until now, which is gone then.
pub(crate) fn replace_by_next(data: &Path) -> Result<(), CliError> {
    let (next, path) = (data.join(NEXT_KEY_FILE), data.join(KEY_FILE));
    let renamed = fs::rename(&next, &path).and_then(|()| fs::File::open(data)?.sync_all());
    renamed.map_err(|error| CliError::file(&path, error))
}

fn generate_file(data: &Path, file: &str, name: Option<&str>) -> Result<SigningKey, CliError> {
    let mut random = [0u8; 40];
    OsSalts::default().fill(&mut random);
    let (secret, rest) = random.split_first_chunk().expect("40 bytes are 32 and 8");
    let random_name = format!("loom.invalid/{}", data_encoding::HEXLOWER.encode(rest));
    let key = SigningKey::from_secret(name.unwrap_or(&random_name), secret);
    let key = key.map_err(|error| CliError::new("key-invalid", error).exit(2))?;
    let path = data.join(file);
    write(data, &path, format!("{}\n", key.to_secret_text()).as_bytes())
        .map_err(|error| CliError::file(&path, error))?;
    Ok(key)
}

/// A key that was only half written would be a node that cannot start: it gets its name when it is whole.
pub(crate) fn write(data: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    fs::create_dir_all(data)?;
    // Readable for its owner alone from the beginning.
    let mut file = tempfile::NamedTempFile::new_in(data)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    fs::File::open(data)?.sync_all()
}
