//! The handover of a log from one key to the next: a signed note that both keys sign.

use signed_note::{Note, Signature};

use crate::{
    checkpoint::line,
    key::{KeyKind, PublicKey, SigningKey},
    limits::HANDOVER_BYTES_MAX,
};

/// Its first line. No log has this name, for names have no spaces, so no checkpoint is ever taken for a handover.
const TITLE: &str = "loom key handover v1";

/// A handover that both keys signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handover {
    from: PublicKey,
    to: PublicKey,
    text: String,
}

/// No handover.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHandover {
    /// Not a note of this form.
    #[error("not the handover of a log's key: {0}")]
    Malformed(&'static str),
    /// A key did not sign.
    #[error("the handover has no good signature of {key}")]
    Forged {
        /// The key.
        key: String,
    },
}

impl Handover {
    /// Hands the log over. Both are keys of this log: they bear its name.
    pub fn sign(from: &SigningKey, to: &SigningKey) -> Result<Self, InvalidHandover> {
        check(&from.public(), &to.public())?;
        let body = format!("{TITLE}\n{}\n{}\n{}\n", from.name(), from.public(), to.public());
        let text = format!("{body}\n{}{}", line(from, from.sign(&body)), line(to, to.sign(&body)));
        Ok(Self { from: from.public(), to: to.public(), text })
    }

    /// Reads the text and checks both signatures. Whether the first key is to be believed is for the reader.
    pub fn read(text: &str) -> Result<Self, InvalidHandover> {
        let malformed = InvalidHandover::Malformed;
        if text.len() > HANDOVER_BYTES_MAX {
            return Err(malformed("it is too long"));
        }
        let note = Note::from_bytes(text.as_bytes()).map_err(|_| malformed("no text with signatures below it"))?;
        let body = std::str::from_utf8(note.text()).map_err(|_| malformed("not text"))?;
        let lines: Vec<&str> = body.lines().collect();
        let [TITLE, name, from, to] = lines[..] else { return Err(malformed("not its four lines")) };
        let key = |text: &str| text.parse::<PublicKey>().map_err(|_| malformed("a key that is none"));
        let (from, to) = (key(from)?, key(to)?);
        check(&from, &to)?;
        if from.name() != name {
            return Err(malformed("it is about another log"));
        }
        let signatures = text.strip_prefix(body).and_then(|rest| rest.strip_prefix('\n'));
        let signatures: Vec<&str> = signatures.unwrap_or_default().lines().collect();
        if signatures.len() != 2 || note.to_bytes() != text.as_bytes() {
            return Err(malformed("not in its one form"));
        }
        for (key, line) in [&from, &to].into_iter().zip(signatures) {
            let is_good = Signature::from_bytes(line.as_bytes()).is_ok_and(|signature| {
                let is_named = signature.name() == key.name() && signature.id() == key.id();
                is_named && key.verify(body, signature.signature()).is_ok()
            });
            if !is_good {
                return Err(InvalidHandover::Forged { key: key.to_string() });
            }
        }
        Ok(Self { from, to, text: text.to_owned() })
    }

    /// Who hands the log over.
    pub fn from(&self) -> &PublicKey {
        &self.from
    }

    /// Who signs from now on.
    pub fn to(&self) -> &PublicKey {
        &self.to
    }

    /// The text that is kept and handed around.
    pub fn text(&self) -> &str {
        &self.text
    }
}

fn check(from: &PublicKey, to: &PublicKey) -> Result<(), InvalidHandover> {
    let are_log_keys = from.kind() == KeyKind::Log && to.kind() == KeyKind::Log;
    if are_log_keys && from.name() == to.name() && from != to {
        Ok(())
    } else {
        Err(InvalidHandover::Malformed("not two keys of one log"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_secret("log.example/loans", &[seed; 32]).unwrap()
    }

    #[test]
    fn a_handover_is_read_as_it_was_signed_and_in_no_other_form() {
        let handover = Handover::sign(&key(7), &key(8)).unwrap();
        assert_eq!(Handover::read(handover.text()), Ok(handover.clone()));
        assert_eq!((handover.from(), handover.to()), (&key(7).public(), &key(8).public()));
        let text = handover.text();
        for place in 0..text.len() {
            let mut bytes = text.as_bytes().to_vec();
            bytes[place] ^= 1;
            if let Ok(changed) = String::from_utf8(bytes) {
                assert!(Handover::read(&changed).is_err(), "{place}");
            }
            assert!(!text.is_char_boundary(place) || Handover::read(&text[..place]).is_err(), "{place}");
        }
        let lines: Vec<&str> = text.lines().collect();
        let doubled = format!("{text}{}\n", lines[6]);
        let swapped = format!("{}\n\n{}\n{}\n", lines[..4].join("\n"), lines[6], lines[5]);
        let alone = format!("{}\n\n{}\n", lines[..4].join("\n"), lines[5]);
        for other in [doubled, swapped, alone, format!("{text}\n"), format!("\n{text}")] {
            assert!(Handover::read(&other).is_err(), "{other}");
        }
    }

    #[test]
    fn nobody_hands_over_what_is_not_theirs() {
        let other = SigningKey::from_secret("log.example/other", &[8; 32]).unwrap();
        let witness = SigningKey::witness_from_secret("log.example/loans", &[8; 32]).unwrap();
        for to in [&other, &witness, &key(7)] {
            assert!(Handover::sign(&key(7), to).is_err());
        }
        // Signed by the new key twice, under the old one's name.
        let body = format!("{TITLE}\nlog.example/loans\n{}\n{}\n", key(7).public(), key(8).public());
        let forged = line(&key(7), key(8).sign(&body));
        let text = format!("{body}\n{forged}{}", line(&key(8), key(8).sign(&body)));
        assert_eq!(Handover::read(&text), Err(InvalidHandover::Forged { key: key(7).public().to_string() }));
    }

    /// The vector of `docs/formats/log.md`.
    #[test]
    fn the_handover_of_the_format_document() {
        expect_test::expect![[r#"
            loom key handover v1
            log.example/loans
            log.example/loans+e745eee3+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs
            log.example/loans+2cc84bad+AROY9ixtGkV8UbpqS189vS9p/KkyFiGNyJl+QWvRfZPK

            — log.example/loans 50Xu42IXmL5NXZja7vy3/s9GqNe3KqUioBWKoZIVUptT47McY32DBgp6RZuzrbwmvcRv8w9AUES86UrpQNYfVdNZ7QU=
            — log.example/loans LMhLreb9t7T05aZXL3JFUf30OtnRkvgf5wES2qtqhdOuF3dujWdj+PEngjmRj330SPKJQn4+SybfY13HLzFRVjBzRQk=
        "#]].assert_eq(Handover::sign(&key(7), &key(8)).unwrap().text());
    }
}
