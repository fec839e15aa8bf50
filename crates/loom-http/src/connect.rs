//! Connecting: resolve once, check, and use the address that was checked.

use std::{net::SocketAddr, sync::Arc};

use loom_machine::{Failure, Scheme};
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use url::Host;

use crate::{AddressesError, InvalidSettings, Resolve, Settings, error, resolve::checked_addresses, target::Target};

/// Addresses of one host that are tried.
const ADDRESSES_MAX: usize = 4;

/// A connection, over TLS or in the clear.
pub(crate) trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// Makes connections.
pub(crate) struct Connector {
    settings: Settings,
    resolver: Arc<dyn Resolve>,
    tls: TlsConnector,
}

impl Connector {
    pub(crate) fn new(settings: Settings, resolver: Arc<dyn Resolve>) -> Result<Self, InvalidSettings> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions().map_err(InvalidSettings::Tls)?;
        let mut tls = builder.with_root_certificates(settings.roots()?).with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { settings, resolver, tls: Arc::new(tls).into() })
    }

    /// Connects to the target's host.
    pub(crate) async fn connect(&self, target: &Target) -> Result<Box<dyn Connection>, Failure> {
        let mut last = error::unreachable(&target.origin(), "the name has no address");
        for address in self.addresses(target).await? {
            let connecting = tokio::time::timeout(self.settings.connect_timeout, self.connect_to(address, target));
            match connecting.await {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(failure)) => last = failure,
                Err(_) => last = error::unreachable(&target.origin(), "connecting took too long"),
            }
        }
        Err(last)
    }

    /// The addresses that may be connected to.
    async fn addresses(&self, target: &Target) -> Result<Vec<SocketAddr>, Failure> {
        let is_private_host = self.is_private_host(target);
        let found = checked_addresses(&*self.resolver, &target.host, target.port, is_private_host).await;
        let mut addresses = found.map_err(|why| match why {
            AddressesError::Unresolved(why) => {
                error::unreachable(&target.origin(), format_args!("resolving it: {why}"))
            }
            AddressesError::NotPublic => {
                let why = "it is in a network that is not public, where activities may not reach (http.private_hosts)";
                error::refused(&target.origin(), why)
            }
        })?;
        addresses.truncate(ADDRESSES_MAX);
        Ok(addresses)
    }

    fn is_private_host(&self, target: &Target) -> bool {
        let (host, hosts) = (target.host.to_string(), &self.settings.private_hosts);
        hosts.contains(&format!("{host}:{}", target.port)) || hosts.contains(&host)
    }

    async fn connect_to(&self, address: SocketAddr, target: &Target) -> Result<Box<dyn Connection>, Failure> {
        let failed = |why: std::io::Error| error::unreachable(&target.origin(), why);
        let stream = TcpStream::connect(address).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        match target.scheme {
            Scheme::Http => Ok(Box::new(stream)),
            Scheme::Https => {
                let stream = self.tls.connect(server_name(target)?, stream).await;
                Ok(Box::new(stream.map_err(|why| tls_failure(target, &why))?))
            }
        }
    }
}

fn server_name(target: &Target) -> Result<ServerName<'static>, Failure> {
    match &target.host {
        Host::Ipv4(address) => Ok(ServerName::IpAddress((*address).into())),
        Host::Ipv6(address) => Ok(ServerName::IpAddress((*address).into())),
        Host::Domain(name) => {
            let name = ServerName::try_from(name.clone());
            name.map_err(|_| error::invalid("'url': no certificate can be for this host"))
        }
    }
}

/// A wrong certificate stays wrong; anything else may be the network's fault.
fn tls_failure(target: &Target, why: &std::io::Error) -> Failure {
    let tls = why.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(tls @ rustls::Error::InvalidCertificate(_)) => error::untrusted(&target.origin(), tls),
        _ => error::unreachable(&target.origin(), why),
    }
}
