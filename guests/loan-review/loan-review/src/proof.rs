//! Proving the debt-to-income ratio: what the program `dti` is given, and whether it says the same.

use dti_case::{Figures, MEDIA_TYPE, Verdict};
use loom_guest::{Error, host};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::facts::{Ratios, Source};
use crate::message::{Limit, ReviewerInput, ToBatch};

/// The fact whose limit counts.
const FACT: &str = "dti_bps";
const MONTHS: i64 = 12;

/// What the reply says of a proof.
#[derive(Debug, Serialize)]
pub(crate) struct RatioProof {
    /// CID of the receipt.
    receipt: String,
    /// The program that it is of.
    image_id: String,
    dti_bps: u16,
    limit_bps: u16,
    within_limit: bool,
}

/// What the message asks for.
pub(crate) struct Wanted {
    /// A proof of this ratio alone.
    pub(crate) prove: bool,
    /// The `dti-batch` actor that has it proved together with others.
    pub(crate) batch: Option<String>,
}

impl Wanted {
    /// Has the ratio proved, and sends the figures to be proved with others. What comes of it is for
    /// the reply.
    pub(crate) fn settle(
        self,
        application_id: &str,
        subject: &Map<String, Value>,
        ratios: &Ratios,
        reviewed: ReviewerInput,
    ) -> Result<Option<Option<RatioProof>>, Error> {
        if !self.prove && self.batch.is_none() {
            return Ok(None);
        }
        let Some(figures) = figures(subject, ratios, reviewed)? else {
            return Ok(self.prove.then_some(None));
        };
        let proof = self.prove.then(|| prove(&figures)).transpose()?;
        if let Some(batch) = &self.batch {
            let message = ToBatch::Case {
                application_id,
                figures: &figures,
            };
            host::send(batch, &message)?;
        }
        Ok(proof.map(Some))
    }
}

/// What can be proved of an application: nothing where the ratio does not come from income and debt,
/// or no criterion limits it.
fn figures(
    subject: &Map<String, Value>,
    ratios: &Ratios,
    reviewed: ReviewerInput,
) -> Result<Option<Figures>, Error> {
    let cents = |name: &str| subject.get(name).and_then(Value::as_i64);
    let amounts = cents("income_cents").zip(cents("monthly_debt_cents"));
    let (Some((income, debt)), Source::Derived) = (amounts, ratios.dti_source) else {
        return Ok(None);
    };
    let input = ReviewerInput {
        limit_of: Some(FACT),
        ..reviewed
    };
    let limit: Limit = host::activity("criteria-reviewer", &input)?;
    let figures = debt
        .checked_mul(MONTHS)
        .zip(limit.limit)
        .and_then(|(debt, limit)| Figures::new(income, debt, limit));
    if let Some((figures, dti)) = figures.zip(ratios.dti) {
        let (ours, theirs) = (i64::from(figures.ratio_bps()), dti.min_bps);
        if ours != theirs.min(u16::MAX.into()) {
            let text = format!("the ratio to prove is {ours}, the one reviewed {theirs}");
            return Err(Error::new("proof-disagrees", text));
        }
    }
    Ok(figures)
}

/// Has the ratio proved over the figures, which stay private.
fn prove(figures: &Figures) -> Result<RatioProof, Error> {
    let proof = host::start_proof("dti", MEDIA_TYPE, &figures.value(), &[])?.wait()?;
    let (dti_bps, limit_bps) = (figures.ratio_bps(), figures.limit_bps());
    let within_limit = dti_bps <= limit_bps;
    let expected = Verdict {
        ratio_bps: dti_bps,
        limit_bps,
        within_limit,
    };
    if Verdict::read(&proof.public_output) != Some(expected) {
        let text = format!("the proof does not say {dti_bps} of {limit_bps} basis points");
        return Err(Error::new("proof-disagrees", text));
    }
    Ok(RatioProof {
        receipt: proof.receipt,
        image_id: proof.image_id,
        dti_bps,
        limit_bps,
        within_limit,
    })
}
