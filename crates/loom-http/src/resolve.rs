//! Names to addresses.

use std::{
    io,
    net::{SocketAddr, ToSocketAddrs as _},
    sync::Arc,
};

use futures::{FutureExt as _, future::BoxFuture};
use tokio::sync::Semaphore;

/// Resolves names. Its answers are not trusted: every address is checked before it is used.
pub trait Resolve: Send + Sync {
    /// The addresses of a host, in the order in which to try them.
    fn resolve(&self, host: String, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>;
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
