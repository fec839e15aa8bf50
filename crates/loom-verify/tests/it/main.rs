//! Bundles of a real node, verified; and what becomes of those that somebody changed.

mod mutations;
mod operator;
mod verify;
mod world;
