//! Which columns of the HMDA schema an actor never sees.
//!
//! Two lists, both by canonical name (lower case, `_` for `-`), because data tools rewrite `denial_reason-1` and
//! `open-end_line_of_credit`:
//!
//! - [`OUTCOME`]: known only once the lender has decided. A review that could read one of them would only be
//!   repeating the lender.
//! - [`CONTEXT`]: describe the neighbourhood rather than the application. They are not attributes of the applicant,
//!   but several of them together single out a census tract, so they stay behind as well.
//!
//! Protected attributes of the applicant (race, ethnicity, sex, age, census tract, share of minorities in the tract)
//! are **not** held back here: refusing them is the `normalise` activity's duty, where the refusal is journaled and
//! can be re-executed. An input that carries them is sent as it is, and refused.

/// Known only after the decision.
pub const OUTCOME: &[(&str, &str)] = &[
    ("action_taken", "the decision"),
    ("approved", "the decision, in files that fold action_taken to 1 or 0"),
    ("denial_reason_1", "why it was denied"),
    ("denial_reason_2", "why it was denied"),
    ("denial_reason_3", "why it was denied"),
    ("denial_reason_4", "why it was denied"),
    ("purchaser_type", "who bought the originated loan"),
    ("interest_rate", "fixed when the loan is approved"),
    ("rate_spread", "computed from the interest rate"),
    ("hoepa_status", "computed from rate and fees; 'not applicable' betrays that no loan was made"),
    ("total_loan_costs", "from the closing disclosure"),
    ("total_points_and_fees", "from the closing disclosure"),
    ("origination_charges", "from the closing disclosure"),
    ("discount_points", "from the closing disclosure"),
    ("lender_credits", "from the closing disclosure"),
];

/// About the neighbourhood.
pub const CONTEXT: &[(&str, &str)] = &[
    ("tract_population", "of the census tract"),
    ("ffiec_msa_md_median_family_income", "of the metropolitan area"),
    ("tract_to_msa_income_percentage", "of the census tract"),
    ("tract_owner_occupied_units", "of the census tract"),
    ("tract_one_to_four_family_homes", "of the census tract"),
    ("tract_median_age_of_housing_units", "of the census tract"),
];

/// How column names are compared.
pub fn canonical(name: &str) -> String {
    name.trim().to_ascii_lowercase().replace('-', "_")
}

/// What becomes of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Goes to the actor, under the name and with the text of the file.
    Sent,
    /// The lender's outcome: read for comparison where it is the decision, otherwise dropped.
    Outcome,
    /// Dropped.
    Context,
}

/// What becomes of the column with this canonical name.
pub fn fate(canonical: &str) -> Fate {
    let lists = |list: &[(&str, &str)]| list.iter().any(|(name, _)| *name == canonical);
    if lists(OUTCOME) {
        Fate::Outcome
    } else if lists(CONTEXT) {
        Fate::Context
    } else {
        Fate::Sent
    }
}
