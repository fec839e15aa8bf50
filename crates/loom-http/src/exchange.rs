//! One request and its response, over a connection of their own.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Method, Request, Response,
    body::{Body as _, Incoming},
    client::conn::http1,
    header::{self, HeaderMap, HeaderName, HeaderValue as WireValue},
};
use hyper_util::rt::TokioIo;
use loom_machine::Failure;
use loom_runtime::{ExposeSecret as _, HeaderValue, HttpReply};
use tokio_util::task::AbortOnDropHandle;

use crate::{connect::Connection, error, target::Target};

/// Headers of a response, in bytes.
const RESPONSE_HEADER_BYTES_MAX: usize = 64 * 1024;
/// Headers of a response.
const RESPONSE_HEADERS_MAX: usize = 200;
/// Who asks, unless the guest says something else.
const USER_AGENT: &str = concat!("loom/", env!("CARGO_PKG_VERSION"));

/// What is sent.
pub(crate) struct Exchange<'a> {
    pub(crate) target: &'a Target,
    pub(crate) method: &'a Method,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) response_bytes_max: u64,
}

/// The guest's headers as they are sent; secrets are marked, so that nothing prints them.
pub(crate) fn headers(given: Vec<(String, HeaderValue)>) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::with_capacity(given.len() + 4);
    headers.insert(header::USER_AGENT, WireValue::from_static(USER_AGENT));
    for (name, value) in given {
        let unsendable = || error::invalid(format_args!("'headers': '{name}' cannot be sent"));
        let (text, is_secret) = match &value {
            HeaderValue::Text(text) => (text.as_str(), false),
            HeaderValue::Secret(secret) => (secret.expose_secret(), true),
        };
        let mut value = WireValue::from_str(text).map_err(|_| unsendable())?;
        value.set_sensitive(is_secret);
        headers.insert(HeaderName::try_from(&name).map_err(|_| unsendable())?, value);
    }
    Ok(headers)
}

impl Exchange<'_> {
    /// Sends the request and waits for the response's head.
    pub(crate) async fn send(self, connection: Box<dyn Connection>) -> Result<Pending, Failure> {
        let origin = self.target.origin();
        let failed = |why: hyper::Error| error::unreachable(&origin, why);
        let mut builder = http1::Builder::new();
        builder.max_buf_size(RESPONSE_HEADER_BYTES_MAX).max_headers(RESPONSE_HEADERS_MAX);
        let (mut sender, connection) = builder.handshake(TokioIo::new(connection)).await.map_err(failed)?;
        let driver = AbortOnDropHandle::new(tokio::spawn(connection));
        let response = sender.send_request(self.request()?).await.map_err(failed)?;
        Ok(Pending { origin, response, response_bytes_max: self.response_bytes_max, _driver: driver })
    }

    fn request(&self) -> Result<Request<Full<Bytes>>, Failure> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.target.path.clone().into();
        *request.headers_mut() = self.headers.clone();
        let host = WireValue::from_str(&self.target.authority());
        let host = host.map_err(|_| error::invalid("'url': the host cannot be sent"))?;
        request.headers_mut().insert(header::HOST, host);
        request.headers_mut().insert(header::CONNECTION, WireValue::from_static("close"));
        Ok(request)
    }
}

/// A response whose body has not been read.
pub(crate) struct Pending {
    origin: String,
    response: Response<Incoming>,
    response_bytes_max: u64,
    /// Moves the bytes; ends with this.
    _driver: AbortOnDropHandle<Result<(), hyper::Error>>,
}

impl Pending {
    /// Where a redirect leads, if this is one.
    pub(crate) fn location(&self) -> Option<&str> {
        if !matches!(self.status(), 301 | 302 | 303 | 307 | 308) {
            return None;
        }
        self.response.headers().get(header::LOCATION)?.to_str().ok()
    }

    pub(crate) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// Reads the body, as far as it may go.
    pub(crate) async fn read(self) -> Result<HttpReply, Failure> {
        let Self { origin, response, response_bytes_max: limit, _driver } = self;
        let (head, mut incoming) = response.into_parts();
        if incoming.size_hint().lower() > limit {
            return Err(error::too_large(&origin, limit));
        }
        let mut body = Vec::new();
        while let Some(frame) = incoming.frame().await {
            let frame = frame.map_err(|why| error::unreachable(&origin, why))?;
            // Trailers are left out.
            let Ok(data) = frame.into_data() else { continue };
            if (body.len() + data.len()) as u64 > limit {
                return Err(error::too_large(&origin, limit));
            }
            body.extend_from_slice(&data);
        }
        let text = |(name, value): (&HeaderName, &WireValue)| Some((name.to_string(), value.to_str().ok()?.to_owned()));
        Ok(HttpReply { status: head.status.as_u16(), headers: head.headers.iter().filter_map(text).collect(), body })
    }
}
