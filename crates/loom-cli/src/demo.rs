//! Demonstrations: real workloads on an embedded node.

mod evidence;
mod loan_review;
mod report;

pub(crate) use self::loan_review::loan_review;
