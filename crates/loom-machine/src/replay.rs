//! Replaying one recorded turn against a module, outside any actor: nothing is written and nobody is asked.
//!
//! What the guest gets is what the journal says it got; only blobs, which their requests name, are read. Its requests
//! are compared with the records, and if the turn is over, its end as well: reply or failure, and the state it left.
//!
//! With somebody to run pure activities ([`Surroundings::activity`]) a replay is a *re-execution*: every outcome that
//! follows from the journal, from the turn's seed or from a pure activity's module is computed again and compared, and
//! [`Agreed::outcomes`] says what each outcome rests on.
//!
//! A turn that the node ended (`fail-turn`, a cancellation before its guest ran, a module that could not be started)
//! used no fuel; of such a turn, and of one that is still open, the steps are compared and nothing more.

mod difference;
mod recorded;

use std::sync::Arc;

use bytes::Bytes;
use loom_types::{Cid, EntryBody, Payload, SaltSource, SequenceNumber, TurnResult};

pub use self::{
    difference::{Did, Difference},
    recorded::{RecordedTurn, turns},
};
use crate::{
    Ambient, CorruptTurn, Deployment, Directory, Divergence, Ended, Failure, Guest, GuestLimits, HostFault, Message,
    Module, Outcome, Progress, Reaction, Requested, Task, Turn, Verdict, Verification, blob_text,
    turn::{Basis, Founded},
};

/// Failures that depend on the engine: what a limit means, and how a trap is told.
const OF_THE_ENGINE: [&str; 4] = ["trap", "out-of-fuel", "memory-limit", "stack-overflow"];
/// Those of them that another engine need not come to: what a guest uses up is not the same everywhere. A trap is.
const OF_ITS_LIMITS: [&str; 3] = ["out-of-fuel", "memory-limit", "stack-overflow"];

/// What a turn is replayed against.
#[derive(Clone)]
pub struct Candidate {
    /// The module's name.
    pub cid: Cid,
    /// The module.
    pub module: Arc<dyn Module>,
    /// What its guest may use.
    pub limits: GuestLimits,
    /// The engine that runs it.
    pub engine: String,
}

/// What a replay takes from its host.
pub struct Surroundings<'a> {
    /// Reads a blob.
    pub blob: &'a dyn Fn(Cid) -> Result<Bytes, String>,
    /// Whether to give up.
    pub is_over: &'a dyn Fn() -> bool,
    /// Runs a pure activity of the turn's deployment: name, input. Without it recorded outcomes are not computed again.
    pub activity: Option<&'a RunActivity<'a>>,
    /// Runs a verifier of the turn's deployment. Without it recorded verdicts are not computed again.
    pub verifier: Option<&'a RunVerifier<'a>>,
}

/// Runs a pure activity; gives its output or its failure.
pub type RunActivity<'a> = dyn Fn(&str, &str) -> Result<Result<String, Failure>, Impossible> + 'a;

/// Runs a verifier's module; gives the step's outcome, or nothing where the evidence is not there.
pub type RunVerifier<'a> = dyn Fn(&Verification) -> Result<Option<Result<String, Failure>>, Impossible> + 'a;

/// A recorded outcome that a re-execution met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Met {
    /// The step.
    pub n: u32,
    /// Its operation.
    pub op: String,
    /// The step's entry.
    pub seq: SequenceNumber,
    /// What it rests on.
    pub rests_on: RestsOn,
}

/// What a recorded outcome rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RestsOn {
    /// It was computed again, from the journal.
    Computed,
    /// It was computed again, by this pure activity.
    Activity(String),
    /// It was computed again, by this verifier.
    Verifier(String),
    /// The word of the node that recorded it.
    Claim,
}

/// What came of a replay.
#[derive(Clone, Debug)]
pub enum Replayed {
    /// The guest did again what the journal says.
    Agreed(Agreed),
    /// It did something else.
    Diverged(Box<Difference>),
    /// It cannot be known.
    Impossible(Impossible),
}

/// What a replay that agreed has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// The end was compared too; otherwise the turn is open, or was ended by the node.
    pub to_the_end: bool,
    /// Fuel the guest used.
    pub fuel: u64,
    /// Outcomes of a re-execution, in the order of their steps; those that came later after those that came at once.
    pub outcomes: Vec<Met>,
}

/// Why a turn cannot be replayed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Impossible {
    /// A value is gone.
    #[error("a payload of entry {0} was erased or left out")]
    Erased(SequenceNumber),
    /// The state before the turn was written further back than is looked.
    #[error("the state before the turn was erased or left out, or was written further back than is looked")]
    StateUnknown,
    /// It failed by a limit or a trap, under another engine.
    #[error("the turn failed under engine {recorded}, which this node does not run; its end cannot be compared")]
    OtherEngine {
        /// That engine.
        recorded: String,
    },
    /// It ran under another engine, and meets a limit under this one.
    #[error("the turn ran under engine {recorded}; under the engine here it meets a limit: {failure}")]
    LimitHere {
        /// That engine.
        recorded: String,
        /// How it fails here.
        failure: Failure,
    },
    /// The deployment that the turn is pinned to cannot be read.
    #[error("its deployment cannot be read: {0}")]
    Deployment(String),
    /// The journal does not make sense.
    #[error(transparent)]
    Corrupt(#[from] CorruptTurn),
    /// A blob that it read cannot be read.
    #[error("blob {cid} cannot be read: {problem}")]
    Blob {
        /// The blob.
        cid: Cid,
        /// Why.
        problem: String,
    },
    /// The host failed.
    #[error(transparent)]
    Host(#[from] HostFault),
    /// There was no more time.
    #[error("the time for the check was over")]
    OutOfTime,
}

/// Why a replay stops before it agrees.
enum Stop {
    Diverged(Box<Difference>),
    Impossible(Impossible),
}

impl From<Impossible> for Stop {
    fn from(impossible: Impossible) -> Self {
        Stop::Impossible(impossible)
    }
}

/// Replays a turn. `deployment` is the one that it is pinned to; the guest is the candidate's.
pub fn replay(
    recorded: &RecordedTurn,
    deployment: Arc<Deployment>,
    candidate: &Candidate,
    surroundings: &Surroundings<'_>,
) -> Replayed {
    let replayed = Replay::begin(recorded, deployment, candidate, surroundings).and_then(Replay::run);
    match replayed {
        Ok(agreed) => Replayed::Agreed(agreed),
        Err(Stop::Diverged(difference)) => Replayed::Diverged(difference),
        Err(Stop::Impossible(impossible)) => Replayed::Impossible(impossible),
    }
}

struct Replay<'a> {
    recorded: &'a RecordedTurn,
    candidate: &'a Candidate,
    surroundings: &'a Surroundings<'a>,
    turn: Turn,
    guest: Box<dyn Guest>,
    outcomes: Vec<Met>,
}

/// The end that the journal has, if the guest came to it.
struct End<'a> {
    seq: SequenceNumber,
    result: &'a TurnResult,
    state: Option<Cid>,
    fuel: u64,
}

impl<'a> Replay<'a> {
    fn begin(
        recorded: &'a RecordedTurn,
        deployment: Arc<Deployment>,
        candidate: &'a Candidate,
        surroundings: &'a Surroundings<'a>,
    ) -> Result<Self, Stop> {
        recorded.is_whole()?;
        let state = recorded.state.clone()?;
        let find = |cid: &Cid| recorded.payloads.get(cid).cloned();
        let turn = Turn::restore(recorded.inside(), &find, deployment, state).map_err(Impossible::from)?;
        let body = &turn.opening().message.body;
        let guest = candidate.module.start(&candidate.limits, body).map_err(Impossible::from)?;
        Ok(Self { recorded, candidate, surroundings, turn, guest, outcomes: Vec::new() })
    }

    fn run(mut self) -> Result<Agreed, Stop> {
        let mut answer: Option<String> = None;
        loop {
            if (self.surroundings.is_over)() {
                return Err(Impossible::OutOfTime.into());
            }
            match self.guest.resume(answer.take().as_deref()).map_err(Impossible::from)? {
                Progress::Yielded => {}
                Progress::Returned(output) => return self.ended(Ok(output)),
                Progress::Failed(failure) => return self.ended(Err(failure)),
                Progress::Called(request) => match self.asked(&request)? {
                    Next::Answer(next) => answer = Some(next),
                    Next::Beyond(did) => return self.beyond(did),
                    Next::Fails(failure) => return self.ended(Err(failure)),
                    Next::Restarts(body) => return self.restarted(&body),
                },
            }
        }
    }

    fn asked(&mut self, request: &str) -> Result<Next, Stop> {
        self.compute_next(request)?;
        let known = self.turn.pending().entries.len();
        let reaction =
            self.turn.request(request, &mut ambient(&mut NoSalts)).map_err(|divergence| self.parted(*divergence))?;
        let is_new = self.turn.pending().entries.len() > known;
        let new_step = || Next::Beyond(Did::asked(request));
        Ok(match reaction {
            Reaction::Answer(_) if is_new => new_step(),
            Reaction::Answer(answer) => Next::Answer(answer),
            Reaction::Wait if is_new => new_step(),
            Reaction::Wait => Next::Beyond(Did::Waited),
            Reaction::Run(Task::BlobGet { cid, base64 }) if self.turn.is_replaying() => {
                Next::Answer(self.read_again(cid, base64)?)
            }
            Reaction::Run(_) => new_step(),
            Reaction::Fail(failure) => Next::Fails(failure),
            Reaction::Restart(body) => Next::Restarts(body),
        })
    }

    /// Computes the outcome again that the journal has for this request, if that can be done.
    fn compute_next(&mut self, request: &str) -> Result<(), Stop> {
        if let (Some(run), Some(founded)) = (self.surroundings.activity, self.turn.next_outcome(request)) {
            let met = self.computed(run, &founded)?;
            self.outcomes.push(met);
        }
        Ok(())
    }

    /// The same for outcomes that came later than their steps.
    fn compute_later(&mut self) -> Result<(), Stop> {
        let Some(run) = self.surroundings.activity else { return Ok(()) };
        let later: Result<Vec<_>, _> = self.turn.later_outcomes().map(|founded| self.computed(run, &founded)).collect();
        self.outcomes.extend(later?);
        Ok(())
    }

    fn computed(&self, run: &RunActivity<'_>, founded: &Founded<'_>) -> Result<Met, Stop> {
        let Founded { n, op, entry, outcome, basis } = founded;
        let recorded = outcome.to_result();
        let (computed, rests_on) = match basis {
            Basis::Host => (None, RestsOn::Claim),
            Basis::Known(known) => (Some(known.clone()), RestsOn::Computed),
            Basis::Activity { name, input } => (Some(run(name, input)?), RestsOn::Activity(name.clone())),
            Basis::Verifier(verification) => {
                match self.surroundings.verifier.map(|run| run(verification)).transpose()? {
                    Some(Some(verdict)) => (Some(verdict), RestsOn::Verifier(verification.verifier.clone())),
                    Some(None) | None => (None, RestsOn::Claim),
                }
            }
        };
        let is_activity = matches!(basis, Basis::Activity { .. });
        // Another engine tells a trap in other words, and a limit means something else there.
        let same_engine = self.is_same_engine();
        let seq = SequenceNumber(self.recorded.first_seq().0 + u64::from(*entry));
        let met = |rests_on| Met { n: *n, op: (*op).to_owned(), seq, rests_on };
        Ok(match (computed, recorded) {
            (None, _) => met(rests_on),
            (Some(Ok(computed)), Ok(recorded)) if computed == recorded => met(rests_on),
            // How a refusal is worded is the host's business.
            (Some(Err(computed)), Err(recorded))
                if computed == recorded || !is_activity && computed.kind == recorded.kind =>
            {
                met(rests_on)
            }
            (Some(_), Err(recorded)) if !same_engine && OF_THE_ENGINE.contains(&recorded.kind.as_str()) => {
                met(RestsOn::Claim)
            }
            (Some(Err(computed)), _)
                if is_activity && !same_engine && OF_ITS_LIMITS.contains(&computed.kind.as_str()) =>
            {
                met(RestsOn::Claim)
            }
            // Whether a verifier can finish depends on its engine, too.
            (Some(computed), recorded)
                if !same_engine && (is_stopped(computed.as_deref()) || is_stopped(recorded.as_ref().copied())) =>
            {
                met(RestsOn::Claim)
            }
            (Some(computed), recorded) => {
                let recorded = recorded.map(str::to_owned);
                return Err(self.differs_in_step(*n, seq, Did::CameOut(recorded), Did::CameOut(computed)));
            }
        })
    }

    fn read_again(&mut self, cid: Cid, base64: bool) -> Result<String, Stop> {
        let bytes = (self.surroundings.blob)(cid).map_err(|problem| Impossible::Blob { cid, problem })?;
        let text = blob_text(&bytes, base64);
        Ok(self.turn.finish(text.as_deref(), &mut ambient(&mut NoSalts)))
    }

    /// The guest goes on where the journal ends.
    fn beyond(self, did: Did) -> Result<Agreed, Stop> {
        match self.end() {
            None => self.agreed(false),
            Some(end) => {
                let expected = self.did(&end)?;
                self.is_comparable(&expected)?;
                Err(self.differs(&end, expected, did))
            }
        }
    }

    fn ended(mut self, result: Result<String, Failure>) -> Result<Agreed, Stop> {
        if let Err(failure) = &result
            && OF_ITS_LIMITS.contains(&failure.kind.as_str())
            && !self.is_same_engine()
        {
            if let Some(end) = self.end() {
                self.is_comparable(&self.did(&end)?)?;
            }
            let recorded = self.turn.opening().engine.clone();
            return Err(Impossible::LimitHere { recorded, failure: failure.clone() }.into());
        }
        let fuel = self.guest.fuel_used();
        let ended = self.turn.end(result, fuel, &mut ambient(&mut NoSalts));
        let Ended { outcome, state } = ended.map_err(|divergence| self.parted(*divergence))?;
        let did = match outcome {
            Outcome::Ok(reply) => Did::Replied(text(&reply)),
            Outcome::Err(failure) => Did::Failed(Failure::from_json(failure.value())),
        };
        self.compare(did, state.as_ref())
    }

    fn restarted(mut self, body: &str) -> Result<Agreed, Stop> {
        let fuel = self.guest.fuel_used();
        let restarted =
            self.turn.restart(body, fuel, &mut ambient(&mut NoSalts)).map_err(|divergence| self.parted(*divergence))?;
        match restarted {
            Ok(restarted) => self.compare(Did::Restarted(restarted.message.encode()), restarted.state.as_ref()),
            Err(failure) => self.ended(Err(failure)),
        }
    }

    fn compare(self, did: Did, state: Option<&Payload>) -> Result<Agreed, Stop> {
        let Some(end) = self.end() else { return self.agreed(false) };
        let expected = self.did(&end)?;
        self.is_comparable(&expected)?;
        let is_same_guest = self.is_same_engine() && self.turn.opening().module == self.candidate.cid;
        if !same_end(&expected, &did, is_same_guest) {
            return Err(self.differs(&end, expected, did));
        }
        let fuel = self.guest.fuel_used();
        if is_same_guest && self.surroundings.activity.is_some() && fuel != end.fuel {
            return Err(self.differs(&end, Did::Used(end.fuel), Did::Used(fuel)));
        }
        let expected = self.recorded.state_after(end.state)?.as_ref().map(text);
        let left = state.map(text);
        if expected != left {
            return Err(self.differs(&end, Did::Left(expected), Did::Left(left)));
        }
        self.agreed(true)
    }

    fn is_same_engine(&self) -> bool {
        self.turn.opening().engine == self.candidate.engine
    }

    /// How another engine failed says nothing about this one.
    fn is_comparable(&self, end: &Did) -> Result<(), Impossible> {
        match end {
            Did::Failed(failure) if !self.is_same_engine() && OF_THE_ENGINE.contains(&failure.kind.as_str()) => {
                Err(Impossible::OtherEngine { recorded: self.turn.opening().engine.clone() })
            }
            _ => Ok(()),
        }
    }

    fn agreed(mut self, to_the_end: bool) -> Result<Agreed, Stop> {
        self.compute_later()?;
        Ok(Agreed { to_the_end, fuel: self.guest.fuel_used(), outcomes: self.outcomes })
    }

    /// The recorded end; none if the turn is open, or if the node ended it.
    fn end(&self) -> Option<End<'a>> {
        let last = self.recorded.entries.last()?;
        match &last.body {
            // A guest that replied has run, whatever the journal says about its fuel.
            EntryBody::TurnEnded { result, state, fuel } if *fuel > 0 || !matches!(result, TurnResult::Failure(_)) => {
                Some(End { seq: last.seq, result, state: *state, fuel: *fuel })
            }
            _ => None,
        }
    }

    fn did(&self, end: &End<'_>) -> Result<Did, Stop> {
        let payload = self.recorded.payload(&end.result.cid()).ok_or(Impossible::Erased(end.seq))?;
        Ok(match end.result {
            TurnResult::Reply(_) => Did::Replied(text(payload)),
            TurnResult::Failure(_) => Did::Failed(Failure::from_json(payload.value())),
            TurnResult::Restarted(_) => {
                let unreadable = |problem| self.recorded.corrupt(end.seq, problem);
                Did::Restarted(Message::decode(payload.value()).map_err(unreadable)?.encode())
            }
        })
    }

    fn parted(&self, divergence: Divergence) -> Stop {
        let first = self.recorded.first_seq();
        Stop::Diverged(Box::new(Difference::of_step(divergence, first, self.candidate.cid)))
    }

    fn differs(&self, end: &End<'_>, journal: Did, guest: Did) -> Stop {
        self.difference(end.seq, None, journal, guest)
    }

    fn differs_in_step(&self, n: u32, seq: SequenceNumber, journal: Did, guest: Did) -> Stop {
        self.difference(seq, Some(n), journal, guest)
    }

    fn difference(&self, seq: SequenceNumber, n: Option<u32>, journal: Did, guest: Did) -> Stop {
        Stop::Diverged(Box::new(Difference {
            actor: self.turn.opening().address.clone(),
            turn: self.turn.opening().turn,
            seq,
            n,
            journal,
            guest,
            recorded_module: self.turn.opening().module,
            module: self.candidate.cid,
        }))
    }
}

/// What the guest's request leads to.
enum Next {
    Answer(String),
    /// It does what the journal does not know.
    Beyond(Did),
    Fails(Failure),
    Restarts(String),
}

fn same_end(journal: &Did, guest: &Did, is_same_guest: bool) -> bool {
    match (journal, guest) {
        // Another module's trap has other words and another stack.
        (Did::Failed(journal), Did::Failed(guest)) if !is_same_guest => {
            journal.kind == guest.kind
                && (OF_THE_ENGINE.contains(&journal.kind.as_str()) || journal.message == guest.message)
        }
        _ => journal == guest,
    }
}

/// Whether this is the verdict of a verifier that did not finish.
fn is_stopped(outcome: Result<&str, &Failure>) -> bool {
    outcome.ok().and_then(Verdict::read).is_some_and(|verdict| verdict.is_stopped())
}

fn text(payload: &Payload) -> String {
    payload.text().unwrap_or("(not text)").to_owned()
}

fn ambient(salts: &mut NoSalts) -> Ambient<'_> {
    Ambient { now_ms: 0, salts, directory: &Anybody, inputs: None }
}

/// Nothing that is sealed here is kept.
struct NoSalts;

impl SaltSource for NoSalts {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

/// Who exists decides about new messages, and those are not compared.
struct Anybody;

impl Directory for Anybody {
    fn has_actor_type(&self, _namespace: &str, _actor_type: &str) -> bool {
        true
    }
}

impl Did {
    fn asked(request: &str) -> Self {
        let op = serde_json::from_str::<serde_json::Value>(request).ok();
        let op = op.and_then(|request| Some(request.get("op")?.as_str()?.to_owned())).unwrap_or_default();
        Did::Asked(Requested { op, request: request.to_owned() })
    }
}
