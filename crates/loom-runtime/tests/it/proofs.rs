//! Proofs that turns wait for: made once for all who ask, across faults, evictions and restarts, and let go of.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use futures::{FutureExt as _, future::BoxFuture};
use loom_machine::{ActorSpec, Deployment, GuestLimits, ImageId, ProgramSpec, Proved};
use loom_runtime::{
    BundleOptions, Host, Proof, ProofProgress, ProofRequest, ProofStage, ProveError, Prover, Proving, Runtime,
    SendOptions, SystemClock,
};
use loom_storage::{Storage, memory::MemoryStore};
use loom_types::{Cid, Codec, EntryBody, Namespace, Resolution, SequenceNumber};
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use crate::{
    node::{Node, PATIENCE, prebuilt, probe, sandbox, settings},
    turns::eventually,
};

const IMAGE_ID: ImageId = ImageId([7; 32]);

/// What becomes of a run.
enum Goes {
    Well,
    Wrong(ProveError),
    /// It is never done.
    On,
    /// The output is not about the input.
    Astray,
}

/// A prover as a list of what becomes of its runs. After that all go well.
#[derive(Clone)]
struct Script {
    runs: Arc<Mutex<VecDeque<Goes>>>,
    requests: Arc<Mutex<Vec<ProofRequest>>>,
    dropped: Arc<Semaphore>,
}

impl Script {
    fn new(runs: impl IntoIterator<Item = Goes>) -> Self {
        let runs = Arc::new(Mutex::new(runs.into_iter().collect()));
        Self { runs, requests: Arc::default(), dropped: Arc::new(Semaphore::new(0)) }
    }

    fn requests(&self) -> Vec<ProofRequest> {
        self.requests.lock().unwrap().clone()
    }

    async fn let_go(&self) {
        tokio::time::timeout(PATIENCE, self.dropped.acquire()).await.expect("the run is let go of").unwrap().forget();
    }
}

struct Dropped(Arc<Semaphore>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.add_permits(1);
    }
}

impl Prover for Script {
    fn prove(&self, request: ProofRequest, progress: ProofProgress) -> BoxFuture<'static, Result<Proof, ProveError>> {
        self.requests.lock().unwrap().push(request.clone());
        progress.report(ProofStage::Segment { number: 3, of: 7 });
        let dropped = Dropped(self.dropped.clone());
        match self.runs.lock().unwrap().pop_front().unwrap_or(Goes::Well) {
            Goes::Well => std::future::ready(Ok(proof(&request))).boxed(),
            Goes::Wrong(error) => std::future::ready(Err(error)).boxed(),
            Goes::Astray => {
                let public_output = Bytes::from_static(b"no digest at all, though it is long enough");
                std::future::ready(Ok(Proof { public_output, ..proof(&request) })).boxed()
            }
            Goes::On => async move {
                let _dropped = dropped;
                std::future::pending().await
            }
            .boxed(),
        }
    }
}

fn proof(request: &ProofRequest) -> Proof {
    let public_output: Bytes = [&Sha256::digest(&request.input)[..], &request.public].concat().into();
    let receipt: Bytes = [b"receipt of ", &public_output[..]].concat().into();
    Proof { public_output, receipt, segments: 7 }
}

async fn start(prover: Option<&Script>, storage: Storage, resident: usize) -> Node {
    let prove = prover.map(|prover| Proving::new([9; 32], Arc::new(prover.clone())));
    let host = Host { prove, ..Host::real(Arc::new(SystemClock::default())) };
    let runtime = Runtime::start_on(settings(resident), storage, sandbox(), host).await.unwrap();
    let handle = runtime.handle();
    Node::of(runtime, handle)
}

async fn started(prover: Option<&Script>, storage: Storage, resident: usize) -> Node {
    let node = start(prover, storage, resident).await;
    let module = node.handle.put_blob(prebuilt("probe.wasm").into()).await.unwrap();
    let binary = node.handle.put_blob(Bytes::from_static(b"program")).await.unwrap();
    let limits = GuestLimits { fuel: 200_000_000, ..GuestLimits::default() };
    let deployment = Deployment::new("tests", [("probe".into(), ActorSpec::new(module, limits))].into(), [].into());
    let programs = [("dti".to_owned(), ProgramSpec { image_id: IMAGE_ID, binary })].into();
    node.handle.deploy(&Namespace::default(), deployment.unwrap().with_programs(programs).unwrap()).await.unwrap();
    node
}

/// A program that has one run proved, over this input, and replies with what came of it.
fn proves(input: &str) -> String {
    let base64 = data_encoding::BASE64.encode(input.as_bytes());
    let request = format!(
        r#"{{"op":"prove.start","program":"dti","input":{{"media_type":"text/plain","base64":"{base64}"}},"public":"AQI="}}"#
    );
    format!(
        r#"{{"do":[{request},{{"op":"await","handles":[{{"$ref":0}}],"mode":"all"}},{{"reply":{{"$ref":[1,"/0/ok"]}}}}]}}"#
    )
}

/// The step, and its outcome.
async fn entries(node: &Node, key: &str) -> (EntryBody, Option<EntryBody>) {
    let page = node.handle.journal(&probe(key), SequenceNumber(0)).await.unwrap();
    let bodies: Vec<_> = page.into_iter().map(|journaled| journaled.entry.body).collect();
    let step = bodies.iter().find(|body| matches!(body, EntryBody::Step { .. })).unwrap().clone();
    let mut outcomes = bodies.into_iter().filter(|body| matches!(body, EntryBody::Outcome { .. }));
    let outcome = outcomes.next();
    assert!(outcomes.next().is_none(), "a step has one outcome");
    (step, outcome)
}

#[tokio::test]
async fn a_proof_is_recorded_with_its_receipt() {
    for resident in [100, 0] {
        let prover = Script::new([]);
        let node = started(Some(&prover), MemoryStore::storage(), resident).await;
        let reply = node.run("a", &proves("5000")).await.unwrap();
        let requests = prover.requests();
        let expected = proof(&requests[0]);
        assert_eq!((requests.len(), requests[0].image_id, &requests[0].program[..]), (1, IMAGE_ID, &b"program"[..]));
        assert_eq!(&requests[0].public[..], [1, 2]);
        let (step, outcome) = entries(&node, "a").await;
        let EntryBody::Step { input: Some(input), .. } = step else { panic!("{step:?}") };
        assert_eq!(Cid::of(Codec::DagCbor, &requests[0].input), input, "it is given the block that the entry names");
        let proved = Proved::from_json(reply.as_bytes()).unwrap();
        assert!(proved.is_over(input) && proved.public_output == expected.public_output && proved.image_id == IMAGE_ID);
        let Some(EntryBody::Outcome { result: Resolution::Ok(_), attempts: 1, evidence, .. }) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(evidence, [proved.receipt]);
        assert_eq!(node.handle.blob(proved.receipt).await.unwrap(), expected.receipt);
        // Nothing but the entry leads to it.
        node.handle.collect_blobs(std::time::Duration::ZERO, false).await.unwrap();
        assert_eq!(node.handle.blob(proved.receipt).await.unwrap(), expected.receipt);
        let metrics = node.handle.metrics();
        let counts = (metrics.proofs_running.get(), metrics.proofs_finished.get(), metrics.proof_segments.get());
        assert_eq!(counts, (0, 1, 7));
        node.runtime.shutdown().await;
    }
}

#[tokio::test]
async fn a_fault_is_tried_again_and_a_refusal_is_not() {
    let fault = || Goes::Wrong(ProveError::Fault { reason: "no memory".into() });
    let refused = Goes::Wrong(ProveError::Refused { reason: "the program takes too long".into() });
    let prover = Script::new([fault(), fault(), Goes::Well, refused, Goes::Astray]);
    let node = started(Some(&prover), MemoryStore::storage(), 100).await;
    assert!(Proved::from_json(node.run("a", &proves("1")).await.unwrap().as_bytes()).is_ok());
    assert_eq!((prover.requests().len(), node.handle.metrics().host_faults.get()), (3, 2));
    let failure = node.run("b", &proves("2")).await.unwrap_err();
    let (_, outcome) = entries(&node, "b").await;
    assert!(matches!(outcome, Some(EntryBody::Outcome { result: Resolution::Err(_), .. })), "{failure}: {outcome:?}");
    node.run("c", &proves("3")).await.unwrap_err();
    let page = node.handle.journal(&probe("c"), SequenceNumber(0)).await.unwrap();
    let said = page.iter().flat_map(|journaled| &journaled.payloads).filter_map(|(role, _, payload)| {
        (*role == "err").then(|| payload.as_ref()?.text().map(str::to_owned)).flatten()
    });
    let said: Vec<_> = said.collect();
    assert!(said.len() == 1 && said[0].contains("proof-refused") && said[0].contains("SHA-256"), "{said:?}");
    assert_eq!(prover.requests().len(), 5);
    node.runtime.shutdown().await;
}

#[tokio::test]
async fn whoever_asks_for_the_same_shares_the_run() {
    let prover = Script::new([Goes::On, Goes::On]);
    let node = started(Some(&prover), MemoryStore::storage(), 0).await;
    let send = |key: &str, input: &str| {
        let mut ticket = node.handle.send(&probe(key), &proves(input), SendOptions::default()).unwrap();
        async move { ticket.accepted().await.unwrap() }
    };
    for (key, input) in [("a", "1"), ("b", "1"), ("c", "2")] {
        send(key, input).await;
    }
    for key in ["a", "b", "c"] {
        eventually(async || {
            let waiting_on = node.handle.actor(&probe(key)).await.unwrap().waiting_on;
            waiting_on.iter().any(|on| on.kind == "proof" && on.detail == "dti 07070707, segment 3 of 7")
        })
        .await;
    }
    assert_eq!((prover.requests().len(), node.handle.metrics().proofs_running.get()), (2, 2), "'a' and 'b' share one");
    // The run goes on until nobody waits for it.
    node.handle.fail_turn(&probe("a"), "enough", "admin").await.unwrap();
    assert_eq!(prover.dropped.available_permits(), 0);
    node.handle.cancel(&probe("b"), "enough", "admin").await.unwrap();
    prover.let_go().await;
    node.handle.fail_turn(&probe("c"), "enough", "admin").await.unwrap();
    prover.let_go().await;
    eventually(async || node.handle.metrics().proofs_running.get() == 0).await;
    // And is begun anew for who comes later.
    node.run("d", &proves("1")).await.unwrap();
    let requests = prover.requests();
    assert!(requests.len() == 3 && requests[..2].contains(&requests[2]), "with the same block, salt and all");
    node.runtime.shutdown().await;
}

#[tokio::test]
async fn a_restart_asks_again_and_a_node_without_a_prover_waits() {
    for resident in [100, 0] {
        let storage = MemoryStore::storage();
        let prover = Script::new([Goes::On]);
        let node = started(Some(&prover), storage.clone(), resident).await;
        let options = SendOptions { id: Some("m".parse().unwrap()), ..SendOptions::default() };
        let mut ticket = node.handle.send(&probe("a"), &proves("1"), options).unwrap();
        ticket.accepted().await.unwrap();
        eventually(async || prover.requests().len() == 1).await;
        node.runtime.shutdown().await;

        let node = start(None, storage.clone(), resident).await;
        eventually(async || {
            let waiting_on = node.handle.actor(&probe("a")).await.unwrap().waiting_on;
            waiting_on.iter().any(|on| on.detail.contains("no prover"))
        })
        .await;
        node.runtime.shutdown().await;
        let node = start(Some(&prover), storage.clone(), resident).await;
        let mut ticket = node.handle.follow(&probe("a"), "m".parse().unwrap(), false).unwrap();
        let settled = tokio::time::timeout(PATIENCE, ticket.settled()).await.expect("settles").unwrap();
        assert!(matches!(settled, loom_runtime::Settled::Ended { result: Ok(_), .. }), "{settled:?}");
        let requests = prover.requests();
        assert!(requests.len() == 2 && requests[0] == requests[1]);
        assert!(entries(&node, "a").await.1.is_some());
        node.runtime.shutdown().await;
    }
}

#[tokio::test]
async fn without_a_prover_steps_fail_at_once() {
    let node = started(None, MemoryStore::storage(), 100).await;
    let request = proves("1");
    let program = |name: &str| request.replace("\"dti\"", &format!("\"{name}\""));
    for (name, kind) in [("dti", "no-prover"), ("ltv", "unknown-program")] {
        let said = node.run(kind, &program(name)).await;
        let said = said.unwrap_or_else(|failure| failure.to_string());
        let page = node.handle.journal(&probe(kind), SequenceNumber(0)).await.unwrap();
        let payloads = page.iter().flat_map(|journaled| &journaled.payloads);
        let refused = payloads.filter(|(role, _, _)| *role == "err").count();
        assert_eq!(refused, 1, "{said}");
    }
    node.runtime.shutdown().await;
}

/// What a program was given in private is left out of bundles, wherever it stands, and put in if one asks for it.
#[tokio::test]
async fn bundles_have_receipts_and_not_the_inputs() {
    let node = started(Some(&Script::new([])), MemoryStore::storage(), 100).await;
    node.run("a", &proves("the income is 5417")).await.unwrap();
    node.run("a", &proves("the income is 5418").replace("\"dti\"", "\"ltv\"")).await.ok();
    let bundle = async |options: &BundleOptions| {
        let bundle = node.handle.bundle(&probe("a"), options).await.unwrap();
        let private = bundle.entries()[0].iter().filter_map(|entry| match &entry.body {
            EntryBody::Step { op, request, outcome, input, .. } if op == "prove.start" => {
                let cid = input.or(outcome.map(|_| *request))?;
                Some(bundle.payloads().contains_key(&cid))
            }
            _ => None,
        });
        let receipts = bundle.material().values().filter(|bytes| bytes.starts_with(b"receipt of ")).count();
        (private.collect::<Vec<_>>(), receipts)
    };
    let disclosed = BundleOptions { disclose_inputs: true, ..BundleOptions::default() };
    assert_eq!(bundle(&BundleOptions::default()).await, (vec![false, false], 1));
    assert_eq!(bundle(&disclosed).await, (vec![true, true], 1));
    let step = node.handle.journal(&probe("a"), SequenceNumber(0)).await.unwrap();
    let seq_of = |kind: &str| step.iter().find(|it| it.entry.body.kind() == kind).unwrap().entry.seq;
    let redact = |text: String| BundleOptions { redact: vec![text.parse().unwrap()], ..BundleOptions::default() };
    // Whoever names an input means it: the message from which it comes out again has to go as well.
    let named = node.handle.bundle(&probe("a"), &redact(format!("{}:input", seq_of("step")))).await.unwrap_err();
    assert!(named.to_string().contains(":message"), "{named}");
    // And an output is not hidden while its receipt is there.
    let named = node.handle.bundle(&probe("a"), &redact(format!("{}:ok", seq_of("outcome")))).await.unwrap_err();
    assert!(named.to_string().contains("blob bafk"), "{named}");
    node.runtime.shutdown().await;
}
