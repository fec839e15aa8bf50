//! What activities get from other systems, and what they do not.

mod addresses;
mod exchanges;
mod redirects;
mod server;
mod tls;
