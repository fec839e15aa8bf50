//! The activity `ratios`: a typed application -> loan-to-value and debt-to-income, in basis points.
//!
//! Loan-to-value is the stated combined ratio where the application has one, otherwise the loan
//! over the property's value, cut off after the basis point (75.559 % is 7555), which is how the
//! agencies compute it (Fannie Mae Selling Guide B2-1.2-01). It is not derived for a loan that is
//! known to be a second lien: without the first one that would be no combined ratio.
//!
//! Debt-to-income is derived from monthly debt and yearly income where both are given, rounded up
//! to the next basis point, so that a ratio above a limit never appears to be at it; otherwise it
//! is the range that the application states. If both are there and disagree by more than a percentage
//! point, `dti_conflict` says so. An income of zero or less derives nothing.
//!
//! Integers only; no product of two members overflows, because they are multiplied in 128 bits.

use loom_guest::Error;
use serde::{Deserialize, Serialize};

/// The members of the normaliser's output that are used here.
#[derive(Deserialize)]
struct Application {
    loan_amount_cents: i64,
    property_value_cents: Option<i64>,
    income_cents: Option<i64>,
    monthly_debt_cents: Option<i64>,
    lien_status: Option<u8>,
    ltv_stated_bps: Option<i64>,
    dti_stated: Option<Range>,
}

/// A range of basis points, both ends included; no `max_bps` means no upper end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Range {
    min_bps: i64,
    max_bps: Option<i64>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Ratios {
    ltv_bps: Option<i64>,
    ltv_source: Source,
    dti: Option<Range>,
    dti_source: Source,
    dti_conflict: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Source {
    Stated,
    Derived,
    Missing,
}

const BPS: i128 = 10_000;
const SECOND_LIEN: u8 = 2;
/// Stated ratios are whole percents; which way they were rounded is not known.
const ROUNDING_BPS: i64 = 100;

loom_guest::activity!(ratios);

fn ratios(application: Application) -> Result<Ratios, Error> {
    let (ltv_bps, ltv_source) = loan_to_value(&application)?;
    let derived = debt_to_income(&application)?;
    let stated = application.dti_stated;
    let (dti, dti_source) = match (derived, stated) {
        (Some(bps), _) => (
            Some(Range {
                min_bps: bps,
                max_bps: Some(bps),
            }),
            Source::Derived,
        ),
        (None, Some(range)) => (Some(range), Source::Stated),
        (None, None) => (None, Source::Missing),
    };
    let dti_conflict = derived
        .zip(stated)
        .is_some_and(|(bps, range)| !range.covers(bps));
    Ok(Ratios {
        ltv_bps,
        ltv_source,
        dti,
        dti_source,
        dti_conflict,
    })
}

fn loan_to_value(application: &Application) -> Result<(Option<i64>, Source), Error> {
    if let Some(stated) = application.ltv_stated_bps {
        return Ok((Some(stated), Source::Stated));
    }
    match application.property_value_cents {
        Some(value) if value <= 0 => Err(invalid("property_value_cents", value)),
        Some(value) if application.lien_status != Some(SECOND_LIEN) => {
            let bps = i128::from(application.loan_amount_cents) * BPS / i128::from(value);
            Ok((Some(narrow("loan-to-value", bps)?), Source::Derived))
        }
        _ => Ok((None, Source::Missing)),
    }
}

fn debt_to_income(application: &Application) -> Result<Option<i64>, Error> {
    let (Some(debt), Some(income)) = (application.monthly_debt_cents, application.income_cents)
    else {
        return Ok(None);
    };
    if debt < 0 {
        return Err(invalid("monthly_debt_cents", debt));
    }
    if income <= 0 {
        return Ok(None);
    }
    let yearly_debt = i128::from(debt) * 12 * BPS;
    let bps = (yearly_debt + i128::from(income) - 1) / i128::from(income);
    narrow("debt-to-income", bps).map(Some)
}

impl Range {
    /// Whether a derived ratio agrees with what was stated, rounding aside.
    fn covers(self, bps: i64) -> bool {
        bps >= self.min_bps.saturating_sub(ROUNDING_BPS)
            && self
                .max_bps
                .is_none_or(|max| bps <= max.saturating_add(ROUNDING_BPS))
    }
}

fn narrow(what: &str, bps: i128) -> Result<i64, Error> {
    i64::try_from(bps).map_err(|_| Error::new("invalid-input", format!("{what} of {bps} bps")))
}

fn invalid(member: &str, value: i64) -> Error {
    Error::new("invalid-input", format!("{member} is {value}"))
}

#[cfg(test)]
mod tests;
