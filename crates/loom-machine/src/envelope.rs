//! Message envelopes: what stands in a message payload.
//!
//! JSON with the members `id`, `kind` (`call` or `send`), `sender` (`namespace/type/key`, or null for a
//! client), `to`, where they were given `deadline_ms` and `delay_ms`, and `body`, in this order and without spaces
//! around them. The step that sent a message and the turn that handles it name the same payload.

use loom_types::{ActorAddress, MessageId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Whether the sender waits for the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MessageKind {
    /// It does.
    Call,
    /// It does not.
    Send,
}

/// A message, read from or written to its envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Identity, and idempotency key.
    pub id: MessageId,
    /// Whether a reply is expected.
    pub kind: MessageKind,
    /// The sending actor; none for a client.
    pub sender: Option<ActorAddress>,
    /// The receiving actor.
    pub to: ActorAddress,
    /// How long the caller waits, in milliseconds, where it said so.
    pub deadline_ms: Option<u64>,
    /// How long delivery is put off, in milliseconds, where the sender said so.
    pub delay_ms: Option<u64>,
    /// JSON text.
    pub body: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    id: &'a str,
    kind: MessageKind,
    sender: Option<&'a str>,
    to: &'a str,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deadline_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delay_ms: Option<u64>,
    #[serde(borrow)]
    body: &'a RawValue,
}

impl Message {
    /// The envelope's text. `body` must be JSON.
    pub fn encode(&self) -> String {
        let wire = Wire {
            id: self.id.as_str(),
            kind: self.kind,
            sender: self.sender.as_ref().map(ActorAddress::as_str),
            to: self.to.as_str(),
            deadline_ms: self.deadline_ms,
            delay_ms: self.delay_ms,
            body: serde_json::from_str(&self.body).expect("bodies are checked where they enter"),
        };
        serde_json::to_string(&wire).expect("strings serialise")
    }

    /// Reads an envelope; says what is wrong with it otherwise.
    pub fn decode(text: &[u8]) -> Result<Self, String> {
        let wire: Wire<'_> = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        Ok(Self {
            id: MessageId::from_stored(wire.id).map_err(|error| error.to_string())?,
            kind: wire.kind,
            sender: wire.sender.map(str::parse).transpose().map_err(|error| format!("sender: {error}"))?,
            to: wire.to.parse().map_err(|error| format!("to: {error}"))?,
            deadline_ms: wire.deadline_ms,
            delay_ms: wire.delay_ms,
            body: wire.body.get().to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_survives_a_round_trip_with_its_body_untouched() {
        let message = Message {
            id: "m1".parse().unwrap(),
            kind: MessageKind::Call,
            sender: None,
            to: "default/echo/a".parse().unwrap(),
            deadline_ms: None,
            delay_ms: None,
            body: r#"{"b": 1.00, "a": "\u00e4"}"#.into(),
        };
        let text = message.encode();
        assert_eq!(
            text,
            r#"{"id":"m1","kind":"call","sender":null,"to":"default/echo/a","body":{"b": 1.00, "a": "\u00e4"}}"#
        );
        assert_eq!(Message::decode(text.as_bytes()), Ok(message));
    }
}
