//! By which tokens a notary knows its clients.
//!
//! The file has a line for each: a name, a space and the token's SHA-256. A token is 256 random bits, so its plain
//! digest says nothing about it.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use loom_client::Secret;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::{Random, limits::TOKENS_MAX};

/// How a token begins, so that people and scanners recognise one that got out.
const PREFIX: &str = "loom_notary_";
/// Longest name of a token.
const NAME_BYTES_MAX: usize = 64;

/// The tokens of a notary; without any, it asks for none.
#[derive(Clone, Debug, Default)]
pub struct Tokens(Vec<(String, String)>);

/// Why tokens cannot be read or made.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// The file cannot be read or written.
    #[error("{}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A line is not what it should be.
    #[error("{}, line {line}: not a name, a space and 64 hexadecimal digits", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Which.
        line: usize,
    },
    /// A name that cannot be one, or is taken.
    #[error("'{0}' is no name of a token, or there is one of this name already")]
    Name(String),
    /// Too many.
    #[error("a notary has at most {TOKENS_MAX} tokens")]
    Full,
}

impl Tokens {
    /// Reads the file; a missing one has no tokens.
    pub fn open(path: &Path) -> Result<Self, TokensError> {
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(source) => return Err(TokensError::Io { path: path.to_owned(), source }),
            Ok(text) => text,
        };
        let mut tokens = Vec::new();
        for (line, text) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let token = text.split_once(' ').filter(|(name, digest)| is_name(name) && is_digest(digest));
            let (name, digest) = token.ok_or_else(|| TokensError::Line { path: path.to_owned(), line: line + 1 })?;
            tokens.push((name.to_owned(), digest.to_owned()));
        }
        if tokens.len() > TOKENS_MAX { Err(TokensError::Full) } else { Ok(Self(tokens)) }
    }

    /// Makes a token, and writes its digest to the file. The notary has to be started anew to know it.
    pub fn create(path: &Path, name: &str, random: &dyn Random) -> Result<Secret<String>, TokensError> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let tokens = Self::open(path)?;
        if !is_name(name) || tokens.0.iter().any(|(taken, _)| taken == name) {
            return Err(TokensError::Name(name.chars().take(NAME_BYTES_MAX).collect()));
        }
        if tokens.0.len() >= TOKENS_MAX {
            return Err(TokensError::Full);
        }
        let secret = BASE32_NOPAD.encode(&random.draw::<32>()).to_ascii_lowercase();
        let token = Secret::new(format!("{PREFIX}{secret}"));
        let file = fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path);
        let written = file.and_then(|mut file| {
            writeln!(file, "{name} {}", digest(token.expose()))?;
            file.sync_all()
        });
        written.map_err(|source| TokensError::Io { path: path.to_owned(), source })?;
        Ok(token)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whose token it is. Every digest is compared, in constant time.
    pub(crate) fn find(&self, presented: &str) -> Option<&str> {
        let digest = digest(presented);
        let is_it = |known: &&(String, String)| bool::from(known.1.as_bytes().ct_eq(digest.as_bytes()));
        self.0.iter().filter(is_it).fold(None, |_, (name, _)| Some(name.as_str()))
    }
}

fn is_name(name: &str) -> bool {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte));
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && is_plain
}

fn is_digest(digest: &str) -> bool {
    digest.len() == 64 && HEXLOWER.decode(digest.as_bytes()).is_ok()
}

fn digest(token: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OsRandom;

    #[test]
    fn the_file_knows_tokens_by_their_digests_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        assert!(Tokens::open(&path).unwrap().is_empty());
        let [one, other] = ["ada", "bob"].map(|name| Tokens::create(&path, name, &OsRandom).unwrap());
        let tokens = Tokens::open(&path).unwrap();
        assert_eq!((tokens.find(one.expose()), tokens.find(other.expose())), (Some("ada"), Some("bob")));
        assert_eq!(tokens.find("loom_notary_guessed"), None);
        let file = fs::read_to_string(&path).unwrap();
        assert!(!file.contains(one.expose()) && !file.contains(&one.expose()[PREFIX.len()..]));
        for name in ["ada", "", "a b", "a\nb"] {
            assert!(matches!(Tokens::create(&path, name, &OsRandom), Err(TokensError::Name(_))), "{name}");
        }
        fs::write(&path, format!("{file}eve {}", "g".repeat(64))).unwrap();
        assert!(matches!(Tokens::open(&path), Err(TokensError::Line { line: 3, .. })));
    }
}
