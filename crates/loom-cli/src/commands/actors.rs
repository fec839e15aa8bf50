//! Sending to actors and looking at them.

use std::time::{Duration, Instant};

use loom_client::{Answered, Client, SendMessage};

use crate::{
    CliError,
    arguments::{ActorOnly, Call, Ps, Query, Send, Show},
    commands::{control, text_or_stdin},
    output::{self, grouped, shortened, time},
    target::Target,
};

/// Longest wait in one request; longer ones are asked for again.
const WAIT_MAX: Duration = Duration::from_secs(60);

pub(super) async fn call(arguments: Call) -> Result<(), CliError> {
    let body = text_or_stdin(arguments.body)?;
    let target = Target::open(&arguments.target).await?;
    let timeout = Duration::from_secs(arguments.timeout);
    let answered = call_and_wait(&target.client, &arguments.actor, body, arguments.id, timeout).await;
    target.close().await;
    match answered? {
        Answered::Reply { id, turn, reply } if arguments.json => {
            output::outln!("{{\"id\":{},\"turn\":{turn},\"reply\":{reply}}}", serde_json::Value::from(id));
            Ok(())
        }
        Answered::Reply { reply, .. } => {
            output::outln!("{reply}");
            Ok(())
        }
        Answered::Accepted(accepted) if accepted.status == "waiting" => {
            let message =
                format!("the turn waits for people; the message {} is durable and stays pending", accepted.id);
            let settle = accepted.promises.iter().map(|token| format!("loom promise resolve {token} 'JSON'"));
            let hint = format!("settle it: {}", settle.collect::<Vec<_>>().join("; "));
            Err(CliError::new("waiting", message).hint(hint))
        }
        Answered::Accepted(accepted) => {
            let message = format!(
                "no reply within {} s; the message {} is durable and will be handled",
                arguments.timeout, accepted.id
            );
            Err(CliError::new("no-reply-yet", message).hint(format!("look at it: loom show {}", arguments.actor)))
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a person's patience is measured in real time")]
async fn call_and_wait(
    client: &Client,
    actor: &str,
    body: String,
    id: Option<String>,
    timeout: Duration,
) -> Result<Answered, CliError> {
    let start = Instant::now();
    let message = SendMessage { body, id, wait: Some(timeout.min(WAIT_MAX)), until_waiting: true };
    let mut answered = client.send(actor, message).await?;
    while let Answered::Accepted(accepted) = &answered {
        if accepted.status == "waiting" {
            break;
        }
        let rest = timeout.saturating_sub(start.elapsed());
        if rest.is_zero() {
            break;
        }
        answered = client.follow(actor, &accepted.id.clone(), Some(rest.min(WAIT_MAX)), true).await?;
    }
    Ok(answered)
}

pub(super) async fn send(arguments: Send) -> Result<(), CliError> {
    let body = text_or_stdin(arguments.body)?;
    let target = Target::open(&arguments.target).await?;
    let message = SendMessage { body, id: arguments.id, wait: None, until_waiting: false };
    let answered = target.client.send(&arguments.actor, message).await;
    target.close().await;
    let id = match answered? {
        Answered::Reply { id, .. } => id,
        Answered::Accepted(accepted) => accepted.id,
    };
    if arguments.json {
        output::print_json(&serde_json::json!({ "id": id }));
    } else {
        output::outln!("{id}");
    }
    Ok(())
}

pub(super) async fn ps(arguments: Ps) -> Result<(), CliError> {
    let target = Target::open(&arguments.target).await?;
    let listed = list(&target.client, &arguments).await;
    target.close().await;
    listed
}

async fn list(client: &Client, arguments: &Ps) -> Result<(), CliError> {
    let mut after = None;
    let mut shown = 0;
    if !arguments.json {
        output::outln!(
            "{:<44} {:<6} {:>7} {:>9} {:>8}  {}",
            "ACTOR",
            "STATUS",
            "TURNS",
            "ENTRIES",
            "WAITING",
            "CHANGED (UTC)"
        );
    }
    loop {
        let page = client.actors(arguments.r#type.as_deref(), after.as_deref()).await?;
        for actor in page.items {
            if shown == arguments.limit {
                if !arguments.json {
                    eprintln!("there are more; --limit shows them");
                }
                return Ok(());
            }
            shown += 1;
            if arguments.json {
                output::print_json(&actor);
                continue;
            }
            let name = shortened(&actor.actor, 44);
            let (turns, entries) = (grouped(actor.turns), grouped(actor.entries));
            let changed = time(actor.changed_ms);
            output::outln!("{name:<44} {:<6} {turns:>7} {entries:>9} {:>8}  {changed}", actor.status, actor.waiting);
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
}

pub(super) async fn show(arguments: Show) -> Result<(), CliError> {
    let target = Target::open(&arguments.target).await?;
    let actor = target.client.actor(&arguments.actor).await;
    target.close().await;
    let actor = actor?;
    if arguments.json {
        output::print_json(&actor);
        return Ok(());
    }
    output::outln!("{}  {}", actor.actor, actor.status);
    output::outln!("  turns    {}", grouped(actor.turns));
    output::outln!("  entries  {}", grouped(actor.entries));
    output::outln!("  head     {}", actor.head);
    if let (Some(deployment), Some(module)) = (&actor.deployment, &actor.module) {
        let former = if actor.former_deployment { "  (former: new turns run another)" } else { "" };
        output::outln!("  open turn under {deployment}{former}");
        output::outln!("    its module    {module}");
    }
    for step in &actor.waiting_on {
        let detail = match step.kind.as_str() {
            "timer" | "call" => step.detail.parse().map(time).unwrap_or_else(|_| step.detail.clone()),
            _ => step.detail.clone(),
        };
        output::outln!("  step {} waits for {} {detail}", step.step, step.kind);
    }
    for promise in &actor.promises {
        let data = promise.data.as_ref().map_or("", |data| data.get());
        output::outln!("  promise {}  {}", promise.label.as_deref().unwrap_or("(no label)"), shortened(data, 100));
        output::outln!("    settle it: loom promise resolve {} 'JSON'", promise.token);
    }
    if let Some(detail) = &actor.detail {
        output::outln!("\n{detail}");
    }
    for way in control::ways_out(&actor) {
        output::outln!("  {way}");
    }
    Ok(())
}

pub(super) async fn query(arguments: Query) -> Result<(), CliError> {
    let input = text_or_stdin(arguments.input)?;
    let target = Target::open(&arguments.target).await?;
    let answer = target.client.query(&arguments.actor, input).await;
    target.close().await;
    output::outln!("{}", answer?);
    Ok(())
}

pub(super) async fn state(arguments: ActorOnly) -> Result<(), CliError> {
    let target = Target::open(&arguments.target).await?;
    let state = target.client.state(&arguments.actor).await;
    target.close().await;
    output::outln!("{}", state?);
    Ok(())
}
