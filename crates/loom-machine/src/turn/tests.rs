mod controls;
mod messages;
mod proofs;
mod verify;

use std::{collections::HashMap, sync::Arc};

use loom_types::{
    ActorAddress, Cid, Codec, Entry, EntryBody, Payload, SaltSource, SequenceNumber, TurnNumber, TurnResult, media_type,
};
use proptest::prelude::*;

use super::*;
use crate::{
    ActivitySpec, Deployment, GuestLimits, ImageId, InputSalts, MessageKind, ProgramSpec, VerifierKind, VerifierSpec,
};

struct Counting(u8);

impl SaltSource for Counting {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.0 = self.0.wrapping_add(1);
        bytes.fill(self.0);
    }
}

struct Knows;

impl Directory for Knows {
    fn has_actor_type(&self, _namespace: &str, actor_type: &str) -> bool {
        actor_type == "known"
    }
}

/// What a node with a prover makes of an input.
struct OfTheValue;

impl InputSalts for OfTheValue {
    fn salt(&self, image_id: ImageId, media_type: &str, value: &[u8]) -> [u8; 16] {
        let sum: u8 = value.iter().copied().fold(0, u8::wrapping_add);
        [image_id.0[0] ^ media_type.len() as u8 ^ sum; 16]
    }
}

fn deployment() -> Arc<Deployment> {
    let spec = |capabilities: &[&str]| ActivitySpec {
        capabilities: capabilities.iter().map(|&name| name.to_owned()).collect(),
        ..ActivitySpec::pure(Cid::of(Codec::Raw, b"activity"), GuestLimits::default())
    };
    let activities = [("pure".to_owned(), spec(&[])), ("effect".to_owned(), spec(&["http"]))].into();
    let program = ProgramSpec { image_id: ImageId([7; 32]), binary: Cid::of(Codec::Raw, b"program") };
    let deployment = Deployment::new("tests", Default::default(), activities).unwrap();
    let deployment = deployment.with_programs([("dti".to_owned(), program)].into()).unwrap();
    let verifier = |kind, policy: &str| VerifierSpec {
        kind,
        module: Cid::of(Codec::Raw, b"verifier"),
        limits: VerifierSpec::limits_default(),
        policy: policy.to_owned(),
    };
    let verifiers = [
        ("pages".to_owned(), verifier(VerifierKind::Tlsnotary, r#"{"keys":["k"]}"#)),
        ("receipts".to_owned(), verifier(VerifierKind::Risc0, "{}")),
    ];
    Arc::new(deployment.with_verifiers(verifiers.into()).unwrap())
}

/// A turn with a clock that ticks and a journal that keeps what is committed.
struct Bench {
    turn: Turn,
    salts: Counting,
    now_ms: u64,
    journal: Vec<(u64, EntryBody)>,
    payloads: HashMap<Cid, Payload>,
    can_prove: bool,
}

impl Bench {
    fn new() -> Self {
        Self::with_state(None)
    }

    fn with_state(state: Option<&str>) -> Self {
        Self::opened_by(
            Message::of_client("m1".parse().unwrap(), "default/tester/a".parse().unwrap(), "{}".into()),
            state,
        )
    }

    fn opened_by(message: Message, state: Option<&str>) -> Self {
        let mut salts = Counting(0);
        let opening = Opening {
            address: message.to.clone(),
            turn: TurnNumber(1),
            message_payload: Payload::seal(media_type::MESSAGE, message.encode().as_bytes(), &mut salts),
            message,
            deployment_cid: deployment().cid(),
            deployment: deployment(),
            module: Cid::of(Codec::Raw, b"actor"),
            engine: "none/0".into(),
            seed: Payload::seal(media_type::SEED, &[7; 32], &mut salts),
        };
        let state = state.map(|state| Payload::json(state, &mut salts));
        let turn = Turn::begin(opening, state, false, 1000);
        let (journal, payloads) = (Vec::new(), HashMap::new());
        let mut bench = Self { turn, salts, now_ms: 1000, journal, payloads, can_prove: true };
        bench.commit();
        bench
    }

    fn commit(&mut self) -> Vec<Effect> {
        let pending = self.turn.take_pending();
        self.journal.extend(pending.entries);
        self.payloads.extend(pending.payloads.into_iter().map(|payload| (payload.cid(), payload)));
        pending.effects
    }

    fn try_ask(&mut self, request: &str) -> Result<Reaction, Box<Divergence>> {
        self.now_ms += 1;
        let inputs: Option<&dyn InputSalts> = if self.can_prove { Some(&OfTheValue) } else { None };
        let mut ambient = Ambient { now_ms: self.now_ms, salts: &mut self.salts, directory: &Knows, inputs };
        self.turn.request(request, &mut ambient)
    }

    /// Asks, does whatever task comes of it, and gives the answer; `"…"` if the guest has to wait.
    fn ask(&mut self, request: &str) -> String {
        match self.try_ask(request).unwrap() {
            Reaction::Answer(answer) => answer,
            Reaction::Wait => "…".into(),
            Reaction::Fail(failure) => failure.to_answer(),
            Reaction::Restart(_) => panic!("ended elsewhere"),
            Reaction::Run(task) => {
                let result = match task {
                    Task::Activity { input, .. } => input,
                    Task::BlobGet { cid, .. } => format!("\"blob {cid}\""),
                    Task::BlobPut { bytes } => format!("\"{}\"", Cid::of(Codec::Raw, &bytes)),
                    Task::Verify { verification } => {
                        format!(r#"{{"accepted":true,"evidence":"{}"}}"#, verification.evidence)
                    }
                };
                let mut ambient =
                    Ambient { now_ms: self.now_ms, salts: &mut self.salts, directory: &Knows, inputs: None };
                self.turn.finish(Ok(&result), &mut ambient)
            }
        }
    }

    fn complete(&mut self, n: u32, value: &str) -> Completion {
        let outcome = Outcome::seal(Ok(value), &mut self.salts);
        self.turn.complete(n, outcome, 1, "w", Vec::new(), self.now_ms)
    }

    /// Brings an outcome that fits what the step waits for.
    fn settle(&mut self, n: u32) -> Completion {
        if !self.turn.receiving().any(|(receiving, _)| receiving == n) {
            return self.complete(n, "\"done\"");
        }
        let to = "default/tester/a".parse().unwrap();
        let message = Message::of_client(format!("taken-{n}").parse().unwrap(), to, "{}".into());
        let payload = Payload::seal(media_type::MESSAGE, message.encode().as_bytes(), &mut self.salts);
        self.turn.receive(n, payload, self.now_ms)
    }

    fn end(&mut self, result: Result<&str, Failure>) -> Result<Ended, Box<Divergence>> {
        let mut ambient = Ambient { now_ms: self.now_ms, salts: &mut self.salts, directory: &Knows, inputs: None };
        self.turn.end(result.map(str::to_owned), 5, &mut ambient)
    }

    fn restart(&mut self, body: &str) -> Result<Result<Restarted, Failure>, Box<Divergence>> {
        let mut ambient = Ambient { now_ms: self.now_ms, salts: &mut self.salts, directory: &Knows, inputs: None };
        self.turn.restart(body, 5, &mut ambient)
    }

    fn expire(&mut self, n: u32) -> Completion {
        let mut ambient = Ambient { now_ms: self.now_ms, salts: &mut self.salts, directory: &Knows, inputs: None };
        self.turn.expire(n, &mut ambient)
    }

    fn cancel(&mut self, reason: &str) -> Completion {
        let mut ambient = Ambient { now_ms: self.now_ms, salts: &mut self.salts, directory: &Knows, inputs: None };
        self.turn.cancel(reason, "admin", &mut ambient)
    }

    fn reset(&mut self, to: u64) -> Result<(), ResetError> {
        let mut ambient = Ambient { now_ms: self.now_ms, salts: &mut self.salts, directory: &Knows, inputs: None };
        self.turn.reset(SequenceNumber(to), SequenceNumber(1), None, "admin", &mut ambient)
    }

    /// What a restarted node would make of the first `entries` committed entries.
    fn restored(&self, entries: usize) -> Self {
        self.try_restored(entries).unwrap()
    }

    fn try_restored(&self, entries: usize) -> Result<Self, CorruptTurn> {
        let journal: Vec<_> = self.journal[..entries].to_vec();
        let decoded: Vec<_> = journal
            .iter()
            .zip(1u64..)
            .map(|((at_ms, body), seq)| Entry {
                actor: "default/tester/a".parse().unwrap(),
                seq: SequenceNumber(seq),
                prev: Some(Cid::of(Codec::DagCbor, b"before")),
                turn: TurnNumber(1),
                at_ms: *at_ms,
                body: body.clone(),
            })
            .collect();
        let find = |cid: &Cid| self.payloads.get(cid).cloned();
        let turn = Turn::restore(&decoded, &find, deployment(), None)?;
        let (now_ms, payloads, can_prove) = (self.now_ms + 5000, self.payloads.clone(), self.can_prove);
        Ok(Self { turn, salts: Counting(100), now_ms, journal, payloads, can_prove })
    }
}

#[test]
fn a_replay_gets_the_recorded_answers_and_writes_nothing() {
    let requests = [
        r#"{"op":"now"}"#,
        r#"{"op":"random","bytes":4}"#,
        r#"{"op":"uuid"}"#,
        r#"{"op":"activity","name":"pure","input":{"b":1.0,"a":2}}"#,
        r#"{"op":"activity","name":"nothing","input":1}"#,
        r#"{"op":"blob.put","text":"x"}"#,
        r#"{"op":"send","to":"known/b","body":{"x":1}}"#,
        r#"{"op":"send","to":"unknown/b","body":1}"#,
        r#"{"op":"teleport"}"#,
        r#"{"op":"sleep"}"#,
        r#"{"op":"timer.start","ms":5}"#,
        r#"{"op":"promise.create","label":"l"}"#,
    ];
    let mut bench = Bench::new();
    let first: Vec<_> = requests.iter().map(|request| bench.ask(request)).collect();
    assert_eq!(bench.commit().len(), 3, "the message, the timer, the promise");
    let mut again = bench.restored(bench.journal.len());
    let second: Vec<_> = requests.iter().map(|request| again.ask(request)).collect();
    assert_eq!(first, second);
    assert!(again.turn.pending().is_empty() && again.turn.pending().effects.is_empty());
}

#[test]
fn what_differs_from_the_journal_is_a_divergence_that_shows_both() {
    let mut bench = Bench::new();
    bench.ask(r#"{"op":"activity","name":"pure","input":1}"#);
    bench.ask(r#"{"op":"now"}"#);
    bench.commit();
    for other in [r#"{"op":"activity","name":"pure","input":2}"#, r#"{"op":"now"}"#, r#"{"op":"teleport"}"#] {
        let divergence = bench.restored(bench.journal.len()).try_ask(other).unwrap_err();
        assert_eq!(divergence.n, 0);
        let text = divergence.to_string();
        assert!(
            text.contains(r#"activity {"op":"activity","name":"pure","input":1}"#) && text.contains(other),
            "{text}"
        );
    }
    let mut early = bench.restored(bench.journal.len());
    early.ask(r#"{"op":"activity","name":"pure","input":1}"#);
    let divergence = early.end(Ok("null")).unwrap_err();
    assert!(divergence.to_string().contains("guest:   the end of the turn"), "{divergence}");
    assert!(early.turn.pending().is_empty(), "nothing is written over history");
}

#[test]
fn waiting_where_the_journal_goes_on_is_a_divergence() {
    let mut bench = Bench::new();
    bench.ask(r#"{"op":"timer.start","ms":5}"#);
    bench.ask(r#"{"op":"now"}"#);
    bench.commit();
    let mut again = bench.restored(bench.journal.len());
    again.ask(r#"{"op":"timer.start","ms":5}"#);
    let divergence = again.try_ask(r#"{"op":"await","handles":[0],"mode":"all"}"#).unwrap_err();
    assert_eq!((divergence.n, divergence.entry, divergence.entry_last), (1, 2, 2));
    assert!(divergence.to_string().contains("guest:   await "), "{divergence}");
}

#[test]
fn the_first_outcome_wins_for_ever() {
    let mut bench = Bench::new();
    let start = [r#"{"op":"timer.start","ms":5}"#, r#"{"op":"call.start","to":"known/b","body":1}"#];
    let any = r#"{"op":"await","handles":[0,1],"mode":"any"}"#;
    start.iter().for_each(|request| assert!(bench.ask(request).starts_with("{\"ok\":")));
    bench.commit();
    assert_eq!(bench.complete(1, "\"reply\""), Completion::Recorded);
    assert_eq!(bench.complete(0, "null"), Completion::Recorded);
    assert_eq!(bench.complete(1, "\"late\""), Completion::Ignored);
    let winner = bench.ask(any);
    assert_eq!(winner, r#"{"ok":{"handle":1,"result":{"ok":"reply"}}}"#);
    bench.commit();
    let mut again = bench.restored(bench.journal.len());
    start.iter().for_each(|request| drop(again.ask(request)));
    assert_eq!(again.ask(any), winner);
}

#[test]
fn a_waiting_guest_gets_the_outcome_it_waits_for() {
    let mut bench = Bench::new();
    assert_eq!(bench.ask(r#"{"op":"call","to":"known/b","body":1,"deadline_ms":50}"#), "…");
    let effects = bench.commit();
    assert!(matches!(&effects[..], [Effect::Send { .. }, Effect::SetTimer { n: 0, due_ms: 1051 }]), "{effects:?}");
    let work = bench.turn.outstanding_work(0).cloned();
    assert_eq!(bench.restored(bench.journal.len()).turn.outstanding_work(0).cloned(), work, "the same deadline");
    assert_eq!(bench.complete(0, "7"), Completion::Answer(r#"{"ok":7}"#.into()));
    assert_eq!(bench.commit(), [Effect::ClearTimer { n: 0, due_ms: 1051 }]);
}

#[test]
fn handles_are_known_only_once_they_were_given() {
    let mut bench = Bench::new();
    assert!(bench.ask(r#"{"op":"await","handles":[0],"mode":"all"}"#).contains("unknown-handle"));
    bench.ask(r#"{"op":"now"}"#);
    assert!(bench.ask(r#"{"op":"promise.await","handle":0}"#).contains("unknown-handle"), "a clock is no promise");
    bench.ask(r#"{"op":"timer.start","ms":5}"#);
    bench.commit();
    let mut again = bench.restored(bench.journal.len());
    assert!(again.ask(r#"{"op":"await","handles":[1],"mode":"all"}"#).contains("unknown-handle"), "not yet, on replay");
}

#[test]
fn a_failed_turn_keeps_its_sends_and_loses_its_state() {
    let mut bench = Bench::with_state(Some("1"));
    bench.ask(r#"{"op":"state.set","value":2}"#);
    bench.ask(r#"{"op":"send","to":"known/b","body":1}"#);
    bench.ask(r#"{"op":"timer.start","ms":5}"#);
    let Ended { outcome, state } = bench.end(Err(Failure::new("trap", "x"))).unwrap();
    assert!(matches!(outcome, Outcome::Err(_)));
    assert_eq!(state.unwrap().text(), Some("1"));
    let effects = bench.commit();
    assert!(
        matches!(&effects[..], [Effect::Send { .. }, Effect::SetTimer { .. }, Effect::ClearTimer { .. }]),
        "{effects:?}"
    );
    let mut own = Bench::with_state(Some("1"));
    own.ask(r#"{"op":"state.set","value":2}"#);
    let Ended { state, .. } = own.end(Ok(r#"{"err":{"kind":"no","message":"m"}}"#)).unwrap();
    assert_eq!(state.unwrap().text(), Some("1"), "a failure that the guest returns is one too");
}

#[test]
fn log_lines_are_shown_once() {
    let mut bench = Bench::new();
    let log = r#"{"op":"log","level":"info","message":"hello"}"#;
    bench.ask(log);
    bench.ask(r#"{"op":"now"}"#);
    assert_eq!(bench.turn.take_logs().len(), 1);
    bench.turn.rewind();
    bench.ask(log);
    bench.ask(r#"{"op":"now"}"#);
    bench.ask(log);
    assert_eq!(bench.turn.take_logs().len(), 1, "only the new one");
}

#[test]
fn a_turn_has_so_many_steps_and_no_more() {
    let mut bench = Bench::new();
    for _ in 0..loom_types::limits::TURN_ENTRIES_MAX {
        bench.ask(r#"{"op":"now"}"#);
    }
    assert!(bench.ask(r#"{"op":"now"}"#).contains("too-many-steps"));
}

fn request() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(r#"{"op":"now"}"#.to_owned()),
        Just(r#"{"op":"uuid"}"#.to_owned()),
        Just(r#"{"op":"state.get"}"#.to_owned()),
        (0..9u32).prop_map(|n| format!(r#"{{"op":"state.set","pointer":"/a","value":{n}}}"#)),
        (0..9u32).prop_map(|n| format!(r#"{{"op":"activity","name":"pure","input":{n}}}"#)),
        (0..9u32).prop_map(|n| format!(r#"{{"op":"activity.start","name":"effect","input":{n}}}"#)),
        (0..9u32).prop_map(|n| format!(r#"{{"op":"send","to":"known/k{n}","body":{n}}}"#)),
        (1..9u32).prop_map(|n| format!(r#"{{"op":"timer.start","ms":{n}}}"#)),
        (0..9u32).prop_map(|n| format!(r#"{{"op":"await","handles":[{n}],"mode":"any"}}"#)),
        Just(r#"{"op":"promise.create"}"#.to_owned()),
        (0..9u32).prop_map(|n| format!(r#"{{"op":"spawn","to":"known/k{n}","body":{n}}}"#)),
        (0..9u32).prop_map(|n| format!(r#"{{"op":"reply","handle":{n},"body":{n}}}"#)),
        Just(r#"{"op":"receive.start"}"#.to_owned()),
        "[ -~]{0,40}",
    ]
}

proptest! {
    /// Whatever a guest does and wherever a node stops, a replay gives the same answers up to there.
    #[test]
    fn a_replay_from_any_prefix_agrees(requests in proptest::collection::vec(request(), 1..25), cut in 0usize..60) {
        let mut bench = Bench::new();
        let mut answers = Vec::new();
        for request in &requests {
            let answer = bench.ask(request);
            if answer == "…" {
                // Somebody outside answers the first that is outstanding, until the guest goes on.
                let mut resumed = None;
                while resumed.is_none() {
                    let n = bench.turn.outstanding().next().unwrap().n;
                    if let Completion::Answer(answer) = bench.settle(n) {
                        resumed = Some(answer);
                    }
                }
                answers.push(resumed.unwrap());
            } else {
                answers.push(answer);
            }
            bench.commit();
        }
        let cut = 1 + cut % bench.journal.len();
        let mut again = bench.restored(cut);
        for (request, expected) in requests.iter().zip(&answers) {
            if !again.turn.is_replaying() {
                break;
            }
            let answer = again.ask(request);
            // The outcome it waited for may be behind the cut.
            if answer == "…" {
                break;
            }
            prop_assert_eq!(&answer, expected);
        }
        prop_assert!(again.turn.pending().entries.iter().all(|(_, body)| body.kind() != "outcome"));
    }

    #[test]
    fn no_text_makes_the_host_panic(text in ".{0,200}") {
        Bench::new().try_ask(&text).unwrap();
    }
}
