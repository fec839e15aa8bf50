//! What a deployment lets an effectful activity reach over HTTP.
//!
//! An allowance is an allow-list with limits. It says nothing about addresses: which of them a name may lead to is
//! checked by whoever connects, after the name was resolved.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::limits::{HTTP_BODY_BYTES_MAX, HTTP_HOSTS_MAX, HTTP_REDIRECTS_MAX, HTTP_REQUESTS_MAX, HTTP_TIMEOUT_MS_MAX};

/// Longest name of a host (RFC 1035), in bytes.
const HOST_BYTES_MAX: usize = 253;

/// How a request goes over the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// The scheme as URLs spell it.
    pub fn name(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    /// The port of a URL that names none.
    pub fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

/// A host that may be reached: `api.example.com`, `*.example.org`, `http://localhost:8080`, `*`.
///
/// Without a scheme it means HTTPS, without a port the scheme's own. `*.` stands for one label or more, and `*`
/// alone for every host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostPattern(String);

/// Why a text is no [`HostPattern`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is no host such as api.example.com, *.example.org or http://localhost:8080: {problem}")]
pub struct InvalidHost {
    text: String,
    problem: &'static str,
}

struct Parts<'a> {
    scheme: Scheme,
    host: &'a str,
    port: Option<&'a str>,
}

impl HostPattern {
    /// Whether a URL with this scheme, host (lower case, IPv6 in brackets) and port is meant.
    pub fn matches(&self, scheme: Scheme, host: &str, port: u16) -> bool {
        let parts = parts(&self.0);
        let named = parts.port.map_or(Some(scheme.default_port()), |port| port.parse().ok());
        scheme == parts.scheme && named == Some(port) && host_matches(parts.host, host)
    }

    /// As the manifest has it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn host_matches(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some("") => true,
        Some(suffix) => host.strip_suffix(suffix).is_some_and(|label| !label.is_empty()),
        None => pattern == host,
    }
}

fn parts(text: &str) -> Parts<'_> {
    let (scheme, rest) = match text.split_once("://") {
        Some(("http", rest)) => (Scheme::Http, rest),
        Some((_, rest)) => (Scheme::Https, rest),
        None => (Scheme::Https, text),
    };
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (rest, None),
    };
    Parts { scheme, host, port }
}

impl TryFrom<String> for HostPattern {
    type Error = InvalidHost;

    fn try_from(text: String) -> Result<Self, InvalidHost> {
        match problem(&text) {
            None => Ok(Self(text)),
            Some(problem) => Err(InvalidHost { text: text.chars().take(HOST_BYTES_MAX).collect(), problem }),
        }
    }
}

impl From<HostPattern> for String {
    fn from(pattern: HostPattern) -> Self {
        pattern.0
    }
}

fn problem(text: &str) -> Option<&'static str> {
    if text.split_once("://").is_some_and(|(scheme, _)| scheme != "http" && scheme != "https") {
        return Some("only http and https are spoken");
    }
    let Parts { host, port, .. } = parts(text);
    let is_port = |port: &str| !port.starts_with(['0', '+']) && port.parse::<u16>().is_ok();
    if port.is_some_and(|port| !is_port(port)) {
        return Some("a port is a number from 1 to 65535");
    }
    if let Some(address) = host.strip_prefix('[') {
        let address = address.strip_suffix(']').unwrap_or("").parse::<std::net::Ipv6Addr>();
        let is_canonical = address.is_ok_and(|address| host == format!("[{address}]"));
        return (!is_canonical).then_some("an IPv6 address stands in brackets, in its shortest form");
    }
    let name = if host == "*" { "any" } else { host.strip_prefix("*.").unwrap_or(host) };
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte))
    };
    let is_name = name.len() <= HOST_BYTES_MAX && name.split('.').all(is_label);
    (!is_name).then_some("a name is made of a-z, 0-9, - and dots")
}

/// What an activity may do over HTTP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpAllowance {
    /// Hosts it may reach, redirects included.
    pub hosts: BTreeSet<HostPattern>,
    /// Methods it may use.
    pub methods: BTreeSet<String>,
    /// Largest body it may send, in bytes.
    pub request_bytes_max: u64,
    /// Largest body it may receive, in bytes.
    pub response_bytes_max: u64,
    /// Longest time for one request with its redirects, in milliseconds.
    pub timeout_ms: u64,
    /// Redirects followed for one request; with 0 the guest gets the redirect itself.
    pub redirects_max: u32,
    /// Requests of one attempt.
    pub requests_max: u32,
}

impl HttpAllowance {
    /// Every method that can be granted, and what is granted if a manifest names none.
    pub const METHODS: [&'static str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

    /// An allowance for these hosts with the default methods and limits.
    pub fn new(hosts: BTreeSet<HostPattern>) -> Self {
        Self {
            hosts,
            methods: Self::METHODS.map(str::to_owned).into(),
            request_bytes_max: 1024 * 1024,
            response_bytes_max: 1024 * 1024,
            timeout_ms: 30_000,
            redirects_max: 5,
            requests_max: 100,
        }
    }

    /// Whether a URL with this scheme, host and port may be asked for.
    pub fn allows(&self, scheme: Scheme, host: &str, port: u16) -> bool {
        self.hosts.iter().any(|pattern| pattern.matches(scheme, host, port))
    }

    /// The member that cannot work, and why.
    pub(crate) fn problem(&self) -> Option<(&'static str, String)> {
        let range = |name, value: u64, min: u64, max: u64| {
            (!(min..=max).contains(&value)).then(|| (name, format!("must be between {min} and {max}")))
        };
        if self.hosts.is_empty() || self.hosts.len() > HTTP_HOSTS_MAX {
            return Some(("hosts", format!("must name 1 to {HTTP_HOSTS_MAX} hosts")));
        }
        if self.methods.is_empty() || !self.methods.iter().all(|method| Self::METHODS.contains(&method.as_str())) {
            return Some(("methods", format!("must be some of {}", Self::METHODS.join(", "))));
        }
        range("request_bytes_max", self.request_bytes_max, 0, HTTP_BODY_BYTES_MAX)
            .or_else(|| range("response_bytes_max", self.response_bytes_max, 1, HTTP_BODY_BYTES_MAX))
            .or_else(|| range("timeout_ms", self.timeout_ms, 1, HTTP_TIMEOUT_MS_MAX))
            .or_else(|| range("redirects_max", self.redirects_max.into(), 0, HTTP_REDIRECTS_MAX.into()))
            .or_else(|| range("requests_max", self.requests_max.into(), 1, HTTP_REQUESTS_MAX.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, url: &str) -> bool {
        let pattern = HostPattern::try_from(pattern.to_owned()).unwrap();
        let Parts { scheme, host, port } = parts(url);
        pattern.matches(scheme, host, port.map_or(scheme.default_port(), |port| port.parse().unwrap()))
    }

    #[test]
    fn a_pattern_means_scheme_host_and_port() {
        for (pattern, url, expected) in [
            ("api.example.com", "https://api.example.com", true),
            ("api.example.com", "https://api.example.com:443", true),
            ("api.example.com", "https://api.example.com:8443", false),
            ("api.example.com", "http://api.example.com", false),
            ("api.example.com", "https://example.com", false),
            ("api.example.com", "https://api.example.com.evil.org", false),
            ("api.example.com", "https://xapi.example.com", false),
            ("http://api.example.com", "http://api.example.com", true),
            ("http://api.example.com", "https://api.example.com", false),
            ("*.example.com", "https://a.example.com", true),
            ("*.example.com", "https://a.b.example.com", true),
            ("*.example.com", "https://example.com", false),
            ("*.example.com", "https://.example.com", false),
            ("*.example.com", "https://badexample.com", false),
            ("http://localhost:8080", "http://localhost:8080", true),
            ("http://localhost:8080", "http://localhost", false),
            ("https://[::1]:8443", "https://[::1]:8443", true),
            ("[::1]", "https://[::1]", true),
            ("*", "https://anything.at.all", true),
            ("*", "http://anything.at.all", false),
            ("http://*:8080", "http://anything:8080", true),
        ] {
            assert_eq!(matches(pattern, url), expected, "{pattern} and {url}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in [
            "",
            ".",
            "a..b",
            "EXAMPLE.com",
            "bücher.example",
            "ftp://a.b",
            "a.b:0",
            "a.b:65536",
            "a.b:x",
            "a.b:",
            "a.b/c",
            "user@a.b",
            "*a.b",
            "a.*.b",
            "**",
            "*.",
            "[::1",
            "[0::1]",
            "[fe80::1%1]",
            "a b",
            "https://",
            "a.b:+80",
            "://a",
        ] {
            assert!(HostPattern::try_from(text.to_owned()).is_err(), "{text}");
        }
        assert!(HostPattern::try_from("a".repeat(HOST_BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn limits_out_of_range_name_their_member() {
        let allowance = || HttpAllowance::new([HostPattern::try_from("a.b".to_owned()).unwrap()].into());
        assert_eq!(allowance().problem(), None);
        let problem = |change: fn(&mut HttpAllowance)| {
            let mut allowance = allowance();
            change(&mut allowance);
            allowance.problem().map(|(member, _)| member)
        };
        assert_eq!(problem(|allowance| allowance.hosts.clear()), Some("hosts"));
        assert_eq!(problem(|allowance| allowance.methods = ["TRACE".to_owned()].into()), Some("methods"));
        assert_eq!(problem(|allowance| allowance.methods.clear()), Some("methods"));
        assert_eq!(problem(|allowance| allowance.request_bytes_max = u64::MAX), Some("request_bytes_max"));
        assert_eq!(problem(|allowance| allowance.response_bytes_max = 0), Some("response_bytes_max"));
        assert_eq!(problem(|allowance| allowance.timeout_ms = 0), Some("timeout_ms"));
        assert_eq!(problem(|allowance| allowance.redirects_max = u32::MAX), Some("redirects_max"));
        assert_eq!(problem(|allowance| allowance.requests_max = 0), Some("requests_max"));
    }
}
