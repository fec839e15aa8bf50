//! Turns put together again from their journal.

use std::sync::Arc;

use loom_types::{
    ActorAddress, Cid, Entry, EntryBody, Payload, Resolution, SequenceNumber, TurnNumber, limits::TURN_ENTRIES_MAX,
};

use super::{
    Control, Opening, Outcome, Turn, Work,
    live::merged,
    prove::{self, Input},
    record::{Answered, Asked, Record},
};
use crate::{
    Deployment, Message, Retry,
    limits::CALL_DEADLINE_MS_DEFAULT,
    request::{self, Request},
};

/// The journal of a turn does not make sense. Always corrupt data, never a guest's doing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {seq} of {address} cannot be used: {problem}")]
pub struct CorruptTurn {
    /// The actor.
    pub address: ActorAddress,
    /// The entry.
    pub seq: SequenceNumber,
    /// What is wrong with it.
    pub problem: String,
}

/// Finds payloads by name.
type Lookup<'a> = &'a dyn Fn(&Cid) -> Option<Payload>;

impl Turn {
    /// The deployment that an unfinished turn is pinned to: that of its `turn-started`, or of the last reset that
    /// changed it.
    pub fn deployment_of(entries: &[Entry], payload: Lookup<'_>) -> Option<Cid> {
        let reset = |entry: &Entry| match &entry.body {
            EntryBody::Control { what, detail: Some(detail), .. } if what == "reset" => {
                match Control::read(&payload(detail)?) {
                    Ok(Control::Reset { deployment, .. }) => deployment.map(|deployment| deployment.0),
                    _ => None,
                }
            }
            _ => None,
        };
        let started = match &entries.first()?.body {
            EntryBody::TurnStarted { deployment, .. } => *deployment,
            _ => return None,
        };
        Some(entries.iter().rev().find_map(reset).unwrap_or(started))
    }

    /// Rebuilds an unfinished turn from its entries, `turn-started` first. Nothing is pending afterwards; the
    /// guest starts fresh and is answered from the records.
    pub fn restore(
        entries: &[Entry],
        payload: Lookup<'_>,
        deployment: Arc<Deployment>,
        state: Option<Payload>,
    ) -> Result<Self, CorruptTurn> {
        let (first, rest) = entries.split_first().expect("the caller found the turn's start");
        let opening = opening(first, payload, deployment).map_err(|problem| corrupt(first, problem))?;
        let pinned = Self::deployment_of(entries, payload).unwrap_or(opening.deployment_cid);
        let mut turn = Self::at_start(opening, state, first.at_ms);
        for entry in rest {
            if entry.turn != turn.opening.turn {
                return Err(corrupt(entry, format!("belongs to turn {}", entry.turn)));
            }
            turn.load(entry, payload).map_err(|problem| corrupt(entry, problem))?;
        }
        if pinned != turn.opening.deployment_cid {
            let deployment = turn.opening.deployment.clone();
            let unknown = |actor_type| corrupt(first, format!("a reset to a deployment without '{actor_type}'"));
            turn.repin(pinned, deployment).map_err(unknown)?;
        }
        turn.skip_discarded();
        Ok(turn)
    }

    fn load(&mut self, entry: &Entry, payload: Lookup<'_>) -> Result<(), String> {
        let find = |cid: &Cid| payload(cid).ok_or_else(|| format!("payload {cid} is missing"));
        let outcome = |resolution: &Resolution| {
            Ok::<_, String>(match resolution {
                Resolution::Ok(cid) => Outcome::Ok(find(cid)?),
                Resolution::Err(cid) => Outcome::Err(find(cid)?),
            })
        };
        self.entries += 1;
        match &entry.body {
            EntryBody::Step { n, op, request, outcome: immediate, input } => {
                if *n as usize != self.records.len() {
                    return Err(format!("step {n} follows step {}", self.records.len()));
                }
                // Asking for it would have ended the turn.
                if self.entries > TURN_ENTRIES_MAX {
                    return Err(format!("a step after {TURN_ENTRIES_MAX} entries of its turn"));
                }
                let request = find(request)?;
                let immediate = immediate.as_ref().map(outcome).transpose()?;
                let work = match (op.as_str(), &immediate) {
                    ("prove.start", None) => Some(prove::work(&request, *input)?),
                    _ => self.work(op, &request, immediate.as_ref(), entry.at_ms)?,
                };
                if op == "reply" && matches!(immediate, Some(Outcome::Ok(_))) {
                    self.restore_answer(*n, &request)?;
                }
                // Whoever needs it, and does not replay a bundle from which it was left out, looks for it.
                let input = match input {
                    None => Input::None,
                    Some(input) => payload(input).map_or(Input::LeftOut, Input::Known),
                };
                let asked = Asked { op: op.clone(), request, input };
                self.keep(Record::new(asked, immediate, work, self.entries));
                Ok(())
            }
            EntryBody::Outcome { n, result, .. } => {
                if self.outstanding_work(*n).is_none() {
                    return Err(format!("step {n} is not outstanding"));
                }
                self.note_completion(*n, outcome(result)?)
            }
            EntryBody::Control { what, detail: Some(detail), .. } if what == "reset" => {
                match Control::read(&find(detail)?)? {
                    Control::Reset { to, .. } => {
                        let kept = to.checked_sub(entry.seq.0 - u64::from(self.entries));
                        self.discard(kept.ok_or("a reset to before the turn")? as u32);
                        Ok(())
                    }
                    other => Err(format!("a reset whose detail says '{}'", other.name())),
                }
            }
            EntryBody::Control { .. } => Ok(()),
            body => Err(format!("'{}' cannot stand inside a turn", body.kind())),
        }
    }

    fn restore_answer(&mut self, n: u32, request: &Payload) -> Result<(), String> {
        let text = request.text().ok_or("the request is not text")?;
        match request::parse("reply", text).map_err(|failure| failure.to_string())? {
            Request::Reply { handle, .. } => {
                let received = self.records.get(handle as usize).and_then(|record| record.received.as_ref());
                if received.is_some_and(|received| received.answered.is_none()) {
                    self.note_answer(handle, Answered::By(n));
                }
                Ok(())
            }
            _ => Err("a reply that is none".into()),
        }
    }

    /// What a recorded step was, or still is, waiting for.
    fn work(
        &self,
        op: &str,
        request: &Payload,
        immediate: Option<&Outcome>,
        at_ms: u64,
    ) -> Result<Option<Work>, String> {
        match (op, immediate) {
            ("promise.create", Some(Outcome::Ok(created))) => {
                #[derive(serde::Deserialize)]
                struct Created {
                    token: String,
                }
                let Created { token } = serde_json::from_slice(created.value()).map_err(|error| error.to_string())?;
                Ok(Some(Work::Promise { token }))
            }
            ("spawn", Some(Outcome::Ok(_))) => {
                let message = Message::decode(request.value())?;
                let due_ms = message.deadline_ms.map(|ms| at_ms.saturating_add(ms));
                let is_detached = message.is_detached;
                Ok(Some(Work::Child { to: message.to, message: message.id, is_detached, due_ms }))
            }
            (_, Some(_)) | ("blob.get", None) => Ok(None),
            ("call" | "call.start", None) => {
                let deadline_ms = Message::decode(request.value())?.deadline_ms.unwrap_or(CALL_DEADLINE_MS_DEFAULT);
                Ok(Some(Work::Call { due_ms: at_ms.saturating_add(deadline_ms) }))
            }
            (_, None) => {
                let text = request.text().ok_or("the request is not text")?;
                match request::parse(op, text).map_err(|failure| failure.to_string())? {
                    Request::Sleep { ms } | Request::TimerStart { ms } => {
                        Ok(Some(Work::Timer { due_ms: at_ms.saturating_add(ms) }))
                    }
                    Request::Receive { message_type, timeout_ms, .. } => {
                        let due_ms = timeout_ms.map(|ms| at_ms.saturating_add(ms));
                        Ok(Some(Work::Receive { message_type, due_ms }))
                    }
                    Request::Activity { name, input, retry, .. } => {
                        // A reset may have pinned the turn to a deployment without it; whoever starts it finds out.
                        let spec = self.opening.deployment.activities.get(&name);
                        let retry = merged(spec.map_or_else(Retry::default, |spec| spec.retry), retry);
                        Ok(Some(Work::Activity { name, input: input.get().to_owned(), retry }))
                    }
                    _ => Err(format!("a step '{op}' needs an outcome")),
                }
            }
        }
    }
}

fn corrupt(entry: &Entry, problem: String) -> CorruptTurn {
    CorruptTurn { address: entry.actor.clone(), seq: entry.seq, problem }
}

fn opening(started: &Entry, payload: Lookup<'_>, deployment: Arc<Deployment>) -> Result<Opening, String> {
    let EntryBody::TurnStarted { message, deployment: deployment_cid, module, engine, seed } = &started.body else {
        return Err(format!("'{}' does not start a turn", started.body.kind()));
    };
    let find = |cid: &Cid| payload(cid).ok_or_else(|| format!("payload {cid} is missing"));
    let message_payload = find(message)?;
    let turn: TurnNumber = started.turn;
    Ok(Opening {
        address: started.actor.clone(),
        turn,
        message: Message::decode(message_payload.value())?,
        message_payload,
        deployment_cid: *deployment_cid,
        deployment,
        module: *module,
        engine: engine.clone(),
        seed: find(seed)?,
    })
}
