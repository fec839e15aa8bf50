//! What a verdict says of a response: values that are disclosed, and where hidden ones stand.

use std::collections::{BTreeMap, BTreeSet};

use base16ct::lower::encode_string;
use serde::Serialize;

use super::Refused;
use crate::{
    Range,
    committed::commitments_to,
    fields::{Extracted, Field, Missing, extract},
    presentation::Commitment,
    verify::Verified,
};

/// What is shown, by pointer.
pub(super) type Shown<T> = BTreeMap<String, T>;

/// A value that is disclosed.
#[derive(Serialize)]
pub(super) struct Disclosed {
    assumes: Vec<Pair>,
    hidden_after: Vec<Pair>,
    json: String,
    range: Pair,
}

/// The place of a value that is not.
#[derive(Serialize)]
pub(super) struct Hidden {
    assumes: Vec<Pair>,
    commitments: Vec<String>,
    hidden_after: Vec<Pair>,
    range: Pair,
}

/// A range as `[start, end]`.
type Pair = (u64, u64);

/// What policy and actor want to know, all of which must be there.
pub(super) struct Wanted {
    /// Pointers to values.
    pub(super) fields: BTreeSet<String>,
    /// Pointers to values of which nothing is disclosed.
    pub(super) hidden: BTreeSet<String>,
    /// Whether values count that stand behind holes.
    pub(super) assume_placement: bool,
}

impl Wanted {
    /// The values, and the places of hidden ones.
    pub(super) fn look_up(&self, verified: &Verified) -> Result<(Shown<Disclosed>, Shown<Hidden>), Refused> {
        let pointers: Vec<_> = self.fields.union(&self.hidden).cloned().collect();
        if pointers.is_empty() {
            return Ok((Shown::new(), Shown::new()));
        }
        let received = verified.transcript.as_ref().map(|transcript| &transcript.received);
        let received = received.filter(|received| !received.ranges().is_empty()).ok_or(Refused::NoResponse)?;
        let Extracted { status, fields: found } = extract(received, &pointers)?;
        if status != 200 {
            return Err(Refused::Status(status));
        }
        let (mut fields, mut hidden) = (Shown::new(), Shown::new());
        for (pointer, field) in found {
            let refused = |problem: String| Refused::Field { pointer: pointer.clone(), problem };
            if self.hidden.contains(&pointer) {
                let value = self.withheld(&field, &verified.commitments).map_err(refused)?;
                hidden.insert(pointer.clone(), value);
            }
            if self.fields.contains(&pointer) {
                fields.insert(pointer.clone(), self.disclosed(&field).map_err(refused)?);
            }
        }
        Ok((fields, hidden))
    }

    fn disclosed(&self, field: &Result<Field, Missing>) -> Result<Disclosed, String> {
        let field = field.as_ref().map_err(ToString::to_string)?;
        self.check_place(&field.assumes)?;
        Ok(Disclosed {
            assumes: pairs(&field.assumes),
            hidden_after: pairs(&field.hidden_after),
            json: field.text.clone(),
            range: pair(&field.range),
        })
    }

    /// Where a value stands of which nothing is disclosed, and what the notary committed to just there.
    fn withheld(&self, field: &Result<Field, Missing>, commitments: &[Commitment]) -> Result<Hidden, String> {
        let withheld = match field {
            Err(Missing::Withheld(withheld)) => withheld,
            Err(missing) => return Err(missing.to_string()),
            Ok(_) => return Err("it is disclosed".to_owned()),
        };
        self.check_place(&withheld.assumes)?;
        let commitments = commitments_to(commitments, &withheld.range).map(|commitment| encode_string(&commitment));
        Ok(Hidden {
            assumes: pairs(&withheld.assumes),
            commitments: commitments.collect(),
            hidden_after: pairs(&withheld.hidden_after),
            range: pair(&withheld.range),
        })
    }

    fn check_place(&self, assumes: &[Range]) -> Result<(), String> {
        if assumes.is_empty() || self.assume_placement {
            return Ok(());
        }
        Err(format!("{} parts before it are not disclosed and may hide where it is", assumes.len()))
    }
}

fn pair(range: &Range) -> Pair {
    (range.start, range.end)
}

fn pairs(ranges: &[Range]) -> Vec<Pair> {
    ranges.iter().map(pair).collect()
}
