//! Settings of the HTTP side: how much one client may ask of a node before anything is known about it.

use std::time::Duration;

use loom_types::limits::{BLOB_BYTES_MAX, PAYLOAD_BYTES_MAX};

/// Bounds of connections and requests (`server.*`).
#[derive(Clone, Debug)]
pub struct Settings {
    /// Connections open at once; more wait until one closes (`server.connections_max`).
    pub connections_max: usize,
    /// Header fields of one request, 431 beyond (`server.headers_max`).
    pub headers_max: usize,
    /// Request line and header fields together, in bytes, 431 beyond (`server.header_bytes_max`).
    pub header_bytes_max: usize,
    /// How long a client may take for a TLS handshake or a request's header, and how long a connection may be idle;
    /// then it is closed (`server.header_timeout`).
    pub header_timeout: Duration,
    /// How long a client may let an answer wait before it reads on; then the connection is closed
    /// (`server.write_timeout`).
    pub write_timeout: Duration,
    /// Body of a request, in bytes, 413 beyond (`server.body_bytes_max`).
    pub body_bytes_max: usize,
    /// A blob, in bytes, 413 beyond (`server.blob_bytes_max`).
    pub blob_bytes_max: usize,
    /// How long a client may take to send a body, 408 beyond (`server.body_timeout`).
    pub body_timeout: Duration,
    /// How long requests under way may take once the node stops (`server.shutdown_grace`).
    pub shutdown_grace: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connections_max: 4096,
            headers_max: 100,
            header_bytes_max: 32 * 1024,
            header_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            body_bytes_max: PAYLOAD_BYTES_MAX,
            blob_bytes_max: BLOB_BYTES_MAX,
            body_timeout: Duration::from_secs(60),
            shutdown_grace: Duration::from_secs(10),
        }
    }
}
