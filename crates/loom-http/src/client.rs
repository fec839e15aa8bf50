//! A call from its allowance to its response, redirects included.

use std::sync::Arc;

use bytes::Bytes;
use futures::{FutureExt as _, future::BoxFuture};
use hyper::{
    Method,
    header::{self, HeaderMap, HeaderName},
};
use loom_machine::{Failure, HttpAllowance};
use loom_runtime::{Http, HttpCall, HttpReply};
use tokio::{runtime::Handle, sync::Semaphore};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    InvalidSettings, Resolve, Settings,
    connect::Connector,
    error,
    exchange::{self, Exchange, Pending},
    target::Target,
};

/// Headers that prove who asks. They are not for the origin that a redirect leads to.
const CREDENTIALS: [HeaderName; 2] = [header::AUTHORIZATION, header::COOKIE];
/// Headers that describe a body, and go with it.
const OF_THE_BODY: [HeaderName; 3] = [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::CONTENT_LANGUAGE];

/// Sends activities' requests. Its I/O runs on the runtime that it was made on, wherever it is asked from.
pub struct HttpClient {
    connector: Arc<Connector>,
    permits: Arc<Semaphore>,
    runtime: Handle,
}

impl HttpClient {
    /// A client. Must be called within a Tokio runtime.
    pub fn new(settings: Settings, resolver: Arc<dyn Resolve>) -> Result<Self, InvalidSettings> {
        let permits = Arc::new(Semaphore::new(settings.connections_max));
        let connector = Arc::new(Connector::new(settings, resolver)?);
        Ok(Self { connector, permits, runtime: Handle::current() })
    }
}

impl Http for HttpClient {
    fn send(&self, call: HttpCall) -> BoxFuture<'static, Result<HttpReply, Failure>> {
        let (connector, permits) = (self.connector.clone(), self.permits.clone());
        let after = call.timeout;
        let exchange = async move {
            let _permit = permits.acquire_owned().await.expect("the semaphore is never closed");
            Hop::first(call)?.follow(&connector).await
        };
        let within = async move { tokio::time::timeout(after, exchange).await.unwrap_or(Err(error::timeout(after))) };
        let task = AbortOnDropHandle::new(self.runtime.spawn(within));
        async move { task.await.unwrap_or_else(|_| Err(error::unreachable("the node", "it is stopping"))) }.boxed()
    }
}

/// A request on its way through redirects.
struct Hop {
    allowance: HttpAllowance,
    target: Target,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
    redirects: u32,
}

impl Hop {
    fn first(call: HttpCall) -> Result<Self, Failure> {
        let HttpCall { allowance, method, url, headers, body, timeout: _ } = call;
        let target = Target::parse(&url, &allowance)?;
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| error::invalid("'method' cannot be sent"))?;
        Ok(Self { target, method, headers: exchange::headers(headers)?, body: body.into(), allowance, redirects: 0 })
    }

    async fn follow(mut self, connector: &Connector) -> Result<HttpReply, Failure> {
        loop {
            let connection = connector.connect(&self.target).await?;
            let exchange = Exchange {
                target: &self.target,
                method: &self.method,
                headers: &self.headers,
                body: self.body.clone(),
                response_bytes_max: self.allowance.response_bytes_max,
            };
            let pending = exchange.send(connection).await?;
            match pending.location().filter(|_| self.allowance.redirects_max > 0) {
                None => return pending.read().await,
                Some(location) => self = self.redirected(&pending, location)?,
            }
        }
    }

    /// The request that a redirect asks for (RFC 9110 §15.4), without what was for the first origin only.
    fn redirected(mut self, pending: &Pending, location: &str) -> Result<Self, Failure> {
        self.redirects += 1;
        if self.redirects > self.allowance.redirects_max {
            let limit = self.allowance.redirects_max;
            let why = format!("there were more than {limit} redirects (http.redirects_max)");
            return Err(error::refused(&self.target.origin(), why));
        }
        let target = self.target.redirected(location, &self.allowance)?;
        let becomes_get = match pending.status() {
            301 | 302 => self.method == Method::POST,
            303 => self.method != Method::HEAD,
            _ => false,
        };
        if becomes_get {
            self.method = Method::GET;
            self.body = Bytes::new();
            OF_THE_BODY.iter().for_each(|name| drop(self.headers.remove(name)));
        }
        if !self.allowance.methods.contains(self.method.as_str()) {
            return Err(error::not_granted(format_args!("the method {} (http.methods)", self.method)));
        }
        if !target.is_same_origin(&self.target) {
            self.headers = without_credentials(self.headers);
        }
        Ok(Self { target, ..self })
    }
}

/// The headers without those that hold a secret or prove who asks.
fn without_credentials(headers: HeaderMap) -> HeaderMap {
    let is_harmless =
        |(name, value): &(&HeaderName, &header::HeaderValue)| !value.is_sensitive() && !CREDENTIALS.contains(name);
    headers.iter().filter(is_harmless).map(|(name, value)| (name.clone(), value.clone())).collect()
}
