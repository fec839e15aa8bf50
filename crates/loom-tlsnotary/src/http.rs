//! HTTP/1.1 in a transcript with holes: as which host a server was asked, and where a response's body is.
//!
//! A hole may hide anything, the end of a line and the beginning of another text among it. So what stands after a hole
//! is only read on under an assumption, which is noted: that the hole lies within the one header's value, or within the
//! one JSON string, that is disclosed on both sides of it.

mod body;
mod cursor;

pub use self::body::{Body, Unreadable, body};
use crate::verify::Disclosed;

/// As which host a server was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// As the one of its name.
    Same,
    /// As another; what the request says.
    Other(String),
    /// Not known.
    Undisclosed,
}

/// Compares the request's host with a server's name. Whoever wrote the request may have wanted it to look like another one,
/// so that it is the same counts only where all servers read it alike.
pub fn host(sent: &Disclosed, name: &str) -> Host {
    let first = sent.parts().next().filter(|(range, _)| range.start == 0).map_or(&[][..], |(_, bytes)| bytes);
    let head_end = first.windows(4).position(|window| window == b"\r\n\r\n");
    // Without the head's end anywhere, for a difference is worth knowing even if it stands after a hole.
    let everywhere = || sent.parts().map(|(_, bytes)| bytes).collect();
    let read = head_end.map_or_else(everywhere, |end| vec![&first[..end + 2]]);
    // A line that does not end goes on in a hole.
    let lines = read.iter().flat_map(|bytes| bytes.split_inclusive(|byte| *byte == b'\n'));
    let lines = lines.filter_map(|line| line.strip_suffix(b"\n"));
    let other = lines.filter_map(host_of_line).find(|host| !is_host(host, name));
    if let Some(host) = other {
        return Host::Other(String::from_utf8_lossy(host).chars().take(256).collect());
    }
    let mut head = &first[..head_end.map_or(first.len(), |end| end + 2)];
    let (mut hosts, mut is_first) = (0, true);
    while let Some(end) = head.iter().position(|byte| *byte == b'\n') {
        let Some(line) = head[..end].strip_suffix(b"\r").filter(|line| !line.contains(&b'\r')) else {
            return Host::Undisclosed;
        };
        let is_header = |line| split_once(line, b':').is_some_and(|(name, _)| is_token(name));
        if line.is_empty() || !(is_first || is_header(line)) {
            return Host::Undisclosed;
        }
        hosts += usize::from(!is_first && host_of_line(line).is_some());
        (head, is_first) = (&head[end + 1..], false);
    }
    if hosts == 1 { Host::Same } else { Host::Undisclosed }
}

/// Whether a header can be named so (RFC 9110, 5.6.2).
fn is_token(name: &[u8]) -> bool {
    let is_of_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !name.is_empty() && name.iter().all(is_of_token)
}

/// The host that a line of a request's head names, if a server may read it so: its `Host`, or the request line if it has a
/// whole URL.
fn host_of_line(line: &[u8]) -> Option<&[u8]> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if let Some((name, value)) = split_once(line, b':')
        && name.trim_ascii().eq_ignore_ascii_case(b"host")
    {
        return Some(value.trim_ascii());
    }
    let mut words = line.split(|byte| *byte == b' ');
    let (_method, target, version) = (words.next()?, words.next()?, words.next()?);
    let scheme = target.windows(3).position(|window| window == b"://")?;
    let is_request = version.starts_with(b"HTTP/") && target[..scheme].iter().all(u8::is_ascii_alphabetic);
    let rest = &target[scheme + 3..];
    let end = rest.iter().position(|byte| b"/?#".contains(byte)).unwrap_or(rest.len());
    let authority = &rest[..end];
    // Who asks may stand before it.
    let start = authority.iter().rposition(|byte| *byte == b'@').map_or(0, |at| at + 1);
    is_request.then(|| &authority[start..])
}

fn is_host(host: &[u8], name: &str) -> bool {
    let end = host.iter().position(|byte| *byte == b':').unwrap_or(host.len());
    host[..end].eq_ignore_ascii_case(name.as_bytes())
}

pub(crate) fn split_once(line: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let place = line.iter().position(|byte| *byte == at)?;
    Some((&line[..place], &line[place + 1..]))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::ranges::RangeSet;

    /// A text in which `_` stands for a byte that is not known.
    pub(crate) fn with_holes(text: &str) -> Disclosed {
        let known = text.bytes().zip(0u64..).filter(|(byte, _)| *byte != b'_');
        let ranges = RangeSet::union(known.clone().map(|(_, at)| at..at + 1));
        Disclosed::new(known.map(|(byte, _)| byte).collect(), ranges, text.len() as u64).unwrap()
    }

    #[test]
    fn a_host_counts_as_the_same_only_without_a_hole_before_it() {
        let other = |host: &str| Host::Other(host.to_owned());
        for (sent, expected) in [
            ("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", Host::Same),
            ("GET / HTTP/1.1\r\nx: y\r\nhOSt:A.TEST:443\r\n\r\n", Host::Same),
            ("GET / HTTP/1.1\r\nHost: b.test\r\n\r\n", other("b.test")),
            ("GET / HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n", other("b.test")),
            ("GET https://b.test/x HTTP/1.1\r\nHost: a.test\r\n\r\n", other("b.test")),
            ("GET https://a.test/x HTTP/1.1\r\nHost: a.test\r\n\r\n", Host::Same),
            ("GET /?u=https://b.test HTTP/1.1\r\nHost: a.test\r\n\r\n", Host::Same),
            ("GET / HTTP/1.1\r\nx: __\r\nHost: a.test\r\n\r\n", Host::Undisclosed),
            ("GET / HTTP/1.1\r\nx: __\r\nHost: b.test\r\n\r\n", other("b.test")),
            ("GET / HTTP/1.1\r\nHost: a.te__\r\n\r\n", Host::Undisclosed),
            ("GET / HTTP/1.1\r\nHost: a.test_____", Host::Undisclosed),
            ("POST / HTTP/1.1\r\n\r\nHost: a.test\r\n", Host::Undisclosed),
            ("", Host::Undisclosed),
            // What servers read differently.
            ("GET / HTTP/1.1\r\nHost: b.test\nHost: a.test\r\n\r\n", other("b.test")),
            ("GET / HTTP/1.1\r\nx: y\nHost: a.test\r\n\r\n", Host::Undisclosed),
            ("GET / HTTP/1.1\r\nHost : b.test\r\nHost: a.test\r\n\r\n", other("b.test")),
            ("GET / HTTP/1.1\r\nx: y\r\n z\r\nHost: a.test\r\n\r\n", Host::Undisclosed),
            ("GET / HTTP/1.1\r\nHost: a.test\r\nHost: a.test\r\n\r\n", Host::Undisclosed),
            ("GET / HTTP/1.1\r\nx: \rHost: b.test\r\nHost: a.test\r\n\r\n", Host::Undisclosed),
            ("GET https://a.test:x@b.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", other("b.test")),
            ("GET https://me@a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", Host::Same),
            // A body is no head.
            ("POST / HTTP/1.1\r\nHost: a.test\r\n\r\nHost: b.test\r\n", Host::Same),
        ] {
            assert_eq!(host(&with_holes(sent), "a.test"), expected, "{sent:?}");
        }
    }
}
