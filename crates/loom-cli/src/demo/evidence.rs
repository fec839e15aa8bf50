//! The end of the demo: one approval and one denial as an auditor gets them, and a forgery of the denial; where a ratio
//! was proved, that application too.

use std::{
    fmt::{self, Write as _},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use loom_evidence::{Bundle, PublicKey};
use loom_runtime::{BundleOptions, Handle, OsSalts, causes};
use loom_types::{ActorAddress, EntryBody, Payload, TurnResult};
use loom_verify::{Auditor, Class, Report};
use loom_wasmtime::WasmtimeSandbox;
use serde_json::{Value, json};

use crate::{CliError, NodeSettings};

/// A bundle that was written, and what came of verifying it.
pub(super) struct Shown {
    what: &'static str,
    file: PathBuf,
    report: Report,
}

/// Writes and verifies bundles of an approved and a denied application, and of one with a proof.
pub(super) async fn show(
    handle: &Handle,
    data: &Path,
    approved: Option<&str>,
    denied: Option<&str>,
    proved: Option<&str>,
) -> Result<Vec<Shown>, CliError> {
    let Some(key) = crate::key::read(data)? else { return Ok(Vec::new()) };
    write_public_key(data, &key.public())?;
    let auditor = Auditor { keys: vec![key.public()], ..Auditor::default() };
    // Compiled code that the node keeps in its folder serves here too.
    let sandbox = WasmtimeSandbox::new(NodeSettings::new(data).sandbox).map_err(|error| failed(&error))?;
    let mut shown = Vec::new();
    let mut verify = |what, file: PathBuf, bundle: &Bundle| {
        let mut bytes = Vec::new();
        bundle.write(&mut bytes).map_err(|error| failed(&error))?;
        std::fs::write(&file, &bytes).map_err(|error| CliError::file(&file, error))?;
        let report = loom_verify::verify(&Bytes::from(bytes), &auditor, &sandbox).map_err(|error| failed(&error))?;
        shown.push(Shown { what, file, report });
        Ok::<_, CliError>(())
    };
    if let Some(id) = approved {
        verify("an approval", data.join(format!("{id}.car")), &bundle(handle, id).await?)?;
    }
    if let Some(id) = denied {
        let denial = bundle(handle, id).await?;
        verify("a denial", data.join(format!("{id}.car")), &denial)?;
        if let Some(forgery) = approve(&denial) {
            verify("a forgery", data.join(format!("{id}-forged.car")), &forgery)?;
        }
    }
    if let Some(id) = proved.filter(|_| ![approved, denied].contains(&proved)) {
        verify("a proof", data.join(format!("{id}.car")), &bundle(handle, id).await?)?;
    }
    Ok(shown)
}

async fn bundle(handle: &Handle, id: &str) -> Result<Bundle, CliError> {
    let actor = ActorAddress::within("default", &format!("loan-review/{id}")).map_err(|error| failed(&error))?;
    handle.bundle(&actor, &BundleOptions::default()).await.map_err(|error| failed(&causes(&error)))
}

fn failed(error: &dyn fmt::Display) -> CliError {
    CliError::new("demo", format!("the evidence: {error}"))
}

/// What somebody would do who wants the loan: the reply says `approve`, and every name is made anew, so that the file
/// is in order.
fn approve(denial: &Bundle) -> Option<Bundle> {
    let (mut manifest, mut blocks) = (denial.manifest().clone(), denial.parts());
    let mut last = denial.entries().first()?.last()?.clone();
    let EntryBody::TurnEnded { result: TurnResult::Reply(reply), .. } = &mut last.body else { return None };
    let told = denial.payloads().get(reply)?.text()?.replacen("\"deny\"", "\"approve\"", 1);
    let lie = Payload::json(&told, &mut OsSalts::default());
    *reply = lie.cid();
    let last = last.encode();
    *manifest.histories.first_mut()?.entries.last_mut()? = last.cid;
    blocks.extend([(last.cid, last.bytes), (lie.cid(), lie.block().clone())]);
    Bundle::assemble(manifest, blocks).ok()
}

pub(super) fn to_json(shown: &[Shown]) -> Value {
    let one = |shown: &Shown| {
        json!({
            "what": shown.what,
            "file": shown.file.display().to_string(),
            "ok": shown.report.ok,
            "turns": shown.report.turns,
            "proved": count(shown, Class::Proved),
            "failures": shown.report.failures,
        })
    };
    shown.iter().map(one).collect()
}

fn count(shown: &Shown, class: Class) -> usize {
    shown.report.claims.iter().filter(|claim| claim.class == class).count()
}

pub(super) fn write(out: &mut String, shown: &[Shown], loom: &str, data: &Path) -> fmt::Result {
    let Some(first) = shown.first() else { return Ok(()) };
    writeln!(out, "\nEvidence: files that anybody can verify without this node")?;
    for one in shown {
        let Shown { what, file, report } = one;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let verdict = if report.ok { "all checks hold" } else { "REJECTED" };
        let [run, word, proved, hidden] =
            [Class::ReExecuted, Class::Claimed, Class::Proved, Class::Redacted].map(|class| count(one, class));
        let proved = if proved > 0 { format!("{proved} proved, ") } else { String::new() };
        let hidden = if hidden > 0 { format!(", {hidden} left out") } else { String::new() };
        writeln!(
            out,
            "  {what:<12} {name:<20} {verdict}: {proved}{run} claims re-executed, {word} on somebody's word{hidden}"
        )?;
        for failure in &report.failures {
            writeln!(out, "               {}: {}", failure.entry.as_deref().unwrap_or("the log"), failure.reason)?;
            if let (Some(file), Some(truth)) = (&failure.expected, &failure.actual) {
                writeln!(out, "                 the file says  {file}\n                 in truth       {truth}")?;
            }
        }
    }
    let key = data.join(PUBLIC_KEY_FILE);
    writeln!(out, "  see it all   {loom} verify {} --key {}", first.file.display(), key.display())
}

/// Where the demo leaves the node's public key.
const PUBLIC_KEY_FILE: &str = "log.pub";

/// Leaves the public key where the printed command finds it.
fn write_public_key(data: &Path, key: &PublicKey) -> Result<(), CliError> {
    let path = data.join(PUBLIC_KEY_FILE);
    std::fs::write(&path, format!("{key}\n")).map_err(|error| CliError::file(&path, error))
}
