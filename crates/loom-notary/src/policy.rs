//! What a notary fetches for its clients: patterns, and nothing without one.

use std::{fmt, str::FromStr};

use loom_machine::{HostPattern, Scheme};

use crate::{
    InvalidRequest,
    request::{Method, Request, Target},
};

/// `[METHOD ]https://HOST[:PORT][/PATH]`: a method (GET without one), hosts, and a path with everything below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    method: Method,
    host: HostPattern,
    path: String,
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not like 'https://api.example.com/accounts' or 'POST https://*.example.com': {problem}")]
pub struct InvalidPattern {
    text: String,
    problem: String,
}

impl Allowed {
    /// What allows a request, and whatever else is asked of its host by the same method.
    pub fn host_of(request: &Request) -> Result<Self, InvalidRequest> {
        let target = request.target()?;
        let host = HostPattern::try_from(format!("https://{}", target.authority()));
        let host = host.map_err(|_| InvalidRequest::Url { problem: "its host is none that can be allowed" })?;
        Ok(Self { method: target.method, host, path: "/".to_owned() })
    }

    pub(crate) fn matches(&self, target: &Target) -> bool {
        self.method == target.method
            && self.host.matches(Scheme::Https, &target.host, target.port)
            && is_below(&self.path, &target.path)
    }
}

/// Whether a path is the given one or below it. What a server may take for a slash or a dot is below nothing but `/`.
fn is_below(root: &str, path: &str) -> bool {
    if root == "/" {
        return true;
    }
    let path_lower = path.to_ascii_lowercase();
    let is_plain = !["%2f", "%5c", "%2e", "%00", "\\", "//", ";"].iter().any(|odd| path_lower.contains(odd));
    let rest = path.strip_prefix(root.trim_end_matches('/'));
    is_plain && rest.is_some_and(|rest| rest.starts_with('/') || (rest.is_empty() && !root.ends_with('/')))
}

impl FromStr for Allowed {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        let invalid = |problem: String| InvalidPattern { text: text.to_owned(), problem };
        let (method, url) = text.split_once(' ').unwrap_or((Method::Get.name(), text));
        let method = Method::named(method).ok_or_else(|| invalid("the methods are GET and POST".to_owned()))?;
        let rest = url.strip_prefix("https://").ok_or_else(|| invalid("only https can be notarised".to_owned()))?;
        let (host, path) = rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash));
        let host = HostPattern::try_from(format!("https://{host}")).map_err(|error| invalid(error.to_string()))?;
        if path.contains(['?', '#', '*', ' ', '\\']) || path.contains("//") {
            return Err(invalid("a path has no query and no patterns; it stands for everything below it".to_owned()));
        }
        Ok(Self { method, host, path: path.to_owned() })
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.method.name(), self.host.as_str(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_method_host_and_path() {
        for (pattern, method, url, expected) in [
            ("https://a.example", "GET", "https://a.example/any/thing?q", true),
            ("https://a.example", "POST", "https://a.example/", false),
            ("POST https://a.example", "POST", "https://a.example/", true),
            ("https://a.example", "GET", "https://a.example:8443/", false),
            ("https://a.example:8443", "GET", "https://a.example:8443/", true),
            ("https://*.example", "GET", "https://b.example/", true),
            ("https://a.example/x", "GET", "https://a.example/x", true),
            ("https://a.example/x", "GET", "https://a.example/x/y?z=1", true),
            ("https://a.example/x", "GET", "https://a.example/xy", false),
            ("https://a.example/x", "GET", "https://a.example/", false),
            ("https://a.example/x/", "GET", "https://a.example/x", false),
            ("https://a.example/x/", "GET", "https://a.example/x/y", true),
            ("https://a.example/x", "GET", "https://a.example/x/../y", false),
            ("https://a.example/x", "GET", "https://a.example/x/%2e%2e/y", false),
            ("https://a.example/x", "GET", "https://a.example/x/..%2fy", false),
            ("https://a.example/x", "GET", "https://a.example/x/..%5Cy", false),
            ("https://a.example/x", "GET", "https://a.example/x//y", false),
            ("https://a.example/x", "GET", "https://a.example/x/..;/y", false),
        ] {
            let allowed: Allowed = pattern.parse().unwrap();
            let method = Method::named(method).unwrap();
            let target = Request { method, ..Request::get(url) }.target().unwrap();
            assert_eq!(allowed.matches(&target), expected, "{pattern} and {url}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in [
            "",
            "a.example",
            "http://a.example",
            "PUT https://a.example",
            "https://",
            "https://a.example/x?y",
            "https://a.example/*",
            "https://A.example",
            "https://a.example//",
        ] {
            assert!(text.parse::<Allowed>().is_err(), "{text}");
        }
        let shown: Allowed = "https://a.example:1/x".parse().unwrap();
        assert_eq!(shown.to_string(), "GET https://a.example:1/x");
    }
}
