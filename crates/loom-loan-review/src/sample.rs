//! Synthetic loan applications that look like the public ones.
//!
//! Why synthetic: the example must run for anybody, with data that belongs to nobody. What they follow: figures
//! counted over a national sample of 12,000 public HMDA applications of 2022-2024 (`tables`): how often each
//! value of year, product, purpose, occupancy, state and debt-to-income bucket occurs, which values are missing
//! together, quantiles of amounts, incomes and ratios, and how often lenders approved, by debt-to-income bucket,
//! by missing data and by dwelling. Income follows the property's value loosely. What they do not follow: anything
//! else. Place, lender and the rest are independent of each other, and no row is, or is derived from, a real one.
//!
//! They cannot be taken for real: lenders are called `SYNTHETICLENDER00001` and so on, which fail the check digits
//! that every real LEI carries, and ids begin with `S` (or `D` for [`write_derived`]).
//!
//! Integers only, and a generator written out here: one seed gives the same bytes on every machine and for ever.

mod draw;
mod tables;

use std::io::{self, Write};

use draw::Draw;
use tables::{Approval, Missing};

/// The seed of the files in `examples/loan-review`.
pub const SEED: u64 = 2026;
/// How many applications `examples/loan-review/applications.csv` holds.
pub const COUNT: usize = 1000;
/// How many applications `examples/loan-review/derived-dti.jsonl` holds.
pub const DERIVED_COUNT: usize = 40;

const HEADER: &str = "application_id,activity_year,lei,state_code,county_code,action_taken,loan_type,loan_purpose,\
                      occupancy_type,derived_dwelling_category,loan_amount,property_value,\
                      combined_loan_to_value_ratio,income,debt_to_income_ratio";

/// Writes `count` applications as CSV, with the columns and spellings of the HMDA data browser.
pub fn write_csv(seed: u64, count: usize, mut writer: impl Write) -> io::Result<()> {
    let mut draw = Draw::new(seed);
    writeln!(writer, "{HEADER}")?;
    for number in 1..=count {
        let row = Synthetic::draw(&mut draw);
        writeln!(
            writer,
            "S{number:04},{},{},{},{},{},{},{},{},{},{},{},{},{},{}",
            row.year,
            row.lei,
            row.state,
            row.county,
            row.action,
            row.loan_type,
            row.purpose,
            row.occupancy,
            row.dwelling,
            row.loan_amount,
            row.property_value.map_or(NA.to_owned(), |value| value.to_string()),
            row.cltv.map_or(NA.to_owned(), percent),
            row.income.map_or(NA.to_owned(), |income| income.to_string()),
            row.dti,
        )?;
    }
    Ok(())
}

/// Writes `count` applications as JSON lines whose debt-to-income ratio is to be derived from `monthly_debt` and
/// `income`. The public data has no monthly debt, so these rows are labelled as derived. Every fourth also states a
/// ratio; every eighth states one that its debt and income contradict.
pub fn write_derived(seed: u64, count: usize, mut writer: impl Write) -> io::Result<()> {
    let mut draw = Draw::new(seed);
    for number in 1..=count {
        let income = draw.between(30, 300);
        let dti_percent = draw.between(12, 70);
        let monthly_debt = income * 1000 * dti_percent / 1200;
        let stated = match number % 8 {
            0 => tables::dti_text(if dti_percent < 50 { dti_percent + 15 } else { 25 }),
            4 => tables::dti_text(monthly_debt * 1200 / (income * 1000)),
            _ => NA.to_owned(),
        };
        let value = band(draw.quantile(tables::PROPERTY_VALUES));
        let loan_amount = band(value * draw.between(40, 97) / 100);
        let (state, fips) = draw.weighted(tables::STATES);
        writeln!(
            writer,
            "{{\"application_id\":\"D{number:04}\",\"note\":\"synthetic; debt-to-income derived from monthly_debt \
             and income\",\"activity_year\":\"2024\",\"lei\":\"{}\",\"state_code\":\"{state}\",\
             \"county_code\":\"{fips:02}001\",\"loan_type\":\"1\",\"loan_purpose\":\"1\",\"occupancy_type\":\"1\",\
             \"derived_dwelling_category\":\"{}\",\"loan_amount\":\"{loan_amount}\",\"property_value\":\"{value}\",\
             \"combined_loan_to_value_ratio\":\"NA\",\"income\":\"{income}\",\"monthly_debt\":\"{monthly_debt}\",\
             \"debt_to_income_ratio\":\"{stated}\"}}",
            lender(&mut draw),
            tables::SITE_BUILT,
        )?;
    }
    Ok(())
}

const NA: &str = "NA";

/// One synthetic application, in the units of the file.
struct Synthetic {
    year: u16,
    lei: String,
    state: &'static str,
    county: String,
    action: u8,
    loan_type: usize,
    purpose: u8,
    occupancy: u8,
    dwelling: &'static str,
    loan_amount: u64,
    property_value: Option<u64>,
    /// In thousandths of a percent.
    cltv: Option<u64>,
    income: Option<i64>,
    dti: String,
}

impl Synthetic {
    fn draw(draw: &mut Draw) -> Self {
        let loan_type = draw.weighted(tables::LOAN_TYPES);
        let missing = draw.weighted(tables::missing(loan_type));
        let purpose = purpose(draw, loan_type, missing);
        let occupancy = draw.weighted(tables::occupancies(loan_type));
        let manufactured = draw.per_mille(tables::manufactured_per_mille(purpose, missing));
        let dwelling = match (manufactured, draw.per_mille(1)) {
            (true, _) => tables::MANUFACTURED,
            (false, true) => tables::MULTIFAMILY,
            (false, false) => tables::SITE_BUILT,
        };
        let wealth = draw.below(draw::SCALE);
        let value = band(draw::quantile_at(tables::PROPERTY_VALUES, wealth));
        let cltv = cltv(draw, loan_type, purpose);
        let loan_amount = match purpose {
            2 | 4 => band(value * draw.quantile(tables::SECOND_LIEN_SHARES) / 100),
            _ => band(value * cltv.min(150_000) / 100_000),
        };
        let dti_bucket = draw.weighted(tables::dti_buckets(loan_type));
        let approval = Approval { loan_type, dti_bucket, missing, manufactured };
        let action = if !draw.per_mille(approval.per_mille()) {
            3
        } else if draw.per_mille(40) {
            2
        } else {
            1
        };
        let (state, fips) = draw.weighted(tables::STATES);
        let county = if state == NA || draw.per_mille(4) {
            NA.to_owned()
        } else {
            format!("{fips:02}{:03}", 1 + 2 * draw.below(5))
        };
        Self {
            year: draw.weighted(tables::YEARS),
            lei: lender(draw),
            state,
            county,
            action,
            loan_type,
            purpose,
            occupancy,
            dwelling,
            loan_amount,
            property_value: (!missing.property_value()).then_some(value),
            cltv: (!missing.cltv()).then_some(cltv),
            income: income(draw, wealth, missing),
            dti: if missing.dti() { NA.to_owned() } else { dti_bucket.text(draw) },
        }
    }
}

fn purpose(draw: &mut Draw, loan_type: usize, missing: Missing) -> u8 {
    // FHA and VA refinance without income and appraisal: that is where their ratios are missing.
    if matches!(loan_type, 2 | 3) && missing.dti() && draw.per_mille(700) {
        return 31;
    }
    draw.weighted(tables::purposes(loan_type))
}

fn cltv(draw: &mut Draw, loan_type: usize, purpose: u8) -> u64 {
    let exact = draw.quantile(tables::cltvs(loan_type, purpose));
    // Loans are sized to whole steps of the ratio; about two in five are.
    if draw.per_mille(400) && exact > 5000 { exact / 5000 * 5000 } else { exact }
}

fn income(draw: &mut Draw, wealth: u64, missing: Missing) -> Option<i64> {
    if draw.per_mille(missing.income_missing_per_mille()) {
        return None;
    }
    match draw.below(1000) {
        0 => Some(-(draw.between(1, 150) as i64)),
        1..=10 => Some(0),
        _ => {
            let position = draw.near(wealth, draw::SCALE / 5);
            Some(draw::quantile_at(tables::INCOMES, position) as i64)
        }
    }
}

fn lender(draw: &mut Draw) -> String {
    // The share of the n-th lender falls as 1/n, as it roughly does among real ones.
    let number = draw.weighted(tables::LENDERS);
    format!("SYNTHETICLENDER{number:05}")
}

/// The public data gives amounts as the middle of a band of $10,000.
fn band(dollars: u64) -> u64 {
    dollars / 10_000 * 10_000 + 5_000
}

/// Thousandths of a percent as the schema writes them: `80`, `71.5`, `71.667`.
fn percent(thousandths: u64) -> String {
    let (whole, fraction) = (thousandths / 1000, thousandths % 1000);
    if fraction == 0 {
        return whole.to_string();
    }
    format!("{whole}.{fraction:03}").trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests;
