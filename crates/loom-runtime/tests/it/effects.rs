//! Effectful activities: what they reach, how they are retried, and where secrets do not get.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use futures::{FutureExt as _, future::BoxFuture};
use loom_machine::{ActivitySpec, ActorSpec, Deployment, Failure, GuestLimits, HostPattern, HttpAllowance, Retry};
use loom_runtime::{
    DeployError, ExposeSecret as _, HeaderValue, Host, Http, HttpCall, HttpReply, Outside, Runtime, SecretString,
    Secrets, SendOptions, SystemClock,
};
use loom_storage::{Storage, memory::MemoryStore};
use loom_types::Namespace;
use tokio::sync::Semaphore;

use crate::node::{Node, PATIENCE, prebuilt, probe, sandbox, settings};

const SECRET: &str = "s3cr3t-value-1234";

/// Other systems, as a list of what they answer. Without an answer they are silent.
#[derive(Clone)]
struct World {
    answers: Arc<Mutex<VecDeque<Result<HttpReply, Failure>>>>,
    calls: Arc<Mutex<Vec<HttpCall>>>,
    arrived: Arc<Semaphore>,
    /// A permit for every call that was given up.
    dropped: Arc<Semaphore>,
}

impl World {
    fn new(answers: impl IntoIterator<Item = Result<HttpReply, Failure>>) -> Self {
        Self {
            answers: Arc::new(Mutex::new(answers.into_iter().collect())),
            calls: Arc::default(),
            arrived: Arc::new(Semaphore::new(0)),
            dropped: Arc::new(Semaphore::new(0)),
        }
    }

    fn outside(&self) -> Outside {
        Outside { http: Arc::new(self.clone()), secrets: Arc::new(OneSecret) }
    }

    async fn arrived(&self, calls: u32) {
        let arrived = tokio::time::timeout(PATIENCE, self.arrived.acquire_many(calls)).await;
        arrived.expect("the calls arrive").unwrap().forget();
    }
}

struct Silence(Arc<Semaphore>);

impl Drop for Silence {
    fn drop(&mut self) {
        self.0.add_permits(1);
    }
}

impl Http for World {
    fn send(&self, call: HttpCall) -> BoxFuture<'static, Result<HttpReply, Failure>> {
        self.calls.lock().unwrap().push(call);
        self.arrived.add_permits(1);
        let silence = Silence(self.dropped.clone());
        match self.answers.lock().unwrap().pop_front() {
            Some(answer) => std::future::ready(answer).boxed(),
            None => async move {
                let _silence = silence;
                std::future::pending().await
            }
            .boxed(),
        }
    }
}

struct OneSecret;

impl Secrets for OneSecret {
    fn get(&self, namespace: &str, name: &str) -> Option<SecretString> {
        (namespace == "default" && name == "API_KEY").then(|| SECRET.into())
    }
}

fn reply(status: u16, body: &str) -> Result<HttpReply, Failure> {
    Ok(HttpReply { status, headers: vec![("content-type".into(), "text/plain".into())], body: body.into() })
}

fn unreachable_once() -> Result<HttpReply, Failure> {
    Err(Failure::new("http-unreachable", "nobody is there").retryable())
}

async fn start(world: &World, storage: Storage, change: impl FnOnce(&mut ActivitySpec)) -> Node {
    let host = Host { outside: world.outside(), ..Host::real(Arc::new(SystemClock::default())) };
    let runtime = Runtime::start_on(settings(100), storage, sandbox(), host).await.unwrap();
    let handle = runtime.handle();
    let node = Node::of(runtime, handle);
    node.handle.deploy(&Namespace::default(), deployment(&node, change).await).await.unwrap();
    node
}

/// The probe as an actor, and as an activity that may do a lot.
async fn deployment(node: &Node, change: impl FnOnce(&mut ActivitySpec)) -> Deployment {
    let module = node.handle.put_blob(prebuilt("probe.wasm").into()).await.unwrap();
    let limits = GuestLimits { fuel: 200_000_000, ..GuestLimits::default() };
    let mut fetch = ActivitySpec {
        capabilities: ["http".to_owned(), "secret".to_owned()].into(),
        retry: Retry { attempts_max: 3, backoff_ms_min: 1, backoff_ms_max: 5 },
        http: Some(HttpAllowance::new([HostPattern::try_from("api.example.com".to_owned()).unwrap()].into())),
        secrets: ["API_KEY".to_owned()].into(),
        ..ActivitySpec::pure(module, limits)
    };
    change(&mut fetch);
    let actors = [("probe".to_owned(), ActorSpec::new(module, limits))].into();
    Deployment::new("tests", actors, [("fetch".to_owned(), fetch)].into()).unwrap()
}

/// The actor's program: run the activity with this program, and reply with what came of it. As text, for the actor
/// would resolve the activity's references.
fn fetch(program: &str) -> String {
    let request = format!(r#"{{"op":"activity","name":"fetch","input":{program}}}"#);
    format!(r#"{{"do":[{{"raw":{}}}]}}"#, serde_json::Value::from(request))
}

const GET: &str = r#"{"op":"http","method":"GET","url":"https://api.example.com/"}"#;

async fn run(node: &Node, key: &str, program: &str) -> String {
    node.run(key, &fetch(program)).await.unwrap()
}

/// Every byte of an actor's journal: entries and payloads.
async fn journal(node: &Node, key: &str) -> Vec<u8> {
    let page = node.handle.journal(&probe(key), loom_types::SequenceNumber(0)).await.unwrap();
    let parts = page.into_iter().flat_map(|journaled| {
        let payloads = journaled.payloads.into_iter().filter_map(|(_, _, payload)| Some(payload?.value().to_vec()));
        std::iter::once(journaled.encoded.bytes.to_vec()).chain(payloads)
    });
    parts.collect::<Vec<_>>().concat()
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn an_activity_gets_a_response() {
    let world = World::new([reply(200, "hello"), reply(503, "later")]);
    let node = start(&world, MemoryStore::storage(), |_| ()).await;
    let answer = run(&node, "a", &format!(r#"{{"do":[{GET},{GET}]}}"#)).await;
    assert!(
        answer.contains(r#"{"ok":{"body":"hello","headers":{"content-type":"text/plain"},"status":200}}"#),
        "{answer}"
    );
    assert!(answer.contains(r#""status":503"#), "a status is a response: {answer}");
    node.runtime.shutdown().await;
}

#[tokio::test]
async fn what_is_not_granted_stays_inside() {
    let world = World::new([]);
    let node = start(&world, MemoryStore::storage(), |spec| {
        spec.capabilities.remove("secret");
        let http = spec.http.as_mut().unwrap();
        (http.methods, http.request_bytes_max) = (["GET".to_owned()].into(), 3);
    })
    .await;
    for (request, kind) in [
        (r#"{"op":"http","method":"POST","url":"https://api.example.com/"}"#, "not-granted"),
        (r#"{"op":"http","method":"GET","url":"https://api.example.com/","body":"1234"}"#, "http-too-large"),
        (
            r#"{"op":"http","method":"GET","url":"https://api.example.com/","headers":{"a":{"secret":"OTHER"}}}"#,
            "not-granted",
        ),
        (r#"{"op":"http","method":"GET","url":"https://api.example.com/","headers":{"Host":"x"}}"#, "invalid-request"),
        (r#"{"op":"secret","name":"API_KEY"}"#, "not-granted"),
        (r#"{"op":"now"}"#, "not-granted"),
        (r#"{"op":"teleport"}"#, "unknown-op"),
    ] {
        let answer = run(&node, "a", &format!(r#"{{"do":[{request}]}}"#)).await;
        assert!(answer.contains(&format!(r#""kind":"{kind}""#)), "{request}: {answer}");
    }
    assert!(world.calls.lock().unwrap().is_empty());
    node.runtime.shutdown().await;
}

#[tokio::test]
async fn a_secret_arrives_in_a_header_and_nowhere_else() {
    let world = World::new([reply(401, &format!("bad key {SECRET}")), Err(Failure::new("http-refused", SECRET))]);
    let node = start(&world, MemoryStore::storage(), |_| ()).await;
    let get = r#"{"op":"http","method":"GET","url":"https://api.example.com/",
        "headers":{"Authorization":{"secret":"API_KEY","prefix":"Bearer "}}}"#;
    let answer = run(&node, "a", &format!(r#"{{"do":[{get},{get}]}}"#)).await;
    assert!(answer.contains("bad key [secret]") && !answer.contains(SECRET), "{answer}");
    {
        let calls = world.calls.lock().unwrap();
        let (name, HeaderValue::Secret(value)) = &calls[0].headers[0] else { panic!("it is a secret") };
        assert_eq!((name.as_str(), value.expose_secret()), ("authorization", "Bearer s3cr3t-value-1234"));
        assert!(!format!("{:?}", calls[0]).contains(SECRET));
    }
    assert!(!contains(&journal(&node, "a").await, SECRET));
    node.runtime.shutdown().await;
}

#[tokio::test]
async fn a_secret_that_a_guest_read_cannot_be_its_output_or_its_error() {
    let node = start(&World::new([]), MemoryStore::storage(), |_| ()).await;
    let read = r#"{"op":"secret","name":"API_KEY"}"#;
    for (program, kind) in [
        (format!(r#"{{"do":[{read},{{"reply":{{"deep":[{{"$ref":0}}]}}}}]}}"#), "secret-in-output"),
        (format!(r#"{{"do":[{read},{{"reply_text":"\"{SECRET}\""}}]}}"#), "secret-in-output"),
        (format!(r#"{{"do":[{read},{{"fail":{{"kind":"no","message":"x"}}}}]}}"#), "no"),
    ] {
        // What the program itself says is journaled with the request, so the value only comes from the host.
        let key = kind.to_owned() + &program.len().to_string();
        let answer = run(&node, &key, &program).await;
        assert!(answer.contains(&format!(r#""kind":"{kind}""#)), "{program}: {answer}");
        assert_eq!(contains(&journal(&node, &key).await, SECRET), program.contains(SECRET), "{program}");
    }
    let harmless = run(&node, "b", &format!(r#"{{"do":[{read},{{"reply":"harmless"}}]}}"#)).await;
    assert_eq!(harmless, r#"{"answers":[{"ok":"harmless"}]}"#);
    node.runtime.shutdown().await;
}

#[tokio::test]
async fn attempts_share_an_idempotency_key_and_steps_do_not() {
    let world = World::new([unreachable_once(), reply(200, ""), reply(200, "")]);
    let node = start(&world, MemoryStore::storage(), |_| ()).await;
    let post = r#"{"op":"http","method":"POST","url":"https://api.example.com/",
        "headers":{"Idempotency-Key":{"$ref":[0,"/idempotency_key"]}}}"#;
    let program = format!(r#"{{"do":[{{"op":"context"}},{post},{{"fail_unless_ok":1}},{{"reply":{{"$ref":0}}}}]}}"#);
    let first = run(&node, "a", &program).await;
    assert!(
        first.contains(r#""attempt":2"#) && first.contains(r#""step":0"#) && first.contains(r#""key":"a""#),
        "{first}"
    );
    run(&node, "a", &program).await;
    let keys: Vec<_> = world.calls.lock().unwrap().iter().map(|call| format!("{:?}", call.headers[0].1)).collect();
    assert_eq!(keys[0], keys[1], "two attempts of one step");
    assert_ne!(keys[0], keys[2], "another turn");
    node.runtime.shutdown().await;
}

#[tokio::test]
async fn an_attempt_has_a_deadline_and_is_retried() {
    let world = World::new([]);
    let node = start(&world, MemoryStore::storage(), |spec| spec.deadline_ms = Some(20)).await;
    let answer = run(&node, "a", &format!(r#"{{"do":[{GET}]}}"#)).await;
    assert!(answer.contains(r#""kind":"deadline""#) && answer.contains("20 ms"), "{answer}");
    assert_eq!(world.calls.lock().unwrap().len(), 3, "every attempt the deployment gives");
    let dropped = tokio::time::timeout(PATIENCE, world.dropped.acquire_many(3)).await;
    dropped.expect("nothing stays behind").unwrap().forget();
    node.runtime.shutdown().await;
}

#[tokio::test]
async fn a_turn_that_ends_takes_its_requests_with_it() {
    let world = World::new([]);
    let node = start(&world, MemoryStore::storage(), |_| ()).await;
    let start = format!(r#"{{"op":"activity.start","name":"fetch","input":{{"do":[{GET}]}}}}"#);
    // The turn may only end once the request is under way.
    let program = format!(r#"{{"do":[{start},{{"op":"receive","type":"go"}}]}}"#);
    let go = async || {
        world.arrived(1).await;
        node.run("a", r#"{"type":"go","do":[]}"#).await
    };
    let (ended, gone) = tokio::join!(node.run("a", &program), go());
    ended.unwrap();
    gone.unwrap();
    let dropped = tokio::time::timeout(PATIENCE, world.dropped.acquire()).await;
    dropped.expect("the request is given up").unwrap().forget();
    node.runtime.shutdown().await;
}

#[tokio::test]
async fn a_waiting_activity_does_not_hold_up_its_shard() {
    let world = World::new([]);
    let node = start(&world, MemoryStore::storage(), |_| ()).await;
    // More than there are shards.
    let mut tickets = Vec::new();
    for n in 0..8 {
        let options = SendOptions::default();
        let stuck = probe(&format!("stuck-{n}"));
        tickets.push(node.handle.send(&stuck, &fetch(&format!(r#"{{"do":[{GET}]}}"#)), options).unwrap());
    }
    world.arrived(8).await;
    for n in 0..8 {
        node.run(&format!("free-{n}"), r#"{"do":[{"op":"state.set","value":1}]}"#).await.unwrap();
    }
    node.runtime.shutdown().await;
}

#[tokio::test]
async fn an_attempt_that_a_stop_cut_off_counts() {
    let storage = MemoryStore::storage();
    let silent = World::new([]);
    let node = start(&silent, storage.clone(), |_| ()).await;
    let program = fetch(&format!(r#"{{"do":[{{"op":"context"}},{GET},{{"reply":{{"$ref":[0,"/attempt"]}}}}]}}"#));
    let options = SendOptions { id: Some("m1".parse().unwrap()), until_waiting: false };
    let mut ticket = node.handle.send(&probe("a"), &program, options).unwrap();
    ticket.accepted().await.unwrap();
    silent.arrived(1).await;
    node.runtime.shutdown().await;

    let world = World::new([reply(200, "")]);
    let node = start(&world, storage, |_| ()).await;
    let mut ticket = node.handle.follow(&probe("a"), "m1".parse().unwrap(), false).unwrap();
    let settled = tokio::time::timeout(PATIENCE, ticket.settled()).await.unwrap().unwrap();
    assert!(format!("{settled:?}").contains(r#"{\"answers\":[{\"ok\":2}]}"#), "{settled:?}");
    node.runtime.shutdown().await;
}

#[tokio::test]
async fn a_deployment_may_name_only_secrets_that_are_there() {
    let node = start(&World::new([]), MemoryStore::storage(), |_| ()).await;
    let deployment = deployment(&node, |spec| spec.secrets.extend(["OTHER".to_owned()])).await;
    let error = node.handle.deploy(&Namespace::default(), deployment).await.unwrap_err();
    assert!(matches!(error, DeployError::MissingSecret { secret, .. } if secret == "OTHER"));
    node.runtime.shutdown().await;
}
