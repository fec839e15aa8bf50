//! Names to addresses.

use std::{io, net::SocketAddr};

use futures::{FutureExt as _, future::BoxFuture};

/// Resolves names. Its answers are not trusted: every address is checked before it is used.
pub trait Resolve: Send + Sync {
    /// The addresses of a host, in the order in which to try them.
    fn resolve(&self, host: String, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>;
}

/// The operating system's resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, host: String, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        async move { Ok(tokio::net::lookup_host((host.as_str(), port)).await?.collect()) }.boxed()
    }
}
