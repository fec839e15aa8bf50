//! A guest's requests, one a line: whatever it asks, replaying the journal gives the same answers.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use loom_machine::{
    ActivitySpec, Ambient, Deployment, Directory, Divergence, GuestLimits, ImageId, InputSalts, Message, Opening,
    ProgramSpec, Reaction, Task, Turn, VerifierKind, VerifierSpec,
};
use loom_types::{
    ActorAddress, Cid, Codec, Entry, EntryBody, Payload, SALT_BYTES, SaltSource, SequenceNumber, TurnNumber, media_type,
};

const NOW_MS: u64 = 1_700_000_000_000;

/// Asks everything, then asks it again of a turn restored from what was journaled.
pub(crate) fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let mut first = Driver::begin();
    let answers = first.ask_all(text).expect("there is nothing to diverge from");
    let mut second = first.restored();
    let again = second.ask_all(text).expect("the same requests do not diverge");
    assert_eq!(answers, again, "replay gives the recorded answers");
    assert!(second.turn.pending().entries.is_empty(), "replay writes nothing");
    let mut ambient = Ambient { now_ms: NOW_MS, salts: &mut Counting(0), directory: &Knows, inputs: Some(&Knows) };
    first.turn.end(Ok("null".to_owned()), 1, &mut ambient).expect("nothing is left to replay");
}

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

impl InputSalts for Knows {
    fn salt(&self, _image_id: ImageId, media_type: &str, value: &[u8]) -> [u8; SALT_BYTES] {
        [(media_type.len() + value.len()) as u8; SALT_BYTES]
    }
}

fn deployment() -> Arc<Deployment> {
    let spec = |capabilities: &[&str]| ActivitySpec {
        capabilities: capabilities.iter().map(|&name| name.to_owned()).collect(),
        ..ActivitySpec::pure(Cid::of(Codec::Raw, b"activity"), GuestLimits::default())
    };
    let activities = [("pure".to_owned(), spec(&[])), ("effect".to_owned(), spec(&["http"]))].into();
    let program = ProgramSpec { image_id: ImageId([7; 32]), binary: Cid::of(Codec::Raw, b"program") };
    let verifier = VerifierSpec {
        kind: VerifierKind::Tlsnotary,
        module: Cid::of(Codec::Raw, b"verifier"),
        limits: VerifierSpec::limits_default(),
        policy: "{}".to_owned(),
    };
    let deployment = Deployment::new("fuzz", BTreeMap::new(), activities).expect("the names are fine");
    let deployment = deployment.with_programs([("program".to_owned(), program)].into()).expect("so is this one");
    Arc::new(deployment.with_verifiers([("verifier".to_owned(), verifier)].into()).expect("and this one"))
}

/// A turn and the host around it.
struct Driver {
    turn: Turn,
    salts: Counting,
    payloads: HashMap<Cid, Payload>,
    journal: Vec<(u64, EntryBody)>,
}

impl Driver {
    fn begin() -> Self {
        let mut salts = Counting(0);
        let address: ActorAddress = "default/tester/a".parse().expect("an address");
        let message = Message::of_client("m1".parse().expect("an id"), address.clone(), "{}".into());
        let opening = Opening {
            address,
            turn: TurnNumber(1),
            message_payload: Payload::seal(media_type::MESSAGE, message.encode().as_bytes(), &mut salts),
            message,
            deployment_cid: deployment().cid(),
            deployment: deployment(),
            module: Cid::of(Codec::Raw, b"actor"),
            engine: "none/0".into(),
            seed: Payload::seal(media_type::SEED, &[7; 32], &mut salts),
        };
        let turn = Turn::begin(opening, None, false, NOW_MS);
        Self { turn, salts, payloads: HashMap::new(), journal: Vec::new() }
    }

    /// The answers until the guest has to wait or is ended.
    fn ask_all(&mut self, text: &str) -> Result<Vec<String>, Box<Divergence>> {
        let mut answers = Vec::new();
        for request in text.lines() {
            let mut ambient =
                Ambient { now_ms: NOW_MS, salts: &mut self.salts, directory: &Knows, inputs: Some(&Knows) };
            let answer = match self.turn.request(request, &mut ambient)? {
                Reaction::Answer(answer) => answer,
                Reaction::Run(task) => self.turn.finish(Ok(&perform(task)), &mut ambient),
                Reaction::Wait | Reaction::Restart(_) => break,
                Reaction::Fail(failure) => {
                    answers.push(failure.to_string());
                    break;
                }
            };
            answers.push(answer);
        }
        let pending = self.turn.take_pending();
        self.journal.extend(pending.entries);
        self.payloads.extend(pending.payloads.into_iter().map(|payload| (payload.cid(), payload)));
        Ok(answers)
    }

    fn restored(&self) -> Self {
        let entry = |((at_ms, body), seq): (&(u64, EntryBody), u64)| Entry {
            actor: self.turn.opening().address.clone(),
            seq: SequenceNumber(seq),
            prev: Some(Cid::of(Codec::DagCbor, b"before")),
            turn: TurnNumber(1),
            at_ms: *at_ms,
            body: body.clone(),
        };
        let entries: Vec<_> = self.journal.iter().zip(1..).map(entry).collect();
        let find = |cid: &Cid| self.payloads.get(cid).cloned();
        let turn = Turn::restore(&entries, &find, deployment(), None).expect("what was journaled can be read");
        Self { turn, salts: Counting(100), payloads: self.payloads.clone(), journal: Vec::new() }
    }
}

/// The host's side of a task, without a sandbox or a store.
fn perform(task: Task) -> String {
    match task {
        Task::Activity { input, .. } => input,
        Task::BlobGet { cid, .. } => format!("\"blob {cid}\""),
        Task::Verify { verification } => format!(r#"{{"accepted":true,"evidence":"{}"}}"#, verification.evidence),
        Task::BlobPut { bytes } => format!("\"{}\"", Cid::of(Codec::Raw, &bytes)),
    }
}
