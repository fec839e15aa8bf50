//! Whether payloads have the form that their roles ask for: what a guest is told is put together from them as text.

use std::collections::HashMap;

use loom_evidence::Bundle;
use loom_machine::Message;
use loom_types::{Cid, Entry, EntryBody, Payload, Resolution, TurnResult, media_type};
use serde::de::IgnoredAny;

use crate::{Report, links::is_sending};

/// Bytes of a turn's seed.
const SEED_BYTES: usize = 32;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Message,
    /// Of a message that was refused, or of a request that is none.
    JsonOrMessage,
    Seed,
    /// Whatever the guest named, but nothing of ours.
    Private,
}

/// Checks the payloads of a history that are in the file.
pub(crate) fn check(bundle: &Bundle, entries: &[Entry], report: &mut Report) {
    let mut steps: HashMap<u32, &str> = HashMap::new();
    for (place, entry) in entries.iter().enumerate() {
        let is_context = place == 0 && entry.seq.0 > 0;
        match &entry.body {
            EntryBody::TurnStarted { .. } => steps.clear(),
            EntryBody::Step { n, op, .. } => drop(steps.insert(*n, op)),
            _ => {}
        }
        for (role, cid) in entry.body.payloads() {
            let Some(payload) = bundle.payloads().get(&cid).filter(|_| !is_context || role == "state") else {
                continue;
            };
            if let Err(problem) = has_form(form(&entry.body, role, cid, &steps), payload, entry) {
                report.contradiction(entry, format!("{role}: {problem}"));
            }
        }
    }
}

fn form(body: &EntryBody, role: &str, cid: Cid, steps: &HashMap<u32, &str>) -> Form {
    match body {
        EntryBody::TurnStarted { .. } if role == "seed" => Form::Seed,
        EntryBody::TurnStarted { .. } => Form::Message,
        EntryBody::Step { op, .. } if role == "input" && op == "prove.start" => Form::Private,
        EntryBody::Step { op, request, outcome, .. } if cid == *request && role == "request" && is_sending(op) => {
            if matches!(outcome, Some(Resolution::Err(_))) { Form::JsonOrMessage } else { Form::Message }
        }
        EntryBody::Outcome { n, result: Resolution::Ok(_), .. }
            if steps.get(n).is_some_and(|op| op.starts_with("receive")) =>
        {
            Form::Message
        }
        EntryBody::TurnEnded { result: TurnResult::Restarted(message), .. } if cid == *message => Form::Message,
        _ => Form::Json,
    }
}

fn has_form(form: Form, payload: &Payload, entry: &Entry) -> Result<(), String> {
    let json =
        || serde_json::from_slice::<IgnoredAny>(payload.value()).map(drop).map_err(|error| format!("no JSON: {error}"));
    let message = || match Message::decode(payload.value()) {
        Err(problem) => Err(format!("no message: {problem}")),
        Ok(message) if !matches!(entry.body, EntryBody::Step { .. }) && message.to != entry.actor => {
            Err(format!("the message is for {}", message.to))
        }
        Ok(_) => Ok(()),
    };
    match (payload.media_type(), form) {
        (other, Form::Private) if !other.to_ascii_lowercase().starts_with(media_type::OWN) => Ok(()),
        (media_type::JSON, Form::Json | Form::JsonOrMessage) => json(),
        (media_type::MESSAGE, Form::Message | Form::JsonOrMessage) => message(),
        (media_type::SEED, Form::Seed) if payload.value().len() == SEED_BYTES => Ok(()),
        (media_type::SEED, Form::Seed) => Err(format!("it has {} bytes, not {SEED_BYTES}", payload.value().len())),
        (other, _) => Err(format!("'{other}' has no place there")),
    }
}
