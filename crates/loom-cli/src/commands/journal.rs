//! An actor's journal, for people and for programs.

use std::collections::BTreeMap;

use loom_client::{Client, Entry, Payload};

use crate::{
    CliError,
    arguments::Journal,
    output::{self, grouped, shortened, time},
    target::Target,
};

/// Characters of a value that the timeline shows.
const VALUE_WIDTH: usize = 96;

pub(super) async fn journal(arguments: Journal) -> Result<(), CliError> {
    let target = Target::open(&arguments.target).await?;
    let shown = if arguments.follow {
        follow(&target.client, &arguments).await
    } else {
        show(&target.client, &arguments).await
    };
    target.close().await;
    shown
}

async fn show(client: &Client, arguments: &Journal) -> Result<(), CliError> {
    let mut entries = read_from(client, &arguments.actor, arguments.from).await?;
    if let Some(turn) = arguments.turn {
        entries.retain(|entry| entry.turn == turn);
    }
    if arguments.json {
        entries.iter().for_each(output::print_json);
        return Ok(());
    }
    let active = client.deployments().await?;
    let active: Vec<_> = active.into_iter().map(|active| active.deployment).collect();
    output::print(format_args!("{}", timeline(&arguments.actor, &entries, &active, width(arguments))));
    Ok(())
}

fn width(arguments: &Journal) -> usize {
    if arguments.full { usize::MAX } else { VALUE_WIDTH }
}

/// Shows entries as they come, until somebody stops it or the node.
async fn follow(client: &Client, arguments: &Journal) -> Result<(), CliError> {
    let mut events = client.events(&arguments.actor, arguments.from).await?;
    let mut started_ms = 0;
    loop {
        let next = tokio::select! {
            next = events.next() => next?,
            _ = tokio::signal::ctrl_c() => return Ok(()),
        };
        let Some(entry) = next else {
            eprintln!("the node has ended the stream");
            return Ok(());
        };
        if entry.kind == "turn-started" {
            started_ms = entry.at_ms;
        }
        match arguments.turn {
            Some(turn) if entry.turn != turn => {}
            _ if arguments.json => output::print_json(&entry),
            _ => output::print(format_args!("{}", line(&entry, started_ms, width(arguments)))),
        }
    }
}

/// The whole journal, page by page.
pub(crate) async fn read(client: &Client, actor: &str) -> Result<Vec<Entry>, CliError> {
    read_from(client, actor, 0).await
}

async fn read_from(client: &Client, actor: &str, start: u64) -> Result<Vec<Entry>, CliError> {
    let mut entries: Vec<Entry> = Vec::new();
    loop {
        let from = entries.last().map_or(start, |last| last.seq + 1);
        let page = client.journal(actor, from).await?;
        if page.is_empty() {
            return Ok(entries);
        }
        entries.extend(page);
    }
}

/// The journal as a readable timeline. Turns of deployments that are not `active` are marked.
fn timeline(actor: &str, entries: &[Entry], active: &[String], width: usize) -> String {
    let mut text = format!("{actor}  {} entries", grouped(entries.len() as u64));
    if let Some(last) = entries.last() {
        text.push_str(&format!("  head {}", last.cid));
    }
    text.push('\n');
    let mut started_ms = 0;
    for entry in entries {
        if entry.kind == "turn-started" {
            started_ms = entry.at_ms;
        }
        text.push_str(&line(entry, started_ms, width));
        if entry.kind == "turn-started" {
            text.push_str(&pinned(entry, active));
        }
    }
    text
}

/// What a turn runs, under its first line.
fn pinned(entry: &Entry, active: &[String]) -> String {
    let text = |name: &str| entry.body.get(name).and_then(|value| value.as_str()).unwrap_or("?");
    let deployment = text("deployment");
    let former = if active.iter().any(|active| active == deployment) { "" } else { " (former)" };
    format!("                     under {deployment}{former}, module {}\n", text("module"))
}

fn line(entry: &Entry, started_ms: u64, width: usize) -> String {
    let after = format!("+{} ms", entry.at_ms.saturating_sub(started_ms));
    let text = |name: &str| entry.body.get(name).and_then(|value| value.as_str()).unwrap_or("").to_owned();
    let number = |name: &str| entry.body.get(name).and_then(serde_json::Value::as_u64).unwrap_or(0);
    let seq = entry.seq;
    match entry.kind.as_str() {
        "opened" => format!("{seq:>5}  opened        {}\n", time(entry.at_ms)),
        "turn-started" => {
            let message = value(&entry.payloads, "message");
            let head = envelope(&message);
            format!(
                "{seq:>5}  turn {:<8} {}  {head}\n                     {}\n",
                entry.turn,
                time(entry.at_ms),
                shortened(body(&message).as_str(), width)
            )
        }
        "step" => {
            let request = value(&entry.payloads, "request");
            let mut lines =
                format!("{seq:>5}    {:>3} {:<14} {}\n", number("n"), text("op"), shortened(&told(&request), width));
            if let Some(input) = entry.payloads.get("input") {
                // It is private: whoever wants to see it asks for JSON.
                let what = input.media_type.as_deref().unwrap_or("kept elsewhere");
                lines.push_str(&format!("{:>25} input  private, {what}\n", "+"));
            }
            for role in ["ok", "err"] {
                if entry.payloads.contains_key(role) {
                    lines.push_str(&format!(
                        "{:>25} {role}  {}\n",
                        "→",
                        shortened(&value(&entry.payloads, role), width)
                    ));
                }
            }
            lines
        }
        "outcome" => {
            let role = if entry.payloads.contains_key("ok") { "ok" } else { "err" };
            let attempts = match number("attempts") {
                0 | 1 => String::new(),
                attempts => format!("  after {attempts} attempts"),
            };
            let shown = shortened(&value(&entry.payloads, role), width);
            format!("{seq:>5}    {:>3} {:>14} {role}  {shown}  {after}{attempts}\n", number("n"), "→")
        }
        "turn-ended" => {
            let role = if entry.payloads.contains_key("reply") { "reply" } else { "failure" };
            let shown = shortened(&value(&entry.payloads, role), width);
            format!(
                "{seq:>5}  ended {after:>12}  fuel {}\n                     {role} {shown}\n",
                grouped(number("fuel"))
            )
        }
        kind => format!("{seq:>5}  {kind:<13} {}  {} by {}\n", time(entry.at_ms), text("what"), text("by")),
    }
}

fn value(payloads: &BTreeMap<String, Payload>, role: &str) -> String {
    let Some(payload) = payloads.get(role) else { return String::new() };
    match (&payload.json, &payload.base64) {
        (Some(json), _) => json.get().to_owned(),
        (None, Some(base64)) => base64.clone(),
        (None, None) if payload.erased => "(erased)".to_owned(),
        (None, None) => format!("({})", payload.cid),
    }
}

fn envelope(message: &str) -> String {
    let envelope: serde_json::Value = serde_json::from_str(message).unwrap_or_default();
    let sender = envelope.get("sender").and_then(|sender| sender.as_str()).unwrap_or("a client");
    let id = envelope.get("id").and_then(|id| id.as_str()).unwrap_or("?");
    format!("message {id} from {sender}")
}

fn body(message: &str) -> String {
    #[derive(serde::Deserialize)]
    struct Envelope {
        body: Box<serde_json::value::RawValue>,
    }
    serde_json::from_str::<Envelope>(message)
        .map_or_else(|_| message.to_owned(), |envelope| envelope.body.get().to_owned())
}

/// A request without the operation's name, which the line shows already.
fn told(request: &str) -> String {
    let mut value: serde_json::Value = match serde_json::from_str(request) {
        Ok(value) => value,
        Err(_) => return request.to_owned(),
    };
    let Some(members) = value.as_object_mut() else { return request.to_owned() };
    members.remove("op");
    match (members.remove("name"), members.remove("to")) {
        (Some(name), _) => {
            format!("{} {}", name.as_str().unwrap_or("?"), members.get("input").unwrap_or(&serde_json::Value::Null))
        }
        (None, Some(to)) => {
            format!("{} {}", to.as_str().unwrap_or("?"), members.get("body").unwrap_or(&serde_json::Value::Null))
        }
        (None, None) if members.is_empty() => String::new(),
        (None, None) => value.to_string(),
    }
}
