//! Simulated runs.

mod seeds;
