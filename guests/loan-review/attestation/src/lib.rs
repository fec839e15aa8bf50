//! The actor `attestation`: for which application a notary's attestation was used.
//!
//! Its key is the attestation's id. `{"type": "use", "application_id": ID}` is answered with
//! `{"application_id": FIRST}`, the application that used it first; whoever asks compares. One
//! statement of income is one applicant's, and nothing in a presentation says for what it was made.

use loom_guest::{Error, host};
use serde::{Deserialize, Serialize};

/// Who may use attestations.
const USER: &str = "loan-review/";

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
enum Message {
    Use { application_id: String },
}

/// The state, and the answer.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Use {
    application_id: String,
}

loom_guest::actor!(handle);

fn handle(message: Message) -> Result<Use, Error> {
    let Message::Use { application_id } = message;
    // Only the actor of an application speaks for it.
    let sender = host::context().sender;
    if sender.is_none_or(|sender| sender != format!("{USER}{application_id}")) {
        let text = format!("only {USER}{application_id} can use an attestation for it");
        return Err(Error::new("not-the-applicant", text));
    }
    if let Some(first) = host::state::get::<Use>()? {
        return Ok(first);
    }
    let used = Use { application_id };
    host::state::set(&used)?;
    Ok(used)
}

#[cfg(test)]
mod tests;
