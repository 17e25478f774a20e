//! Request line and status line.

use http::Version;

use super::fault::Fault;
use super::lines::is_tchar;

/// A request line: the lengths of its method and its target, one space behind it, and the version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RequestLine {
    pub(super) method: usize,
    pub(super) target: usize,
    pub(super) version: Version,
}

/// `method SP target SP version` (RFC 9112, section 3), with one space each.
pub(super) fn request_line(line: &[u8]) -> Result<RequestLine, Fault> {
    let method = line.iter().position(|byte| !is_tchar(*byte)).ok_or(Fault::RequestLine)?;
    if method == 0 || line[method] != b' ' {
        return Err(Fault::RequestLine);
    }
    let rest = &line[method + 1..];
    // Printable ASCII without `#`: a request has no fragment (RFC 9112, section 3.2).
    let fits = |byte: &u8| matches!(byte, 0x21..=0x7e) && *byte != b'#';
    let target = rest.iter().position(|byte| !fits(byte)).ok_or(Fault::RequestLine)?;
    if rest[target] != b' ' {
        return Err(if rest[target] == b'\t' { Fault::RequestLine } else { Fault::Target });
    }
    if target == 0 {
        return Err(Fault::RequestLine);
    }
    let version = version(&rest[target + 1..]).ok_or_else(|| match &rest[target + 1..] {
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => {
            Fault::Version
        }
        _ => Fault::RequestLine,
    })?;
    Ok(RequestLine { method, target, version })
}

/// `version SP status [SP reason]` (RFC 9112, section 4). The space before a missing reason may be missing too: servers
/// of good name leave it out.
pub(super) fn status_line(line: &[u8]) -> Result<(Version, u16), Fault> {
    let version = line.get(..8).and_then(version).ok_or(Fault::StatusLine)?;
    let [b' ', a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..] = &line[8..] else {
        return Err(Fault::StatusLine);
    };
    if rest.first().is_some_and(|byte| *byte != b' ') {
        return Err(Fault::StatusLine);
    }
    Ok((version, [a, b, c].iter().fold(0, |status, digit| status * 10 + u16::from(**digit - b'0'))))
}

fn version(text: &[u8]) -> Option<Version> {
    match text {
        b"HTTP/1.1" => Some(Version::HTTP_11),
        b"HTTP/1.0" => Some(Version::HTTP_10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_line_has_three_parts_and_two_spaces() {
        let parts = RequestLine { method: 3, target: 1, version: Version::HTTP_11 };
        assert_eq!(request_line(b"GET / HTTP/1.1"), Ok(parts));
        assert_eq!(request_line(b"M-SEARCH * HTTP/1.0").unwrap().version, Version::HTTP_10);
        for (line, fault) in [
            ("GET  / HTTP/1.1", Fault::RequestLine),
            ("GET /  HTTP/1.1", Fault::RequestLine),
            ("GET / HTTP/1.1 ", Fault::RequestLine),
            ("GET\t/ HTTP/1.1", Fault::RequestLine),
            ("GET /\tHTTP/1.1", Fault::RequestLine),
            (" GET / HTTP/1.1", Fault::RequestLine),
            ("GET / x HTTP/1.1", Fault::RequestLine),
            ("GET /", Fault::RequestLine),
            ("GET", Fault::RequestLine),
            ("G(T / HTTP/1.1", Fault::RequestLine),
            ("GET / http/1.1", Fault::RequestLine),
            ("GET / HTTP/1.10", Fault::RequestLine),
            ("GET / HTTP/2.0", Fault::Version),
            ("GET / HTTP/0.9", Fault::Version),
            ("PRI * HTTP/2.0", Fault::Version),
            ("GET /#x HTTP/1.1", Fault::Target),
            ("GET /ä HTTP/1.1", Fault::Target),
        ] {
            assert_eq!(request_line(line.as_bytes()), Err(fault), "{line:?}");
        }
    }

    #[test]
    fn a_status_line_has_a_version_and_three_digits() {
        assert_eq!(status_line(b"HTTP/1.1 200 OK"), Ok((Version::HTTP_11, 200)));
        assert_eq!(status_line(b"HTTP/1.0 404"), Ok((Version::HTTP_10, 404)));
        assert_eq!(status_line(b"HTTP/1.1 599 "), Ok((Version::HTTP_11, 599)));
        for line in [
            "HTTP/1.1 20 OK",
            "HTTP/1.1 2000",
            "HTTP/1.1  200",
            "HTTP/2 200",
            "HTTP/1.1 099",
            "hello",
            "",
            "ICY 200 OK",
        ] {
            assert_eq!(status_line(line.as_bytes()), Err(Fault::StatusLine), "{line:?}");
        }
    }
}
