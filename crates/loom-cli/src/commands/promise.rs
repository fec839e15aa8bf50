//! Promises: what waits for people.

use loom_client::{Client, Rejection, Settlement};

use crate::{
    CliError,
    arguments::Promise,
    commands::text_or_stdin,
    output::{self, shortened, time},
    target::{Target, TargetArguments},
};

/// How long `resolve` and `reject` watch what comes of it.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

pub(super) async fn promise(command: Promise) -> Result<(), CliError> {
    match command {
        Promise::List { target, json } => {
            let target = Target::open(&target).await?;
            let listed = list(&target.client, json).await;
            target.close().await;
            listed
        }
        Promise::Resolve { token, value, target, json } => {
            let value = text_or_stdin(value)?;
            let value = serde_json::from_str(&value)
                .map_err(|error| CliError::new("invalid-json", format!("the value is not JSON: {error}")))?;
            settle(&target, &token, &Settlement::Ok(value), json).await
        }
        Promise::Reject { token, message, target, json } => {
            settle(&target, &token, &Settlement::Err(Rejection { message }), json).await
        }
    }
}

async fn list(client: &Client, json: bool) -> Result<(), CliError> {
    let mut after = None;
    loop {
        let page = client.promises(after.as_deref()).await?;
        for promise in page.items {
            if json {
                output::print_json(&promise);
                continue;
            }
            let data = promise.data.as_ref().map_or("", |data| data.get());
            output::outln!("{}  {}  {}", promise.token, promise.actor, promise.label.as_deref().unwrap_or("-"));
            output::outln!("  since {}  {}", time(promise.created_ms), shortened(data, 120));
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
}

async fn settle(target: &TargetArguments, token: &str, settlement: &Settlement, json: bool) -> Result<(), CliError> {
    let target = Target::open(target).await?;
    let settled = target.client.settle(token, settlement).await;
    let status = match &settled {
        Ok(settled) => rests(&target.client, &settled.actor, token).await,
        Err(_) => None,
    };
    target.close().await;
    let settled = settled?;
    if json {
        output::print_json(&settled);
    } else {
        let status = status.unwrap_or_else(|| "going on".to_owned());
        output::outln!("settled; {} is {status}", settled.actor);
    }
    Ok(())
}

/// What the actor does once it has taken the outcome and has nothing to do for the moment.
#[expect(clippy::disallowed_methods, reason = "a person's patience is measured in real time")]
async fn rests(client: &Client, actor: &str, token: &str) -> Option<String> {
    let start = std::time::Instant::now();
    while start.elapsed() < PATIENCE {
        let actor = client.actor(actor).await.ok()?;
        let is_taken = actor.promises.iter().all(|promise| promise.token != token)
            && actor.waiting_on.iter().all(|step| step.detail != token);
        // A folder just opened may show the actor before it was looked at.
        if is_taken && actor.status != "running" && (actor.status == "idle" || !actor.waiting_on.is_empty()) {
            return Some(actor.status);
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    None
}
