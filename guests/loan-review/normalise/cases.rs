//! Test cases of the activity `normalise`, for tests of the guests that come after it.
//!
//! Deliberately nothing else: the activity is AssemblyScript, and `node --test` runs these cases on
//! it. What is an output there is an input here, so the guests cannot drift apart unnoticed.

/// `{"base": raw columns, "output": their typed application, "cases": [..]}`.
pub const CASES: &str = include_str!("tests/cases.json");
