//! Loan applications from a file, one at a time.
//!
//! The schema is the public HMDA loan-application register with the column names of the official data browser, as
//! CSV or as JSON lines (an object a line, same names). What the reader promises:
//!
//! - It never stops for a bad row and never panics: every row is an [`Application`] or a [`Rejection`] that names the
//!   row, a stable code and what is wrong. Only a file that cannot be read at all is an [`OpenError`].
//! - One line is one row. HMDA values hold no line breaks, so a quote that is still open where the line ends is that
//!   row's fault and cannot swallow the rows after it.
//! - Memory is bounded: a row by [`ROW_BYTES_MAX`], its columns by [`COLUMNS_MAX`], a file by [`ROWS_MAX`] (the ids
//!   seen are remembered, to refuse the second of two).
//! - Values are passed on as the text they are. A byte order mark, CRLF, quoted fields and blank lines are understood.
//!
//! A file without an `application_id` column gets ids from its row numbers (`R0000001`), so the same file gives the
//! same ids again.

mod error;
mod lines;
mod record;
mod row;

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde_json::{Map, Value};

use crate::columns::canonical;
pub use error::{OpenError, Rejection, RejectionCode};
use lines::{Line, Lines};
use record::Problem;
use row::{Cell, Row, checked_id, checked_lei, is_missing};

/// Bytes of one row, line end not counted.
pub const ROW_BYTES_MAX: usize = 64 * 1024;
/// Columns of one row.
pub const COLUMNS_MAX: usize = 256;
/// Rows of one file.
pub const ROWS_MAX: u64 = 5_000_000;
/// Characters of an application id.
pub const ID_LENGTH_MAX: usize = 64;
/// Characters of a Legal Entity Identifier.
pub const LEI_LENGTH: usize = 20;

/// The column that names an application.
const ID_COLUMN: &str = "application_id";

/// One application.
#[derive(Clone, Debug, PartialEq)]
pub struct Application {
    /// Which row of the file it was, from 1; the header and blank lines are not counted.
    pub row: u64,
    /// Its id, unique in the file.
    pub id: String,
    /// The lender's Legal Entity Identifier.
    pub lei: String,
    /// The columns as text, by the names of the file, without the lender's outcome: what the actor is sent.
    pub fields: Map<String, Value>,
    /// What the lender decided, where it decided. Never sent.
    pub lender: Option<Decision>,
}

impl Application {
    /// The message that asks a `loan-review` actor for a review under the program with this CID.
    pub fn message(&self, program: &str) -> Value {
        serde_json::json!({"type": "review", "application": self.fields, "program": program})
    }

    /// Whether it says both what a ratio of debt to income is derived from.
    pub fn states_debt(&self) -> bool {
        self.column("income").is_some() && self.column("monthly_debt").is_some()
    }

    /// The income that the applicant claims for a year, in cents; the column has thousands.
    pub fn claimed_income_cents(&self) -> Option<u64> {
        self.column("income")?.parse::<u64>().ok()?.checked_mul(100_000)
    }

    /// What it says in a column, if it says anything.
    fn column(&self, column: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(name, _)| canonical(name) == column).map(|(_, value)| value);
        values.find_map(|value| value.as_str().filter(|value| !is_missing(value)))
    }
}

/// What a lender decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// Originated, or approved and not taken up.
    Approve,
    /// Denied.
    Deny,
}

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated, the first line names the columns.
    Csv,
    /// One JSON object a line.
    JsonLines,
}

impl Format {
    /// By the extension, and where that says nothing by the first byte that is not blank.
    pub fn detect(path: &Path, beginning: &[u8]) -> Self {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or("");
        match extension.to_ascii_lowercase().as_str() {
            "csv" => Self::Csv,
            "jsonl" | "ndjson" => Self::JsonLines,
            _ => {
                let text = beginning.strip_prefix(lines::BYTE_ORDER_MARK).unwrap_or(beginning);
                match text.iter().find(|byte| !byte.is_ascii_whitespace()) {
                    Some(b'{') => Self::JsonLines,
                    _ => Self::Csv,
                }
            }
        }
    }
}

/// The applications of one file; an iterator of `Result<Application, Rejection>`.
pub struct Applications {
    lines: Lines<Box<dyn BufRead + Send>>,
    /// The columns of a CSV file; for JSON lines each row brings its own names.
    header: Option<Vec<Column>>,
    ids: HashSet<Box<str>>,
    row: u64,
    ended: bool,
}

impl std::fmt::Debug for Applications {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Applications").field("row", &self.row).finish_non_exhaustive()
    }
}

struct Column {
    name: String,
    canonical: String,
}

impl Applications {
    /// Opens a file.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let mut reader = BufReader::with_capacity(128 * 1024, File::open(path).map_err(OpenError::Read)?);
        let format = Format::detect(path, reader.fill_buf().map_err(OpenError::Read)?);
        Self::from_reader(Box::new(reader), format)
    }

    /// Reads from anything.
    pub fn from_reader(reader: Box<dyn BufRead + Send>, format: Format) -> Result<Self, OpenError> {
        let mut lines = Lines::new(reader, ROW_BYTES_MAX);
        let header = match format {
            Format::Csv => Some(header(&mut lines)?),
            Format::JsonLines => None,
        };
        Ok(Self { lines, header, ids: HashSet::new(), row: 0, ended: false })
    }

    /// How much of the file has been read, for showing progress.
    pub fn bytes_read(&self) -> u64 {
        self.lines.bytes_read()
    }

    fn application(&mut self, line: Line) -> Result<Application, Problem> {
        let bytes = match line {
            Line::Whole(bytes) => bytes,
            Line::TooLong { bytes } => {
                let message = format!("{bytes} bytes, ROW_BYTES_MAX is {ROW_BYTES_MAX}");
                return Err((RejectionCode::RowTooLarge, message));
            }
        };
        let text = str::from_utf8(&bytes).map_err(|error| (RejectionCode::NotUtf8, error.to_string()))?;
        let cells = match &self.header {
            Some(header) => record::from_csv(text, header.len())?
                .into_iter()
                .zip(header)
                .filter(|(_, column)| !column.name.is_empty())
                .map(|(value, column)| Cell { name: column.name.clone(), canonical: column.canonical.clone(), value })
                .collect(),
            None => record::from_json(text)?,
        };
        let row = Row::split(cells)?;
        let id = self.claim_id(row.id)?;
        let lei = checked_lei(row.lei)?;
        let mut fields = row.fields;
        fields.insert(ID_COLUMN.to_owned(), Value::String(id.clone()));
        Ok(Application { row: self.row, id, lei, fields, lender: row.lender })
    }

    /// The row's id, which no row before it has.
    fn claim_id(&mut self, given: Option<String>) -> Result<String, Problem> {
        let id = match given {
            Some(id) if is_missing(&id) => {
                return Err((RejectionCode::MissingId, format!("{ID_COLUMN} is {id:?}")));
            }
            Some(id) => checked_id(id)?,
            None => format!("R{:07}", self.row),
        };
        if !self.ids.insert(id.as_str().into()) {
            return Err((RejectionCode::DuplicateId, format!("{id:?} is the id of an earlier row")));
        }
        Ok(id)
    }
}

impl Iterator for Applications {
    type Item = Result<Application, Rejection>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let line = match self.lines.next_not_blank() {
            Ok(line) => line?,
            Err(error) => {
                self.ended = true;
                return Some(Err(self.rejection(RejectionCode::ReadFailed, error.to_string())));
            }
        };
        self.row += 1;
        if self.row > ROWS_MAX {
            self.ended = true;
            let message = format!("ROWS_MAX is {ROWS_MAX}; split the file");
            return Some(Err(self.rejection(RejectionCode::TooManyRows, message)));
        }
        Some(self.application(line).map_err(|(code, message)| self.rejection(code, message)))
    }
}

impl Applications {
    fn rejection(&self, code: RejectionCode, message: String) -> Rejection {
        Rejection { row: self.row, line: self.lines.line_number(), code, message }
    }
}

fn header(lines: &mut Lines<Box<dyn BufRead + Send>>) -> Result<Vec<Column>, OpenError> {
    let bad = |problem: String| OpenError::BadHeader { problem };
    let bytes = match lines.next_not_blank().map_err(OpenError::Read)? {
        None => return Err(OpenError::Empty),
        Some(Line::TooLong { bytes }) => {
            return Err(bad(format!("{bytes} bytes, at most {ROW_BYTES_MAX}")));
        }
        Some(Line::Whole(bytes)) => bytes,
    };
    let text = str::from_utf8(&bytes).map_err(|error| bad(error.to_string()))?;
    let names = record::split_csv(text).map_err(|(_, message)| bad(message))?;
    let mut columns: Vec<Column> = Vec::with_capacity(names.len());
    for name in names {
        let column = Column { canonical: canonical(&name), name: name.trim().to_owned() };
        // A nameless column is what spreadsheets and data frames leave behind; it is dropped.
        if !column.name.is_empty() && columns.iter().any(|other| other.canonical == column.canonical) {
            return Err(OpenError::DuplicateColumn { column: column.name });
        }
        columns.push(column);
    }
    if !columns.iter().any(|column| column.canonical == "lei") {
        return Err(OpenError::MissingColumn { column: "lei" });
    }
    Ok(columns)
}

#[cfg(test)]
mod tests;
