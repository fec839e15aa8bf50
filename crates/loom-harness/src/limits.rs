//! Limits of scripts.

/// Largest script, in bytes.
pub const SCRIPT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Longest value shown in a report, in characters.
pub const SHOWN_CHARACTERS_MAX: usize = 2_000;
