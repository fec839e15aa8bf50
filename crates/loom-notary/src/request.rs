//! What a notary is asked to fetch, and the bytes that it sends for it.
//!
//! Whatever proves who asks is *sealed*: it is sent, and no commitment covers it. So it cannot be disclosed later, by
//! anybody, not even by mistake.

use std::{borrow::Cow, fmt};

use hyper::http::{HeaderName, HeaderValue};
use loom_client::Secret;
use url::{Host, Url};

use crate::{
    InvalidRequest,
    limits::{
        REQUEST_BODY_BYTES_MAX, REQUEST_HEADERS_BYTES_MAX, REQUEST_HEADERS_MAX, REQUEST_PARAMETERS_MAX, URL_BYTES_MAX,
    },
    pieces::{Draft, Sealed},
};

/// Who asks, unless the client says something else.
const USER_AGENT: &str = concat!("loom-notary/", env!("CARGO_PKG_VERSION"));
/// What the notary itself decides about a connection.
const OWN_HEADERS: [&str; 12] = [
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// How words end in the names of headers and parameters that prove who asks, whatever a client says of them.
const CREDENTIALS: [&str; 18] = [
    "apikey",
    "auth",
    "authorization",
    "code",
    "cookie",
    "credential",
    "credentials",
    "csrf",
    "jwt",
    "key",
    "passwd",
    "password",
    "secret",
    "session",
    "sig",
    "signature",
    "token",
    "xsrf",
];

/// Whether a header or parameter of this name is taken for a credential. One too many is only hidden.
fn is_credential(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let mut words = name.split(|letter: char| !letter.is_ascii_alphanumeric());
    words.any(|word| CREDENTIALS.iter().any(|ending| word.ends_with(ending)))
}

/// How something is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// Without a body.
    #[default]
    Get,
    /// With one.
    Post,
}

impl Method {
    /// As it stands in a request.
    pub fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
        }
    }

    /// The method of this name.
    pub fn named(name: &str) -> Option<Self> {
        [Method::Get, Method::Post].into_iter().find(|method| method.name() == name)
    }
}

/// A header field.
#[derive(Clone, Debug)]
pub struct Header {
    /// Its name; letter case does not count.
    pub name: String,
    /// Its value. It may be secret whether it is sealed or not.
    pub value: Secret<String>,
    /// Seal it. Headers that are known to hold credentials are sealed anyway.
    pub is_credential: bool,
}

/// What is to be fetched.
#[derive(Clone, Default)]
pub struct Request {
    /// How.
    pub method: Method,
    /// From where: https, and a host with a name.
    pub url: String,
    /// Header fields besides those that every request has.
    pub headers: Vec<Header>,
    /// What is sent, with [`Method::Post`].
    pub body: Vec<u8>,
    /// Seal the part of the URL after its question mark.
    pub seal_query: bool,
    /// Seal the body.
    pub seal_body: bool,
}

impl fmt::Debug for Request {
    /// Without what may be a secret: query, body and the values of headers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.url.split(['?', '#']).next().unwrap_or_default();
        let headers: Vec<_> = self.headers.iter().map(|header| header.name.as_str()).collect();
        let body = format_args!("{} bytes", self.body.len());
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("url", &url)
            .field("headers", &headers)
            .field("body", &body)
            .finish_non_exhaustive()
    }
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) method: Method,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) path: String,
    pub(crate) query: Option<Hidden>,
}

/// A query, which may hold a credential.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Hidden(pub(crate) String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl Target {
    /// Host and port as the `host` header has them.
    pub(crate) fn authority(&self) -> String {
        if self.port == 443 { self.host.clone() } else { format!("{}:{}", self.host, self.port) }
    }

    /// What is shown of it: everything but the query.
    pub(crate) fn shown(&self) -> String {
        format!("https://{}{}", self.authority(), self.path)
    }
}

impl Request {
    /// A request without headers and body.
    pub fn get(url: impl Into<String>) -> Self {
        Self { url: url.into(), ..Self::default() }
    }

    /// The name of the host that it goes to.
    pub fn host(&self) -> Result<String, InvalidRequest> {
        self.target().map(|target| target.host)
    }

    pub(crate) fn target(&self) -> Result<Target, InvalidRequest> {
        let invalid = |problem: &'static str| InvalidRequest::Url { problem };
        if self.url.len() > URL_BYTES_MAX {
            return Err(invalid("it is too long"));
        }
        let url = Url::parse(&self.url).map_err(|_| invalid("it is none"))?;
        if url.scheme() != "https" {
            return Err(invalid("only https can be notarised"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid("a name and password belong into a header"));
        }
        let Some(Host::Domain(host)) = url.host() else {
            return Err(invalid("the host has to have a name, for certificates are found to be for a name"));
        };
        if host.ends_with('.') {
            return Err(invalid("the host's name ends with a dot, which no certificate does"));
        }
        Ok(Target {
            method: self.method,
            host: host.to_owned(),
            port: url.port().unwrap_or(443),
            path: url.path().to_owned(),
            query: url.query().map(|query| Hidden(query.to_owned())),
        })
    }

    /// The bytes that are sent, in the pieces in which they can be disclosed.
    pub(crate) fn draft(&self, target: &Target) -> Result<Draft, InvalidRequest> {
        self.check()?;
        let mut draft = Draft::default();
        draft.piece(&[self.method.name(), " ", &target.path]);
        if let Some(Hidden(query)) = &target.query {
            match self.seals(query) {
                true => {
                    draft.more("?");
                    draft.seal(query);
                }
                false => draft.piece(&["?", query]),
            }
        }
        draft.piece(&[" HTTP/1.1\r\n"]);
        draft.piece(&["host: ", &target.authority(), "\r\n"]);
        let length = self.body.len().to_string();
        let mut own = vec![("accept-encoding", "identity"), ("connection", "close")];
        for (name, value) in [("accept", "*/*"), ("user-agent", USER_AGENT)] {
            if !self.headers.iter().any(|header| header.name.eq_ignore_ascii_case(name)) {
                own.push((name, value));
            }
        }
        if self.method == Method::Post {
            own.push(("content-length", &length));
        }
        own.into_iter().for_each(|(name, value)| draft.piece(&[name, ": ", value, "\r\n"]));
        for header in &self.headers {
            let (name, value) = (header.name.to_ascii_lowercase(), header.value.expose());
            match header.is_credential || is_credential(&name) {
                true => {
                    draft.piece(&[&name, ": "]);
                    draft.seal(value);
                    draft.piece(&["\r\n"]);
                }
                false => draft.piece(&[&name, ": ", value, "\r\n"]),
            }
        }
        draft.piece(&["\r\n"]);
        match self.seal_body {
            true => draft.seal_bytes(&self.body),
            false => draft.piece_of_bytes(&self.body),
        }
        Ok(draft)
    }

    /// Whether header fields and body can be sent as they are.
    fn check(&self) -> Result<(), InvalidRequest> {
        if self.body.len() > REQUEST_BODY_BYTES_MAX {
            return Err(InvalidRequest::TooLarge { what: "body", max: REQUEST_BODY_BYTES_MAX });
        }
        if self.method == Method::Get && !self.body.is_empty() {
            return Err(InvalidRequest::Body);
        }
        if self.headers.len() > REQUEST_HEADERS_MAX {
            return Err(InvalidRequest::TooMany);
        }
        let bytes: usize = self.headers.iter().map(|header| header.name.len() + header.value.expose().len()).sum();
        if bytes > REQUEST_HEADERS_BYTES_MAX {
            return Err(InvalidRequest::TooLarge { what: "header fields", max: REQUEST_HEADERS_BYTES_MAX });
        }
        self.headers.iter().try_for_each(check_header)
    }

    /// Whether a URL's query is sealed: if it was asked for, or has a parameter that is taken for a credential.
    fn seals(&self, query: &str) -> bool {
        self.seal_query || parameters(query.as_bytes()).any(|(name, _)| is_credential(&name))
    }

    /// What is sealed of it: the values, for looking whether a server repeats them.
    pub(crate) fn sealed(&self, target: &Target) -> Sealed {
        let is_sealed = |header: &&Header| header.is_credential || is_credential(&header.name);
        let mut sealed = Sealed::default();
        self.headers.iter().filter(is_sealed).for_each(|header| sealed.add(header.value.expose()));
        if let Some(Hidden(query)) = target.query.as_ref().filter(|Hidden(query)| self.seals(query)) {
            sealed.add(query);
            // The value of each parameter may come back on its own.
            parameters(query.as_bytes()).for_each(|(_, value)| sealed.add(&value));
        }
        if self.seal_body {
            sealed.add(&String::from_utf8_lossy(&self.body));
            parameters(&self.body).for_each(|(_, value)| sealed.add(&value));
            let json = serde_json::from_slice(&self.body).unwrap_or_default();
            add_values(&json, &mut sealed);
        }
        sealed
    }
}

fn parameters(form: &[u8]) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    url::form_urlencoded::parse(form).take(REQUEST_PARAMETERS_MAX)
}

/// The texts and numbers in a document.
fn add_values(json: &serde_json::Value, sealed: &mut Sealed) {
    match json {
        serde_json::Value::String(text) => sealed.add(text),
        serde_json::Value::Number(number) => sealed.add(&number.to_string()),
        serde_json::Value::Array(values) => values.iter().for_each(|value| add_values(value, sealed)),
        serde_json::Value::Object(members) => members.values().for_each(|value| add_values(value, sealed)),
        serde_json::Value::Null | serde_json::Value::Bool(_) => {}
    }
}

fn check_header(header: &Header) -> Result<(), InvalidRequest> {
    let Header { name, value, .. } = header;
    let value = value.expose();
    // The name is not repeated where it cannot be one: it may be a value in the wrong place.
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| InvalidRequest::HeaderName)?;
    let lower = name.to_ascii_lowercase();
    if OWN_HEADERS.contains(&lower.as_str()) {
        return Err(InvalidRequest::OwnHeader { name: lower });
    }
    let is_plain = value.trim() == value && HeaderValue::from_str(value).is_ok_and(|value| value.to_str().is_ok());
    if is_plain { Ok(()) } else { Err(InvalidRequest::HeaderValue { name: lower }) }
}

#[cfg(test)]
mod tests;
