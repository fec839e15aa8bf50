//! Messages that could not be handled.

use loom_client::Client;

use crate::{
    CliError,
    arguments::DeadLetters,
    output::{self, shortened, time},
    target::Target,
};

pub(super) async fn dead_letters(command: DeadLetters) -> Result<(), CliError> {
    match command {
        DeadLetters::List { actor, target, json } => {
            let target = Target::open(&target).await?;
            let listed = list(&target.client, actor.as_deref(), json).await;
            target.close().await;
            listed
        }
        DeadLetters::Retry { id, target, json } => {
            let target = Target::open(&target).await?;
            let accepted = target.client.redeliver(id).await;
            target.close().await;
            let accepted = accepted?;
            if json {
                output::print_json(&accepted);
            } else {
                output::outln!("{}", accepted.id);
            }
            Ok(())
        }
        DeadLetters::Drop { id, target } => {
            let target = Target::open(&target).await?;
            let dropped = target.client.drop_dead_letter(id).await;
            target.close().await;
            Ok(dropped?)
        }
    }
}

async fn list(client: &Client, actor: Option<&str>, json: bool) -> Result<(), CliError> {
    let mut after = None;
    loop {
        let page = client.dead_letters(actor, after.as_deref()).await?;
        for letter in page.items {
            if json {
                output::print_json(&letter);
                continue;
            }
            let sender = letter.sender.as_deref().unwrap_or("a client");
            output::outln!("{:>6}  {}  {}", letter.id, letter.actor, shortened(&letter.reason, 80));
            let body = letter.body.as_ref().map_or("(cannot be read)", |body| body.get());
            output::outln!("        {}  from {sender}  {}", time(letter.at_ms), shortened(body, 80));
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
}
