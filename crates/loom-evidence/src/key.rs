//! Keys that sign checkpoints: Ed25519, in the text forms of C2SP signed-note.
//!
//! There are two kinds, and a key is of one of them for good. A log's key signs the checkpoint itself; a witness's key
//! cosigns it, which is a signature over other bytes and carries a time (C2SP tlog-cosignature). The kind is part of
//! the key's id, so that neither signature can be taken for the other.

use std::{fmt, str::FromStr};

use data_encoding::BASE64;
use ed25519_dalek::{SECRET_KEY_LENGTH, SIGNATURE_LENGTH, Signature, Signer as _, Verifier as _, VerifyingKey};

/// Longest name of a key, in bytes.
const NAME_BYTES_MAX: usize = 200;
/// What a cosignature signs begins with this, and nothing else that is signed does.
const COSIGNATURE: &str = "cosignature/v1";
/// Bytes of a cosignature's time.
const TIME_BYTES: usize = 8;

/// What a key's signatures say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// A log's: this is my tree.
    Log,
    /// A witness's: at this time, this was the largest tree I had seen of the log, and it extends what I saw before.
    Witness,
}

impl KeyKind {
    /// The signature type of signed-note, the byte before a key.
    fn byte(self) -> u8 {
        match self {
            Self::Log => 1,
            Self::Witness => 4,
        }
    }

    fn of(byte: u8) -> Option<Self> {
        [Self::Log, Self::Witness].into_iter().find(|kind| kind.byte() == byte)
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Log => "log's",
            Self::Witness => "witness's",
        })
    }
}

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
    /// A key of the other kind.
    #[error("this is a {found} key")]
    Kind {
        /// Its kind.
        found: KeyKind,
    },
}

/// A signature that a key did not make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rejected {
    Forged,
    /// A cosignature's time is beyond what a verifier can count.
    Time,
}

/// Whom an auditor trusts: `NAME+ID+BASE64`, a *vkey* of signed-note.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    name: String,
    id: u32,
    kind: KeyKind,
    key: VerifyingKey,
}

impl PublicKey {
    fn new(name: &str, kind: KeyKind, key: VerifyingKey) -> Self {
        let id = signed_note::key_id(name, &tagged(kind, key.as_bytes()));
        Self { name: name.to_owned(), id, kind, key }
    }

    /// The name it signs under.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its short id, as it stands before a signature.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Whether it is a log's or a witness's.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// Checks a signature over a checkpoint's text. A cosignature has a time.
    pub(crate) fn verify(&self, body: &str, signature: &[u8]) -> Result<Option<u64>, Rejected> {
        match self.kind {
            KeyKind::Log => self.verify_bytes(body.as_bytes(), signature).map(|()| None),
            KeyKind::Witness => {
                let (time, signature) = signature.split_first_chunk::<TIME_BYTES>().ok_or(Rejected::Forged)?;
                let time = u64::from_be_bytes(*time);
                self.verify_bytes(cosigned(body, time).as_bytes(), signature)?;
                if i64::try_from(time).is_ok() { Ok(Some(time)) } else { Err(Rejected::Time) }
            }
        }
    }

    pub(crate) fn verifies_bytes(&self, message: &[u8], signature: &[u8]) -> bool {
        self.verify_bytes(message, signature).is_ok()
    }

    fn verify_bytes(&self, message: &[u8], signature: &[u8]) -> Result<(), Rejected> {
        let signature: &[u8; SIGNATURE_LENGTH] = signature.try_into().map_err(|_| Rejected::Forged)?;
        self.key.verify(message, &Signature::from_bytes(signature)).map_err(|_| Rejected::Forged)
    }

    /// The raw Ed25519 key.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.key.to_bytes()
    }
}

impl FromStr for PublicKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let parts = Parts::read(text).ok_or(InvalidKey::Public)?;
        let key = VerifyingKey::from_bytes(&parts.key).map_err(|_| InvalidKey::Public)?;
        let public = Self::new(parts.name, parts.kind, key);
        if public.to_string() == text { Ok(public) } else { Err(InvalidKey::Public) }
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = BASE64.encode(&tagged(self.kind, self.key.as_bytes()));
        write!(f, "{}+{:08x}+{key}", self.name, self.id)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What signs. Its text is a secret; `{:?}` shows the public key alone.
#[derive(Clone)]
pub struct SigningKey {
    public: PublicKey,
    key: ed25519_dalek::SigningKey,
}

impl SigningKey {
    /// A log's key from 32 secret random bytes.
    pub fn from_secret(name: &str, secret: &[u8; SECRET_KEY_LENGTH]) -> Result<Self, InvalidKey> {
        Self::new(KeyKind::Log, name, secret)
    }

    /// A witness's key from 32 secret random bytes, which must be no other key's.
    pub fn witness_from_secret(name: &str, secret: &[u8; SECRET_KEY_LENGTH]) -> Result<Self, InvalidKey> {
        Self::new(KeyKind::Witness, name, secret)
    }

    fn new(kind: KeyKind, name: &str, secret: &[u8; SECRET_KEY_LENGTH]) -> Result<Self, InvalidKey> {
        if !is_name(name) {
            return Err(InvalidKey::Name);
        }
        let key = ed25519_dalek::SigningKey::from_bytes(secret);
        Ok(Self { public: PublicKey::new(name, kind, key.verifying_key()), key })
    }

    /// Reads the text of a witness's key. That of a log's key is read by `parse`; neither reads the other.
    pub fn read_witness(text: &str) -> Result<Self, InvalidKey> {
        Self::read(text, KeyKind::Witness)
    }

    fn read(text: &str, kind: KeyKind) -> Result<Self, InvalidKey> {
        let parts = text.strip_prefix("PRIVATE+KEY+").and_then(Parts::read).ok_or(InvalidKey::Signing)?;
        let key = Self::new(parts.kind, parts.name, &parts.key)?;
        if key.to_secret_text() != text {
            return Err(InvalidKey::Signing);
        }
        if parts.kind == kind { Ok(key) } else { Err(InvalidKey::Kind { found: parts.kind }) }
    }

    /// The name it signs under: a log's origin, or a witness's name.
    pub fn name(&self) -> &str {
        self.public.name()
    }

    /// Whether it is a log's or a witness's.
    pub fn kind(&self) -> KeyKind {
        self.public.kind
    }

    /// What others verify with.
    pub fn public(&self) -> PublicKey {
        self.public.clone()
    }

    /// The text to be stored where only its owner reads it: `PRIVATE+KEY+…`.
    pub fn to_secret_text(&self) -> String {
        let PublicKey { name, id, kind, .. } = &self.public;
        format!("PRIVATE+KEY+{name}+{id:08x}+{}", BASE64.encode(&tagged(*kind, self.key.as_bytes())))
    }

    /// The bytes that stand behind the key's id in a log's signature.
    pub(crate) fn sign(&self, body: &str) -> Vec<u8> {
        assert_eq!(self.kind(), KeyKind::Log, "witnesses sign no trees of their own");
        self.key.sign(body.as_bytes()).to_bytes().to_vec()
    }

    pub(crate) fn sign_bytes(&self, message: &[u8]) -> Vec<u8> {
        self.key.sign(message).to_bytes().to_vec()
    }

    /// The bytes that stand behind the key's id in a cosignature.
    pub(crate) fn cosign(&self, body: &str, time: u64) -> Vec<u8> {
        assert_eq!(self.kind(), KeyKind::Witness, "logs cosign nothing");
        assert!(i64::try_from(time).is_ok(), "a time that verifiers can count");
        let signature = self.key.sign(cosigned(body, time).as_bytes()).to_bytes();
        [&time.to_be_bytes()[..], &signature].concat()
    }
}

/// Reads a log's key.
impl FromStr for SigningKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        Self::read(text, KeyKind::Log)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.public()).finish()
    }
}

/// `NAME+ID+BASE64`. The id is not looked at: whoever reads writes the key again and compares.
struct Parts<'t> {
    name: &'t str,
    kind: KeyKind,
    key: [u8; 32],
}

impl<'t> Parts<'t> {
    fn read(text: &'t str) -> Option<Self> {
        // Base64 has a '+' of its own.
        let mut parts = text.splitn(3, '+');
        let (name, _id, encoded) = (parts.next()?, parts.next()?, parts.next()?);
        let bytes = BASE64.decode(encoded.as_bytes()).ok()?;
        let (kind, key) = bytes.split_first()?;
        Some(Self {
            name: Some(name).filter(|name| is_name(name))?,
            kind: KeyKind::of(*kind)?,
            key: key.try_into().ok()?,
        })
    }
}

fn is_name(name: &str) -> bool {
    name.len() <= NAME_BYTES_MAX && signed_note::is_key_name_valid(name) && !name.chars().any(char::is_control)
}

fn tagged(kind: KeyKind, key: &[u8]) -> Vec<u8> {
    [&[kind.byte()], key].concat()
}

/// What a cosignature signs.
fn cosigned(body: &str, time: u64) -> String {
    format!("{COSIGNATURE}\ntime {time}\n{body}")
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

    #[test]
    fn a_key_is_of_one_kind() {
        let log = SigningKey::from_secret("log.example", &[7; 32]).unwrap();
        let witness = SigningKey::witness_from_secret("log.example", &[7; 32]).unwrap();
        assert_eq!(log.public().to_bytes(), witness.public().to_bytes());
        assert_ne!(log.public().id(), witness.public().id(), "the kind is part of the id");
        assert_eq!(witness.public().to_string().parse::<PublicKey>().unwrap(), witness.public());
        assert_eq!(SigningKey::read_witness(&witness.to_secret_text()).unwrap().public(), witness.public());
        let (of_witness, of_log) = (witness.to_secret_text(), log.to_secret_text());
        assert_eq!(of_witness.parse::<SigningKey>().unwrap_err(), InvalidKey::Kind { found: KeyKind::Witness });
        assert_eq!(SigningKey::read_witness(&of_log).unwrap_err(), InvalidKey::Kind { found: KeyKind::Log });
    }

    #[test]
    fn ids_are_those_of_the_specification() {
        use sha2::{Digest as _, Sha256};
        for (kind, byte) in [(KeyKind::Log, 1u8), (KeyKind::Witness, 4)] {
            let key = SigningKey::new(kind, "witness.example/w1", &[7; 32]).unwrap().public();
            let hashed = [b"witness.example/w1\n".as_slice(), &[byte], &key.to_bytes()].concat();
            assert_eq!(key.id().to_be_bytes(), Sha256::digest(hashed)[..4]);
            assert_eq!(BASE64.decode(key.to_string().splitn(3, '+').nth(2).unwrap().as_bytes()).unwrap()[0], byte);
        }
    }

    #[test]
    fn a_key_has_one_text() {
        let text = SigningKey::from_secret("log.example", &[7; 32]).unwrap().public().to_string();
        let (name, rest) = text.split_once('+').unwrap();
        let (id, key) = rest.split_once('+').unwrap();
        let id_of_another = format!("{name}+{:08x}+{key}", u32::from_str_radix(id, 16).unwrap() ^ 1);
        let long = format!("{}+{id}+{key}", "n".repeat(NAME_BYTES_MAX + 1));
        for other in [text.to_uppercase(), format!("{text}="), format!(" {text}"), id_of_another, long] {
            assert_eq!(other.parse::<PublicKey>().unwrap_err(), InvalidKey::Public, "{other}");
        }
    }
}
