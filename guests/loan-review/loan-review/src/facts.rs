//! From the typed application and its ratios to the facts that a criteria program can name.

use criteria::{Fact, Facts};
use loom_guest::Error;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The application's members that are facts. With `ltv_bps`, `dti_bps` and `dti_conflict` they are
/// the whole vocabulary; the names of person, lender and place are not in it.
const MEMBERS: [&str; 18] = [
    "activity_year",
    "loan_type",
    "loan_purpose",
    "occupancy_type",
    "lien_status",
    "preapproval",
    "reverse_mortgage",
    "open_end_line_of_credit",
    "business_or_commercial_purpose",
    "conforming_loan_limit",
    "construction_method",
    "multifamily",
    "manufactured_home_secured_property_type",
    "loan_term_months",
    "loan_amount_cents",
    "property_value_cents",
    "income_cents",
    "monthly_debt_cents",
];

/// The output of the activity `ratios`.
#[derive(Debug, Deserialize)]
pub(crate) struct Ratios {
    pub(crate) ltv_bps: Option<i64>,
    pub(crate) ltv_source: Source,
    pub(crate) dti: Option<Range>,
    pub(crate) dti_source: Source,
    dti_conflict: bool,
}

/// A range of basis points; no `max_bps` means no upper end.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Range {
    pub(crate) min_bps: i64,
    max_bps: Option<i64>,
}

/// Where a ratio comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Source {
    Stated,
    Derived,
    Missing,
}

pub(crate) fn facts(application: &Map<String, Value>, ratios: &Ratios) -> Result<Facts, Error> {
    let mut facts = Facts::new();
    for name in MEMBERS {
        let fact = match application.get(name) {
            Some(Value::Null) => Fact::Missing,
            Some(value) => Fact::Exactly(value.as_i64().ok_or_else(|| misfit(name))?),
            None => return Err(misfit(name)),
        };
        facts.insert(name.to_owned(), fact);
    }
    let dti = match ratios.dti {
        Some(Range { min_bps, max_bps }) if max_bps == Some(min_bps) => Fact::Exactly(min_bps),
        Some(Range { min_bps, max_bps }) => Fact::Between {
            min: min_bps,
            max: max_bps,
        },
        None => Fact::Missing,
    };
    facts.insert(
        "ltv_bps".to_owned(),
        ratios.ltv_bps.map_or(Fact::Missing, Fact::Exactly),
    );
    facts.insert("dti_bps".to_owned(), dti);
    facts.insert(
        "dti_conflict".to_owned(),
        Fact::Exactly(i64::from(ratios.dti_conflict)),
    );
    Ok(facts)
}

fn misfit(name: &str) -> Error {
    Error::new(
        "invalid-application",
        format!("the normaliser's {name} is no integer"),
    )
}
