//! Whether the lenders' running totals are what the reviews came to.

use std::time::Duration;

use futures::{StreamExt as _, stream};
use loom_runtime::{Handle, SendOptions, Settled};
use loom_types::ActorAddress;
use serde::Deserialize;

use super::report::Report;
use crate::CliError;

/// How long one of them may take before the demo gives up on it.
const PATIENCE: Duration = Duration::from_secs(120);

/// Asks every lender's portfolio for its totals, which come from messages that the reviews sent, and compares
/// their sum with what the reviews replied.
pub(super) async fn agree(handle: &Handle, report: &Report) -> Result<bool, CliError> {
    #[derive(Deserialize)]
    struct Count {
        count: u64,
    }
    #[derive(Deserialize)]
    struct Totals {
        approved: Count,
        denied: Count,
        referred_pending: Count,
    }
    let ask = async |lei: &String| -> Result<Option<Totals>, CliError> {
        let Ok(actor) = ActorAddress::within("default", &format!("portfolio/{lei}")) else { return Ok(None) };
        let failed = |error: &dyn std::fmt::Display| CliError::new("demo", format!("{}: {error}", actor.local()));
        let mut ticket =
            handle.send(&actor, r#"{"type":"totals"}"#, SendOptions::default()).map_err(|error| failed(&error))?;
        let settled = tokio::time::timeout(PATIENCE, ticket.settled()).await.map_err(|error| failed(&error))?;
        match settled.map_err(|error| failed(&error))? {
            Settled::Ended { result: Ok(reply), .. } => Ok(serde_json::from_str(&reply).ok()),
            _ => Ok(None),
        }
    };
    let (mut approved, mut denied, mut referred) = (0, 0, 0);
    let leis: Vec<_> = report.lenders().cloned().collect();
    let mut asked = stream::iter(leis.iter().map(ask)).buffer_unordered(64);
    while let Some(totals) = asked.next().await {
        if let Some(totals) = totals? {
            approved += totals.approved.count;
            denied += totals.denied.count;
            referred += totals.referred_pending.count;
        }
    }
    Ok((approved, denied, referred) == report.decisions())
}
