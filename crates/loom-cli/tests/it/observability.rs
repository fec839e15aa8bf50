//! What a node tells about itself: figures, health, and journals that are followed.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use loom_client::{Client, Entry, Events, SendMessage};

use crate::process::{Dev, PATIENCE, deployment, loom, stdout};

fn deployed(folder: &tempfile::TempDir) -> Dev {
    loom_client::use_ring();
    let dev = Dev::start(&folder.path().join("data"), &[]);
    stdout(&["deploy", deployment(&folder.path().join("app")).to_str().unwrap(), "--url", &dev.url]);
    dev
}

async fn call(client: &Client, actor: &str, body: &str) {
    let message = SendMessage { body: body.to_owned(), wait: Some(PATIENCE), ..SendMessage::default() };
    client.send(actor, message).await.unwrap();
}

async fn next(events: &mut Events) -> Entry {
    let next = tokio::time::timeout(PATIENCE, events.next()).await.expect("something comes");
    next.unwrap().expect("the stream goes on")
}

/// A family's type and its labels, as a table or a node has them.
type Families = BTreeMap<String, (String, BTreeSet<String>)>;

fn in_the_guide() -> Families {
    let guide = include_str!("../../../../docs/guides/observability.md");
    let rows = guide.lines().filter_map(|line| line.strip_prefix("| `loom_"));
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let labels = cells[2].split(", ").map(|label| label.trim_matches('`').to_owned());
        let name = format!("loom_{}", cells[0].trim_end_matches('`'));
        (name, (cells[1].to_owned(), labels.filter(|label| !label.is_empty()).collect()))
    })
    .collect()
}

fn on_the_node(text: &str) -> Families {
    let mut families = Families::new();
    let mut suffixes = BTreeMap::from([("counter", "_total"), ("info", "_info")]);
    let mut current = String::new();
    for line in text.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            let (name, kind) = family.split_once(' ').unwrap();
            current = format!("{name}{}", suffixes.entry(kind).or_default());
            families.insert(current.clone(), (kind.to_owned(), BTreeSet::new()));
        } else if let Some((_, labels)) = line.split_once('{').filter(|_| !line.starts_with('#')) {
            let names = labels.split("\",").filter_map(|label| label.split_once('=')).map(|(name, _)| name.to_owned());
            families.get_mut(&current).unwrap().1.extend(names.filter(|name| name != "le"));
        }
    }
    families
}

#[tokio::test]
async fn the_guide_lists_what_a_node_prints() {
    let folder = tempfile::tempdir().unwrap();
    let dev = deployed(&folder);
    call(&dev.client(), "probe/a", r#"{"do":[{"op":"activity","name":"echo","input":1}]}"#).await;
    let text = reqwest::get(format!("{}/metrics", dev.url)).await.unwrap().text().await.unwrap();
    assert_eq!(on_the_node(&text), in_the_guide());
    // What was done shows.
    for sample in ["loom_turns_ended_total 1\n", "loom_steps_total 1\n", "loom_mailbox_waiting 0\n"] {
        assert!(text.contains(sample), "{sample}{text}");
    }
    assert!(text.contains(r#"route="/v1/actors/{type}/{key}/messages",status="200"} 1"#), "{text}");
    assert!(!text.contains("loom_store_transactions_total 0\n"), "{text}");
}

#[tokio::test]
async fn a_node_says_that_it_is_there_and_ready_and_what_it_does_not_do() {
    let folder = tempfile::tempdir().unwrap();
    loom_client::use_ring();
    let dev = Dev::start(&folder.path().join("data"), &[]);
    let get = async |path: &str| reqwest::get(format!("{}{path}", dev.url)).await.unwrap();
    assert_eq!(get("/healthz").await.text().await.unwrap(), "ok\n");
    assert_eq!(get("/readyz").await.text().await.unwrap(), "ready\n");
    let refused = reqwest::Client::new().delete(format!("{}/v1/actors", dev.url)).send().await.unwrap();
    assert_eq!((refused.status().as_u16(), refused.headers()["allow"].to_str().unwrap()), (405, "GET,HEAD"));
    assert!(refused.text().await.unwrap().contains("\"method-not-allowed\""));
}

#[tokio::test]
async fn a_journal_is_followed_as_it_grows_and_from_where_one_was() {
    let folder = tempfile::tempdir().unwrap();
    let dev = deployed(&folder);
    let client = dev.client();
    assert!(client.events("probe/a", 0).await.is_err(), "there is no such actor yet");
    call(&client, "probe/a", r#"{"do":[{"op":"now"}]}"#).await;
    let mut events = client.events("probe/a", 0).await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(next(&mut events).await.kind);
    }
    assert_eq!(seen, ["opened", "turn-started", "step", "turn-ended"]);

    call(&client, "probe/b", r#"{"do":[]}"#).await;
    call(&client, "probe/a", r#"{"do":[{"op":"now"}]}"#).await;
    let entry = next(&mut events).await;
    assert_eq!((entry.seq, entry.kind.as_str(), entry.turn), (4, "turn-started", 2));
    assert_eq!(
        serde_json::to_string(&entry).unwrap(),
        serde_json::to_string(&client.journal("probe/a", 4).await.unwrap()[0]).unwrap()
    );

    let url = format!("{}/v1/actors/probe/a/events", dev.url);
    let again = reqwest::Client::new().get(url).header("last-event-id", "4");
    let mut again = again.send().await.unwrap();
    assert_eq!(again.headers()["content-type"], "text/event-stream");
    let first = String::from_utf8(again.chunk().await.unwrap().unwrap().to_vec()).unwrap();
    assert!(first.starts_with("id: 5\nevent: step\ndata: {"), "{first}");

    // A stream without end does not keep a node from stopping.
    dev.terminate();
    while let Ok(Some(_)) = events.next().await {}
}

#[test]
fn the_command_line_follows_too() {
    let folder = tempfile::tempdir().unwrap();
    let dev = deployed(&folder);
    stdout(&["call", "probe/a", r#"{"do":[]}"#, "--url", &dev.url]);
    let mut follow = loom();
    follow.args(["journal", "probe/a", "--follow", "--from", "2", "--json", "--url", &dev.url]);
    let mut follow = follow.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follow.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Entry>(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(next().kind, "turn-ended");
    stdout(&["call", "probe/a", r#"{"do":[]}"#, "--url", &dev.url]);
    assert_eq!((next().seq, next().seq), (3, 4));
    dev.terminate();
    assert!(follow.wait().unwrap().success(), "it ends with its node");
}
