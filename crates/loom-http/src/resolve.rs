//! Names to addresses.

use std::{
    io,
    net::{SocketAddr, ToSocketAddrs as _},
    sync::Arc,
};

use futures::{FutureExt as _, future::BoxFuture};
use tokio::sync::Semaphore;
use url::Host;

use crate::address;

/// Resolves names. Its answers are not trusted: every address is checked before it is used.
pub trait Resolve: Send + Sync {
    /// The addresses of a host, in the order in which to try them.
    fn resolve(&self, host: String, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>;
}

/// Why there is no address to connect to.
#[derive(Debug, thiserror::Error)]
pub enum AddressesError {
    /// The name cannot be resolved.
    #[error("the name cannot be resolved")]
    Unresolved(#[source] io::Error),
    /// There are addresses, and none is of the public internet.
    #[error("it is in a network that is not public")]
    NotPublic,
}

/// The addresses of a host that may be connected to, with the port that was asked for, whatever the resolver says. Only
/// those of the public internet, unless the host `may_be_private`. A name may have none.
pub async fn checked_addresses(
    resolver: &dyn Resolve,
    host: &Host,
    port: u16,
    may_be_private: bool,
) -> Result<Vec<SocketAddr>, AddressesError> {
    let resolved = match host {
        Host::Ipv4(address) => vec![SocketAddr::from((*address, port))],
        Host::Ipv6(address) => vec![SocketAddr::from((*address, port))],
        Host::Domain(name) => resolver.resolve(name.clone(), port).await.map_err(AddressesError::Unresolved)?,
    };
    let found_any = !resolved.is_empty();
    let may_be_used = |address: &SocketAddr| may_be_private || address::is_public(address.ip());
    let usable = resolved.into_iter().map(|address| SocketAddr::new(address.ip(), port)).filter(may_be_used);
    let usable: Vec<_> = usable.collect();
    if found_any && usable.is_empty() { Err(AddressesError::NotPublic) } else { Ok(usable) }
}

/// Most names that are looked up at once. Each takes a thread until the system gives up, whoever asked.
const LOOKUPS_MAX: usize = 32;

/// The operating system's resolver.
#[derive(Clone, Debug)]
pub struct SystemResolver {
    lookups: Arc<Semaphore>,
}

impl Default for SystemResolver {
    fn default() -> Self {
        Self { lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)) }
    }
}

impl Resolve for SystemResolver {
    fn resolve(&self, host: String, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        let lookups = self.lookups.clone();
        async move {
            let permit = lookups.acquire_owned().await.map_err(io::Error::other)?;
            let lookup = move || {
                let _permit = permit;
                (host.as_str(), port).to_socket_addrs().map(Iterator::collect)
            };
            tokio::task::spawn_blocking(lookup).await.map_err(io::Error::other)?
        }
        .boxed()
    }
}
