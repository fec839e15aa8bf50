//! Income that a bank stated and a notary saw: the figure that a review goes by instead of the one
//! that the applicant claims.

use criteria::{Decision, Reason, Review};
use loom_guest::{Error, host};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The deployment's verifier: which notaries and banks count, and how old a statement may be.
const VERIFIER: &str = "bank-statement";
/// Where a statement has what is wanted of it.
const HOLDER: &str = "/account/holder";
const INCOME: &str = "/income/annual";
/// The actors that know for which application an attestation was used.
const REGISTER: &str = "attestation";
/// Longest wait for one of them.
const REGISTER_DEADLINE_MS: u64 = 30_000;

/// What the message says of a statement.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Statement {
    /// CID of the presentation.
    presentation: String,
    /// The applicant's name, as the lender knows it.
    holder: String,
}

/// What came of it: a part of the reply.
#[derive(Debug, Serialize)]
pub(crate) struct Income {
    /// What the applicant claims.
    claimed_cents: i64,
    /// What the statement says, for a year.
    attested_cents: i64,
    notary_key: Value,
    server_name: Value,
    attestation_id: String,
    /// When the bank was asked, by the notary's clock.
    time: Value,
    findings: Value,
}

/// HMDA's denial reason for it: unverifiable information.
const UNVERIFIABLE: u16 = 6;

impl Income {
    /// Denies an applicant who claims more than the statement shows, whatever the criteria say of the
    /// lower figure.
    pub(crate) fn judge(&self, review: &mut Review) {
        if self.claimed_cents > self.attested_cents {
            review.decision = Decision::Deny;
            review.reasons.insert(
                0,
                Reason {
                    id: "income-overstated".to_owned(),
                    code: UNVERIFIABLE,
                    text: "the income claimed is more than the bank states".to_owned(),
                },
            );
        }
    }
}

/// What the verifier shows of an accepted presentation.
#[derive(Deserialize)]
struct Attested {
    attestation_id: String,
    fields: Map<String, Value>,
}

impl Statement {
    /// Has the presentation verified, compares whose it is, and puts the attested income in the place
    /// of the claimed one. A presentation that does not count fails the turn: nothing can be decided
    /// on it, and it may be somebody's forgery.
    pub(crate) fn apply(
        &self,
        application_id: &str,
        subject: &mut Map<String, Value>,
    ) -> Result<Income, Error> {
        let args = json!({"fields": [HOLDER, INCOME]});
        let verdict = host::verify_with(VERIFIER, &self.presentation, &args)?;
        if !verdict.accepted {
            let code = verdict.code.unwrap_or_default();
            let reason = verdict.reason.unwrap_or_default();
            return Err(Error::new("statement-refused", format!("{code}: {reason}")));
        }
        let facts = Value::Object(verdict.facts);
        let attested: Attested = serde_json::from_value(facts.clone())
            .map_err(|error| Error::new("verdict-misread", error.to_string()))?;
        if text(&attested.fields, HOLDER)? != self.holder {
            let text = "the statement is of another holder than the applicant";
            return Err(Error::new("statement-of-another", text));
        }
        let attested_cents = cents(&text(&attested.fields, INCOME)?)?;
        use_once(&attested.attestation_id, application_id)?;
        let claimed = subject.get("income_cents").and_then(Value::as_i64);
        subject.insert("income_cents".to_owned(), attested_cents.into());
        Ok(Income {
            claimed_cents: claimed.unwrap_or(0),
            attested_cents,
            notary_key: facts["notary_key"].clone(),
            server_name: facts["server_name"].clone(),
            attestation_id: attested.attestation_id,
            time: facts["time"].clone(),
            findings: facts["findings"].clone(),
        })
    }
}

/// One statement is for one application.
fn use_once(attestation_id: &str, application_id: &str) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct Used {
        application_id: String,
    }
    let register = format!("{REGISTER}/{attestation_id}");
    let message = json!({"type": "use", "application_id": application_id});
    let used: Used = host::call_with_deadline(&register, &message, REGISTER_DEADLINE_MS)?;
    if used.application_id != application_id {
        let text = format!("the statement was used for {}", used.application_id);
        return Err(Error::new("statement-used", text));
    }
    Ok(())
}

/// A field that is a text.
fn text(fields: &Map<String, Value>, pointer: &str) -> Result<String, Error> {
    let json = fields.get(pointer).and_then(|field| field["json"].as_str());
    json.and_then(|json| serde_json::from_str(json).ok())
        .ok_or_else(|| misread(format!("{pointer} is no text")))
}

/// An amount such as `84120.00`.
fn cents(text: &str) -> Result<i64, Error> {
    let invalid = || misread(format!("{INCOME} is no amount with two decimals"));
    let (whole, decimals) = text.split_once('.').ok_or_else(invalid)?;
    let are_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || decimals.len() != 2 || !are_digits(whole) || !are_digits(decimals) {
        return Err(invalid());
    }
    format!("{whole}{decimals}").parse().map_err(|_| invalid())
}

fn misread(text: String) -> Error {
    Error::new("statement-misread", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_has_two_decimals() {
        assert_eq!(cents("84120.07").unwrap(), 8_412_007);
        assert_eq!(cents("0.00").unwrap(), 0);
        for text in [
            "84120",
            "84120.0",
            "84120.000",
            ".00",
            "-1.00",
            "+1.00",
            "1,000.00",
            "1e5.00",
            "",
            "99999999999999999999.00",
        ] {
            assert!(cents(text).is_err(), "{text}");
        }
    }
}
