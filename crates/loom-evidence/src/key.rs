//! Keys that sign checkpoints: Ed25519, in the text forms of C2SP signed-note.

use std::{fmt, str::FromStr};

use data_encoding::BASE64;
use ed25519_dalek::SECRET_KEY_LENGTH;
use signed_note::{Signer as _, StandardSigner, StandardVerifier, Verifier as _};

/// The algorithm byte of Ed25519 in signed notes.
const ED25519: u8 = 1;
/// Longest name of a key, in bytes.
const NAME_BYTES_MAX: usize = 200;

/// Why a text is no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// A public key.
    #[error("not a public key; one looks like NAME+1a2b3c4d+BASE64")]
    Public,
    /// A signing key.
    #[error("not a signing key; one looks like PRIVATE+KEY+NAME+1a2b3c4d+BASE64")]
    Signing,
    /// A name.
    #[error("a key's name has 1 to {NAME_BYTES_MAX} bytes and neither spaces nor '+'")]
    Name,
}

/// Whom an auditor trusts: `NAME+ID+BASE64`, a *vkey* of signed-note.
#[derive(Clone)]
pub struct PublicKey {
    text: String,
    verifier: StandardVerifier,
}

impl PublicKey {
    /// The name it signs under.
    pub fn name(&self) -> &str {
        self.verifier.name()
    }

    /// Its short id, as it stands before a signature.
    pub fn id(&self) -> u32 {
        self.verifier.key_id()
    }

    pub(crate) fn verifies(&self, text: &[u8], signature: &[u8]) -> bool {
        self.verifier.verify(text, signature)
    }

    /// The raw Ed25519 key.
    pub fn to_bytes(&self) -> [u8; 32] {
        // Base64 has a '+' of its own.
        let encoded = self.text.splitn(3, '+').nth(2).unwrap_or_default();
        let bytes = BASE64.decode(encoded.as_bytes()).unwrap_or_default();
        bytes.get(1..).and_then(|key| key.try_into().ok()).expect("parsing checked the form")
    }
}

impl FromStr for PublicKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let verifier = StandardVerifier::new(text).map_err(|_| InvalidKey::Public)?;
        Ok(Self { text: text.to_owned(), verifier })
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for PublicKey {}

/// What signs. Its text is a secret; `{:?}` shows the public key alone.
#[derive(Clone)]
pub struct SigningKey {
    signer: StandardSigner,
    key: ed25519_dalek::SigningKey,
}

impl SigningKey {
    /// A key from 32 secret random bytes.
    pub fn from_secret(name: &str, secret: &[u8; SECRET_KEY_LENGTH]) -> Result<Self, InvalidKey> {
        if name.len() > NAME_BYTES_MAX || !signed_note::is_key_name_valid(name) || name.chars().any(char::is_control) {
            return Err(InvalidKey::Name);
        }
        let key = ed25519_dalek::SigningKey::from_bytes(secret);
        let signer = StandardSigner::new(&secret_text(name, &key)).map_err(|_| InvalidKey::Signing)?;
        Ok(Self { signer, key })
    }

    /// The name it signs under: the log's origin.
    pub fn name(&self) -> &str {
        self.signer.name()
    }

    /// What others verify with.
    pub fn public(&self) -> PublicKey {
        let text = signed_note::new_ed25519_verifier_key(self.name(), &self.key.verifying_key());
        text.parse().expect("made by the same crate")
    }

    /// The text to be stored where only the node reads it: `PRIVATE+KEY+…`.
    pub fn to_secret_text(&self) -> String {
        secret_text(self.name(), &self.key)
    }

    pub(crate) fn signer(&self) -> &StandardSigner {
        &self.signer
    }
}

fn secret_text(name: &str, key: &ed25519_dalek::SigningKey) -> String {
    let tagged = |bytes: &[u8]| [&[ED25519], bytes].concat();
    let id = signed_note::key_id(name, &tagged(key.verifying_key().as_bytes()));
    format!("PRIVATE+KEY+{name}+{id:08x}+{}", BASE64.encode(&tagged(key.as_bytes())))
}

impl FromStr for SigningKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let signer = StandardSigner::new(text).map_err(|_| InvalidKey::Signing)?;
        let encoded = text.splitn(5, '+').nth(4).unwrap_or_default();
        let bytes = BASE64.decode(encoded.as_bytes()).map_err(|_| InvalidKey::Signing)?;
        let secret = bytes.get(1..).and_then(|key| key.try_into().ok()).ok_or(InvalidKey::Signing)?;
        Ok(Self { signer, key: ed25519_dalek::SigningKey::from_bytes(secret) })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.public()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Base64 has the sign that stands between the parts.
    #[test]
    fn keys_with_a_plus_in_them_are_read() {
        for secret in 0..=255 {
            let key = SigningKey::from_secret("log.example/node", &[secret; 32]).unwrap();
            let again: SigningKey = key.to_secret_text().parse().unwrap();
            assert_eq!(again.public().to_bytes(), key.public().to_bytes());
            assert!(key.public().to_string().parse::<PublicKey>().is_ok());
        }
    }

    #[test]
    fn keys_are_read_as_they_are_written() {
        let key = SigningKey::from_secret("log.example/node", &[7; 32]).unwrap();
        let again: SigningKey = key.to_secret_text().parse().unwrap();
        assert_eq!(again.public(), key.public());
        assert_eq!(key.public().to_string().parse::<PublicKey>().unwrap().to_bytes(), key.public().to_bytes());
        assert!(!format!("{key:?}").contains("PRIVATE"), "a log line gives nothing away");
        for text in ["", "a+b+c", "PRIVATE+KEY+a+00000000+AQ==", "log.example/node+00000000+AQ=="] {
            assert!(text.parse::<SigningKey>().is_err() && text.parse::<PublicKey>().is_err(), "{text}");
        }
        assert!(SigningKey::from_secret("two words", &[7; 32]).is_err());
    }
}
