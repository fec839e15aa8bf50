//! One run of a guest: a turn of an actor, or a call of an activity.

use loom_machine::{ActorSpec, Divergence, Failure, Guest, HostFault, Message, MessageKind, Opening, Progress, Turn};
use loom_types::{ActorAddress, InvalidAddress, Payload, TurnNumber, media_type};

use crate::{
    bench::Bench,
    check::Ended,
    host::{Answered, Host},
    problem::Problem,
    script::{Answer, Run},
    steps::Steps,
    world::World,
};

/// The namespace that guests see.
const NAMESPACE: &str = "default";
/// Every case draws the same chances.
const SEED: [u8; 32] = [7; 32];

impl Bench<'_> {
    /// Runs the actor's next turn.
    pub(crate) fn run_turn(&self, actor_type: &str, key: &str, run: &Run, world: &mut World) -> Result<Ended, Problem> {
        let Some(spec) = self.deployment.actors.get(actor_type) else {
            return Err(unknown("actor type", actor_type, self.deployment.actors.keys()));
        };
        let mut steps = Steps::new(&run.steps, run.strict);
        let mut message = self.message(&format!("{actor_type}/{key}"), run, world.turns + 1)?;
        let mut fuel = 0;
        loop {
            let mut guest = self.start(&spec.module, &spec.limits, &message.body)?;
            let opening = self.opening(spec, message, world);
            let turn = Turn::begin(opening, world.state.take(), world.turns == 1, world.now_ms);
            let mut host = Host::new(turn, world, &mut steps, self);
            let over = drive(guest.as_mut(), |request| host.answer(request));
            host.keep_logs();
            fuel += guest.fuel_used();
            let output = match over? {
                Over::Output(output) => output,
                // Only a script that lists it gets here, so this ends.
                Over::Restart(body) => match host.turn.restart(&body, guest.fuel_used(), &mut host.world.ambient()) {
                    Ok(Ok(restarted)) => {
                        host.world.state = restarted.state;
                        message = restarted.message;
                        continue;
                    }
                    Ok(Err(failure)) => Err(failure),
                    Err(divergence) => return Err(diverged(*divergence)),
                },
            };
            let ended = host.turn.end(output, guest.fuel_used(), &mut host.world.ambient());
            let ended = ended.map_err(|divergence| diverged(*divergence))?;
            let result = ended.outcome.to_result().map(str::to_owned);
            // A failure explains more than the steps that it kept the guest from.
            if result.is_ok() || run.failure.is_some() {
                steps.finish()?;
            }
            return Ok(Ended { result, state: ended.state, fuel });
        }
    }

    fn message(&self, actor: &str, run: &Run, number: u64) -> Result<Message, Problem> {
        let invalid = |error: InvalidAddress| Problem::new(error.to_string());
        let to = ActorAddress::within(NAMESPACE, actor).map_err(invalid)?;
        let sender = run.sender.as_ref().map(|sender| ActorAddress::within(NAMESPACE, sender));
        let id = format!("message-{number}").parse().expect("a message id");
        let message = Message::of_client(id, to, run.input.get().to_owned());
        Ok(Message { kind: MessageKind::Send, sender: sender.transpose().map_err(invalid)?, ..message })
    }

    fn opening(&self, spec: &ActorSpec, message: Message, world: &mut World) -> Opening {
        world.turns += 1;
        let message_payload = Payload::seal(media_type::MESSAGE, message.encode().as_bytes(), world.salts());
        Opening {
            address: message.to.clone(),
            turn: TurnNumber(world.turns),
            message,
            message_payload,
            deployment_cid: self.deployment.cid(),
            deployment: self.deployment.clone(),
            module: spec.module,
            engine: self.sandbox.engine().to_owned(),
            seed: Payload::seal(media_type::SEED, &SEED, world.salts()),
        }
    }

    /// Runs an activity as a node would, except that what it asks for is the script's to answer.
    pub(crate) fn run_activity(&self, name: &str, run: &Run) -> Result<Ended, Problem> {
        let Some(spec) = self.deployment.activities.get(name) else {
            return Err(unknown("activity", name, self.deployment.activities.keys()));
        };
        let mut guest = self.start(&spec.module, &spec.limits, run.input.get())?;
        let mut steps = Steps::new(&run.steps, true);
        let over = drive(guest.as_mut(), |request| {
            let step = steps.take(request, |_| false)?;
            Ok(Answered::GoOn(match step.and_then(|step| step.answer.as_ref()) {
                Some(Answer::Ok(text)) => format!("{{\"ok\":{}}}", text.get()),
                Some(Answer::Err(failure)) => format!("{{\"err\":{}}}", failure.to_json()),
                None => "{\"ok\":null}".to_owned(),
            }))
        })?;
        let result = over.into_result();
        steps.finish()?;
        Ok(Ended { result, state: None, fuel: guest.fuel_used() })
    }
}

/// How a guest stopped running.
pub(crate) enum Over {
    /// It returned, or failed.
    Output(Result<String, Failure>),
    /// A new turn goes on with this body.
    Restart(String),
}

impl Over {
    /// As the end of an activity, which can do neither more nor less.
    pub(crate) fn into_result(self) -> Result<String, Failure> {
        match self {
            Self::Output(output) => output.and_then(|output| Failure::in_output(&output).map_or(Ok(output), Err)),
            Self::Restart(_) => unreachable!("only a turn restarts"),
        }
    }
}

/// Runs a guest to its end.
pub(crate) fn drive(
    guest: &mut dyn Guest,
    mut answer: impl FnMut(&str) -> Result<Answered, Problem>,
) -> Result<Over, Problem> {
    let mut next = None;
    loop {
        match guest.resume(next.take().as_deref()).map_err(host_failed)? {
            Progress::Yielded => {}
            Progress::Returned(output) => return Ok(Over::Output(Ok(output))),
            Progress::Failed(failure) => return Ok(Over::Output(Err(failure))),
            Progress::Called(request) => match answer(&request)? {
                Answered::GoOn(answer) => next = Some(answer),
                Answered::Restart(body) => return Ok(Over::Restart(body)),
                Answered::End(failure) => return Ok(Over::Output(Err(failure))),
            },
        }
    }
}

fn diverged(divergence: Divergence) -> Problem {
    Problem::new("the turn diverged").actual(divergence)
}

pub(crate) fn host_failed(fault: HostFault) -> Problem {
    Problem::new("the host failed").actual(fault)
}

fn unknown<'n>(what: &str, name: &str, known: impl Iterator<Item = &'n String>) -> Problem {
    let known: Vec<_> = known.map(String::as_str).collect();
    Problem::new(format!("the manifest has no {what} '{name}'")).note(format!("it has: {}", known.join(", ")))
}
