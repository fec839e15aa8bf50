//! Checkpoints: how large the log is and what its root is, signed (C2SP tlog-checkpoint in a signed note).

use signed_note::Note;
use tlog_tiles::tlog;

use crate::{
    key::{PublicKey, SigningKey},
    limits::{CHECKPOINT_BYTES_MAX, LOG_SIZE_MAX},
    tree::Hash,
};

/// What a checkpoint says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name, which is also the name of the key that signs it.
    pub origin: String,
    /// How many leaves it has.
    pub size: u64,
    /// The root of its tree.
    pub root: Hash,
}

/// Why a checkpoint says nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Not a signed checkpoint.
    #[error("the checkpoint is not a signed note: {0}")]
    Malformed(&'static str),
    /// A key that is trusted is named before a signature which it did not make.
    #[error("the checkpoint has a signature of {key} that this key did not make")]
    Forged {
        /// The key.
        key: String,
    },
}

/// A checkpoint with its signatures, in the text form that is handed around.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    text: String,
}

impl Checkpoint {
    /// Signs it.
    pub fn sign(&self, key: &SigningKey) -> SignedCheckpoint {
        let body = tlog_tiles::Checkpoint::new(&self.origin, self.size, tlog::Hash(self.root), "");
        let body = body.expect("an origin is a key's name, which is not empty").to_bytes();
        let mut note = Note::new(&body, &[]).expect("a key's name has no control characters");
        note.add_sigs(&[key.signer()]).expect("Ed25519 signs everything");
        let text = String::from_utf8(note.to_bytes()).expect("made of text");
        SignedCheckpoint { checkpoint: self.clone(), text }
    }
}

impl SignedCheckpoint {
    /// Reads the text. Nothing is known about its signatures yet.
    pub fn read(text: &str) -> Result<Self, CheckpointError> {
        let malformed = CheckpointError::Malformed;
        if text.len() > CHECKPOINT_BYTES_MAX {
            return Err(malformed("it is too long"));
        }
        let note = Note::from_bytes(text.as_bytes()).map_err(|_| malformed("no text with signatures below it"))?;
        if note.to_bytes() != text.as_bytes() {
            return Err(malformed("not in its one form"));
        }
        let body = tlog_tiles::Checkpoint::from_bytes(note.text())
            .map_err(|_| malformed("not the three lines of a checkpoint"))?;
        if body.size() > LOG_SIZE_MAX {
            return Err(malformed("the log is too large"));
        }
        let checkpoint = Checkpoint { origin: body.origin().to_owned(), size: body.size(), root: body.hash().0 };
        Ok(Self { checkpoint, text: text.to_owned() })
    }

    /// What it says, if whoever signed it is to be believed.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The text that is handed around.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Which of these keys signed it. A signature under a trusted key's name and id that it did not make is an error:
    /// somebody wants to be taken for it.
    pub fn signed_by<'k>(&self, keys: &'k [PublicKey]) -> Result<Vec<&'k PublicKey>, CheckpointError> {
        let mut signed = Vec::new();
        let (body, signatures) = self.parts();
        for line in signatures.lines() {
            let Ok(signature) = signed_note::Signature::from_bytes(line.as_bytes()) else { continue };
            for key in keys.iter().filter(|key| key.name() == signature.name() && key.id() == signature.id()) {
                if !key.verifies(body.as_bytes(), signature.signature()) {
                    return Err(CheckpointError::Forged { key: key.to_string() });
                }
                if !signed.contains(&key) {
                    signed.push(key);
                }
            }
        }
        Ok(signed)
    }

    /// Names of everybody whose signature it carries, trusted or not.
    pub fn signers(&self) -> Vec<String> {
        let signatures = self.parts().1.lines();
        let read = signatures.filter_map(|line| signed_note::Signature::from_bytes(line.as_bytes()).ok());
        read.map(|signature| signature.name().to_owned()).collect()
    }

    /// The text that is signed, and the lines of signatures.
    fn parts(&self) -> (&str, &str) {
        let at = self.text.rfind("\n\n").expect("reading found the blank line");
        (&self.text[..=at], &self.text[at + 2..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(secret: u8) -> SigningKey {
        SigningKey::from_secret("log.example", &[secret; 32]).unwrap()
    }

    fn signed(by: &SigningKey) -> SignedCheckpoint {
        Checkpoint { origin: "log.example".to_owned(), size: 5, root: [9; 32] }.sign(by)
    }

    #[test]
    fn only_the_key_that_signed_it_signed_it() {
        let signed = signed(&key(1));
        assert_eq!(SignedCheckpoint::read(signed.text()).unwrap(), signed);
        let (own, other) = ([key(1).public()], [key(2).public()]);
        assert_eq!(signed.signed_by(&own).unwrap(), [&own[0]]);
        assert_eq!(signed.signed_by(&other).unwrap(), Vec::<&PublicKey>::new());
        assert_eq!(signed.signers(), ["log.example"]);
    }

    #[test]
    fn a_changed_checkpoint_is_refused() {
        let text = signed(&key(1)).text().to_owned();
        let keys = [key(1).public()];
        let larger = text.replacen("\n5\n", "\n6\n", 1);
        let forged = SignedCheckpoint::read(&larger).unwrap().signed_by(&keys);
        assert_eq!(forged, Err(CheckpointError::Forged { key: keys[0].to_string() }));
        for broken in ["", "\n\n", &text[1..], &text[..text.len() - 1], &text.replace("\n5\n", "\n05\n")] {
            let read = SignedCheckpoint::read(broken).map(|read| read.signed_by(&keys).map(|signed| signed.len()));
            assert!(!matches!(read, Ok(Ok(1))), "{broken:?}");
        }
    }
}
