//! A row's values sorted: what is sent, what the lender decided, who and which application it is.

use serde_json::{Map, Value};

use super::record::{Problem, shortened};
use super::{Decision, ID_COLUMN, ID_LENGTH_MAX, LEI_LENGTH, RejectionCode};
use crate::columns::{Fate, fate};

/// One value with its column.
pub(super) struct Cell {
    pub(super) name: String,
    pub(super) canonical: String,
    pub(super) value: String,
}

/// A row's cells, taken apart.
pub(super) struct Row {
    pub(super) id: Option<String>,
    pub(super) lei: Option<String>,
    pub(super) fields: Map<String, Value>,
    pub(super) lender: Option<Decision>,
}

impl Row {
    pub(super) fn split(cells: Vec<Cell>) -> Result<Self, Problem> {
        let mut row = Self { id: None, lei: None, fields: Map::new(), lender: None };
        let (mut action, mut approved) = (None, None);
        for Cell { name, canonical, value } in cells {
            match (fate(&canonical), canonical.as_str()) {
                (_, ID_COLUMN) => row.id = Some(value),
                (_, "action_taken") => action = Some(value),
                (_, "approved") => approved = Some(value),
                (Fate::Outcome | Fate::Context, _) => {}
                (Fate::Sent, "lei") => {
                    row.lei = Some(value.clone());
                    row.fields.insert(name, Value::String(value));
                }
                (Fate::Sent, _) => {
                    row.fields.insert(name, Value::String(value));
                }
            }
        }
        row.lender = lender(action.as_deref(), approved.as_deref())?;
        Ok(row)
    }
}

/// Purchased, withdrawn and incomplete applications carry no credit decision; they are reviewed all the same.
fn lender(action: Option<&str>, approved: Option<&str>) -> Result<Option<Decision>, Problem> {
    let bad = |column: &str, value: &str| (RejectionCode::BadOutcome, format!("{column} is {:?}", shortened(value)));
    let by_action = match action.map(str::trim) {
        Some("1" | "2" | "8") => Some(Decision::Approve),
        Some("3" | "7") => Some(Decision::Deny),
        None | Some("4" | "5" | "6" | "" | "NA") => None,
        Some(other) => return Err(bad("action_taken", other)),
    };
    let by_flag = match approved.map(str::trim) {
        Some("1") => Some(Decision::Approve),
        Some("0") => Some(Decision::Deny),
        None | Some("" | "NA") => None,
        Some(other) => return Err(bad("approved", other)),
    };
    match (by_action, by_flag) {
        (Some(action), Some(flag)) if action != flag => {
            Err((RejectionCode::BadOutcome, "action_taken and approved contradict each other".to_owned()))
        }
        (by_action, by_flag) => Ok(by_action.or(by_flag)),
    }
}

pub(super) fn is_missing(value: &str) -> bool {
    matches!(value.trim(), "" | "NA")
}

/// An id becomes part of an actor's address.
pub(super) fn checked_id(id: String) -> Result<String, Problem> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if id.len() > ID_LENGTH_MAX || !id.bytes().all(allowed) {
        let message =
            format!("{:?}: at most {ID_LENGTH_MAX} letters, digits, '-', '_' and '.' are allowed", shortened(&id));
        return Err((RejectionCode::BadId, message));
    }
    Ok(id)
}

/// So does the lender.
pub(super) fn checked_lei(lei: Option<String>) -> Result<String, Problem> {
    let lei = lei.filter(|lei| !is_missing(lei)).ok_or((RejectionCode::MissingLei, "no lei".to_owned()))?;
    let well_formed = lei.len() == LEI_LENGTH && lei.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    if !well_formed {
        let message = format!("{:?} is not {LEI_LENGTH} capital letters and digits", shortened(&lei));
        return Err((RejectionCode::BadLei, message));
    }
    Ok(lei)
}
