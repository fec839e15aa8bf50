//! DSSE envelopes: how verdicts leave for others' tools. <https://github.com/secure-systems-lab/dsse>, version 1.0.2.

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use crate::key::{PublicKey, SigningKey};

/// A signed payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Envelope {
    payload_type: String,
    /// Base64.
    payload: String,
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct EnvelopeSignature {
    /// The signer's public key in the text form of signed-note.
    keyid: String,
    /// Base64 of an Ed25519 signature.
    sig: String,
}

impl Envelope {
    /// Signs a payload.
    pub fn sign(payload_type: &str, payload: &[u8], key: &SigningKey) -> Self {
        let sig = BASE64.encode(&key.sign_bytes(&preauthentication(payload_type, payload)));
        let signatures = vec![EnvelopeSignature { keyid: key.public().to_string(), sig }];
        Self { payload_type: payload_type.to_owned(), payload: BASE64.encode(payload), signatures }
    }

    /// The payload, if it is of this type and the key signed it.
    pub fn open(&self, payload_type: &str, key: &PublicKey) -> Option<Vec<u8>> {
        let payload = BASE64.decode(self.payload.as_bytes()).ok()?;
        let signed = preauthentication(&self.payload_type, &payload);
        let is_signed = self.signatures.iter().any(|signature| {
            let bytes = BASE64.decode(signature.sig.as_bytes()).unwrap_or_default();
            key.verifies_bytes(&signed, &bytes)
        });
        (is_signed && self.payload_type == payload_type).then_some(payload)
    }
}

/// What is signed: the type and the payload, each with its length, so that neither can pass for the other.
fn preauthentication(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the protocol's document.
    #[test]
    fn what_is_signed_is_as_specified() {
        let signed = preauthentication("http://example.com/HelloWorld", b"hello world");
        assert_eq!(signed, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }

    #[test]
    fn an_envelope_opens_for_its_key_and_type() {
        let key = SigningKey::from_secret("auditor.example", &[3; 32]).unwrap();
        let other = SigningKey::from_secret("auditor.example", &[4; 32]).unwrap();
        let envelope = Envelope::sign("text/plain", b"so it is", &key);
        assert_eq!(envelope.open("text/plain", &key.public()).as_deref(), Some(&b"so it is"[..]));
        assert_eq!(envelope.open("text/html", &key.public()), None);
        assert_eq!(envelope.open("text/plain", &other.public()), None);
        let changed = Envelope { payload: BASE64.encode(b"so it is not"), ..envelope };
        assert_eq!(changed.open("text/plain", &key.public()), None);
    }
}
