//! What deployments send at certain times.

use crate::{
    CliError,
    arguments::Schedules,
    output::{self, time},
    target::Target,
};

pub(super) async fn schedules(arguments: Schedules) -> Result<(), CliError> {
    let target = Target::open(&arguments.target).await?;
    let schedules = target.client.schedules().await;
    target.close().await;
    for entry in schedules? {
        if arguments.json {
            output::print_json(&entry);
            continue;
        }
        let next = entry.next_ms.map_or_else(|| "never".to_owned(), time);
        let zone = entry.schedule.timezone.as_deref().unwrap_or("UTC");
        output::outln!("{}/{}  next {next} (UTC)", entry.deployment, entry.name);
        output::outln!("  {} ({zone}) to {}  {}", entry.schedule.cron, entry.schedule.to, entry.schedule.body);
    }
    Ok(())
}
