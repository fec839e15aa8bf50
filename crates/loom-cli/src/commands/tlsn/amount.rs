//! Amounts that are proved and not shown: what is proved of them, and that a receipt is about one of a presentation's.

use std::path::Path;

use loom_notary::{Pointer, Selection, disclose};
use loom_programs::{InvalidInput, committed_amount, registry};
use loom_risc0_verify::ImageId;
use loom_tlsnotary::{
    Disclosed, Presentation, Verified,
    committed::{NotOpened, opened},
    decode, encode,
    fields::{Missing, extract},
};
use loom_verify::AttestedAmount;
use serde_json::{Value, json};

use super::{read, unreadable};
use crate::{CliError, arguments::Amount, commands::receipt, output};

/// Prints what `loom prove committed-amount` takes, and writes the presentation that goes with the receipt.
pub(super) fn amount(arguments: &Amount) -> Result<(), CliError> {
    let full = decode(&read(&arguments.file)?).map_err(|error| unreadable(&arguments.file, &error))?;
    let pointer = arguments.pointer.to_string();
    let refused = |error: &dyn std::fmt::Display| {
        CliError::new("input-invalid", format!("{}: {pointer}: {error}", arguments.file.display())).exit(2)
    };
    let opened = opened(&full, &pointer).map_err(|error| match error {
        NotOpened::TooCoarse => {
            refused(&error).hint("a notary commits to single values if it is asked to: `loom notarize`")
        }
        _ => refused(&error),
    })?;
    let input = committed_amount::Input {
        attestation_id: opened.attestation_id,
        range: [opened.range.start, opened.range.end],
        blinder: opened.blinder,
        text: opened.text,
        threshold_cents: arguments.threshold_cents,
    };
    input.encode().map_err(|error: InvalidInput| refused(&error))?;
    if let Some(out) = &arguments.out {
        let shown = encode(&without(&full, &arguments.pointer).map_err(|error| refused(&error))?);
        std::fs::write(out, &shown).map_err(|error| CliError::file(out, error))?;
        eprintln!("wrote {} without {pointer}: hand this one over, with the receipt", out.display());
    }
    eprintln!("what follows is as private as the amount itself: `loom prove committed-amount --input` takes it");
    output::print_json(&input);
    Ok(())
}

/// The same presentation without one value, of which it still shows where it stands.
fn without(full: &Presentation, pointer: &Pointer) -> Result<Presentation, String> {
    let shown = disclose(full, &Selection::AllBut(vec![pointer.clone()])).map_err(|error| error.to_string())?;
    let proof = shown.transcript.as_ref().ok_or("nothing is left of what was said")?;
    let received = Disclosed::new(proof.received.clone(), proof.received_ranges.clone(), proof.received_total);
    let extracted = received.map(|received| extract(&received, &[pointer.to_string()]));
    let field = extracted.and_then(Result::ok).and_then(|extracted| extracted.fields.into_values().next());
    match field {
        Some(Err(Missing::Withheld(_))) => Ok(shown),
        _ => Err("without the value, the presentation does not show any more where it stands".to_owned()),
    }
}

/// What a receipt shows of an amount in a presentation, or why it shows nothing of it.
pub(super) struct Shown(Result<AttestedAmount, String>);

impl Shown {
    /// Reads and verifies a receipt, and looks for what it opens in the presentation.
    pub(super) fn of(path: &Path, verified: &Verified) -> Result<Self, CliError> {
        let bytes = receipt::read(path)?;
        let build = registry::named("committed-amount").expect("each program has a build");
        Ok(Self(shown(&bytes, ImageId(build.image_id.0), verified)))
    }

    /// Whether there is such an amount, and it reaches its threshold.
    pub(super) fn is_reached(&self) -> bool {
        self.0.as_ref().is_ok_and(|amount| amount.output.reached)
    }

    pub(super) fn to_json(&self) -> Value {
        let amount = match &self.0 {
            Err(reason) => return json!({ "proved": false, "reason": reason }),
            Ok(amount) => amount,
        };
        let pairs = |ranges: &[loom_tlsnotary::Range]| -> Value {
            ranges.iter().map(|range| json!([range.start, range.end])).collect()
        };
        let AttestedAmount { placed, output, .. } = amount;
        let member = placed.member.as_ref();
        json!({
            "proved": true, "reason": null, "reached": output.reached, "threshold_cents": output.threshold_cents,
            "range": output.range, "commitment": output.commitment, "shown": placed.is_disclosed,
            "pointer": member.ok().map(|member| &member.pointer),
            "assumes": member.ok().map(|member| pairs(&member.assumes)),
            "hidden_after": member.ok().map(|member| pairs(&member.hidden_after)),
        })
    }

    /// For people, in one line.
    pub(super) fn describe(&self) -> String {
        match &self.0 {
            Ok(amount) => loom_verify::plain(&amount.describe()).to_string(),
            Err(reason) => format!("nothing is proved of it: {reason}"),
        }
    }

    pub(super) fn print(&self) {
        output::outln!("  amount      {}", self.describe());
    }
}

fn shown(receipt: &[u8], image_id: ImageId, verified: &Verified) -> Result<AttestedAmount, String> {
    let proved = loom_risc0_verify::verify(receipt, image_id);
    let proved = proved.map_err(|error| format!("the receipt is not one of committed-amount: {error}"))?;
    let output = loom_verify::committed_amount(&image_id.0, &proved.journal);
    let output = output.ok_or("the receipt's output is not one of committed-amount")?;
    AttestedAmount::of(verified, &output)
        .map_err(|error| format!("the receipt is not about this presentation: {error}"))
}
