//! Replay: from any point of any turn, running it again asks for the same bytes and comes to the same end.

use std::sync::Arc;

use loom_machine::{
    Ambient, Deployment, Directory, Ended, Failure, Guest as _, Outcome, Progress, Reaction, Restarted, Task, Turn,
};
use loom_runtime::causes;
use loom_storage::Storage;
use loom_types::{Cid, Entry, EntryBody, Payload, Resolution, TurnResult};

use super::{
    Findings,
    journals::{Histories, History, TurnSpan},
};
use crate::{guest::ActorGuest, node, random::Random, scenario::ACTOR_TYPES, world::World};

const SAME: &str = "replay gives the same bytes";

pub(super) fn check(durable: &Storage, histories: &Histories, findings: &mut Findings) {
    let replay = Replay { durable, deployment: Arc::new(node::deployment()), world: World::for_replay() };
    for (actor, history) in &histories.actors {
        let mut state = match history.entries.get(1).map(|entry| &entry.body) {
            Some(EntryBody::Control { state: Some(state), .. }) => history.payloads.get(state).cloned(),
            _ => None,
        };
        for turn in &history.turns {
            let entries = history.entries_of(turn);
            for length in 1..=entries.len() {
                if length == entries.len() && turn.end.is_some() {
                    break;
                }
                if let Err(problem) = replay.from(history, turn, entries, length, state.clone()) {
                    findings.expect(false, SAME, || {
                        format!("{actor}, turn {}, from its entry {length} on: {problem}", entries[0].turn)
                    });
                }
            }
            if let Some(EntryBody::TurnEnded { state: after, .. }) = turn.end.map(|end| &history.entries[end].body) {
                state = after.and_then(|cid| history.payloads.get(&cid).cloned());
            }
        }
    }
}

struct Replay<'a> {
    durable: &'a Storage,
    deployment: Arc<Deployment>,
    world: Arc<World>,
}

/// Every type of the simulation exists.
struct Types;

impl Directory for Types {
    fn has_actor_type(&self, _: &str, actor_type: &str) -> bool {
        ACTOR_TYPES.contains(&actor_type)
    }
}

/// What a turn does next when it has been told all there is to tell.
enum Next {
    /// It asks for something new.
    Step { op: String, request: Payload },
    /// It waits.
    Wait,
    /// It goes on as another turn.
    Restart { message: Payload, state: Option<Payload> },
    /// It ends.
    End { outcome: Outcome, state: Option<Payload> },
}

impl Replay<'_> {
    /// Replays the first `length` entries of a turn and compares what the guest does next with the journal.
    fn from(
        &self,
        history: &History,
        turn: &TurnSpan,
        entries: &[Entry],
        length: usize,
        state: Option<Payload>,
    ) -> Result<(), String> {
        let find = |cid: &Cid| history.payloads.get(cid).cloned();
        let prefix = &entries[..length];
        let restored = Turn::restore(prefix, &find, self.deployment.clone(), state);
        let mut restored = restored.map_err(|error| error.to_string())?;
        let guest = ActorGuest::new(&turn.message.body, self.world.clone());
        let next = self.drive(&mut restored, guest, entries[length..].first().map_or(0, |entry| entry.at_ms))?;
        let rest = &entries[length..];
        let place = rest.iter().position(|entry| !happens_outside(entry));
        let expected = place.map(|place| &rest[place]);
        let has_outcomes =
            rest[..place.unwrap_or(rest.len())].iter().any(|entry| matches!(entry.body, EntryBody::Outcome { .. }));
        if expected.is_some_and(|entry| matches!(entry.body, EntryBody::Control { .. })) || is_ended(history, turn) {
            // Somebody outside stepped in before the guest did what it was about to do.
            return Ok(());
        }
        match (next, expected.map(|entry| &entry.body)) {
            (Next::Wait, None) => Ok(()),
            (Next::Wait, Some(_)) if has_outcomes => Ok(()),
            (Next::Wait, Some(body)) => Err(format!("it waits where the journal has '{}'", body.kind())),
            // Without a journal of what came next there is nothing to compare with.
            (Next::Step { .. } | Next::End { .. }, None) => Ok(()),
            (Next::Step { op, request }, Some(EntryBody::Step { op: journaled, request: text, .. })) => {
                let same = op == *journaled && find(text).is_some_and(|text| text.value() == request.value());
                if same { Ok(()) } else { Err(format!("it asks for {op}, the journal has {journaled}")) }
            }
            (Next::End { outcome, state }, Some(EntryBody::TurnEnded { result, state: after, .. })) => {
                same_end(history, &outcome, result, state.as_ref(), *after)
            }
            (Next::Restart { message, state }, Some(EntryBody::TurnEnded { result, state: after, .. })) => {
                let same = matches!(result, TurnResult::Restarted(_))
                    && message.value().as_ref() == history.text(&result.cid()).as_bytes();
                if !same {
                    return Err("it goes on as another turn, the journal has something else".to_owned());
                }
                same_state(history, state.as_ref(), *after)
            }
            (Next::Restart { .. }, None) => Ok(()),
            (Next::Restart { .. }, Some(body)) => {
                Err(format!("it goes on as another, the journal has '{}'", body.kind()))
            }
            (Next::Step { op, .. }, Some(body)) => Err(format!("it asks for {op}, the journal has '{}'", body.kind())),
            (Next::End { .. }, Some(body)) => Err(format!("it ends, the journal has '{}'", body.kind())),
        }
    }

    fn drive(&self, turn: &mut Turn, mut guest: ActorGuest, now_ms: u64) -> Result<Next, String> {
        let mut salts = Random::new(0);
        let mut answer = None;
        loop {
            let mut ambient = Ambient { now_ms, salts: &mut salts, directory: &Types, inputs: None };
            let result = match guest.resume(answer.take().as_deref()).map_err(|fault| fault.to_string())? {
                Progress::Yielded => continue,
                Progress::Returned(output) => Ok(output),
                Progress::Failed(failure) => Err(failure),
                Progress::Called(request) => {
                    let reaction = turn.request(&request, &mut ambient).map_err(|divergence| divergence.to_string())?;
                    answer = match reaction {
                        Reaction::Answer(answer) => Some(answer),
                        Reaction::Wait => return Ok(asked(turn).unwrap_or(Next::Wait)),
                        Reaction::Fail(failure) => return Err(failure.to_string()),
                        Reaction::Restart(body) => {
                            let restarted = turn.restart(&body, guest.fuel_used(), &mut ambient);
                            let restarted = restarted.map_err(|error| error.to_string())?;
                            let Restarted { payload, state, .. } = restarted.map_err(|error| error.to_string())?;
                            return Ok(Next::Restart { message: payload, state });
                        }
                        Reaction::Run(Task::BlobGet { cid, base64: false }) if turn.is_replaying() => {
                            Some(turn.finish(self.blob(cid)?.as_deref(), &mut ambient))
                        }
                        // A new step: what it does is not run again, only that it is asked for.
                        Reaction::Run(_) => Some(turn.finish(Ok("null"), &mut ambient)),
                    };
                    if let Some(next) = asked(turn) {
                        return Ok(next);
                    }
                    continue;
                }
            };
            let fuel = guest.fuel_used();
            let Ended { outcome, state } = turn.end(result, fuel, &mut ambient).map_err(|error| error.to_string())?;
            return Ok(Next::End { outcome, state });
        }
    }

    fn blob(&self, cid: Cid) -> Result<Result<String, Failure>, String> {
        use futures::FutureExt as _;
        let bytes = self.durable.blobs.get(cid).now_or_never().expect("the reference store answers at once");
        let bytes = bytes.map_err(|error| causes(&error))?;
        Ok(Ok(serde_json::to_string(&String::from_utf8_lossy(&bytes)).expect("strings serialise")))
    }
}

/// Entries that a guest has no part in, and after which it goes on from where it is.
fn happens_outside(entry: &Entry) -> bool {
    match &entry.body {
        EntryBody::Outcome { .. } => true,
        EntryBody::Control { what, .. } => ["pause", "resume", "cancel"].contains(&what.as_str()),
        _ => false,
    }
}

/// Whether the turn was ended without asking its guest.
fn is_ended(history: &History, turn: &TurnSpan) -> bool {
    let result = history.result_of(turn).map(|(_, result)| result);
    result.is_some_and(|result| {
        result.is_err_and(|failure| {
            failure.contains("\"kind\":\"cancelled\"") || failure.contains("\"kind\":\"turn-failed\"")
        })
    })
}

/// The first step that is not in the journal yet.
fn asked(turn: &Turn) -> Option<Next> {
    let pending = turn.pending();
    pending.entries.iter().find_map(|(_, body)| match body {
        EntryBody::Step { op, request, .. } => {
            let request = pending.payloads.iter().find(|payload| payload.cid() == *request)?.clone();
            Some(Next::Step { op: op.clone(), request })
        }
        _ => None,
    })
}

fn same_end(
    history: &History,
    outcome: &Outcome,
    journaled: &TurnResult,
    state: Option<&Payload>,
    journaled_state: Option<Cid>,
) -> Result<(), String> {
    let (actual, expected) = (outcome.payload().value(), history.text(&journaled.cid()));
    let same_kind = matches!(
        (outcome.resolution(), journaled),
        (Resolution::Ok(_), TurnResult::Reply(_)) | (Resolution::Err(_), TurnResult::Failure(_))
    );
    if !same_kind || actual.as_ref() != expected.as_bytes() {
        return Err(format!("it ends with {}, the journal has {expected}", String::from_utf8_lossy(actual)));
    }
    same_state(history, state, journaled_state)
}

fn same_state(history: &History, state: Option<&Payload>, journaled_state: Option<Cid>) -> Result<(), String> {
    let journaled_state = journaled_state.map(|cid| history.text(&cid));
    if state.and_then(Payload::text) != journaled_state {
        return Err(format!(
            "it leaves the state {:?}, the journal has {journaled_state:?}",
            state.and_then(Payload::text)
        ));
    }
    Ok(())
}
