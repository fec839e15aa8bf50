//! Bearer tokens, and the file they are kept in.
//!
//! A token is 256 random bits, so its plain SHA-256 says nothing about it and needs no slow hash; the file holds
//! digests only. It belongs to the node: one process has the data folder open, and only that one writes it, whole and
//! atomically. The token itself is seen once, in the answer that made it.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::RwLock,
};

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use loom_client::Secret;
use loom_runtime::OsSalts;
use loom_types::{Name, SaltSource as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::access::Grants;

/// Most tokens of one node.
pub(crate) const TOKENS_MAX: usize = 1000;
/// How a token begins, so that people and scanners recognise one that got out.
const PREFIX: &str = "loom_";
/// Version of the file.
const VERSION: u32 = 1;

/// Why tokens cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// The file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Somebody but its owner may read or write it.
    #[error("{}: others than its owner may use it (mode {mode:o}, must be 600)", path.display())]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It is not what this version writes.
    #[error("{}: {problem}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A token has this name.
    #[error("there is a token '{0}' already")]
    Exists(String),
    /// No token has this name.
    #[error("there is no token '{0}'")]
    Unknown(String),
    /// There are too many.
    #[error("there are {TOKENS_MAX} tokens already, the most a node keeps")]
    Full,
}

/// What is known of a token.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenRecord {
    /// What the audit log calls whoever uses it.
    pub name: String,
    /// What it may do.
    pub grants: Grants,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// SHA-256 of the token, in hexadecimal.
    sha256: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    v: u32,
    tokens: Vec<TokenRecord>,
}

/// The tokens of a node.
pub struct Tokens {
    path: PathBuf,
    records: RwLock<Vec<TokenRecord>>,
    changing: tokio::sync::Mutex<()>,
}

impl Tokens {
    /// Reads the file; a missing one has no tokens.
    pub fn open(path: &Path) -> Result<Self, TokensError> {
        let records = match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(TokensError::File { path: path.to_owned(), source }),
            Ok(metadata) => read(path, metadata.permissions().mode() & 0o777)?,
        };
        Ok(Self { path: path.to_owned(), records: RwLock::new(records), changing: tokio::sync::Mutex::new(()) })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all().is_empty()
    }

    /// Every token, by name.
    pub fn all(&self) -> Vec<TokenRecord> {
        self.records.read().expect("nothing panics under this lock").clone()
    }

    /// The token that somebody presents. Every digest is compared, in constant time.
    pub(crate) fn find(&self, presented: &str) -> Option<TokenRecord> {
        let digest = digest(presented);
        let records = self.records.read().expect("nothing panics under this lock");
        let matching = records.iter().filter(|record| record.sha256.as_bytes().ct_eq(digest.as_bytes()).into());
        matching.fold(None, |_, record| Some(record.clone()))
    }

    /// Begins a change; others wait.
    pub(crate) async fn change(&self) -> Change<'_> {
        Change { tokens: self, _one_at_a_time: self.changing.lock().await }
    }
}

/// The right to change the tokens.
pub(crate) struct Change<'a> {
    tokens: &'a Tokens,
    _one_at_a_time: tokio::sync::MutexGuard<'a, ()>,
}

impl Change<'_> {
    /// Makes a token that does not count yet.
    pub(crate) fn draw(
        &self,
        name: &Name,
        grants: Grants,
        created_ms: u64,
    ) -> Result<(TokenRecord, Secret<String>), TokensError> {
        let records = self.tokens.all();
        if records.len() >= TOKENS_MAX {
            return Err(TokensError::Full);
        }
        if records.iter().any(|record| record.name == name.as_str()) {
            return Err(TokensError::Exists(name.to_string()));
        }
        let token = random();
        let sha256 = digest(token.expose());
        Ok((TokenRecord { name: name.to_string(), grants, created_ms, sha256 }, token))
    }

    /// A token by its name.
    pub(crate) fn named(&self, name: &str) -> Result<TokenRecord, TokensError> {
        let found = self.tokens.all().into_iter().find(|record| record.name == name);
        found.ok_or_else(|| TokensError::Unknown(name.chars().take(80).collect()))
    }

    /// From now on the token counts.
    pub(crate) fn add(self, record: TokenRecord) -> Result<(), TokensError> {
        let mut records = self.tokens.all();
        records.push(record);
        records.sort_by(|one, other| one.name.cmp(&other.name));
        self.write(records)
    }

    /// From now on it counts no more.
    pub(crate) fn remove(self, name: &str) -> Result<(), TokensError> {
        let mut records = self.tokens.all();
        records.retain(|record| record.name != name);
        self.write(records)
    }

    fn write(self, records: Vec<TokenRecord>) -> Result<(), TokensError> {
        let path = &self.tokens.path;
        let file = File { v: VERSION, tokens: records };
        let text = serde_json::to_string_pretty(&file).expect("text and numbers serialise");
        replace(path, text.as_bytes()).map_err(|source| TokensError::File { path: path.clone(), source })?;
        *self.tokens.records.write().expect("nothing panics under this lock") = file.tokens;
        Ok(())
    }
}

/// A fresh token.
pub(crate) fn random() -> Secret<String> {
    let mut raw = [0u8; 32];
    OsSalts::default().fill(&mut raw);
    Secret::new(format!("{PREFIX}{}", BASE32_NOPAD.encode(&raw).to_ascii_lowercase()))
}

/// What is kept of a token.
pub(crate) fn digest(token: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(token.as_bytes()))
}

fn read(path: &Path, mode: u32) -> Result<Vec<TokenRecord>, TokensError> {
    if mode & 0o077 != 0 {
        return Err(TokensError::Permissions { path: path.to_owned(), mode });
    }
    let text = fs::read_to_string(path).map_err(|source| TokensError::File { path: path.to_owned(), source })?;
    let format = |problem: String| TokensError::Format { path: path.to_owned(), problem };
    let file: File = serde_json::from_str(&text).map_err(|error| format(error.to_string()))?;
    if file.v != VERSION {
        return Err(format(format!("version {}, this program knows {VERSION}", file.v)));
    }
    Ok(file.tokens)
}

/// Writes beside the file, then takes its place: a crash leaves the old one or the new one.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    // What a crash left has whatever mode it has; a fresh file has ours.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    fs::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Role;

    #[tokio::test]
    async fn tokens_survive_as_digests_in_a_file_of_their_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.json");
        let tokens = Tokens::open(&path).unwrap();
        assert!(tokens.is_empty());
        let name: Name = "ci".parse().unwrap();
        let change = tokens.change().await;
        let (record, secret) = change.draw(&name, Grants::everywhere(Role::Deploy), 7).unwrap();
        assert!(tokens.find(secret.expose()).is_none(), "not before it is added");
        change.add(record).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains(secret.expose()) && !text.contains(&secret.expose()[PREFIX.len()..]), "{text}");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

        let again = Tokens::open(&path).unwrap();
        assert_eq!(again.find(secret.expose()).unwrap().name, "ci");
        for other in ["", "loom_", &secret.expose()[1..], &format!("{}x", secret.expose())] {
            assert!(again.find(other).is_none(), "{other:?}");
        }
        let change = again.change().await;
        assert!(matches!(change.draw(&name, Grants::everywhere(Role::Read), 8), Err(TokensError::Exists(_))));
        change.remove("ci").unwrap();
        assert!(again.find(secret.expose()).is_none() && Tokens::open(&path).unwrap().is_empty());
    }

    #[test]
    fn a_file_that_others_may_use_or_nobody_understands_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.json");
        let write = |text: &str, mode: u32| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        };
        write(r#"{"v":1,"tokens":[]}"#, 0o640);
        assert!(matches!(Tokens::open(&path), Err(TokensError::Permissions { mode: 0o640, .. })));
        for text in ["", "{}", r#"{"v":2,"tokens":[]}"#, r#"{"v":1,"tokens":[{"name":"a"}]}"#] {
            write(text, 0o600);
            assert!(matches!(Tokens::open(&path), Err(TokensError::Format { .. })), "{text}");
        }
    }
}
