//! What an effectful activity asks of the host: JSON in, one typed value out.
//!
//! These are not steps. Nothing here is journaled; the activity's output alone is, which is why a request that
//! names a secret keeps it out of the guest: the host puts the value into the header.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{
    Failure, LogLine,
    limits::{HTTP_HEADER_BYTES_MAX, HTTP_HEADERS_MAX, HTTP_URL_BYTES_MAX},
    request::{self, Request, invalid, members, operation},
};

/// Headers that say where a request goes and how its body is framed. They are the host's.
const HOST_HEADERS: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A request of an effectful activity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActivityRequest {
    /// Who asks, and under which idempotency key.
    Context,
    /// A line for the node's log.
    Log(LogLine),
    /// The value of a secret.
    Secret {
        /// Its name.
        name: String,
    },
    /// A request to another system.
    Http(HttpRequest),
}

/// A request over HTTP, checked as far as that needs no network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// In upper case.
    pub method: String,
    /// As the guest wrote it.
    pub url: String,
    /// By lower-case name.
    pub headers: BTreeMap<String, HeaderSource>,
    /// Its bytes.
    pub body: Vec<u8>,
    /// How long it may take, in milliseconds.
    pub timeout_ms: Option<u64>,
}

/// Where a header's value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "the value in 'headers' is a text or {\"secret\", \"prefix\"?}")]
pub enum HeaderSource {
    /// From the guest.
    Text(String),
    /// From the host.
    Secret(SecretReference),
}

/// A secret in a header, such as `{"secret":"API_KEY","prefix":"Bearer "}`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretReference {
    /// Its name.
    pub secret: String,
    /// What stands before it.
    #[serde(default)]
    pub prefix: String,
}

impl HeaderSource {
    fn text(&self) -> &str {
        match self {
            HeaderSource::Text(text) => text,
            HeaderSource::Secret(reference) => &reference.prefix,
        }
    }
}

impl ActivityRequest {
    /// Reads a request. An operation of actors is `not-granted`, any other unknown one `unknown-op`.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let op = operation(text)?;
        match op.as_str() {
            "context" => members::<Bare>(&op, text).map(|_| Self::Context),
            "secret" => members::<Secret>(&op, text).map(|Secret { name, .. }| Self::Secret { name }),
            "http" => http(members(&op, text)?).map(Self::Http),
            "log" => match request::parse(&op, text)? {
                Request::Log { level, message, fields } => {
                    let fields = fields.map(|fields| fields.get().to_owned());
                    Ok(Self::Log(LogLine { level, message, fields }))
                }
                _ => unreachable!("it is a log line"),
            },
            _ => match request::parse(&op, text) {
                Err(failure) if failure.kind == "unknown-op" => Err(failure),
                _ => Err(Failure::new("not-granted", format!("'{op}' is for actors, not for activities"))),
            },
        }
    }
}

fn http(members: Http) -> Result<HttpRequest, Failure> {
    let Http { method, url, headers, body, base64, timeout_ms, .. } = members;
    if !(1..=16).contains(&method.len()) || !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Err(invalid("http", "'method' is in upper-case letters"));
    }
    if url.len() > HTTP_URL_BYTES_MAX {
        return Err(invalid("http", format!("'url' may have {HTTP_URL_BYTES_MAX} bytes")));
    }
    let body = match (body, base64) {
        (None, None) => Vec::new(),
        (Some(text), None) => text.into_bytes(),
        (None, Some(base64)) => data_encoding::BASE64
            .decode(base64.as_bytes())
            .map_err(|error| invalid("http", format!("'base64': {error}")))?,
        (Some(_), Some(_)) => return Err(invalid("http", "at most one of 'body' and 'base64' may be given")),
    };
    Ok(HttpRequest { method, url, headers: checked(headers)?, body, timeout_ms })
}

fn checked(given: BTreeMap<String, HeaderSource>) -> Result<BTreeMap<String, HeaderSource>, Failure> {
    let bytes: usize = given.iter().map(|(name, value)| name.len() + value.text().len()).sum();
    if given.len() > HTTP_HEADERS_MAX || bytes > HTTP_HEADER_BYTES_MAX {
        let limits = format!("at most {HTTP_HEADERS_MAX} with {HTTP_HEADER_BYTES_MAX} bytes together");
        return Err(invalid("http", format!("'headers': {limits}")));
    }
    let mut headers = BTreeMap::new();
    for (name, value) in given {
        // Shown only if it is a name; what is none may hold anything.
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(invalid("http", "'headers': a name is made of letters, digits and -"));
        }
        let name = name.to_ascii_lowercase();
        if HOST_HEADERS.contains(&name.as_str()) {
            return Err(invalid("http", format!("'headers': '{name}' is the host's to set")));
        }
        if !value.text().bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte)) {
            return Err(invalid("http", format!("'headers': the value of '{name}' is not printable ASCII")));
        }
        if headers.insert(name.clone(), value).is_some() {
            return Err(invalid("http", format!("'headers': '{name}' is there twice")));
        }
    }
    Ok(headers)
}

/// A character of a header's name, RFC 9110 §5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bare {
    #[serde(rename = "op")]
    _op: serde::de::IgnoredAny,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Secret {
    #[serde(rename = "op")]
    _op: serde::de::IgnoredAny,
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Http {
    #[serde(rename = "op")]
    _op: serde::de::IgnoredAny,
    method: String,
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, HeaderSource>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    base64: Option<String>,
    #[serde(default)]
    timeout_ms: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, kind: &str, expected: &str) {
        let failure = ActivityRequest::parse(text).expect_err(text);
        assert_eq!(failure.kind, kind, "{text}");
        assert!(failure.message.contains(expected), "{text}: {}", failure.message);
    }

    #[test]
    fn an_http_request_is_read_with_its_headers_in_lower_case() {
        let text = r#"{"op":"http","method":"POST","url":"https://a.b/c",
            "headers":{"Accept":"text/plain","Authorization":{"secret":"KEY","prefix":"Bearer "}},
            "base64":"AP8=","timeout_ms":5}"#;
        let Ok(ActivityRequest::Http(request)) = ActivityRequest::parse(text) else { panic!("it is one") };
        assert_eq!((request.body, request.timeout_ms), (vec![0, 255], Some(5)));
        let reference = SecretReference { secret: "KEY".into(), prefix: "Bearer ".into() };
        let expected = [
            ("accept".to_owned(), HeaderSource::Text("text/plain".into())),
            ("authorization".to_owned(), HeaderSource::Secret(reference)),
        ];
        assert_eq!(request.headers, expected.into());
    }

    #[test]
    fn bad_requests_are_errors_that_name_the_place() {
        let http = |rest: &str| format!(r#"{{"op":"http","method":"GET","url":"https://a.b"{rest}}}"#);
        check(r#"{"op":"http","url":"https://a.b"}"#, "invalid-request", "missing field `method`");
        check(r#"{"op":"http","method":"get","url":"https://a.b"}"#, "invalid-request", "'method'");
        check(r#"{"op":"http","method":"GET / HTTP/1.1\r\nX: y","url":"x"}"#, "invalid-request", "'method'");
        check(&http(r#","follow":true"#), "invalid-request", "unknown field");
        check(&http(r#","body":"a","base64":"""#), "invalid-request", "at most one");
        check(&http(r#","base64":"%""#), "invalid-request", "'base64'");
        check(&http(r#","headers":{"Host":"evil"}"#), "invalid-request", "'host' is the host's");
        check(&http(r#","headers":{"Content-Length":"0"}"#), "invalid-request", "'content-length' is the host's");
        check(&http(r#","headers":{"a":"1","A":"2"}"#), "invalid-request", "twice");
        check(&http(r#","headers":{"a":"x\r\nHost: evil"}"#), "invalid-request", "printable ASCII");
        check(&http(r#","headers":{"a\r\nb":"x"}"#), "invalid-request", "a name is made of");
        check(&http(r#","headers":{"a":{"secret":"K","prefix":"x\ny"}}"#), "invalid-request", "printable ASCII");
        check(&http(r#","headers":{"a":{"secret":"K","suffix":"x"}}"#), "invalid-request", "headers");
        let long = "x".repeat(HTTP_HEADER_BYTES_MAX);
        check(&http(&format!(r#","headers":{{"a":"{long}"}}"#)), "invalid-request", "together");
        let url = "x".repeat(HTTP_URL_BYTES_MAX + 1);
        check(&format!(r#"{{"op":"http","method":"GET","url":"{url}"}}"#), "invalid-request", "'url'");
        check(r#"{"op":"secret"}"#, "invalid-request", "missing field `name`");
        check(r#"{"op":"teleport"}"#, "unknown-op", "'teleport'");
        check(r#"{"op":"now"}"#, "not-granted", "'now' is for actors");
        check(r#"{"op":"sleep","ms":-1}"#, "not-granted", "'sleep' is for actors");
    }
}
