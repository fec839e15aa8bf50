//! Checkpoints: how large the log is and what its root is, signed (C2SP tlog-checkpoint in a signed note).

use signed_note::{Note, Signature};
use tlog_tiles::tlog;

use crate::{
    key::{PublicKey, Rejected, SigningKey},
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

/// Who cosigned a checkpoint, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosigned<'k> {
    /// The witness's key.
    pub key: &'k PublicKey,
    /// The witness's clock, in seconds since 1970. The latest, if it cosigned more than once.
    pub time: u64,
}

/// A checkpoint with its signatures, in the text form that is handed around.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    text: String,
}

impl Checkpoint {
    /// Signs it with a log's key.
    pub fn sign(&self, key: &SigningKey) -> SignedCheckpoint {
        let body = tlog_tiles::Checkpoint::new(&self.origin, self.size, tlog::Hash(self.root), "");
        let body = body.expect("an origin is a key's name, which is not empty").to_bytes();
        let body = String::from_utf8(body).expect("made of text");
        let text = format!("{body}\n{}", line(key, key.sign(&body)));
        SignedCheckpoint { checkpoint: self.clone(), text }
    }
}

/// The line of a signature, with its line feed.
pub(crate) fn line(key: &SigningKey, signature: Vec<u8>) -> String {
    let signature = Signature::new(key.name().to_owned(), key.public().id(), signature);
    let line = signature.expect("a key's name was checked").to_bytes();
    String::from_utf8(line).expect("made of text")
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
        self.check(keys, |key, _| {
            if !signed.contains(&key) {
                signed.push(key);
            }
        })?;
        Ok(signed)
    }

    /// Which of these witnesses cosigned it. Keys of logs among them cosign nothing; otherwise as
    /// [`SignedCheckpoint::signed_by`].
    pub fn cosigned_by<'k>(&self, keys: &'k [PublicKey]) -> Result<Vec<Cosigned<'k>>, CheckpointError> {
        let mut all: Vec<Cosigned<'k>> = Vec::new();
        self.check(keys, |key, time| {
            let Some(time) = time else { return };
            match all.iter_mut().find(|cosigned| cosigned.key == key) {
                Some(known) => known.time = known.time.max(time),
                None => all.push(Cosigned { key, time }),
            }
        })?;
        Ok(all)
    }

    /// Checks the signatures of these keys and hands on each that is good.
    fn check<'k>(
        &self,
        keys: &'k [PublicKey],
        mut found: impl FnMut(&'k PublicKey, Option<u64>),
    ) -> Result<(), CheckpointError> {
        let (body, signatures) = self.parts();
        for line in signatures.lines() {
            let Ok(signature) = Signature::from_bytes(line.as_bytes()) else { continue };
            for key in keys.iter().filter(|key| key.name() == signature.name() && key.id() == signature.id()) {
                match key.verify(body, signature.signature()) {
                    Ok(time) => found(key, time),
                    Err(Rejected::Forged) => return Err(CheckpointError::Forged { key: key.to_string() }),
                    Err(Rejected::Time) => return Err(CheckpointError::Malformed("a cosignature's time is too large")),
                }
            }
        }
        Ok(())
    }

    /// A witness's cosignature, as a line with its line feed. Whoever has it made sure before that the checkpoint
    /// extends what the witness cosigned last.
    pub fn cosign(&self, key: &SigningKey, unix_seconds: u64) -> String {
        line(key, key.cosign(self.parts().0, unix_seconds))
    }

    /// The same checkpoint with further lines of signatures; each may have its line feed or not. Whose they are is not
    /// checked. A key that signed already does not sign again.
    pub fn with_signatures<L: AsRef<str>>(&self, lines: &[L]) -> Result<Self, CheckpointError> {
        let mut text = self.text.clone();
        let mut signers: Vec<(String, u32)> =
            self.signatures().map(|known| (known.name().to_owned(), known.id())).collect();
        for line in lines {
            let line = line.as_ref().strip_suffix('\n').unwrap_or(line.as_ref());
            let signature = Signature::from_bytes(line.as_bytes());
            let signature = signature.map_err(|_| CheckpointError::Malformed("not the line of a signature"))?;
            let signer = (signature.name().to_owned(), signature.id());
            if signers.contains(&signer) {
                return Err(CheckpointError::Malformed("two signatures of one key"));
            }
            signers.push(signer);
            text.push_str(line);
            text.push('\n');
        }
        Self::read(&text)
    }

    /// The same checkpoint with the lines that another copy of it has and this one has not. Whose they are is not
    /// checked.
    pub fn with_signatures_of(&self, other: &Self) -> Result<Self, CheckpointError> {
        let known: Vec<Signature> = self.signatures().collect();
        let is_known = |it: &Signature| known.iter().any(|known| known.name() == it.name() && known.id() == it.id());
        let is_new = |line: &&str| Signature::from_bytes(line.as_bytes()).is_ok_and(|it| !is_known(&it));
        self.with_signatures(&other.parts().1.lines().filter(is_new).collect::<Vec<_>>())
    }

    /// When a witness cosigned this, if `line` is its cosignature. A line of another key is malformed here.
    pub fn cosignature_time(&self, line: &str, witness: &PublicKey) -> Result<u64, CheckpointError> {
        let line = line.strip_suffix('\n').unwrap_or(line);
        if line.contains('\n') {
            return Err(CheckpointError::Malformed("more than the line of a signature"));
        }
        let alone = Self::read(&format!("{}\n{line}\n", self.parts().0))?;
        let time = alone.cosigned_by(std::slice::from_ref(witness))?.first().map(|cosigned| cosigned.time);
        time.ok_or(CheckpointError::Malformed("not this witness's cosignature"))
    }

    /// The same checkpoint with the signatures under these keys' names and ids alone, whether they are good or not.
    pub fn only_of(&self, keys: &[PublicKey]) -> Result<Self, CheckpointError> {
        let (body, signatures) = self.parts();
        let is_theirs = |line: &&str| {
            let signature = Signature::from_bytes(line.as_bytes());
            signature.is_ok_and(|it| keys.iter().any(|key| key.name() == it.name() && key.id() == it.id()))
        };
        let lines: Vec<&str> = signatures.lines().filter(is_theirs).collect();
        Self::read(&format!("{body}\n{}\n", lines.join("\n")))
    }

    fn signatures(&self) -> impl Iterator<Item = Signature> {
        self.parts().1.lines().filter_map(|line| Signature::from_bytes(line.as_bytes()).ok())
    }

    /// Names of everybody whose signature it carries, trusted or not.
    pub fn signers(&self) -> Vec<String> {
        self.signatures().map(|signature| signature.name().to_owned()).collect()
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

    fn witness(secret: u8) -> SigningKey {
        SigningKey::witness_from_secret("witness.example/w1", &[secret; 32]).unwrap()
    }

    #[test]
    fn a_cosignature_is_a_signature_over_a_time_and_the_text() {
        let signed = signed(&key(1));
        let line = signed.cosign(&witness(3), 1_679_315_147);
        let cosigned = signed.with_signatures(&[&line]).unwrap();
        assert_eq!(cosigned.text(), format!("{}{line}", signed.text()));
        let keys = [key(1).public(), witness(3).public()];
        assert_eq!(cosigned.signed_by(&keys).unwrap(), [&keys[0], &keys[1]]);
        assert_eq!(cosigned.cosigned_by(&keys).unwrap(), [Cosigned { key: &keys[1], time: 1_679_315_147 }]);
        assert_eq!(signed.cosigned_by(&keys).unwrap(), []);

        // The bytes of the specification, put together by hand.
        let signature = Signature::from_bytes(line.trim_end().as_bytes()).unwrap();
        let (time, bytes) = signature.signature().split_at(8);
        assert_eq!(time, 1_679_315_147u64.to_be_bytes());
        let message =
            format!("cosignature/v1\ntime 1679315147\nlog.example\n5\n{}\n", data_encoding::BASE64.encode(&[9; 32]));
        let key = ed25519_dalek::SigningKey::from_bytes(&[3; 32]);
        assert_eq!(bytes, ed25519_dalek::Signer::sign(&key, message.as_bytes()).to_bytes());
    }

    /// The example of C2SP tlog-cosignature, whose key is not given: it is read, and nobody we trust made it.
    #[test]
    fn the_example_of_the_specification_is_read() {
        let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
            — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+\
            zyWE+xeMcTOAYQ8=\n— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2\
            oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";
        let read = SignedCheckpoint::read(text).unwrap();
        assert_eq!(read.signers(), ["example.com/behind-the-sofa", "witness.example.com/w1"]);
        assert_eq!(read.cosigned_by(&[witness(3).public()]).unwrap(), []);
    }

    #[test]
    fn one_kind_of_signature_is_not_the_other() {
        let signed = signed(&key(1));
        let body = signed.parts().0;
        let (log, cosigner) = (key(1), SigningKey::witness_from_secret("log.example", &[1; 32]).unwrap());
        let relabelled = |signature: Vec<u8>, key: &SigningKey| {
            let line = Signature::new(key.name().to_owned(), key.public().id(), signature).unwrap().to_bytes();
            let text = format!("{body}\n{}", String::from_utf8(line).unwrap());
            let keys = [key.public()];
            SignedCheckpoint::read(&text).unwrap().signed_by(&keys).map(|signed| signed.len())
        };
        let forged = |key: &SigningKey| Err(CheckpointError::Forged { key: key.public().to_string() });
        assert_eq!(relabelled(log.sign(body), &log), Ok(1));
        assert_eq!(relabelled(cosigner.cosign(body, 9), &cosigner), Ok(1));
        assert_eq!(relabelled(log.sign(body), &cosigner), forged(&cosigner));
        assert_eq!(relabelled([&[0; 8], &log.sign(body)[..]].concat(), &cosigner), forged(&cosigner));
        assert_eq!(relabelled(cosigner.cosign(body, 9), &log), forged(&log));
        let mut later = cosigner.cosign(body, 9);
        later[7] += 1;
        assert_eq!(relabelled(later, &cosigner), forged(&cosigner), "the time is signed");
        let mut cut = cosigner.cosign(body, 9);
        cut.pop();
        assert_eq!(relabelled(cut, &cosigner), forged(&cosigner));
    }

    #[test]
    fn a_time_that_nobody_can_count_is_refused() {
        let signed = signed(&key(1));
        let (time, keys) = (u64::MAX, [witness(3).public()]);
        let message = format!("cosignature/v1\ntime {time}\n{}", signed.parts().0);
        let secret = ed25519_dalek::SigningKey::from_bytes(&[3; 32]);
        let signature = ed25519_dalek::Signer::sign(&secret, message.as_bytes()).to_bytes();
        let line = line(&witness(3), [&time.to_be_bytes()[..], &signature].concat());
        let cosigned = signed.with_signatures(&[line]).unwrap();
        assert!(matches!(cosigned.signed_by(&keys), Err(CheckpointError::Malformed(_))));
        assert!(matches!(cosigned.cosigned_by(&keys), Err(CheckpointError::Malformed(_))));
    }

    #[test]
    fn signatures_are_added_one_for_each_key_in_their_one_form() {
        let signed = signed(&key(1));
        let (first, second) = (signed.cosign(&witness(3), 5), signed.cosign(&witness(4), 6));
        let both = signed.with_signatures(&[first.trim_end(), &second]).unwrap();
        assert_eq!(both.signers().len(), 3);
        assert_eq!(SignedCheckpoint::read(both.text()).unwrap(), both);
        assert_eq!(signed.with_signatures::<&str>(&[]).unwrap(), signed);
        let again = signed.cosign(&witness(3), 7);
        let padded = first.trim_end().replace("— ", "—  ");
        let doubled = format!("{first}\n");
        let many: Vec<String> = (0..100).map(|secret| signed.cosign(&witness(secret), 5)).collect();
        for lines in [
            vec![first.clone(), first.clone()],
            vec![first.clone(), again],
            vec![signed.parts().1.to_owned()],
            vec![String::new()],
            vec!["log.example".to_owned()],
            vec![format!("{first}{second}")],
            vec![padded],
            vec![doubled],
            many,
        ] {
            assert!(matches!(signed.with_signatures(&lines), Err(CheckpointError::Malformed(_))), "{lines:?}");
        }
    }

    #[test]
    fn a_line_is_read_as_one_witness_s_cosignature() {
        let signed = signed(&key(1));
        let line = signed.cosign(&witness(3), 5);
        let both = signed.with_signatures(&[&line]).unwrap();
        for checkpoint in [&signed, &both] {
            assert_eq!(checkpoint.cosignature_time(&line, &witness(3).public()), Ok(5));
            assert!(checkpoint.cosignature_time(&line, &witness(4).public()).is_err());
        }
        assert!(signed.cosignature_time(&format!("{line}{line}"), &witness(3).public()).is_err());
        let other = Checkpoint { size: 6, ..signed.checkpoint().clone() }.sign(&key(1));
        assert!(matches!(other.cosignature_time(&line, &witness(3).public()), Err(CheckpointError::Forged { .. })));
        assert_eq!(both.only_of(&[key(1).public()]).unwrap(), signed);
        assert!(both.only_of(&[key(2).public()]).is_err(), "a note has a signature");
    }
}
