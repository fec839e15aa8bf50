//! The actor `loan-review`: one mortgage application from its raw columns to a decision.
//!
//! `{"type": "review", "application": {COLUMN: TEXT, ..}, "program": CID}` runs through the
//! activities `normalise`, `ratios` and `criteria-reviewer`; the criteria program is the blob with
//! that CID. What the program refers waits for a person, for days if need be, as a promise with the
//! label `loan-review`, to be resolved with `{"decision": "approve" | "deny", "by": NAME, "note"?}`.
//! The lender's `portfolio` hears of the referral and of the decision. The reply is [`Reply`]; it is
//! also the actor's state.
//!
//! With `"prove": true` the program `dti` proves the ratio of debt to income, and whether it is within
//! the lowest limit that the criteria set it, before anything is sent; the reply has a `proof`. With
//! `"batch": "dti-batch/KEY"` that actor gets the figures, to have them proved together with others.
//! An application without income or debt, or without a limit, has nothing to prove: its `proof` is
//! `null`, and the batch hears nothing. A node that cannot prove fails the turn with `no-prover`.
//!
//! With `"statement": {"presentation": CID, "holder": NAME}` the income is not the applicant's claim
//! but what a bank stated: the presentation is verified in the sandbox by the deployment's verifier
//! `bank-statement`, must be of the applicant's account, and counts for one application only. Who
//! claims more than the statement shows is denied (`income-overstated`). A presentation that does not
//! count fails the turn (`statement-refused`, `statement-of-another`, `statement-used`).
//!
//! An application that the normaliser refuses fails the turn with the refusal's own kind
//! (`protected-attribute`, `malformed-application`), and the portfolio hears nothing: no part of
//! such an application can be relied on, not even the lender's identifier. A program that is
//! unknown or invalid fails the turn as well, before anything was sent.
//!
//! Nobody's answer is guessed: a person's answer of another shape is ignored and asked for again,
//! at most [`ANSWERS_MAX`] times. If the referral ends without a decision, because the promise is
//! rejected for instance, the portfolio hears that it was abandoned and the turn fails.

mod facts;
mod message;
mod proof;
mod statement;

use criteria::{Decision, Review};
use loom_guest::{Error, host};
use serde_json::{Map, Value};

use crate::facts::{Ratios, facts};
use crate::message::{
    Answer, By, CriteriaLists, Message, Person, Referral, Reply, ReviewerInput, ToPortfolio,
};
use crate::proof::Wanted;

/// How often a person is asked before the turn gives up on getting a usable answer.
const ANSWERS_MAX: usize = 5;

loom_guest::actor!(handle);

fn handle(message: Message) -> Result<Reply, Error> {
    let Message::Review {
        application,
        program,
        prove,
        batch,
        statement,
    } = message;
    let mut subject: Map<String, Value> = host::activity("normalise", &application)?;
    let case = Case::new(&subject)?;
    let income = statement
        .map(|statement| statement.apply(&case.application_id, &mut subject))
        .transpose()?;
    let ratios: Ratios = host::activity("ratios", &subject)?;
    let program_text = host::blob_get_text(&program)?;
    let state = subject.get("state").and_then(Value::as_str);
    let input = ReviewerInput {
        program: &program_text,
        state,
        facts: &facts(&subject, &ratios)?,
        limit_of: None,
    };
    let mut review: Review = host::activity("criteria-reviewer", &input)?;
    if let Some(income) = &income {
        income.judge(&mut review);
    }

    let wanted = Wanted { prove, batch };
    let proof = wanted.settle(&case.application_id, &subject, &ratios, input)?;
    let (decision, person) = match review.decision {
        Decision::Refer => {
            let person = case.ask_a_person(&review)?;
            (person.decision.into(), Some(person))
        }
        decision => (decision, None),
    };
    let by = if person.is_some() {
        By::Person
    } else {
        By::Program
    };
    case.tell_portfolio(&ToPortfolio::Decided {
        application_id: &case.application_id,
        decision,
        by,
        amount_cents: case.amount_cents,
    })?;
    let reply = Reply {
        application_id: case.application_id,
        decision,
        by,
        criteria: CriteriaLists {
            met: review.met,
            missed: review.missed,
            unknown: review.unknown,
        },
        reasons: review.reasons,
        ltv_bps: ratios.ltv_bps,
        ltv_source: ratios.ltv_source,
        dti: ratios.dti,
        dti_source: ratios.dti_source,
        program,
        income,
        proof,
        person,
    };
    host::state::set(&reply)?;
    Ok(reply)
}

/// What is known of the application beyond its facts.
struct Case {
    application_id: String,
    portfolio: String,
    amount_cents: i64,
}

impl Case {
    fn new(subject: &Map<String, Value>) -> Result<Self, Error> {
        let missing = |name: &str| {
            Error::new(
                "invalid-application",
                format!("the normaliser left out {name}"),
            )
        };
        let text = |name: &str| {
            subject
                .get(name)
                .and_then(Value::as_str)
                .ok_or_else(|| missing(name))
        };
        let amount_cents = subject.get("loan_amount_cents").and_then(Value::as_i64);
        Ok(Self {
            application_id: text("application_id")?.to_owned(),
            portfolio: format!("portfolio/{}", text("lei")?),
            amount_cents: amount_cents.ok_or_else(|| missing("loan_amount_cents"))?,
        })
    }

    fn tell_portfolio(&self, message: &ToPortfolio) -> Result<(), Error> {
        host::send(&self.portfolio, message).map(drop)
    }

    fn ask_a_person(&self, review: &Review) -> Result<Person, Error> {
        let application_id = &self.application_id;
        let amount_cents = self.amount_cents;
        self.tell_portfolio(&ToPortfolio::Referred {
            application_id,
            amount_cents,
        })?;
        self.wait_for_a_person(review).inspect_err(|_| {
            // The turn fails with its own error; if not even this can be said, that is still so.
            let _ = self.tell_portfolio(&ToPortfolio::Abandoned {
                application_id,
                amount_cents,
            });
        })
    }

    fn wait_for_a_person(&self, review: &Review) -> Result<Person, Error> {
        let mut problem = None;
        for _ in 0..ANSWERS_MAX {
            let referral = Referral {
                application_id: &self.application_id,
                reasons: &review.reasons,
                problem: problem.as_deref(),
            };
            let answer: Value = host::promise("loan-review", &referral)?.wait()?;
            match serde_json::from_value::<Answer>(answer).map_err(|error| error.to_string()) {
                Ok(answer) => match answer.checked() {
                    Ok(person) => return Ok(person),
                    Err(reason) => problem = Some(reason),
                },
                Err(reason) => problem = Some(reason),
            }
        }
        Err(Error::new(
            "no-usable-answer",
            format!("{ANSWERS_MAX} answers without a decision"),
        ))
    }
}

#[cfg(test)]
mod program_tests;
#[cfg(test)]
mod tests;
