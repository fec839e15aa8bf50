//! Message envelopes: what stands in a message payload.
//!
//! JSON with the members `id`, `kind` (`call` or `send`), `sender` (`namespace/type/key`, or null for a
//! client), `to`, `path`, `deadline_ms`, `delay_ms` and `detached` where they say something, and `body`, in this order and
//! without spaces around them. The step that sent a message and the turn that handles it name the same payload.

use std::borrow::Cow;

use loom_types::{ActorAddress, MessageId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::object::{is_object, name};

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
    /// Who waits for the sender to answer, outermost first; without those whom only the sender knows of.
    pub path: Vec<ActorAddress>,
    /// How long the caller waits, in milliseconds, where it said so.
    pub deadline_ms: Option<u64>,
    /// How long delivery is put off, in milliseconds, where the sender said so.
    pub delay_ms: Option<u64>,
    /// The receiver goes on with it when the sender's turn is over. Only for children.
    pub is_detached: bool,
    /// JSON text.
    pub body: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    id: &'a str,
    #[serde(deserialize_with = "name")]
    kind: MessageKind,
    sender: Option<&'a str>,
    to: &'a str,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    path: Vec<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deadline_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delay_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    detached: bool,
    #[serde(borrow)]
    body: &'a RawValue,
}

impl Message {
    /// A client's message: it waits for the reply, and nobody waits for it.
    pub fn of_client(id: MessageId, to: ActorAddress, body: String) -> Self {
        Self {
            id,
            kind: MessageKind::Call,
            sender: None,
            to,
            path: Vec::new(),
            deadline_ms: None,
            delay_ms: None,
            is_detached: false,
            body,
        }
    }

    /// The envelope's text. `body` must be JSON.
    pub fn encode(&self) -> String {
        let wire = Wire {
            id: self.id.as_str(),
            kind: self.kind,
            sender: self.sender.as_ref().map(ActorAddress::as_str),
            to: self.to.as_str(),
            path: self.path.iter().map(|waits| Cow::Borrowed(waits.as_str())).collect(),
            deadline_ms: self.deadline_ms,
            delay_ms: self.delay_ms,
            detached: self.is_detached,
            body: serde_json::from_str(&self.body).expect("bodies are checked where they enter"),
        };
        serde_json::to_string(&wire).expect("strings serialise")
    }

    /// Whether the body is an object whose member `type` is `wanted`; every body is, if nothing certain is wanted.
    pub fn has_type(&self, wanted: Option<&str>) -> bool {
        #[derive(Deserialize)]
        struct Typed<'a> {
            #[serde(rename = "type", borrow)]
            message_type: Cow<'a, str>,
        }
        let Some(wanted) = wanted else { return true };
        // The reader would take an array's first element for the member.
        is_object(self.body.as_bytes())
            && serde_json::from_str::<Typed<'_>>(&self.body).is_ok_and(|typed| typed.message_type == wanted)
    }

    /// Reads an envelope; says what is wrong with it otherwise.
    pub fn decode(text: &[u8]) -> Result<Self, String> {
        if !is_object(text) {
            return Err("not an object".to_owned());
        }
        let wire: Wire<'_> = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        let path: Result<_, _> = wire.path.iter().map(|waits| waits.parse()).collect();
        Ok(Self {
            id: MessageId::from_stored(wire.id).map_err(|error| error.to_string())?,
            kind: wire.kind,
            sender: wire.sender.map(str::parse).transpose().map_err(|error| format!("sender: {error}"))?,
            to: wire.to.parse().map_err(|error| format!("to: {error}"))?,
            path: path.map_err(|error| format!("path: {error}"))?,
            deadline_ms: wire.deadline_ms,
            delay_ms: wire.delay_ms,
            is_detached: wire.detached,
            body: wire.body.get().to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_survives_a_round_trip_with_its_body_untouched() {
        let body = r#"{"b": 1.00, "a": "\u00e4"}"#;
        let message = Message::of_client("m1".parse().unwrap(), "default/echo/a".parse().unwrap(), body.into());
        let text = message.encode();
        assert_eq!(
            text,
            r#"{"id":"m1","kind":"call","sender":null,"to":"default/echo/a","body":{"b": 1.00, "a": "\u00e4"}}"#
        );
        assert_eq!(Message::decode(text.as_bytes()), Ok(message));
    }

    #[test]
    fn a_child_deep_in_a_chain_survives_it_too() {
        let message = Message {
            sender: Some("default/parent/p".parse().unwrap()),
            path: vec!["default/a/1".parse().unwrap(), "default/b/2".parse().unwrap()],
            deadline_ms: Some(5),
            is_detached: true,
            ..Message::of_client(
                MessageId::from_stored("default/parent/p#3.4").unwrap(),
                "default/child/c".parse().unwrap(),
                "null".into(),
            )
        };
        let text = message.encode();
        assert!(
            text.contains(r#""path":["default/a/1","default/b/2"],"deadline_ms":5,"detached":true,"body":null}"#),
            "{text}"
        );
        assert_eq!(Message::decode(text.as_bytes()), Ok(message));
    }

    #[test]
    fn a_body_has_the_type_it_says_and_no_other() {
        let typed = |body: &str, wanted| {
            Message::of_client("m".parse().unwrap(), "default/a/b".parse().unwrap(), body.into()).has_type(wanted)
        };
        assert!(typed(r#"{"x":1,"type":"stop"}"#, Some("stop")) && typed("1", None));
        assert!(typed(r#"{"type":"st\u006fp"}"#, Some("stop")));
        for body in [r#"{"type":"go"}"#, r#"{"type":1}"#, "{}", "1", "\"stop\"", "[\"stop\"]"] {
            assert!(!typed(body, Some("stop")), "{body}");
        }
    }

    /// Other readers of the format take none of these.
    #[test]
    fn only_an_object_is_an_envelope() {
        for text in [
            r#"["m1","call",null,"default/echo/a",[],null,null,false,1]"#,
            r#"{"id":"m1","kind":{"call":null},"sender":null,"to":"default/echo/a","body":1}"#,
            r#"{"id":"m1","kind":0,"sender":null,"to":"default/echo/a","body":1}"#,
        ] {
            Message::decode(text.as_bytes()).expect_err(text);
        }
    }
}
