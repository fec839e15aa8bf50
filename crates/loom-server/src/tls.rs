//! TLS from two files. Read once, at the start.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject as _},
};
use tokio_rustls::TlsAcceptor;

/// Why the files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or is no PEM of the kind it should be.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// The chain has no certificate.
    #[error("{}: has no certificate", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The key does not fit the certificate, or neither is of a supported kind.
    #[error("the certificate and the key cannot be used together: {0}")]
    Pair(#[from] rustls::Error),
}

/// Certificate and key, ready to accept connections.
#[derive(Clone)]
pub struct Tls(pub(crate) TlsAcceptor);

impl Tls {
    /// Reads a certificate chain (the node's own first) and its private key, both PEM.
    pub fn load(certificates: &Path, key: &Path) -> Result<Self, TlsError> {
        let file = |path: &Path| {
            let path = path.to_owned();
            move |source| TlsError::File { path, source }
        };
        let chain = CertificateDer::pem_file_iter(certificates).map_err(file(certificates))?;
        let chain = chain.collect::<Result<Vec<_>, _>>().map_err(file(certificates))?;
        if chain.is_empty() {
            return Err(TlsError::NoCertificate { path: certificates.to_owned() });
        }
        let key = PrivateKeyDer::from_pem_file(key).map_err(file(key))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    /// For a server of another kind that accepts connections itself.
    pub fn acceptor(&self) -> TlsAcceptor {
        self.0.clone()
    }
}
