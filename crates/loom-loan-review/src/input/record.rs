//! One row's text taken apart into values.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::row::Cell;
use super::{COLUMNS_MAX, RejectionCode};
use crate::columns::canonical;

/// What is wrong with a row; where is added by whoever knows.
pub(super) type Problem = (RejectionCode, String);

/// The values of a CSV row, exactly as many as the header has columns.
pub(super) fn from_csv(line: &str, columns: usize) -> Result<Vec<String>, Problem> {
    let values = split_csv(line)?;
    if values.len() != columns {
        let message = format!("{} columns, the header has {columns}", values.len());
        return Err((RejectionCode::WrongColumnCount, message));
    }
    Ok(values)
}

/// Splits by RFC 4180, strictly: a quote begins a field or is doubled inside a quoted one.
pub(super) fn split_csv(line: &str) -> Result<Vec<String>, Problem> {
    let mut values = Vec::new();
    let mut rest = line;
    loop {
        if values.len() == COLUMNS_MAX {
            return Err((RejectionCode::TooManyColumns, format!("COLUMNS_MAX is {COLUMNS_MAX}")));
        }
        let (value, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted, values.len() + 1)?,
            None => plain_field(rest, values.len() + 1)?,
        };
        values.push(value);
        match after {
            Some(after) => rest = after,
            None => return Ok(values),
        }
    }
}

/// A field up to the next comma, and what follows that comma.
fn plain_field(text: &str, column: usize) -> Result<(String, Option<&str>), Problem> {
    let (value, after) = match text.split_once(',') {
        Some((value, after)) => (value, Some(after)),
        None => (text, None),
    };
    if value.contains('"') {
        return Err((RejectionCode::BadQuoting, format!("a quote inside the unquoted value of column {column}")));
    }
    Ok((value.to_owned(), after))
}

/// A field whose opening quote is already taken.
fn quoted_field(text: &str, column: usize) -> Result<(String, Option<&str>), Problem> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let Some((part, after)) = rest.split_once('"') else {
            return Err((RejectionCode::BadQuoting, format!("the quote in column {column} is not closed")));
        };
        value.push_str(part);
        if after.is_empty() {
            return Ok((value, None));
        }
        if let Some(next) = after.strip_prefix(',') {
            return Ok((value, Some(next)));
        }
        rest = after
            .strip_prefix('"')
            .ok_or_else(|| (RejectionCode::BadQuoting, format!("text after the closing quote in column {column}")))?;
        value.push('"');
    }
}

/// The members of a JSON object, scalars as the text that a CSV file would have.
pub(super) fn from_json(line: &str) -> Result<Vec<Cell>, Problem> {
    let mut deserializer = serde_json::Deserializer::from_str(line);
    let not_an_object = |error: serde_json::Error| (RejectionCode::NotAnObject, error.to_string());
    let cells = deserializer.deserialize_map(ObjectVisitor).map_err(not_an_object)??;
    deserializer.end().map_err(not_an_object)?;
    Ok(cells)
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Result<Vec<Cell>, Problem>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut cells: Vec<Cell> = Vec::new();
        let mut problem = None;
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value_seed(Scalar)?;
            let column = canonical(&name);
            if problem.is_some() {
                continue;
            }
            problem = match value {
                None => Some((RejectionCode::NestedValue, format!("{:?} is no plain value", shortened(&name)))),
                Some(_) if cells.iter().any(|cell| cell.canonical == column) => {
                    Some((RejectionCode::DuplicateColumn, format!("{:?} appears twice", shortened(&name))))
                }
                Some(_) if cells.len() == COLUMNS_MAX => {
                    Some((RejectionCode::TooManyColumns, format!("COLUMNS_MAX is {COLUMNS_MAX}")))
                }
                Some(value) => {
                    cells.push(Cell { name, canonical: column, value });
                    None
                }
            };
        }
        Ok(problem.map_or(Ok(cells), Err))
    }
}

/// A scalar as text; nothing for a list or an object.
struct Scalar;

impl<'de> DeserializeSeed<'de> for Scalar {
    type Value = Option<String>;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Scalar {
    type Value = Option<String>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(Some(String::new()))
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Some(value.to_string()))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Some(value.to_string()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Some(value.to_string()))
    }

    // The shortest decimal that reads back as the same number, which for a value written as a decimal is that
    // decimal. Files that must keep every digit write their numbers as strings.
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Some(value.to_string()))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Some(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

/// Foreign text in a message: its beginning only.
pub(super) fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 40;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
