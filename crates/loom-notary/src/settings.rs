//! What a notary is told by its operator.

use std::collections::BTreeSet;

use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, pem::PemObject as _};

use crate::{limits::ALLOWED_MAX, policy::Allowed};

/// What a notary fetches, and whom it believes to be whom.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What may be asked for; nothing else is fetched.
    pub allowed: Vec<Allowed>,
    /// Hosts that may resolve to addresses that are not of the public internet, as `host` or `host:port`.
    pub private_hosts: BTreeSet<String>,
    /// The authorities whose certificates are trusted.
    pub roots: Roots,
}

/// Authorities.
#[derive(Clone, Debug, Default)]
pub enum Roots {
    /// Those of the web, as they are compiled in.
    #[default]
    Web,
    /// These alone: certificates in DER.
    Given(Vec<CertificateDer<'static>>),
}

/// Why settings make no sense.
#[derive(Debug, thiserror::Error)]
pub enum InvalidSettings {
    /// Nothing may be fetched.
    #[error("nothing is allowed, so there is nothing to notarise")]
    NothingAllowed,
    /// More patterns than are looked through for each request.
    #[error("a notary has at most {ALLOWED_MAX} patterns of what is allowed")]
    TooManyAllowed,
    /// No authority.
    #[error("there is no authority whose certificates would be trusted")]
    NoRoots,
    /// Not a certificate of an authority.
    #[error("a certificate of an authority cannot be used")]
    Root(#[source] rustls::Error),
    /// No certificates.
    #[error("the file of authorities has no certificates in PEM or DER")]
    Pem(#[source] rustls_pki_types::pem::Error),
}

impl Settings {
    /// A notary that fetches what is allowed, from hosts of the public internet that the web's authorities know.
    pub fn new(allowed: Vec<Allowed>) -> Self {
        Self { allowed, private_hosts: BTreeSet::new(), roots: Roots::Web }
    }

    pub(crate) fn is_private_host(&self, host: &str, port: u16) -> bool {
        self.private_hosts.contains(host) || self.private_hosts.contains(&format!("{host}:{port}"))
    }

    pub(crate) fn check(&self) -> Result<(), InvalidSettings> {
        match self.allowed.len() {
            0 => Err(InvalidSettings::NothingAllowed),
            count if count > ALLOWED_MAX => Err(InvalidSettings::TooManyAllowed),
            _ => Ok(()),
        }
    }
}

impl Roots {
    /// The certificates of a file: some in PEM, or one in DER.
    pub fn read(bytes: &[u8]) -> Result<Self, InvalidSettings> {
        let der = bytes.first() == Some(&0x30);
        let certificates: Result<Vec<_>, _> = match der {
            true => Ok(vec![CertificateDer::from(bytes.to_vec())]),
            false => CertificateDer::pem_slice_iter(bytes).collect(),
        };
        match certificates.map_err(InvalidSettings::Pem)? {
            none if none.is_empty() => Err(InvalidSettings::NoRoots),
            some => Ok(Self::Given(some)),
        }
    }

    /// Both; those of the web are no longer trusted if any are given.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Roots::Web, other) => other,
            (given, Roots::Web) => given,
            (Roots::Given(one), Roots::Given(other)) => Roots::Given([one, other].concat()),
        }
    }

    /// The same for whoever verifies what a notary with these roots attests to.
    pub fn for_verifying(&self) -> Result<loom_tlsnotary::Roots, InvalidSettings> {
        Ok(self.store()?.roots.into_iter().collect())
    }

    pub(crate) fn store(&self) -> Result<RootCertStore, InvalidSettings> {
        match self {
            Roots::Web => Ok(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }),
            Roots::Given(certificates) => {
                let mut store = RootCertStore::empty();
                certificates.iter().try_for_each(|it| store.add(it.clone())).map_err(InvalidSettings::Root)?;
                Ok(store)
            }
        }
    }
}
