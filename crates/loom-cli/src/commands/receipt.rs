//! Receipts: proofs that a program ran.

use std::{fs::File, io::Read as _, path::Path};

use loom_programs::batch::{self, Case};
use loom_risc0_verify::{Encoding, ImageId, Rejected, Unreadable, describe, limits::RECEIPT_BYTES_MAX, verify};
use serde_json::json;

use crate::{
    CliError,
    arguments::{Receipt, VerifyReceipt},
    output::{self, hex},
};

/// Longest output that is shown to people, in bytes. JSON has all of it.
const SHOWN_BYTES_MAX: usize = 256;

pub(super) fn receipt(command: Receipt) -> Result<(), CliError> {
    match command {
        Receipt::Verify(arguments) => verify_receipt(&arguments),
        Receipt::Show { file, json } => show(&file, json),
    }
}

fn verify_receipt(arguments: &VerifyReceipt) -> Result<(), CliError> {
    let image_id = arguments.image_id;
    let result = verify(&read(&arguments.file)?, image_id);
    let case = arguments.case.as_deref().map(read_case).transpose()?;
    let (mut exit, kind) = match &result {
        Ok(verified) => (0, Some(verified.kind.name())),
        Err(Rejected::Unreadable(_)) => (2, None),
        Err(_) => (1, None),
    };
    let mut reason = result.as_ref().err().map(ToString::to_string);
    if let (Ok(verified), Some(case)) = (&result, &case)
        && let Err(not_included) = included(image_id, &verified.journal, case)
    {
        (exit, reason) = (1, Some(not_included));
    }
    let output = result.as_ref().ok().and_then(|verified| said(image_id, &verified.journal));
    if arguments.json {
        output::print_json(&json!({
            "accepted": exit == 0, "kind": kind, "image_id": image_id.to_string(), "reason": reason,
            "journal": result.as_ref().ok().map(|verified| hex(&verified.journal)), "says": output,
            "case": case.filter(|_| exit == 0).map(|case| json!(case.output)),
        }));
    } else {
        match (&result, reason) {
            (Ok(verified), None) => {
                output::outln!("accepted: program {image_id} ran to its end");
                output::outln!("  proof   {}", verified.kind.name());
                output::outln!(
                    "  output  {}",
                    output.map_or_else(|| shown(&verified.journal), |says| says.to_string())
                );
                if let Some(case) = case {
                    output::outln!("  case    {}", json!(case.output));
                }
            }
            (_, reason) => output::outln!("rejected: {}", reason.unwrap_or_default()),
        }
    }
    if exit == 0 { Ok(()) } else { Err(CliError::silent(exit)) }
}

/// What the output of a program of Loom's means.
fn said(image_id: ImageId, journal: &[u8]) -> Option<serde_json::Value> {
    let build = loom_programs::registry::identified(&image_id.0)?;
    let output = loom_programs::Program::named(&build.name)?.decode(journal).ok()?;
    serde_json::to_value(output).ok()
}

/// Whether the batch that the receipt proves has this case.
fn included(image_id: ImageId, journal: &[u8], case: &Case) -> Result<(), String> {
    let build = loom_programs::registry::identified(&image_id.0).filter(|build| build.name == "batch");
    build.ok_or("the receipt is not of a batch that this version knows, so no case can be looked for in it")?;
    let set = batch::Output::decode(journal).map_err(|error| error.to_string())?;
    case.path.verify(&case.output, &set).map_err(|error| format!("the case is not in the batch: {error}"))
}

fn read_case(path: &Path) -> Result<Case, CliError> {
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    serde_json::from_str(&text).map_err(|error| unreadable(path, &format!("not a case: {error}")))
}

fn show(file: &Path, as_json: bool) -> Result<(), CliError> {
    let bytes = read(file)?;
    let described = describe(&bytes).map_err(|error: Unreadable| unreadable(file, &error))?;
    let encoding = match described.encoding {
        Encoding::Borsh => "borsh",
        Encoding::Cbor => "CBOR",
    };
    let image_id = described.image_id.map(|id| id.to_string());
    if as_json {
        let seals: Vec<_> =
            described.segments.iter().map(|seal| json!({"po2": seal.po2, "bytes": seal.seal_bytes})).collect();
        output::print_json(&json!({
            "encoding": encoding, "kind": described.kind.name(), "image_id": image_id, "bytes": bytes.len(),
            "journal": hex(&described.journal), "verifier_parameters": described.verifier_parameters, "seals": seals,
        }));
        return Ok(());
    }
    output::outln!(
        "{}  {} bytes, {encoding}; nothing of this is checked",
        file.display(),
        output::grouped(bytes.len() as u64)
    );
    output::outln!("  program     {}", image_id.as_deref().unwrap_or("not said"));
    output::outln!("  output      {}", shown(&described.journal));
    output::outln!("  parameters  {}", described.verifier_parameters);
    output::outln!("  proof       {}", described.kind.name());
    for seal in &described.segments {
        let over = seal.po2.map_or_else(String::new, |po2| format!(", over 2^{po2} cycles"));
        output::outln!("    a seal of {} bytes{over}", output::grouped(seal.seal_bytes as u64));
    }
    Ok(())
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    let failed = |error: std::io::Error| unreadable(path, &error);
    let mut bytes = Vec::new();
    // One byte more tells that there are too many.
    File::open(path).map_err(failed)?.take(RECEIPT_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> CliError {
    CliError::new("unreadable", format!("{}: {error}", path.display())).exit(2)
}

/// Text if it is plain text, else hex.
fn shown(journal: &[u8]) -> String {
    let text = std::str::from_utf8(journal).ok().filter(|text| !text.is_empty() && !text.chars().any(char::is_control));
    match text {
        Some(text) if text.len() <= SHOWN_BYTES_MAX && text.is_ascii() => format!("'{text}'"),
        _ if journal.len() > SHOWN_BYTES_MAX => {
            format!("{}…, {} bytes", hex(&journal[..SHOWN_BYTES_MAX]), journal.len())
        }
        _ if journal.is_empty() => "nothing".to_owned(),
        _ => format!("{} (hex)", hex(journal)),
    }
}
