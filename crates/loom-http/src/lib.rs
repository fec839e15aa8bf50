//! HTTP for effectful activities.
//!
//! A request may only go where the deployment says, and never into the node's own network: a name is resolved
//! once, its addresses are checked, and the connection is made to the address that was checked. Redirects are
//! followed here, one by one, each as if the guest had asked for it. Sizes and times are bounded.
//!
//! Every exchange has a connection of its own, which is closed afterwards. That costs a handshake, and leaves
//! nothing shared between activities.
//!
//! Absent on purpose: proxies and whatever else the environment could say, cookies, caches, decompression,
//! HTTP/2, retries (the runtime's), and a way to connect to an address without [`address::is_public`] being asked.
//!
//! Start at `client.rs`, then `connect.rs`.

pub mod address;
mod client;
mod config;
mod connect;
mod error;
mod exchange;
mod resolve;
mod target;

pub use self::{
    client::HttpClient,
    config::{InvalidSettings, Settings},
    resolve::{AddressesError, Resolve, SystemResolver, checked_addresses},
};
