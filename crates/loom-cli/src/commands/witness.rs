//! The witness: a program beside other people's nodes.

use std::{net::SocketAddr, path::Path, sync::Arc};

use loom_runtime::causes;
use loom_witness::{LogStatus, Settings, SystemClock, WatchedLog};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::serve::StopSignals;
use crate::{CliError, arguments::Witness, output, target::token_of};

pub(super) async fn witness(command: Witness) -> Result<(), CliError> {
    match command {
        Witness::Serve { logs, monitor, name, listen, data } => {
            let logs = logs.iter().map(|text| watched(text)).collect::<Result<_, _>>()?;
            serve(Settings { data, name, logs, monitor }, listen).await
        }
        Witness::Status { data, json } => status(&data, json),
    }
}

async fn serve(settings: Settings, listen: SocketAddr) -> Result<(), CliError> {
    let signals = StopSignals::new()?;
    let listener = TcpListener::bind(listen).await.map_err(|error| {
        CliError::new("address-in-use", format!("cannot listen on {listen}: {error}"))
            .hint("choose another address with --listen; port 0 takes any free one")
    })?;
    let address = listener.local_addr().map_err(|error| CliError::new("address-in-use", error))?;
    let witness = loom_witness::Witness::open(&settings, Arc::new(SystemClock));
    let witness = witness.map_err(|error| CliError::new("witness", causes(&error)))?;
    eprintln!("loom {} witness listens on http://{address}", env!("CARGO_PKG_VERSION"));
    for (origin, is_monitored) in witness.logs() {
        let how = if is_monitored { "reads every leaf of" } else { "watches the checkpoints of" };
        eprintln!("{how} {origin}");
    }
    eprintln!("data in {}; the key that others verify with:", settings.data.display());
    output::outln!("{}", witness.public_key());
    let stop = CancellationToken::new();
    let server = tokio::spawn(loom_witness::serve(listener, witness, stop.clone()));
    signals.wait().await;
    stop.cancel();
    server.await.map_err(|error| CliError::new("witness", error))
}

/// A key or its file, and perhaps where leaves are read, and a token for it.
fn watched(text: &str) -> Result<WatchedLog, CliError> {
    let (text, token) = match text.rsplit_once(",@") {
        Some((rest, file)) => (rest, Some(token_of(Path::new(file))?.expose().as_str().into())),
        None => (text, None),
    };
    // Neither a key nor a URL's scheme has a comma; a file's name may.
    let (key, url) = match text.rsplit_once(",http") {
        Some((key, rest)) => (key, Some(format!("http{rest}"))),
        None => (text, None),
    };
    if let Some(url) = url.as_deref().filter(|url| url.contains(',')) {
        let problem = format!("--log: '{url}' is no URL; a file with a token has an @ before it");
        return Err(CliError::new("key-invalid", problem).exit(2));
    }
    let key = loom_verify::read_key("--log", key).map_err(|problem| CliError::new("key-invalid", problem).exit(2))?;
    Ok(WatchedLog { key, url, token })
}

fn status(data: &Path, as_json: bool) -> Result<(), CliError> {
    let logs = loom_witness::status(data).map_err(|error| CliError::new("witness", causes(&error)))?;
    for log in logs {
        let LogStatus { origin, is_watched, is_monitored, size, at, checked, caught, refusals, .. } = &log;
        let caught = caught.as_ref().map(ToString::to_string);
        if as_json {
            output::print_json(&json!({
                "origin": origin, "watched": is_watched, "monitored": is_monitored, "size": size, "at": at,
                "checked": checked, "caught": caught, "refusals": refusals,
            }));
            continue;
        }
        output::outln!("{origin}");
        output::outln!("  cosigned  {} leaves", output::grouped(*size));
        if *is_monitored {
            output::outln!("  read      {} leaves", output::grouped(*checked));
        }
        output::outln!("  refused   {} checkpoints that the log had signed", output::grouped(*refusals));
        if let Some(caught) = caught {
            output::outln!("  CAUGHT    {caught}");
        }
    }
    Ok(())
}
