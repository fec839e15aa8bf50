//! How the node's log stands.

use crate::{
    CliError,
    arguments::Log,
    output::{self, grouped, time},
    target::Target,
};

pub(super) async fn log(arguments: Log) -> Result<(), CliError> {
    let target = Target::open(&arguments.target).await?;
    if arguments.checkpoint {
        let note = target.client.log_checkpoint().await;
        target.close().await;
        output::outln!("{}", note?.trim_end());
        return Ok(());
    }
    let log = target.client.log().await;
    target.close().await;
    let log = log?;
    if arguments.json {
        output::print_json(&log);
        return Ok(());
    }
    output::outln!("{}", log.origin);
    output::outln!("  key        {}", log.key);
    output::outln!("  leaves     {}", grouped(log.size));
    for (name, signed) in [("signed", log.signed), ("witnessed", log.witnessed)] {
        match signed {
            Some(signed) => output::outln!("  {name:<9}  {} leaves at {}", grouped(signed.size), time(signed.at_ms)),
            None => output::outln!("  {name:<9}  nothing yet"),
        }
    }
    if log.witnesses.is_empty() {
        output::outln!("  witnesses  this node asks none");
    }
    for witness in log.witnesses {
        output::outln!("  witness    {}", witness.key);
        match (witness.problem, witness.cosigned) {
            (Some(problem), _) => output::outln!("             DOES NOT COSIGN: {problem}"),
            (None, Some(size)) => output::outln!("             cosigned {} leaves", grouped(size)),
            (None, None) => output::outln!("             not asked yet"),
        }
    }
    Ok(())
}
