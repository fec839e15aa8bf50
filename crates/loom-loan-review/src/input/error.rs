//! What can be wrong with a row, and with a whole file.

use std::io;

/// A row that is no application.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("row {row} (line {line}): {}: {message}", code.as_str())]
pub struct Rejection {
    /// Which row, counted as in `Application::row`.
    pub row: u64,
    /// Which line of the file, from 1.
    pub line: u64,
    /// What kind of fault.
    pub code: RejectionCode,
    /// What exactly.
    pub message: String,
}

/// Kinds of malformed rows. The text of [`as_str`](Self::as_str) is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RejectionCode {
    /// Longer than `ROW_BYTES_MAX`.
    RowTooLarge,
    /// Not UTF-8.
    NotUtf8,
    /// A quoted field that does not end, or does not end where the field does.
    BadQuoting,
    /// More or fewer columns than the header.
    WrongColumnCount,
    /// A JSON line that is not one JSON object.
    NotAnObject,
    /// A JSON object that has a member twice, or two that mean one column.
    DuplicateColumn,
    /// A JSON member that is a list or an object.
    NestedValue,
    /// More than `COLUMNS_MAX` members.
    TooManyColumns,
    /// No application id where the file has a column for it.
    MissingId,
    /// An id that is too long or holds other characters than letters, digits, `-`, `_` and `.`.
    BadId,
    /// An id that an earlier row has.
    DuplicateId,
    /// No lender.
    MissingLei,
    /// A lender that is not twenty capital letters and digits.
    BadLei,
    /// An `action_taken` or `approved` that is none, or two that contradict each other.
    BadOutcome,
    /// The file could not be read further. The last item.
    ReadFailed,
    /// The file has more than `ROWS_MAX` rows. The last item.
    TooManyRows,
}

impl RejectionCode {
    /// The code as shown to people and programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RowTooLarge => "row-too-large",
            Self::NotUtf8 => "not-utf8",
            Self::BadQuoting => "bad-quoting",
            Self::WrongColumnCount => "wrong-column-count",
            Self::NotAnObject => "not-an-object",
            Self::DuplicateColumn => "duplicate-column",
            Self::NestedValue => "nested-value",
            Self::TooManyColumns => "too-many-columns",
            Self::MissingId => "missing-id",
            Self::BadId => "bad-id",
            Self::DuplicateId => "duplicate-id",
            Self::MissingLei => "missing-lei",
            Self::BadLei => "bad-lei",
            Self::BadOutcome => "bad-outcome",
            Self::ReadFailed => "read-failed",
            Self::TooManyRows => "too-many-rows",
        }
    }
}

/// Why no application of a file can be read.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be opened or its beginning cannot be read.
    #[error("cannot read the applications")]
    Read(#[source] io::Error),
    /// Nothing in it.
    #[error("the file is empty")]
    Empty,
    /// The first line is no CSV header.
    #[error("the first line is no header: {problem}")]
    BadHeader {
        /// What is wrong with it.
        problem: String,
    },
    /// The header names a column twice.
    #[error("the header names column {column:?} twice")]
    DuplicateColumn {
        /// The column.
        column: String,
    },
    /// The header lacks a column that every application needs.
    #[error("the header has no column {column:?}; the columns of the HMDA data browser are expected")]
    MissingColumn {
        /// The column.
        column: &'static str,
    },
}
