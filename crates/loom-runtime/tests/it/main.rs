//! The runtime with real guests, on every store, with and without room for waiting instances.

mod node;
mod restarts;
mod turns;
