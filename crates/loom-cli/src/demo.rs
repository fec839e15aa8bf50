//! Demonstrations: real workloads on an embedded node.

mod attested;
mod evidence;
mod example;
mod loan_review;
mod portfolios;
mod proofs;
mod proved;
mod recorded;
mod report;

pub(crate) use self::loan_review::loan_review;
