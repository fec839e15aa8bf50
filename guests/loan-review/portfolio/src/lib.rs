//! The actor `portfolio`: the running totals of one lender, its key being the lender's LEI.
//!
//! `loan-review` actors tell it what happened: `referred`, `abandoned`, `decided`. Messages arrive
//! exactly once and in the order in which their sender sent them, so counting is all there is to
//! do; only those actors are believed. `{"type": "totals"}`, from anybody, is answered with
//! [`Totals`], which are also the actor's state.

use loom_guest::{Error, host};
use serde::{Deserialize, Serialize};

/// Who may report decisions.
const REPORTER: &str = "loan-review/";
/// Characters of an application's id.
const ID_LENGTH_MAX: usize = 64;

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
enum Message {
    Referred {
        application_id: String,
        amount_cents: u64,
    },
    Abandoned {
        application_id: String,
        amount_cents: u64,
    },
    Decided {
        application_id: String,
        decision: Decision,
        by: By,
        amount_cents: u64,
    },
    Totals {},
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Decision {
    Approve,
    Deny,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum By {
    Program,
    Person,
}

/// Applications and what they add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Tally {
    count: u64,
    amount_cents: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Totals {
    approved: Tally,
    denied: Tally,
    decided_by_program: u64,
    decided_by_person: u64,
    /// Waiting for a person now.
    referred_pending: Tally,
    /// Referred and then decided.
    referred_resolved: u64,
    /// Referred and never decided.
    referred_abandoned: u64,
    last: Option<Last>,
}

/// The decision heard of last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Last {
    application_id: String,
    decision: Decision,
}

loom_guest::actor!(handle);

/// Reports are answered with `null`, a request for the totals with them.
fn handle(message: Message) -> Result<Option<Totals>, Error> {
    let mut totals: Totals = host::state::get()?.unwrap_or_default();
    if matches!(message, Message::Totals {}) {
        return Ok(Some(totals));
    }
    let sender = host::context().sender;
    if !sender
        .as_deref()
        .is_some_and(|sender| sender.starts_with(REPORTER))
    {
        let sender = sender.as_deref().unwrap_or("outside");
        return Err(Error::new(
            "forbidden",
            format!("reports come from {REPORTER}*, not {sender}"),
        ));
    }
    totals.hear(message)?;
    host::state::set(&totals)?;
    Ok(None)
}

impl Totals {
    fn hear(&mut self, message: Message) -> Result<(), Error> {
        match message {
            Message::Referred {
                application_id,
                amount_cents,
            } => {
                checked(&application_id)?;
                self.referred_pending.add(amount_cents)
            }
            Message::Abandoned {
                application_id,
                amount_cents,
            } => {
                checked(&application_id)?;
                self.referred_pending.remove(amount_cents)?;
                self.referred_abandoned += 1;
                Ok(())
            }
            Message::Decided {
                application_id,
                decision,
                by,
                amount_cents,
            } => {
                checked(&application_id)?;
                match by {
                    By::Program => self.decided_by_program += 1,
                    By::Person => {
                        self.referred_pending.remove(amount_cents)?;
                        self.referred_resolved += 1;
                        self.decided_by_person += 1;
                    }
                }
                self.last = Some(Last {
                    application_id,
                    decision,
                });
                match decision {
                    Decision::Approve => self.approved.add(amount_cents),
                    Decision::Deny => self.denied.add(amount_cents),
                }
            }
            Message::Totals {} => Ok(()),
        }
    }
}

impl Tally {
    fn add(&mut self, amount_cents: u64) -> Result<(), Error> {
        let sum = self.amount_cents.checked_add(amount_cents);
        self.amount_cents = sum.ok_or_else(|| Error::new("overflow", "the sum of amounts"))?;
        self.count += 1;
        Ok(())
    }

    fn remove(&mut self, amount_cents: u64) -> Result<(), Error> {
        let count = self.count.checked_sub(1);
        let rest = self.amount_cents.checked_sub(amount_cents);
        let (Some(count), Some(rest)) = (count, rest) else {
            return Err(Error::new(
                "not-referred",
                "a referral ended that never began",
            ));
        };
        (self.count, self.amount_cents) = (count, rest);
        Ok(())
    }
}

fn checked(application_id: &str) -> Result<(), Error> {
    if application_id.is_empty() || application_id.len() > ID_LENGTH_MAX {
        let message = format!("an application id of {} bytes", application_id.len());
        return Err(Error::new("invalid-input", message));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
