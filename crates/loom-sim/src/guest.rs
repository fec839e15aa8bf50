//! Guests that are Rust: the sandbox port without an engine.
//!
//! An actor's guest runs the program in its message and folds every answer into a digest, so that two runs that
//! were told different things reply differently. What a guest does depends on its input and answers alone;
//! chance, effects and the host's trouble are the [`World`]'s.

use std::{collections::VecDeque, sync::Arc};

use loom_machine::{Failure, Guest, GuestLimits, HostFault, Module, Progress, Sandbox};
use loom_types::{Cid, Codec};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use crate::{
    program::{Ending, Mode, Op, Program},
    statements,
    world::World,
};

/// The blobs that stand for modules.
pub(crate) const ACTOR: &[u8] = b"native actor";
pub(crate) const PURE: &[u8] = b"native pure activity";
pub(crate) const EFFECT: &[u8] = b"native effectful activity";
pub(crate) const VERIFIER: &[u8] = b"native verifier";

/// Runs native guests.
pub(crate) struct NativeSandbox {
    pub(crate) world: Arc<World>,
}

struct NativeModule {
    world: Arc<World>,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Actor,
    Pure,
    Effect,
    Verifier,
}

impl Sandbox for NativeSandbox {
    fn engine(&self) -> &str {
        "native"
    }

    fn check_limits(&self, _: &GuestLimits) -> Result<(), String> {
        Ok(())
    }

    fn compile(&self, cid: Cid, bytes: &[u8]) -> Result<Result<Arc<dyn Module>, Failure>, HostFault> {
        if self.world.fails() {
            return Err(HostFault::Unavailable { what: format!("module {cid}"), detail: "simulated".to_owned() });
        }
        let kind = match bytes {
            ACTOR => Kind::Actor,
            PURE => Kind::Pure,
            EFFECT => Kind::Effect,
            VERIFIER => Kind::Verifier,
            _ => return Ok(Err(Failure::new("not-wasm", "no native module"))),
        };
        Ok(Ok(Arc::new(NativeModule { world: self.world.clone(), kind })))
    }
}

impl Module for NativeModule {
    fn calls_host(&self) -> bool {
        self.kind == Kind::Actor
    }

    fn resident_bytes(&self) -> u64 {
        1
    }

    fn start(&self, _: &GuestLimits, input: &str) -> Result<Box<dyn Guest>, HostFault> {
        if self.world.fails() {
            return Err(HostFault::PoolFull { setting: "simulated", limit: 0 });
        }
        let world = self.world.clone();
        Ok(match self.kind {
            Kind::Actor => Box::new(ActorGuest::new(input, world)),
            Kind::Pure => Box::new(ActivityGuest { input: input.to_owned(), world: None }),
            Kind::Effect => Box::new(ActivityGuest { input: input.to_owned(), world: Some(world) }),
            Kind::Verifier => Box::new(VerifierGuest { input: input.to_owned() }),
        })
    }
}

/// A guest that runs the program in its message.
pub(crate) struct ActorGuest {
    world: Arc<World>,
    ops: Vec<Op>,
    next: usize,
    asked: Asked,
    /// Requests that follow from the operation under way.
    follow_ups: VecDeque<String>,
    handles: Vec<u64>,
    promises: Vec<u64>,
    /// Messages that were taken inside the turn.
    received: Vec<u64>,
    message_id: String,
    turn: u64,
    digest: u64,
    fuel: u64,
}

/// What the answer is for.
enum Asked {
    Context,
    Plain,
    Handle,
    Promise,
    Child,
    Number { name: String, amount: i64 },
    Stored,
    Evidence,
}

impl ActorGuest {
    pub(crate) fn new(input: &str, world: Arc<World>) -> Self {
        let program: Program = serde_json::from_str(input).expect("every message of a simulation is a program");
        Self {
            world,
            ops: program.ops,
            next: 0,
            asked: Asked::Context,
            follow_ups: [r#"{"op":"context"}"#.to_owned()].into(),
            handles: Vec::new(),
            promises: Vec::new(),
            received: Vec::new(),
            message_id: String::new(),
            turn: 0,
            digest: 0xCBF2_9CE4_8422_2325,
            fuel: 0,
        }
    }

    fn take(&mut self, answer: &str) {
        self.fuel += 1;
        for byte in answer.bytes() {
            self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
        let answer: Value = serde_json::from_str(answer).expect("the host answers in JSON");
        note_received(&answer, &mut self.received);
        let ok = answer.get("ok");
        match (std::mem::replace(&mut self.asked, Asked::Plain), ok) {
            (Asked::Context, Some(context)) => {
                self.message_id = context["message_id"].as_str().expect("a text").to_owned();
                self.turn = context["turn"].as_u64().expect("a number");
            }
            (Asked::Child, Some(created)) => self.handles.extend(created["handle"].as_u64()),
            (Asked::Handle, Some(handle)) => self.handles.extend(handle.as_u64()),
            (Asked::Promise, Some(created)) => {
                self.handles.extend(created["handle"].as_u64());
                self.promises.extend(created["handle"].as_u64());
            }
            (Asked::Number { name, amount }, Some(value)) => {
                let sum = value.as_i64().unwrap_or(0) + amount;
                let set = json!({"op": "state.set", "pointer": format!("/{name}"), "value": sum});
                self.follow_ups.push_back(set.to_string());
            }
            (Asked::Stored, Some(cid)) => {
                self.follow_ups.push_back(json!({"op": "blob.get", "cid": cid}).to_string());
            }
            (Asked::Evidence, Some(cid)) => {
                let verify = json!({"op": "verify", "verifier": statements::NAME, "evidence": cid});
                self.follow_ups.push_back(verify.to_string());
            }
            _ => {}
        }
    }

    fn reply(&self) -> String {
        format!("{{\"digest\":\"{:016x}\"}}", self.digest)
    }

    fn ask(&mut self, asked: Asked, request: &Value) -> Option<Progress> {
        self.asked = asked;
        Some(Progress::Called(request.to_string()))
    }

    /// Does one operation; none if there was nothing to ask.
    fn act(&mut self, op: Op) -> Option<Progress> {
        let key = format!("{}/{}/{}", self.message_id, self.turn, self.next - 1);
        let handle = |start: bool| if start { Asked::Handle } else { Asked::Plain };
        match op {
            Op::Add { name, amount } => {
                let request = json!({"op": "state.get", "pointer": format!("/{name}")});
                self.ask(Asked::Number { name, amount }, &request)
            }
            Op::Delete { name } => {
                self.ask(Asked::Plain, &json!({"op": "state.delete", "pointer": format!("/{name}")}))
            }
            Op::Now => self.ask(Asked::Plain, &json!({"op": "now"})),
            Op::Random { bytes } => self.ask(Asked::Plain, &json!({"op": "random", "bytes": bytes})),
            Op::Uuid => self.ask(Asked::Plain, &json!({"op": "uuid"})),
            Op::Log => self.ask(Asked::Plain, &json!({"op": "log", "level": "debug", "message": "here"})),
            Op::Compute { value, ending, start } => {
                let input = json!({"value": value, "ending": ending});
                self.ask(handle(start), &json!({"op": started("activity", start), "name": "pure", "input": input}))
            }
            Op::Effect { busy, ending, start } => {
                let input = json!({"key": key, "busy": busy, "ending": ending});
                self.ask(handle(start), &json!({"op": started("activity", start), "name": "effect", "input": input}))
            }
            Op::Prove { input } => {
                // "0", "1", "2"
                let base64 = ["MA==", "MQ==", "Mg=="][usize::from(input)];
                let input = json!({"media_type": "text/plain", "base64": base64});
                let request = json!({"op": "prove.start", "program": "program", "input": input, "public": "AQI="});
                self.ask(Asked::Handle, &request)
            }
            Op::Verify { genuine } => {
                let evidence = statements::base64(genuine);
                self.ask(Asked::Evidence, &json!({"op": "blob.put", "base64": evidence}))
            }
            Op::Call { to, program, deadline_ms, start } => {
                let op = started("call", start);
                self.ask(handle(start), &json!({"op": op, "to": to, "body": program, "deadline_ms": deadline_ms}))
            }
            Op::Send { to, program, delay_ms: None } => {
                self.ask(Asked::Plain, &json!({"op": "send", "to": to, "body": program}))
            }
            Op::Send { to, program, delay_ms: Some(ms) } => {
                self.ask(Asked::Plain, &json!({"op": "send", "to": to, "body": program, "delay_ms": ms}))
            }
            Op::Sleep { ms } => self.ask(Asked::Plain, &json!({"op": "sleep", "ms": ms})),
            Op::Timer { ms } => self.ask(Asked::Handle, &json!({"op": "timer.start", "ms": ms})),
            Op::Promise => self.ask(Asked::Promise, &json!({"op": "promise.create", "label": "simulated"})),
            Op::AwaitPromise => {
                let promise = *self.promises.last()?;
                self.ask(Asked::Plain, &json!({"op": "promise.await", "handle": promise}))
            }
            Op::Await { newest, mode } => {
                let handles = self.handles[self.handles.len().saturating_sub(newest)..].to_vec();
                let mode = if mode == Mode::All { "all" } else { "any" };
                if handles.is_empty() {
                    return None;
                }
                self.ask(Asked::Plain, &json!({"op": "await", "handles": handles, "mode": mode}))
            }
            Op::Blob { text } => self.ask(Asked::Stored, &json!({"op": "blob.put", "text": text})),
            Op::MissingBlob => {
                let cid = Cid::of(Codec::Raw, b"nobody stored this").to_string();
                self.ask(Asked::Plain, &json!({"op": "blob.get", "cid": cid}))
            }
            Op::Nonsense => self.ask(Asked::Plain, &json!({"op": "nonsense", "key": key})),
            Op::Spawn { to, program, deadline_ms, detached } => {
                let to = to.map_or_else(|actor_type| actor_type, |name| name.0);
                let mut request = json!({"op": "spawn", "to": to, "body": program, "detached": detached});
                if let Some(ms) = deadline_ms {
                    request["deadline_ms"] = ms.into();
                }
                self.ask(Asked::Child, &request)
            }
            Op::Receive { kind, timeout_ms, start } => {
                let mut request = json!({"op": started("receive", start)});
                if let Some(kind) = kind {
                    request["type"] = kind.into();
                }
                if let Some(ms) = timeout_ms {
                    request["timeout_ms"] = ms.into();
                }
                self.ask(handle(start), &request)
            }
            Op::Reply { back } => {
                let received = *self.received.iter().rev().nth(back)?;
                self.ask(Asked::Plain, &json!({"op": "reply", "handle": received, "body": {"said": self.reply()}}))
            }
            Op::Restart { program } => self.ask(Asked::Plain, &json!({"op": "turn.restart", "body": program})),
            Op::Yield => Some(Progress::Yielded),
            Op::Fail => {
                let output = json!({"err": {"kind": "told-to", "message": self.reply()}});
                Some(Progress::Returned(output.to_string()))
            }
            Op::Trap => Some(Progress::Failed(Failure::new("trap", "told to"))),
        }
    }
}

/// Received messages in an answer, wherever they stand in it.
fn note_received(answer: &Value, received: &mut Vec<u64>) {
    match answer {
        Value::Object(members) if members.contains_key("message_id") && members.contains_key("body") => {
            let handle = members["handle"].as_u64().filter(|handle| !received.contains(handle));
            received.extend(handle);
        }
        Value::Object(members) => members.values().for_each(|value| note_received(value, received)),
        Value::Array(values) => values.iter().for_each(|value| note_received(value, received)),
        _ => {}
    }
}

fn started(op: &str, start: bool) -> String {
    if start { format!("{op}.start") } else { op.to_owned() }
}

impl Guest for ActorGuest {
    fn resume(&mut self, answer: Option<&str>) -> Result<Progress, HostFault> {
        if self.world.fails() {
            return Err(HostFault::Host("simulated".to_owned()));
        }
        if let Some(answer) = answer {
            self.take(answer);
        }
        loop {
            if let Some(request) = self.follow_ups.pop_front() {
                return Ok(Progress::Called(request));
            }
            let Some(op) = self.ops.get(self.next).cloned() else {
                return Ok(Progress::Returned(self.world.reply(self.reply())));
            };
            self.next += 1;
            if let Some(progress) = self.act(op) {
                return Ok(progress);
            }
        }
    }

    fn fuel_used(&self) -> u64 {
        self.fuel
    }
}

/// An activity: pure without a world, effectful with one.
struct ActivityGuest {
    input: String,
    world: Option<Arc<World>>,
}

#[derive(Deserialize)]
struct Input {
    #[serde(default)]
    key: String,
    #[serde(default)]
    value: u64,
    #[serde(default)]
    busy: u32,
    ending: Ending,
}

impl Guest for ActivityGuest {
    fn resume(&mut self, _: Option<&str>) -> Result<Progress, HostFault> {
        let input: Input = serde_json::from_str(&self.input).expect("activities are given what programs say");
        if let Some(world) = &self.world {
            let count = world.effect(&input.key)?;
            if count <= input.busy {
                let output = json!({"err": {"kind": "busy", "message": "not yet", "retryable": true}});
                return Ok(Progress::Returned(output.to_string()));
            }
        }
        Ok(match input.ending {
            Ending::Value => Progress::Returned((input.value * 2).to_string()),
            Ending::Failure => {
                Progress::Returned(json!({"err": {"kind": "told-to", "message": "by its input"}}).to_string())
            }
            Ending::Trap => Progress::Failed(Failure::new("trap", "told to")),
        })
    }

    fn fuel_used(&self) -> u64 {
        1
    }
}

/// The verifier of presentations, as a node's module has it.
struct VerifierGuest {
    input: String,
}

#[derive(Deserialize)]
struct Evidence {
    evidence: String,
    policy: Box<RawValue>,
    at_ms: u64,
    args: Box<RawValue>,
}

impl Guest for VerifierGuest {
    fn resume(&mut self, _: Option<&str>) -> Result<Progress, HostFault> {
        let Evidence { evidence, policy, at_ms, args } =
            serde_json::from_str(&self.input).expect("verifiers are given what the host says");
        let evidence = data_encoding::BASE64.decode(evidence.as_bytes()).expect("the host encodes it");
        let verdict = loom_tlsnotary::activity::verdict(&evidence, policy.get(), at_ms, args.get());
        Ok(Progress::Returned(verdict))
    }

    fn fuel_used(&self) -> u64 {
        1
    }
}
