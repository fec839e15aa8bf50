//! What operators do to actors.

use loom_client::{Actor, Client, Control};

use crate::{
    CliError,
    arguments::{Controlled, Fork, Purge, Reset, StopTurn},
    output,
    target::Target,
};

pub(super) async fn pause(arguments: Controlled) -> Result<(), CliError> {
    perform(arguments, "is paused", async |_, _| Ok(Control::Pause {})).await
}

pub(super) async fn resume(arguments: Controlled) -> Result<(), CliError> {
    perform(arguments, "goes on", async |_, _| Ok(Control::Resume {})).await
}

pub(super) async fn cancel(arguments: StopTurn) -> Result<(), CliError> {
    let StopTurn { controlled, reason } = arguments;
    perform(controlled, "was told to stop", async |_, _| Ok(Control::Cancel { reason })).await
}

pub(super) async fn fail(arguments: StopTurn) -> Result<(), CliError> {
    let StopTurn { controlled, reason } = arguments;
    perform(controlled, "has its turn behind it, as failed", async |_, _| Ok(Control::FailTurn { reason })).await
}

pub(super) async fn reset(arguments: Reset) -> Result<(), CliError> {
    let Reset { controlled, to, deployment } = arguments;
    let control = async |client: &Client, actor: &str| {
        let to = match to {
            Some(to) => to,
            None => beginning(client, actor).await?,
        };
        Ok(Control::Reset { to, deployment })
    };
    perform(controlled, "runs its turn again", control).await
}

pub(super) async fn fork(arguments: Fork) -> Result<(), CliError> {
    let Fork { controlled, to, turn } = arguments;
    perform(controlled, "is there", async |_, _| Ok(Control::Fork { to, turn })).await
}

pub(super) async fn purge(arguments: Purge) -> Result<(), CliError> {
    let Purge { controlled, yes } = arguments;
    if !yes {
        let message = format!("purging {} erases everything it was told, said and knows, for ever", controlled.actor);
        return Err(CliError::new("not-confirmed", message).hint("add --yes if that is what you want"));
    }
    perform(controlled, "knows nothing any more; its journal still verifies", async |_, _| Ok(Control::Purge {})).await
}

async fn perform(
    arguments: Controlled,
    done: &str,
    control: impl AsyncFnOnce(&Client, &str) -> Result<Control, CliError>,
) -> Result<(), CliError> {
    let Controlled { actor, target, json } = arguments;
    let target = Target::open(&target).await?;
    let controlled = ask(&target.client, &actor, control).await;
    target.close().await;
    let controlled = controlled?;
    if json {
        output::print_json(&controlled);
    } else {
        output::outln!("{} {done}", controlled.actor);
    }
    Ok(())
}

async fn ask(
    client: &Client,
    actor: &str,
    control: impl AsyncFnOnce(&Client, &str) -> Result<Control, CliError>,
) -> Result<loom_client::Controlled, CliError> {
    let control = control(client, actor).await?;
    Ok(client.control(actor, &control).await?)
}

/// The entry with which the open turn began.
async fn beginning(client: &Client, actor: &str) -> Result<u64, CliError> {
    let idle = || CliError::new("no-open-turn", format!("actor {actor} is not in the middle of a turn"));
    client.actor(actor).await?.open_turn_entry.ok_or_else(idle)
}

/// What can be done about an actor that does not go on by itself, as commands. How a diverged one goes on, the node says
/// with the divergence.
pub(super) fn ways_out(actor: &Actor) -> Vec<String> {
    match actor.status.as_str() {
        "paused" => vec![format!("let it go on: loom resume {}", actor.actor)],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_stuck_is_shown_the_ways_out() {
        let mut actor = Actor {
            actor: "probe/a".to_owned(),
            status: "paused".to_owned(),
            detail: None,
            turns: 3,
            open_turn_entry: Some(17),
            deployment: None,
            module: None,
            former_deployment: false,
            entries: 20,
            head: String::new(),
            resident: false,
            waiting_on: Vec::new(),
            promises: Vec::new(),
        };
        assert!(ways_out(&actor)[0].ends_with("loom resume probe/a"));
        actor.status = "waiting".to_owned();
        assert!(ways_out(&actor).is_empty());
    }
}
