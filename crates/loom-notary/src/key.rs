//! What a notary signs with.

use std::{
    fmt, fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    str::FromStr,
};

use data_encoding::HEXLOWER;
use k256::ecdsa::signature::Signer as _;
use loom_tlsnotary::presentation::{KeyAlgorithm, Signature, SignatureAlgorithm, VerifyingKey};

use crate::Random;

/// Largest file that is taken for a key, in bytes.
const KEY_BYTES_MAX: u64 = 4096;
/// How often a key is drawn before the source of randomness is held to be broken. Practically every draw is one.
const DRAWS_MAX: usize = 16;

/// The secret half of a notary's key. It does not print.
#[derive(Clone)]
pub struct SigningKey(Curve);

#[derive(Clone)]
enum Curve {
    K256(k256::ecdsa::SigningKey),
    P256(p256::ecdsa::SigningKey),
}

/// Why a text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a notary's key: secp256k1 or secp256r1, a colon and 64 hexadecimal digits")]
pub struct InvalidKey;

/// Why a key's file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It cannot be read or written.
    #[error("{}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is something else in it.
    #[error("{} {source}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Why.
        source: InvalidKey,
    },
    /// Others can read it.
    #[error("{}: others than its owner may use it (mode {mode:o}, must be 600)", path.display())]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
}

impl SigningKey {
    /// A new key.
    pub fn generate(algorithm: KeyAlgorithm, random: &dyn Random) -> Self {
        let mut draws = (0..DRAWS_MAX).map(|_| Self::from_secret(algorithm, &random.draw()));
        draws.find_map(Result::ok).expect("one of many random numbers is a key")
    }

    /// The key with this secret.
    pub fn from_secret(algorithm: KeyAlgorithm, secret: &[u8; 32]) -> Result<Self, InvalidKey> {
        let curve = match algorithm {
            KeyAlgorithm::K256 => k256::ecdsa::SigningKey::from_slice(secret).map(Curve::K256),
            KeyAlgorithm::P256 => p256::ecdsa::SigningKey::from_slice(secret).map(Curve::P256),
        };
        curve.map(Self).map_err(|_| InvalidKey)
    }

    /// What verifiers compare with the keys that they trust.
    pub fn public(&self) -> VerifyingKey {
        match &self.0 {
            Curve::K256(key) => VerifyingKey {
                algorithm: KeyAlgorithm::K256,
                data: key.verifying_key().to_sec1_point(true).as_bytes().to_vec(),
            },
            Curve::P256(key) => VerifyingKey {
                algorithm: KeyAlgorithm::P256,
                data: key.verifying_key().to_sec1_point(false).as_bytes().to_vec(),
            },
        }
    }

    /// The public half in hexadecimal, as verifiers are told it.
    pub fn public_text(&self) -> String {
        HEXLOWER.encode(&self.public().data)
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Signature {
        match &self.0 {
            Curve::K256(key) => {
                let signature: k256::ecdsa::Signature = key.sign(message);
                Signature { algorithm: SignatureAlgorithm::Secp256k1, data: signature.to_bytes().to_vec() }
            }
            Curve::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                Signature { algorithm: SignatureAlgorithm::Secp256r1, data: signature.to_bytes().to_vec() }
            }
        }
    }

    /// The key as its file has it.
    fn secret_text(&self) -> String {
        match &self.0 {
            Curve::K256(key) => format!("{}:{}", name(KeyAlgorithm::K256), HEXLOWER.encode(&key.to_bytes())),
            Curve::P256(key) => format!("{}:{}", name(KeyAlgorithm::P256), HEXLOWER.encode(&key.to_bytes())),
        }
    }

    /// Reads a key's file, which its owner alone may read.
    pub fn read(path: &Path) -> Result<Self, KeyFileError> {
        use std::os::unix::fs::PermissionsExt as _;
        let io = |source| KeyFileError::Io { path: path.to_owned(), source };
        let invalid = |source| KeyFileError::Invalid { path: path.to_owned(), source };
        let metadata = fs::metadata(path).map_err(io)?;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyFileError::Permissions { path: path.to_owned(), mode });
        }
        if metadata.len() > KEY_BYTES_MAX {
            return Err(invalid(InvalidKey));
        }
        fs::read_to_string(path).map_err(io)?.trim().parse().map_err(invalid)
    }

    /// Writes the key to a file that only its owner may read; one that is there is not replaced. A key that was only
    /// half written would be a notary that cannot start: it gets its name when it is whole.
    pub fn write(&self, path: &Path) -> Result<(), KeyFileError> {
        let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let write = || -> io::Result<()> {
            fs::create_dir_all(folder)?;
            // Readable for its owner alone from the beginning.
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            writeln!(file, "{}", self.secret_text())?;
            file.as_file().sync_all()?;
            file.persist_noclobber(path).map_err(|error| error.error)?;
            fs::File::open(folder)?.sync_all()
        };
        write().map_err(|source| KeyFileError::Io { path: path.to_owned(), source })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public_text())
    }
}

impl FromStr for SigningKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let (curve, digits) = text.split_once(':').ok_or(InvalidKey)?;
        let algorithm = [KeyAlgorithm::K256, KeyAlgorithm::P256].into_iter().find(|&known| name(known) == curve);
        let secret = HEXLOWER.decode(digits.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        Self::from_secret(algorithm.ok_or(InvalidKey)?, &secret.ok_or(InvalidKey)?)
    }
}

/// A curve's name.
pub fn name(algorithm: KeyAlgorithm) -> &'static str {
    match algorithm {
        KeyAlgorithm::K256 => "secp256k1",
        KeyAlgorithm::P256 => "secp256r1",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OsRandom;

    #[test]
    fn a_key_is_written_once_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        for algorithm in [KeyAlgorithm::K256, KeyAlgorithm::P256] {
            let path = folder.path().join(name(algorithm));
            let key = SigningKey::generate(algorithm, &OsRandom);
            key.write(&path).unwrap();
            let read = SigningKey::read(&path).unwrap();
            assert_eq!(read.public(), key.public());
            assert!(matches!(key.write(&path), Err(KeyFileError::Io { .. })), "a key is never replaced");
            let shown = format!("{key:?}");
            let secret = key.secret_text();
            assert!(!shown.contains(secret.split_once(':').unwrap().1), "{shown}");
        }
    }

    #[test]
    fn what_others_can_read_is_no_secret() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        SigningKey::generate(KeyAlgorithm::K256, &OsRandom).write(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(SigningKey::read(&path), Err(KeyFileError::Permissions { mode: 0o640, .. })));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let zeros = "0".repeat(64);
        for text in ["", "secp256k1", "secp256k1:", "secp256k1:00", &format!("secp256k1:{zeros}"), &zeros] {
            assert_eq!(text.parse::<SigningKey>().map(|_| ()), Err(InvalidKey), "{text}");
        }
        assert!(format!("secp256k1:{}1", &zeros[1..]).parse::<SigningKey>().is_ok());
        assert!(format!("secp256r2:{}1", &zeros[1..]).parse::<SigningKey>().is_err());
    }
}
