//! Having something fetched and attested to, and choosing what of it is disclosed.

use std::{fs, path::Path};

use loom_client::Secret;
use loom_notary::{
    Allowed, Header, Layout, Method, Notary, Outside, Presentation, RemoteError, RemoteNotary, Request, Selection,
    Settings, SigningKey, disclose, encode_with, layout_name, without_identity,
};
use loom_runtime::causes;
use loom_tlsnotary::{Disclosed, NotaryKey, Policy, RangeSet, TimeWindow, presentation::TranscriptProof};
use serde_json::json;

use super::{notary::roots, text_or_stdin};
use crate::{
    CliError,
    arguments::Notarize,
    output::{self, grouped, hex},
    target::token_of,
};

/// What stands for a byte that is not disclosed.
const MARK: char = 'X';

pub(super) async fn notarize(mut arguments: Notarize) -> Result<(), CliError> {
    let request = request(&mut arguments)?;
    let layout = Layout::from(arguments.layout);
    let full = match &arguments.key {
        Some(key) => by_ourselves(&arguments, key, &request, layout).await?,
        None => by_another(&arguments, &request, layout).await?,
    };
    check(&arguments, &request, &full, layout)?;
    let shown = disclose(&full, &selection(&arguments));
    let shown = shown.map_err(|error| CliError::new("disclosure-invalid", error).exit(2))?;
    let shown = if arguments.hide_server { without_identity(&shown) } else { shown };
    let bytes = encode_with(&shown, layout);
    fs::write(&arguments.out, &bytes).map_err(|error| CliError::file(&arguments.out, error))?;
    report(&arguments, &shown, layout, bytes.len());
    Ok(())
}

async fn by_ourselves(
    arguments: &Notarize,
    key: &Path,
    request: &Request,
    layout: Layout,
) -> Result<Presentation, CliError> {
    let allowed = Allowed::host_of(request).map_err(|error| invalid(&error))?;
    let mut settings = Settings { roots: roots(&arguments.roots)?, ..Settings::new(vec![allowed]) };
    if arguments.allow_private {
        settings.private_hosts.extend(request.host());
    }
    let notary = Notary::new(SigningKey::read(key)?, settings, Outside::system())?;
    notary.notarize(request, layout).await.map_err(|error| {
        let exit = if matches!(error.code(), "notary-request-invalid" | "notary-refused") { 2 } else { 1 };
        let told = CliError::new(error.code(), causes(&error)).exit(exit);
        match error.code() {
            "notary-refused" => told.hint("--allow-private, if the host may be in a network that is not public"),
            _ => told,
        }
    })
}

async fn by_another(arguments: &Notarize, request: &Request, layout: Layout) -> Result<Presentation, CliError> {
    let url = arguments.notary.as_deref().unwrap_or_default();
    let token = match &arguments.notary_token {
        None => None,
        Some(token) => Some(match token.expose().strip_prefix('@') {
            Some(file) => token_of(Path::new(file))?,
            None => token.clone(),
        }),
    };
    let ca = arguments.notary_ca.as_deref();
    let ca = ca.map(|path| fs::read(path).map_err(|error| CliError::file(path, error))).transpose()?;
    let failed = |error: RemoteError| match error {
        RemoteError::Refused { code, detail } => CliError::new(&code, detail),
        RemoteError::Url => CliError::new("notary-request-invalid", error).exit(2),
        RemoteError::Unexpected { .. } => CliError::new("notary-answer", error),
        _ => CliError::new("notary-unreachable", causes(&error)).hint("loom notary serve starts one"),
    };
    let notary = RemoteNotary::new(url, token, ca.as_deref()).map_err(failed)?;
    notary.notarize(request, layout).await.map_err(failed)
}

/// What is to be fetched. Credentials go from the arguments into it, and from nowhere else.
fn request(arguments: &mut Notarize) -> Result<Request, CliError> {
    let mut headers = Vec::new();
    for field in &arguments.headers {
        let field = field.expose().split_once(':');
        // The field is not repeated: it may be a secret in the wrong place.
        let (name, value) = field.ok_or_else(|| invalid(&"--header: a field is 'NAME: VALUE'"))?;
        let (name, value) = (name.trim().to_owned(), value.trim().to_owned());
        headers.push(Header { name, value: Secret::new(value), is_credential: false });
    }
    for field in &arguments.env_headers {
        let (name, variable) =
            field.split_once('=').ok_or_else(|| invalid(&"--header-env: a field is NAME=VARIABLE"))?;
        let value = std::env::var(variable).map_err(|_| invalid(&format!("--header-env: {variable} is not set")))?;
        headers.push(Header { name: name.to_owned(), value: Secret::new(value), is_credential: true });
    }
    let body = arguments.body.take().map(|body| body_bytes(body.expose())).transpose()?;
    Ok(Request {
        method: if body.is_some() { Method::Post } else { Method::Get },
        url: arguments.url.clone(),
        headers,
        body: body.unwrap_or_default(),
        seal_query: arguments.seal_query,
        seal_body: arguments.seal_body,
    })
}

fn body_bytes(argument: &str) -> Result<Vec<u8>, CliError> {
    match argument.strip_prefix('@').map(Path::new) {
        Some(path) => fs::read(path).map_err(|error| CliError::file(path, error)),
        None => text_or_stdin(argument.to_owned()).map(String::into_bytes),
    }
}

fn selection(arguments: &Notarize) -> Selection {
    match (&arguments.disclosed[..], &arguments.hidden[..]) {
        ([], []) => Selection::All,
        ([], hidden) => Selection::AllBut(hidden.to_vec()),
        (disclosed, _) => Selection::Only(disclosed.to_vec()),
    }
}

fn invalid(problem: &dyn std::fmt::Display) -> CliError {
    CliError::new("notary-request-invalid", problem).exit(2)
}

/// Verifies what came from the notary, as its readers will: nobody is handed a file that does not hold.
fn check(arguments: &Notarize, request: &Request, full: &Presentation, layout: Layout) -> Result<(), CliError> {
    let wrong = |problem: &dyn std::fmt::Display| CliError::new("notary-answer", problem);
    let own = NotaryKey::from_hex(&hex(&full.body.verifying_key.data.data)).map_err(|error| wrong(&error))?;
    let wanted = arguments.notary_key.as_deref().map(NotaryKey::from_hex).transpose();
    let wanted = wanted.map_err(|error| CliError::new("key-invalid", format!("--notary-key: {error}")).exit(2))?;
    if let Some(wanted) = &wanted
        && !own.iter().any(|key| wanted.contains(key))
    {
        let key = hex(&full.body.verifying_key.data.data);
        return Err(wrong(&format!("the notary signed with another key than --notary-key: {key}")));
    }
    if layout != Layout::Alpha15 {
        return Ok(());
    }
    let roots = roots(&arguments.roots)?.for_verifying()?;
    let names = [request.host().map_err(|error| invalid(&error))?];
    let policy = Policy { notary_keys: &own, roots: &roots, server_names: &names, time: TimeWindow::ANY };
    loom_tlsnotary::verify(&encode_with(full, layout), &policy).map(drop).map_err(|error| {
        wrong(&format!("what the notary gave does not hold: {}", causes(&error)))
            .hint("--root, if the server's certificate is of an authority of your own")
    })
}

fn ranges(ranges: &RangeSet) -> Vec<[u64; 2]> {
    ranges.as_slice().iter().map(|range| [range.start, range.end]).collect()
}

fn report(arguments: &Notarize, shown: &Presentation, layout: Layout, length: usize) {
    let transcript = shown.transcript.as_ref();
    // A server's bytes are not for the terminal to obey.
    let plain = |char: char| if char.is_control() && char != '\n' { ' ' } else { char };
    let text = |side: fn(&TranscriptProof) -> Option<Disclosed>| -> String {
        let text = transcript.and_then(side).map(|disclosed| disclosed.to_text(MARK)).unwrap_or_default();
        if arguments.json { text } else { text.replace("\r\n", "\n").chars().map(plain).collect() }
    };
    let sent = text(|it| Disclosed::new(it.sent.clone(), it.sent_ranges.clone(), it.sent_total));
    let received = text(|it| Disclosed::new(it.received.clone(), it.received_ranges.clone(), it.received_total));
    let key = hex(&shown.body.verifying_key.data.data);
    let server = shown.identity.as_ref().map(|identity| identity.name.as_str());
    let status = received.split(' ').nth(1).and_then(|status| status.parse::<u16>().ok());
    if arguments.json {
        output::print_json(&json!({
            "file": arguments.out, "bytes": length, "layout": layout_name(layout), "mode": loom_notary::TRUSTED_FETCH,
            "notary_key": key, "server": server, "time": shown.body.connection.data.time, "status": status,
            "sent": sent, "received": received,
            "sent_ranges": transcript.map(|it| ranges(&it.sent_ranges)),
            "received_ranges": transcript.map(|it| ranges(&it.received_ranges)),
        }));
    } else {
        output::outln!("{}", sent.trim_end());
        output::outln!("");
        output::outln!("{}", received.trim_end());
    }
    if status.is_some_and(|status| !(200..300).contains(&status)) {
        eprintln!("warning: the server answered with status {}", status.unwrap_or_default());
    }
    let bytes = grouped(length as u64);
    eprintln!(
        "wrote {} ({bytes} bytes, {}); a row of {MARK} is not disclosed",
        arguments.out.display(),
        layout_name(layout)
    );
    eprintln!("trusted-fetch: the notary made the connection itself and is believed for every byte");
    if layout == Layout::Alpha15 {
        eprintln!("hint: loom tlsn verify {} --notary-key {key}", arguments.out.display());
    }
}
