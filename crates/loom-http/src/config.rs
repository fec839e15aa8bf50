//! Settings.

use std::{collections::BTreeSet, time::Duration};

use rustls_pki_types::{CertificateDer, pem::PemObject as _};

/// How a node speaks HTTP to other systems.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Hosts that may resolve to addresses of the node's own network, as `host` or `host:port`, for development
    /// and tests (`http.private_hosts`). Deployments need to be granted them all the same.
    pub private_hosts: BTreeSet<String>,
    /// Certificates of further authorities that are trusted, in PEM (`http.extra_ca`).
    pub extra_ca: Vec<u8>,
    /// Connections at once; further requests wait, and their time runs (`http.connections_max`).
    pub connections_max: usize,
    /// How long connecting to one address may take, TLS included (`http.connect_timeout`).
    pub connect_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            private_hosts: BTreeSet::new(),
            extra_ca: Vec::new(),
            connections_max: 256,
            connect_timeout: Duration::from_secs(10),
        }
    }
}

/// Why settings cannot work.
#[derive(Debug, thiserror::Error)]
pub enum InvalidSettings {
    /// The certificates cannot be read.
    #[error("the extra certificates are no PEM file of certificates")]
    Certificates(#[source] rustls_pki_types::pem::Error),
    /// There is none.
    #[error("the file of extra certificates holds none")]
    NoCertificate,
    /// A certificate cannot be one of an authority.
    #[error("an extra certificate cannot be used")]
    Certificate(#[source] rustls::Error),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
}

impl Settings {
    pub(crate) fn roots(&self) -> Result<rustls::RootCertStore, InvalidSettings> {
        let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        if self.extra_ca.is_empty() {
            return Ok(roots);
        }
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(&self.extra_ca) {
            let certificate = certificate.map_err(InvalidSettings::Certificates)?;
            roots.add(certificate).map_err(InvalidSettings::Certificate)?;
        }
        if roots.len() == before { Err(InvalidSettings::NoCertificate) } else { Ok(roots) }
    }
}
