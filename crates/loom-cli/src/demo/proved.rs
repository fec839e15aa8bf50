//! What the report says of proofs: verdicts, what they took, and how to check them. Income and debt are in none of it.

use std::fmt::{self, Write as _};

use loom_prover::Effort;
use serde_json::{Value, json};

use super::proofs::{Alone, Batch, Proofs, Receipt};
use crate::output::grouped;

pub(super) fn to_json(proofs: &Proofs) -> Value {
    let alone = |alone: &Alone| {
        let mut shown = receipt(&alone.receipt);
        shown["application"] = alone.id.as_str().into();
        shown["says"] = json!(alone.says);
        shown["agrees"] = alone.agrees.into();
        shown
    };
    let batch = |batch: &Batch| {
        let mut shown = receipt(&batch.receipt);
        shown["says"] = json!(batch.says);
        shown["agrees"] = batch.agrees.into();
        shown["cpu_seconds_per_case"] = cpu_seconds_per_case(batch).into();
        shown["case"] = batch.shown.display().to_string().into();
        shown
    };
    json!({
        "alone": proofs.alone.iter().map(alone).collect::<Vec<_>>(),
        "batch": proofs.batch.as_ref().map(batch),
    })
}

fn receipt(receipt: &Receipt) -> Value {
    let effort = receipt.effort.as_ref();
    let cost = effort.map(|effort| &effort.cost);
    json!({
        "receipt": receipt.file.display().to_string(),
        "image_id": receipt.image_id.to_string(),
        "receipt_bytes": receipt.bytes,
        "cycles": cost.map(|cost| cost.user_cycles),
        "paging_cycles": cost.map(|cost| cost.paging_cycles),
        "rows": cost.map(|cost| cost.rows()),
        "segments": cost.map(|cost| cost.segment_po2.len()),
        "seconds": effort.map(|effort| seconds(effort.wall_ms)),
        "cpu_seconds": effort.and_then(cpu_seconds),
        "memory_mib": effort.and_then(|effort| effort.memory_mib),
    })
}

pub(super) fn write(out: &mut String, proofs: &Proofs, loom: &str) -> fmt::Result {
    writeln!(out, "\nProofs of debt-to-income ratios: receipts that tell nobody income or debt")?;
    let Some(batch) = &proofs.batch else {
        return writeln!(out, "  none: no application here states both monthly debt and income");
    };
    for alone in &proofs.alone {
        let within = if alone.says.within_limit { "within" } else { "over" };
        let (ratio, limit) = (percent(alone.says.dti_bps), percent(alone.says.limit_bps));
        writeln!(out, "  {:<12} {ratio} is {within} the limit of {limit}", alone.id)?;
        write_effort(out, &alone.receipt)?;
    }
    let cases = u64::from(batch.says.cases);
    let within = grouped(batch.says.within_limit.into());
    writeln!(out, "  {:<12} {within} of {} are within their limits, in one proof", "the run", grouped(cases))?;
    write_effort(out, &batch.receipt)?;
    if let Some(amortised) = cpu_seconds_per_case(batch) {
        writeln!(out, "  {:<12} {amortised:.2} CPU-s", "for each")?;
    }
    let agree = if batch.agrees && proofs.alone.iter().all(|alone| alone.agrees) { "agree" } else { "DO NOT agree" };
    writeln!(
        out,
        "  all receipts verify; the proved ratios {agree} with the actors', loan by loan, under the proved root"
    )?;
    for alone in proofs.alone.iter().take(1) {
        let Receipt { file, image_id, .. } = &alone.receipt;
        writeln!(out, "  check one    {loom} receipt verify {} \\", file.display())?;
        writeln!(out, "                 --image-id {image_id}")?;
    }
    let Receipt { file, image_id, .. } = &batch.receipt;
    writeln!(out, "  of the run   {loom} receipt verify {} \\", file.display())?;
    writeln!(out, "                 --image-id {image_id} \\")?;
    writeln!(out, "                 --case {}", batch.shown.display())
}

/// One line below what was proved.
fn write_effort(out: &mut String, receipt: &Receipt) -> fmt::Result {
    write!(out, "  {:<12} ", "")?;
    if let Some(Effort { cost, wall_ms, .. }) = &receipt.effort {
        let cpu = receipt.effort.as_ref().and_then(cpu_seconds);
        let cpu = cpu.map_or_else(String::new, |cpu| format!(", {cpu:.1} CPU-s"));
        let cycles = grouped(cost.user_cycles + cost.paging_cycles);
        let segments = match cost.segment_po2.len() {
            1 => "1 segment".to_owned(),
            count => format!("{count} segments"),
        };
        write!(out, "{:.1} s{cpu}; {cycles} cycles in {segments}; ", seconds(*wall_ms))?;
    }
    writeln!(out, "receipt of {} bytes", grouped(receipt.bytes))
}

fn cpu_seconds_per_case(batch: &Batch) -> Option<f64> {
    let whole = cpu_seconds(batch.receipt.effort.as_ref()?)?;
    Some(whole / f64::from(batch.says.cases))
}

fn cpu_seconds(effort: &Effort) -> Option<f64> {
    effort.cpu_ms.map(seconds)
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

fn percent(bps: u16) -> String {
    format!("{}.{:02} %", bps / 100, bps % 100)
}
