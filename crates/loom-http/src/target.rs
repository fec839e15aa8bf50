//! Where a request goes: a URL, taken apart and found to be granted.

use hyper::http::uri::PathAndQuery;
use loom_machine::{Failure, HttpAllowance, Scheme};
use url::{Host, Url};

use crate::error;

/// A URL that may be asked for.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) scheme: Scheme,
    pub(crate) host: Host,
    pub(crate) port: u16,
    pub(crate) path: PathAndQuery,
    url: Url,
}

impl Target {
    /// Reads a URL and checks it against the allowance.
    pub(crate) fn parse(text: &str, allowance: &HttpAllowance) -> Result<Self, Failure> {
        let url = Url::parse(text).map_err(|error| error::invalid(format!("'url': {error}")))?;
        Self::new(url, allowance)
    }

    /// The URL in a redirect, checked the same way. It never leads from TLS into the clear.
    pub(crate) fn redirected(&self, location: &str, allowance: &HttpAllowance) -> Result<Self, Failure> {
        let url = self.url.join(location);
        let url = url.map_err(|_| error::refused(&self.origin(), "it redirects to something that is no URL"))?;
        let target = Self::new(url, allowance)?;
        if self.scheme == Scheme::Https && target.scheme == Scheme::Http {
            return Err(error::refused(&self.origin(), "it redirects from https to http"));
        }
        Ok(target)
    }

    fn new(url: Url, allowance: &HttpAllowance) -> Result<Self, Failure> {
        let scheme = match url.scheme() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(error::invalid("'url': only http and https are spoken")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(error::invalid("'url': a name and password belong into a header"));
        }
        let host = url.host().map(|host| host.to_owned()).ok_or_else(|| error::invalid("'url': there is no host"))?;
        let port = url.port().unwrap_or(scheme.default_port());
        let path = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let path = path.parse().map_err(|_| error::invalid("'url': the path cannot be sent"))?;
        let target = Self { scheme, host, port, path, url };
        if allowance.allows(scheme, &target.host.to_string(), port) {
            return Ok(target);
        }
        Err(error::not_granted(format_args!("{} (http.hosts)", target.origin())))
    }

    /// Scheme, host and port.
    pub(crate) fn origin(&self) -> String {
        format!("{}://{}", self.scheme.name(), self.authority())
    }

    /// Host and port as the `host` header has them.
    pub(crate) fn authority(&self) -> String {
        if self.port == self.scheme.default_port() {
            return self.host.to_string();
        }
        format!("{}:{}", self.host, self.port)
    }

    pub(crate) fn is_same_origin(&self, other: &Self) -> bool {
        (self.scheme, &self.host, self.port) == (other.scheme, &other.host, other.port)
    }
}

#[cfg(test)]
mod tests {
    use loom_machine::HostPattern;

    use super::*;

    fn allowance(hosts: &[&str]) -> HttpAllowance {
        HttpAllowance::new(hosts.iter().map(|&host| HostPattern::try_from(host.to_owned()).unwrap()).collect())
    }

    fn origin(url: &str, hosts: &[&str]) -> Result<String, String> {
        Target::parse(url, &allowance(hosts)).map(|target| target.origin()).map_err(|failure| failure.kind)
    }

    #[test]
    fn urls_mean_what_their_normal_form_says() {
        for (url, host, expected) in [
            ("https://API.example.com/x", "api.example.com", "https://api.example.com"),
            ("https://api.example.com:443", "api.example.com", "https://api.example.com"),
            ("https:\\\\api.example.com\\x", "api.example.com", "https://api.example.com"),
            ("https://bücher.example", "xn--bcher-kva.example", "https://xn--bcher-kva.example"),
            ("http://127.1:81", "http://127.0.0.1:81", "http://127.0.0.1:81"),
            ("http://0x7f000001", "http://127.0.0.1", "http://127.0.0.1"),
            ("https://[0:0::1]:8443", "[::1]:8443", "https://[::1]:8443"),
        ] {
            assert_eq!(origin(url, &[host]).as_deref(), Ok(expected), "{url}");
        }
    }

    #[test]
    fn what_is_not_granted_or_not_understood_is_refused() {
        for (url, kind) in [
            ("https://api.example.com.", "not-granted"),
            ("https://api.example.com@evil.org/", "invalid-request"),
            ("https://evil.org#@api.example.com", "not-granted"),
            ("https://evil.org/?https://api.example.com", "not-granted"),
            ("http://api.example.com", "not-granted"),
            ("https://api.example.com:8443", "not-granted"),
            ("ftp://api.example.com", "invalid-request"),
            ("file:///etc/passwd", "invalid-request"),
            ("/relative", "invalid-request"),
            ("https://", "invalid-request"),
        ] {
            assert_eq!(origin(url, &["api.example.com"]).unwrap_err(), kind, "{url}");
        }
    }

    #[test]
    fn redirects_are_checked_like_requests() {
        let allowance = allowance(&["a.example", "http://a.example", "b.example"]);
        let from = Target::parse("https://a.example/x/y?z", &allowance).unwrap();
        let to = |location: &str| {
            from.redirected(location, &allowance).map(|to| format!("{}{}", to.origin(), to.path)).map_err(|no| no.kind)
        };
        assert_eq!(to("w?v").as_deref(), Ok("https://a.example/x/w?v"));
        assert_eq!(to("//b.example/").as_deref(), Ok("https://b.example/"));
        assert_eq!(to("http://a.example/").unwrap_err(), "http-refused");
        assert_eq!(to("https://c.example/").unwrap_err(), "not-granted");
        assert_eq!(to("gopher://a.example/").unwrap_err(), "invalid-request");
        assert_eq!(to("https://").unwrap_err(), "http-refused");
    }
}
