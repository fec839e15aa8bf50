//! Journal entries and their canonical bytes.
//!
//! An entry is a DAG-CBOR map with the members `v`, `actor`, `seq`, `prev`, `turn`, `at` and `body`; the body
//! is a map with one member named after its kind. Its CID is its identity, and `prev` links it to the entry
//! before, so the head CID commits to the actor's whole history. Values never stand in an entry, only the
//! CIDs of their payloads. `docs/formats/entry.md` describes the bytes and gives test vectors.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    address::ActorAddress,
    canonical::{self, DecodeError},
    cid::{Cid, Codec},
    limits::ENTRY_BYTES_MAX,
    number::{SequenceNumber, TurnNumber},
};

/// Version of the encoding below.
const VERSION: u64 = 1;

/// One link of an actor's journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whose journal this is.
    pub actor: ActorAddress,
    /// Position, from 0.
    pub seq: SequenceNumber,
    /// CID of the entry before; none for the first.
    pub prev: Option<Cid>,
    /// The turn it belongs to; 0 outside any turn.
    pub turn: TurnNumber,
    /// When the node wrote it, in milliseconds since the Unix epoch, by the node's clock.
    pub at_ms: u64,
    /// What happened.
    pub body: EntryBody,
}

/// What an entry records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum EntryBody {
    /// The actor came into being. Always the first entry, and only the first.
    Opened {},
    /// A message was taken from the mailbox and its handling began.
    TurnStarted {
        /// Payload with the message envelope (id, sender, body).
        message: Cid,
        /// The deployment the turn is pinned to.
        deployment: Cid,
        /// The module that runs it.
        module: Cid,
        /// Engine and configuration that ran it; fuel is comparable only within one engine.
        engine: String,
        /// Payload with the 32 bytes from which `random` and `uuid` are derived.
        seed: Cid,
    },
    /// The guest asked the host for something.
    Step {
        /// Number of the step within the turn, from 0.
        n: u32,
        /// The operation, as in the guest contract.
        op: String,
        /// Payload with the request's bytes (a message envelope for `call` and `send`).
        request: Cid,
        /// The immediate outcome; absent where it follows later as an `outcome` entry.
        outcome: Option<Resolution>,
        /// Payload with what the guest handed over in private, apart from the request so that it can be left out alone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        input: Option<Cid>,
    },
    /// A step that was outstanding got its outcome.
    Outcome {
        /// The step.
        n: u32,
        /// What came of it.
        result: Resolution,
        /// How often it was tried.
        attempts: u32,
        /// The worker that did it; empty for timers, replies and promises.
        worker: String,
        /// Blobs that back it.
        evidence: Vec<Cid>,
    },
    /// The guest returned or failed; the turn is over.
    TurnEnded {
        /// Payload with the reply, or with the failure.
        result: TurnResult,
        /// Payload with the actor's state after this turn; none when it has none.
        state: Option<Cid>,
        /// Fuel the guest used, comparable within one engine.
        fuel: u64,
    },
    /// An operator intervened.
    Control {
        /// What was done.
        what: String,
        /// Who did it.
        by: String,
        /// Payload that says more: what is needed to understand the entries after it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<Cid>,
        /// Payload with the state that the actor has from now on, where this changes it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        state: Option<Cid>,
    },
}

impl EntryBody {
    /// The kind's name, as in the bytes.
    pub fn kind(&self) -> &'static str {
        match self {
            EntryBody::Opened {} => "opened",
            EntryBody::TurnStarted { .. } => "turn-started",
            EntryBody::Step { .. } => "step",
            EntryBody::Outcome { .. } => "outcome",
            EntryBody::TurnEnded { .. } => "turn-ended",
            EntryBody::Control { .. } => "control",
        }
    }

    /// The payloads this entry names, each with its role.
    pub fn payloads(&self) -> Vec<(&'static str, Cid)> {
        let mut named = Vec::new();
        match self {
            EntryBody::Opened {} => {}
            EntryBody::Control { detail, state, .. } => {
                named.extend(detail.map(|detail| ("detail", detail)));
                named.extend(state.map(|state| ("state", state)));
            }
            EntryBody::TurnStarted { message, seed, .. } => {
                named.extend([("message", *message), ("seed", *seed)]);
            }
            EntryBody::Step { request, outcome, input, .. } => {
                named.push(("request", *request));
                named.extend(input.map(|input| ("input", input)));
                named.extend(outcome.as_ref().map(|outcome| (outcome.role(), outcome.cid())));
            }
            EntryBody::Outcome { result, .. } => named.push((result.role(), result.cid())),
            EntryBody::TurnEnded { result, state, .. } => {
                named.push((result.role(), result.cid()));
                named.extend(state.map(|state| ("state", state)));
            }
        }
        named
    }
}

/// How a step came out: the payload with its value, or with its error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resolution {
    /// It succeeded with this value.
    Ok(Cid),
    /// It failed with this error.
    Err(Cid),
}

impl Resolution {
    /// The payload, whichever it is.
    pub fn cid(&self) -> Cid {
        let (Resolution::Ok(cid) | Resolution::Err(cid)) = self;
        *cid
    }

    fn role(&self) -> &'static str {
        match self {
            Resolution::Ok(_) => "ok",
            Resolution::Err(_) => "err",
        }
    }
}

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TurnResult {
    /// The guest returned; the payload is its reply.
    Reply(Cid),
    /// The guest failed; the payload is the failure, and the state is as before the turn.
    Failure(Cid),
    /// The guest asked to go on as a new turn; the payload is the message that the next turn handles.
    Restarted(Cid),
}

impl TurnResult {
    /// The payload, whichever it is.
    pub fn cid(&self) -> Cid {
        let (TurnResult::Reply(cid) | TurnResult::Failure(cid) | TurnResult::Restarted(cid)) = self;
        *cid
    }

    fn role(&self) -> &'static str {
        match self {
            TurnResult::Reply(_) => "reply",
            TurnResult::Failure(_) => "failure",
            TurnResult::Restarted(_) => "restarted",
        }
    }
}

/// An entry's bytes and their name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedEntry {
    /// Identity of the entry.
    pub cid: Cid,
    /// Its canonical bytes.
    pub bytes: Bytes,
}

/// The map as it is written. Member order in the bytes follows DAG-CBOR (shorter names first).
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    v: u64,
    actor: String,
    seq: u64,
    prev: Option<Cid>,
    turn: u64,
    at: u64,
    body: EntryBody,
}

impl Entry {
    /// The canonical bytes and their CID.
    pub fn encode(&self) -> EncodedEntry {
        let wire = Wire {
            v: VERSION,
            actor: self.actor.as_str().to_owned(),
            seq: self.seq.0,
            prev: self.prev,
            turn: self.turn.0,
            at: self.at_ms,
            body: self.body.clone(),
        };
        let bytes: Bytes = canonical::encode(&wire).into();
        assert!(bytes.len() <= ENTRY_BYTES_MAX, "an entry holds no values, only names");
        EncodedEntry { cid: Cid::of(Codec::DagCbor, &bytes), bytes }
    }

    /// Reads canonical bytes; refuses anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let wire: Wire = canonical::decode("entry", bytes, ENTRY_BYTES_MAX)?;
        if wire.v != VERSION {
            return Err(DecodeError::Version { what: "entry", found: wire.v, known: VERSION });
        }
        // Counters go on from what is read here, and stores keep them as signed numbers.
        if [wire.seq, wire.turn, wire.at].iter().any(|number| i64::try_from(*number).is_err()) {
            let detail = "a number is not below 2^63".to_owned();
            return Err(DecodeError::Malformed { what: "entry", detail });
        }
        let actor = wire
            .actor
            .parse()
            .map_err(|error| DecodeError::Malformed { what: "entry", detail: format!("actor: {error}") })?;
        let entry = Self {
            actor,
            seq: SequenceNumber(wire.seq),
            prev: wire.prev,
            turn: TurnNumber(wire.turn),
            at_ms: wire.at,
            body: wire.body,
        };
        let opened = matches!(entry.body, EntryBody::Opened {});
        if opened != (entry.seq.0 == 0) || opened != entry.prev.is_none() {
            let detail = "the first entry, and only it, is `opened` with no link back".to_owned();
            return Err(DecodeError::Malformed { what: "entry", detail });
        }
        Ok(entry)
    }
}

#[cfg(test)]
#[path = "entry_tests.rs"]
mod tests;
