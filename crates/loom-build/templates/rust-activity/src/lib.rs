//! An activity: the ratio of a loan to an income, in percent. A function of its input and nothing else.

use loom_guest::Error;
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Loan {
    amount_cents: u64,
    income_cents: u64,
}

#[derive(Debug, PartialEq, Serialize)]
struct Ratio {
    percent: u64,
}

loom_guest::activity!(ratio);

fn ratio(loan: Loan) -> Result<Ratio, Error> {
    if loan.income_cents == 0 {
        return Err(Error::new("no-income", "there is no ratio to no income"));
    }
    let percent = loan
        .amount_cents
        .checked_mul(100)
        .ok_or_else(|| Error::new("too-large", "the amount does not fit into 64 bits"))?
        / loan.income_cents;
    Ok(Ratio { percent })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_in_percent() {
        let loan = Loan {
            amount_cents: 300,
            income_cents: 200,
        };
        assert_eq!(ratio(loan), Ok(Ratio { percent: 150 }));
    }
}
