//! Presentations: a notary's word for what a server said.

mod amount;

use std::{fs::File, io::Read as _, path::Path};

use loom_tlsnotary::{
    Disclosed, NotaryKey, Policy, Presentation, Roots, TimeWindow, Verified, decode,
    fields::{Extracted, Field, Missing, NoFields, extract},
    limits::PRESENTATION_BYTES_MAX,
    presentation::{Direction, Extension},
    verify,
};
use serde_json::{Value, json};

use crate::{
    CliError,
    arguments::{Tlsn, VerifyPresentation},
    output::{self, hex},
};

/// What stands for a byte that is not disclosed.
const REDACTED: char = 'X';

pub(super) fn tlsn(command: Tlsn) -> Result<(), CliError> {
    match command {
        Tlsn::Verify(arguments) => verify_presentation(&arguments),
        Tlsn::Amount(arguments) => amount::amount(&arguments),
        Tlsn::Show { file, json } => show(&file, json),
    }
}

fn verify_presentation(arguments: &VerifyPresentation) -> Result<(), CliError> {
    let (notary_keys, roots) = (notary_keys(&arguments.notary_key)?, roots(&arguments.root)?);
    let any = TimeWindow::ANY;
    let time = TimeWindow {
        not_before: arguments.not_before.unwrap_or(any.not_before),
        not_after: arguments.not_after.unwrap_or(any.not_after),
    };
    let policy = Policy { notary_keys: &notary_keys, roots: &roots, server_names: &arguments.server, time };
    let result = verify(&read(&arguments.file)?, &policy);
    let fields = result.as_ref().ok().map(|verified| fields(verified, &arguments.field)).transpose()?.flatten();
    let amount = match (&result, &arguments.receipt) {
        (Ok(verified), Some(receipt)) => Some(amount::Shown::of(receipt, verified)?),
        _ => None,
    };
    let is_accepted = result.is_ok() && amount.as_ref().is_none_or(amount::Shown::is_reached);
    match (arguments.json, result) {
        (true, Ok(verified)) => {
            let mut shown = accepted_json(&verified, fields.as_ref());
            if let Some(amount) = &amount {
                shown["amount"] = amount.to_json();
            }
            // The presentation holds, and not what it was handed over for.
            if !is_accepted {
                shown["accepted"] = false.into();
                shown["code"] = "amount-not-proved".into();
                shown["reason"] = amount.as_ref().map(amount::Shown::describe).into();
            }
            output::print_json(&shown);
        }
        (true, Err(rejected)) => output::print_json(&json!({
            "accepted": false, "code": rejected.code(), "reason": rejected.to_string(), "notary_key": null,
            "server_name": null, "time": null, "sent": null, "received": null, "findings": [],
        })),
        (false, Ok(verified)) => print_held(&verified, fields.as_ref(), amount.as_ref()),
        (false, Err(rejected)) => {
            output::outln!("rejected: {} ({})", loom_verify::plain(&rejected.to_string()), rejected.code())
        }
    }
    if is_accepted { Ok(()) } else { Err(CliError::silent(1)) }
}

pub(super) fn notary_keys(texts: &[String]) -> Result<Vec<NotaryKey>, CliError> {
    let mut keys = Vec::new();
    for text in texts {
        let read = NotaryKey::from_hex(text);
        keys.extend(read.map_err(|error| CliError::new("usage", format!("--notary-key {text}: {error}")).exit(2))?);
    }
    Ok(keys)
}

pub(super) fn roots(files: &[std::path::PathBuf]) -> Result<Roots, CliError> {
    if files.is_empty() {
        return Ok(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect());
    }
    let mut roots = Roots::none();
    for file in files {
        let bytes = std::fs::read(file).map_err(|error| unreadable(file, &error))?;
        roots.add_file(&bytes).map_err(|error| unreadable(file, &error))?;
    }
    Ok(roots)
}

/// What was looked up, if anything was.
type Fields = Result<Extracted, NoFields>;

fn fields(verified: &Verified, pointers: &[String]) -> Result<Option<Fields>, CliError> {
    if pointers.is_empty() {
        return Ok(None);
    }
    let nothing = Disclosed::whole(Vec::new());
    let received = verified.transcript.as_ref().map_or(&nothing, |transcript| &transcript.received);
    match extract(received, pointers) {
        Err(error @ (NoFields::Pointer(_) | NoFields::TooManyPointers(_))) => {
            Err(CliError::new("usage", format!("--field: {error}")).exit(2))
        }
        result => Ok(Some(result)),
    }
}

fn accepted_json(verified: &Verified, fields: Option<&Fields>) -> Value {
    let transcript = verified.transcript.as_ref();
    let (sent, received) = (transcript.map(|said| &said.sent), transcript.map(|said| &said.received));
    let findings: Vec<_> = verified
        .findings
        .iter()
        .map(|finding| json!({ "code": finding.code(), "detail": finding.to_string() }))
        .collect();
    let extensions = verified.extensions.iter().map(|extension| {
        json!({ "id": String::from_utf8_lossy(&extension.id), "value": String::from_utf8_lossy(&extension.value) })
    });
    let mut shown = json!({
        "accepted": true, "reason": null,
        "notary_key": verified.notary_key.to_string(),
        "attestation_id": hex(&verified.attestation_id),
        "server_name": verified.server_name,
        "time": verified.time,
        "tls_version": verified.tls_version.to_string(),
        "sent": sent.map(|said| said.to_text(REDACTED)),
        "received": received.map(|said| said.to_text(REDACTED)),
        "sent_ranges": sent.map(ranges),
        "received_ranges": received.map(ranges),
        "extensions": extensions.collect::<Vec<_>>(),
        "findings": findings,
    });
    match fields {
        None => {}
        Some(Err(problem)) => shown["fields"] = json!({ "error": problem.to_string() }),
        Some(Ok(extracted)) => {
            let fields = extracted.fields.iter().map(|(pointer, field)| (pointer.clone(), field_json(field)));
            shown["status"] = extracted.status.into();
            shown["fields"] = Value::Object(fields.collect());
        }
    }
    shown
}

fn ranges(said: &Disclosed) -> Value {
    said.ranges().as_slice().iter().map(|range| json!([range.start, range.end])).collect()
}

fn field_json(field: &Result<Field, Missing>) -> Value {
    let pairs = |ranges: &[loom_tlsnotary::Range]| -> Value {
        ranges.iter().map(|range| json!([range.start, range.end])).collect()
    };
    match field {
        Err(missing) => json!({ "missing": missing.to_string() }),
        Ok(field) => json!({
            "json": field.text, "placed": field.is_placed(), "range": [field.range.start, field.range.end],
            "assumes": pairs(&field.assumes), "hidden_after": pairs(&field.hidden_after),
        }),
    }
}

fn print_held(verified: &Verified, fields: Option<&Fields>, amount: Option<&amount::Shown>) {
    match amount.is_none_or(amount::Shown::is_reached) {
        true => output::outln!("accepted: notary {} saw this", verified.notary_key),
        false => output::outln!("rejected: notary {} saw this, but it does not show the amount", verified.notary_key),
    }
    output::outln!("  server      {}", verified.server_name.as_deref().unwrap_or("not disclosed"));
    output::outln!("  time        {}, by the notary's clock", output::time(verified.time.saturating_mul(1000)));
    output::outln!("  connection  TLS {}, attestation {}", verified.tls_version, hex(&verified.attestation_id));
    for extension in &verified.extensions {
        let text = |bytes: &[u8]| loom_verify::plain(&String::from_utf8_lossy(bytes));
        output::outln!("  extension   {} = {}", text(&extension.id), text(&extension.value));
    }
    for finding in &verified.findings {
        output::outln!("  note        {} ({})", loom_verify::plain(&finding.to_string()), finding.code());
    }
    match fields {
        None => {}
        Some(Err(problem)) => output::outln!("  fields      none: {problem}"),
        Some(Ok(extracted)) => extracted.fields.iter().for_each(|(pointer, field)| print_field(pointer, field)),
    }
    if let Some(amount) = amount {
        amount.print();
    }
    if let Some(transcript) = &verified.transcript {
        print_said("sent", &transcript.sent);
        print_said("received", &transcript.received);
    }
}

fn print_field(pointer: &str, field: &Result<Field, Missing>) {
    let pointer = loom_verify::plain(pointer);
    match field {
        Err(missing) => output::outln!("  field       {pointer}: {missing}"),
        Ok(field) => {
            output::outln!("  field       {pointer} = {}", loom_verify::plain(&field.text));
            if !field.is_placed() {
                let holes = field.assumes.len();
                output::outln!(
                    "              assumed: {holes} hidden parts before it hide no more than one value each"
                );
            }
            if !field.hidden_after.is_empty() {
                let holes = field.hidden_after.len();
                output::outln!("              {holes} hidden parts after it could hold the same key once more");
            }
        }
    }
}

fn print_said(direction: &str, said: &Disclosed) {
    let disclosed = output::grouped(said.ranges().total());
    let total = output::grouped(said.total());
    output::outln!("\n{direction}: {disclosed} of {total} bytes disclosed; {REDACTED} stands for the others");
    for line in said.to_text(REDACTED).split('\n') {
        output::outln!("  {}", loom_verify::plain(line.trim_end_matches('\r')));
    }
}

fn show(file: &Path, as_json: bool) -> Result<(), CliError> {
    let bytes = read(file)?;
    let presentation = decode(&bytes).map_err(|error| unreadable(file, &error))?;
    let shown = described(&presentation, bytes.len());
    if as_json {
        output::print_json(&shown);
        return Ok(());
    }
    output::outln!("{}  {} bytes; nothing of this is checked", file.display(), output::grouped(bytes.len() as u64));
    for (name, value) in shown.as_object().into_iter().flatten().filter(|(name, _)| *name != "bytes") {
        let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        output::outln!("  {:<26}{}", name.replace('_', " "), loom_verify::plain(&text));
    }
    Ok(())
}

fn described(presentation: &Presentation, bytes: usize) -> Value {
    let Presentation { signature, header, body, identity, transcript, .. } = presentation;
    let connection = &body.connection.data;
    let committed =
        |direction: Direction| body.commitments.iter().filter(|leaf| leaf.data.direction == direction).count();
    json!({
        "bytes": bytes,
        "notary_key": hex(&body.verifying_key.data.data),
        "signature": signature.algorithm.to_string(),
        "attestation_id": hex(&header.id),
        "hash": header.root.algorithm.to_string(),
        "root": hex(&header.root.value),
        "time": output::time(connection.time.saturating_mul(1000)),
        "tls_version": connection.version.to_string(),
        "sent_bytes": connection.sent,
        "received_bytes": connection.received,
        "server_name": identity.as_ref().map(|identity| identity.name.as_str()),
        "certificates": identity.as_ref().map(|identity| identity.opening.certificates.len()),
        "sent_commitments": committed(Direction::Sent),
        "received_commitments": committed(Direction::Received),
        "openings": transcript.as_ref().map(|transcript| transcript.openings.len()),
        "disclosed_sent_bytes": transcript.as_ref().map(|transcript| transcript.sent.len()),
        "disclosed_received_bytes": transcript.as_ref().map(|transcript| transcript.received.len()),
        "extensions": body.extensions.iter().map(|leaf| extension(&leaf.data)).collect::<serde_json::Map<_, _>>(),
    })
}

/// What a notary or a session's owner added, for people.
fn extension(extension: &Extension) -> (String, Value) {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (text(&extension.id), text(&extension.value).into())
}

/// As many bytes of a presentation as tell that there are too many.
fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    let failed = |error: std::io::Error| unreadable(path, &error);
    let mut bytes = Vec::new();
    let limit = PRESENTATION_BYTES_MAX as u64 + 1;
    File::open(path).map_err(failed)?.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> CliError {
    CliError::new("unreadable", format!("{}: {error}", path.display())).exit(2)
}
