//! SIGKILL under load: every acknowledged message is done exactly once, none is lost, and nothing happened that
//! no journal knows of.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use loom_client::{Answered, Client, ClientError, Entry, SendMessage, Settlement};

use crate::process::{Dev, PATIENCE, deployment, stdout};

/// In each of the two configurations.
const KILLS: usize = 25;
const MESSAGES: usize = 360;
const CLIENTS: usize = 24;
const ACTORS: usize = 8;

/// What every message does: pure work, an effect, a call, a message, timers, chance, a blob, and a trace in the state.
/// Some also wait for somebody outside, and have a value too large for a row.
fn program(n: usize) -> String {
    let more = match n % 12 {
        0 => format!(
            r#",{{"op":"promise.create"}},{{"op":"promise.await","handle":{{"$ref":[13,"/handle"]}}}},
            {{"op":"activity","name":"effect","input":"{}"}}"#,
            "x".repeat(100_000)
        ),
        _ => String::new(),
    };
    format!(
        r#"{{"do":[{{"op":"activity","name":"echo","input":{n}}},
            {{"op":"activity","name":"effect","input":{n}}},
            {{"op":"call","to":"other/called","body":{{"do":[{{"op":"state.set","pointer":"/m{n}","value":1}}]}}}},
            {{"op":"send","to":"other/sent","body":{{"do":[{{"op":"state.set","pointer":"/m{n}","value":1}}]}}}},
            {{"op":"sleep","ms":1}},
            {{"op":"state.set","pointer":"/m{n}","value":1}},
            {{"op":"now"}},{{"op":"random","bytes":8}},{{"op":"uuid"}},
            {{"op":"blob.put","text":"blob {n}"}},{{"op":"blob.get","cid":{{"$ref":9}}}},
            {{"op":"timer.start","ms":1}},{{"op":"await","handles":[{{"$ref":11}}]}}{more},
            {{"reply":{{"$ref":1}}}}]}}"#
    )
}

fn key(n: usize) -> String {
    format!("probe/k{}", n % ACTORS)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_nine_loses_nothing_and_repeats_nothing() {
    for resident in ["1000", "0"] {
        crash_and_check(resident).await;
    }
}

async fn crash_and_check(resident: &str) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let arguments = ["--resident-instances-max", resident];
    let mut dev = Dev::start(&data, &arguments);
    stdout(&["deploy", deployment(&folder.path().join("app")).to_str().unwrap(), "--url", &dev.url]);
    let url = Arc::new(RwLock::new(dev.url.clone()));
    let next = Arc::new(AtomicUsize::new(0));
    let replies = Arc::new(Mutex::new(BTreeMap::new()));
    let clients: Vec<_> =
        (0..CLIENTS).map(|_| tokio::spawn(client(url.clone(), next.clone(), replies.clone()))).collect();
    let resolver = tokio::spawn(resolve_promises(url.clone()));
    for kill in 1..=KILLS {
        // Always in the middle of the load, never at a moment chosen by the clock.
        let wanted = kill * MESSAGES / (KILLS + 2);
        let reached = async {
            while replies.lock().unwrap().len() < wanted {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, reached).await.expect("the load goes on");
        dev.kill();
        dev = Dev::start(&data, &arguments);
        *url.write().unwrap() = dev.url.clone();
        // In the middle of the load: nothing that a commit under way needs may go.
        dev.client().collect_blobs(false, 0).await.unwrap();
    }
    for client in clients {
        tokio::time::timeout(PATIENCE, client).await.expect("every message is answered").unwrap();
    }
    resolver.abort();
    dev.client().collect_blobs(false, 0).await.unwrap();
    let replies = replies.lock().unwrap().clone();
    check(&dev.client(), &replies).await;
    dev.terminate();
}

/// Sends messages under their own ids until each is answered, whatever happens to the server.
async fn client(url: Arc<RwLock<String>>, next: Arc<AtomicUsize>, replies: Arc<Mutex<BTreeMap<usize, String>>>) {
    loop {
        let n = next.fetch_add(1, Ordering::Relaxed);
        if n >= MESSAGES {
            return;
        }
        loop {
            let client = Client::new(&url.read().unwrap().clone());
            let message = SendMessage {
                body: program(n),
                id: Some(format!("message-{n}")),
                wait: Some(PATIENCE),
                until_waiting: false,
            };
            match client.send(&key(n), message).await {
                Ok(Answered::Reply { reply, .. }) => {
                    replies.lock().unwrap().insert(n, reply);
                    break;
                }
                Ok(Answered::Accepted(_)) => {}
                Err(ClientError::Unreachable { .. } | ClientError::Unexpected(_)) => tokio::task::yield_now().await,
                Err(ClientError::Problem(problem)) => {
                    assert!(problem.status == 503 || problem.status == 429, "{problem:?}");
                }
            }
        }
    }
}

/// The people outside: settles whatever waits for them.
async fn resolve_promises(url: Arc<RwLock<String>>) {
    loop {
        let client = Client::new(&url.read().unwrap().clone());
        let open = client.promises(None).await.map(|page| page.items).unwrap_or_default();
        for promise in open {
            let value = serde_json::value::RawValue::from_string("true".to_owned()).unwrap();
            // The server may be gone, or the promise settled before a crash that hid it.
            let _ = client.settle(&promise.token, &Settlement::Ok(value)).await;
        }
        tokio::task::yield_now().await;
    }
}

async fn journal(client: &Client, actor: &str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    loop {
        let page = client.journal(actor, entries.last().map_or(0, |last| last.seq + 1)).await.unwrap();
        if page.is_empty() {
            return entries;
        }
        entries.extend(page);
    }
}

fn message_id(started: &Entry) -> String {
    let envelope: serde_json::Value =
        serde_json::from_str(started.payloads["message"].json.as_ref().unwrap().get()).unwrap();
    envelope["id"].as_str().unwrap().to_owned()
}

/// Checks that the journal is one chain of whole turns, and gives each message's turn.
fn turns(entries: &[Entry]) -> BTreeMap<String, u64> {
    let mut turns = BTreeMap::new();
    let mut open = None;
    let mut head = None;
    for (seq, entry) in entries.iter().enumerate() {
        assert_eq!((entry.seq, &entry.prev), (seq as u64, &head));
        head = Some(entry.cid.clone());
        match entry.kind.as_str() {
            "turn-started" => {
                assert_eq!(open.replace(entry.turn), None, "one turn at a time");
                let before = turns.insert(message_id(entry), entry.turn);
                assert_eq!(before, None, "no message has two turns");
            }
            "turn-ended" => {
                assert_eq!(open.take(), Some(entry.turn));
                assert!(entry.payloads.contains_key("reply"), "{entry:?}");
            }
            _ => {}
        }
    }
    assert_eq!(open, None, "every turn ended");
    turns
}

async fn check(client: &Client, replies: &BTreeMap<usize, String>) {
    assert_eq!(replies.len(), MESSAGES);
    let mut sent = BTreeMap::new();
    for actor in 0..ACTORS {
        let name = format!("probe/k{actor}");
        let entries = journal(client, &name).await;
        let handled: BTreeSet<_> = turns(&entries).into_keys().collect();
        let expected: BTreeSet<_> =
            (0..MESSAGES).filter(|n| n % ACTORS == actor).map(|n| format!("message-{n}")).collect();
        assert_eq!(handled, expected, "each acknowledged message once");
        let state: BTreeMap<String, u64> = serde_json::from_str(&client.state(&name).await.unwrap()).unwrap();
        assert_eq!(state.len(), expected.len(), "each left its trace");
        for entry in entries.iter().filter(|entry| entry.kind == "step") {
            if entry.body["op"] == "blob.put" {
                let cid = entry.payloads["ok"].json.as_ref().unwrap().get().trim_matches('"');
                assert!(client.blob(cid).await.unwrap().starts_with(b"blob "), "every blob is there");
            }
            if matches!(entry.body["op"].as_str(), Some("call" | "send")) {
                let id = format!("default/{name}#{}.{}", entry.turn, entry.body["n"]);
                sent.insert(id, entry.payloads["request"].cid.clone());
            }
        }
    }
    let mut received = BTreeMap::new();
    for name in ["other/called", "other/sent"] {
        let entries = settled(client, name).await;
        turns(&entries);
        for started in entries.iter().filter(|entry| entry.kind == "turn-started") {
            received.insert(message_id(started), started.payloads["message"].cid.clone());
        }
    }
    // Every message that arrived stands in its sender's journal, under the very same CID, and the other way round.
    assert_eq!(received, sent);
}

/// The journal once nothing waits for the actor any more.
async fn settled(client: &Client, actor: &str) -> Vec<Entry> {
    let resting = async {
        loop {
            let entries = journal(client, actor).await;
            if entries.iter().filter(|entry| entry.kind == "turn-ended").count() == MESSAGES {
                return entries;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, resting).await.expect("what was sent is handled")
}
