//! The head of a request: what is refused, and the host and path that it is routed by.

use std::borrow::Cow;

use http::{Method, Version};

use super::refuse::Refusal;
use crate::wire::{Fields, Head, Known, ascii};

/// The host that a request is for: lower case, without port or trailing dot.
///
/// # Errors
/// 400 when there is none, more than one, or one that is no host (RFC 9112, section 3.2).
pub(super) fn host(head: &Head) -> Result<Cow<'_, str>, Refusal> {
    if head.fields.repeats(Known::Host) {
        return Err(Refusal::BadRequest("several Host headers"));
    }
    let header = match head.fields.get(Known::Host) {
        Some(value) => Some(ascii(value).ok_or(Refusal::BadRequest("the Host header is not a host"))?),
        None => None,
    };
    let http1 = head.version < Version::HTTP_2;
    if http1 && header.is_none() {
        return Err(Refusal::BadRequest("the Host header is missing"));
    }
    let authority = match (head.uri.authority(), header) {
        // HTTP/2, or the absolute form of HTTP/1.1: the target counts (RFC 9112, section 3.2.2), and a Host that says
        // something else is an attempt to be read in two ways.
        (Some(authority), Some(header)) if !authority.as_str().eq_ignore_ascii_case(header) => {
            return Err(Refusal::BadRequest("the Host header and the request target name different hosts"));
        }
        (Some(authority), _) => authority.as_str(),
        (None, Some(header)) => header,
        (None, None) => return Err(Refusal::BadRequest("the Host header is missing")),
    };
    canonical(authority).ok_or(Refusal::BadRequest("the Host header is not a host"))
}

/// `Bot.Contoso.com.:443` → `bot.contoso.com`; none when it is no host.
fn canonical(authority: &str) -> Option<Cow<'_, str>> {
    let host = if let Some(rest) = authority.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        if !port.is_empty() && !port.strip_prefix(':').is_some_and(is_port) {
            return None;
        }
        address.parse::<std::net::Ipv6Addr>().ok()?;
        address
    } else {
        match authority.bytes().position(|byte| byte == b':').and_then(|at| authority.split_at_checked(at)) {
            Some((host, port)) if is_port(&port[1..]) => host,
            Some(_) => return None,
            None => authority,
        }
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.is_empty() || host.len() > 253 {
        return None;
    }
    let (mut before, mut upper) = (b'.', false);
    for byte in host.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b':' => {}
            b'A'..=b'Z' => upper = true,
            // Not at its begin or end, nor after another.
            b'.' if before != b'.' => {}
            _ => return None,
        }
        before = byte;
    }
    match (before, upper) {
        (b'.', _) => None,
        (_, true) => Some(host.to_ascii_lowercase().into()),
        (_, false) => Some(host.into()),
    }
}

fn is_port(text: &str) -> bool {
    // An empty port is allowed (RFC 3986, section 3.2.3).
    text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Refuses methods that a reverse proxy must not pass on.
///
/// # Errors
/// 405 for CONNECT and TRACE.
pub(super) fn method(method: &Method) -> Result<(), Refusal> {
    if method == Method::CONNECT || method == Method::TRACE { Err(Refusal::Method) } else { Ok(()) }
}

/// Refuses a transfer coding that another server could read in another way: `chunked`, once, is all there is
/// (RFC 9112, section 6.1).
///
/// # Errors
/// 400 for any other.
pub(super) fn transfer_coding(fields: &Fields) -> Result<(), Refusal> {
    if !fields.has(Known::TransferEncoding) {
        return Ok(());
    }
    let mut codings = fields.all(Known::TransferEncoding);
    let plain = match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(coding), None) => coding.eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => false,
    };
    if plain { Ok(()) } else { Err(Refusal::BadRequest("a transfer coding other than chunked")) }
}

/// The path and query as sent, and the path alone.
///
/// # Errors
/// 400 for a target without a path (`*`), and for a path that servers are known to read in different ways: dot segments
/// (plain, encoded or with parameters), encoded slashes, backslashes.
pub(super) fn path(head: &Head) -> Result<(&str, &str), Refusal> {
    // In HTTP/1.1 a scheme comes with the absolute form only (RFC 9112, section 3.2.2).
    if head.uri.scheme_str().is_some_and(|scheme| scheme != "https" && scheme != "http") {
        return Err(Refusal::BadRequest("the scheme of the request target is not http or https"));
    }
    let target = head.uri.path_and_query().ok_or(Refusal::BadRequest("the request target has no path"))?;
    let path = target.path();
    // `http://host?x` has an empty path, which reads as "/" here and would be sent on as `?x`.
    if !path.starts_with('/') || !target.as_str().starts_with('/') {
        return Err(Refusal::BadRequest("the request target has no path"));
    }
    if is_ambiguous(path) {
        return Err(Refusal::BadRequest("the path can be read in more than one way (dot segments, encoded slashes)"));
    }
    Ok((target.as_str(), path))
}

fn is_ambiguous(path: &str) -> bool {
    // Nearly every path has neither: one quick look.
    if !path.bytes().any(|byte| matches!(byte, b'.' | b'%' | b'\\')) {
        return false;
    }
    let encoded = |hex: &str| {
        path.match_indices('%')
            .any(|(at, _)| path.get(at + 1..at + 3).is_some_and(|digits| digits.eq_ignore_ascii_case(hex)))
    };
    if path.contains('\\') || encoded("2f") || encoded("5c") || encoded("00") {
        return true;
    }
    path.split('/').any(|segment| {
        // Dots alone, however they are written, and whatever parameters follow: to some servers `..;x` is `..`.
        let mut rest = segment.split(';').next().unwrap_or_default();
        let mut dots = 0;
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix('.') {
                rest = after;
            } else if rest.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("%2e")) {
                rest = &rest[3..];
            } else {
                return false;
            }
            dots += 1;
        }
        dots == 1 || dots == 2
    })
}

/// The protocol a request asks to upgrade to; none for an ordinary request.
///
/// HTTP/1.1 only: HTTP/2 has no Upgrade (RFC 9113, section 8.6). An upgrade to `h2c` is passed over, as a server may
/// (section 3.2): behind it a client could send requests that no route was asked about.
pub(super) fn upgrade(head: &Head) -> Option<&[u8]> {
    let protocol = head.fields.get(Known::Upgrade)?;
    let asked = head.version == Version::HTTP_11 && lists(&head.fields, Known::Connection, "upgrade");
    (asked && !lists(&head.fields, Known::Upgrade, "h2c")).then_some(protocol)
}

/// Refuses what is asked of this hop and not served: any expectation but `100-continue` (RFC 9110, section 10.1.1), and an
/// upgrade to a WebSocket of another version than 13 (RFC 6455, section 4.2.2), or by another method than GET. A backend
/// that answers such an upgrade by anything but 101 and goes on with HTTP would do so behind the back of a proxy that did
/// not look.
///
/// # Errors
/// 400, 417, 426.
pub(super) fn demands(head: &Head) -> Result<(), Refusal> {
    let fields = &head.fields;
    if fields.has(Known::Expect)
        && fields.all(Known::Expect).any(|expected| !expected.eq_ignore_ascii_case(b"100-continue"))
    {
        return Err(Refusal::Expectation);
    }
    if upgrade(head).is_some() && lists(fields, Known::Upgrade, "websocket") {
        if head.method != Method::GET {
            return Err(Refusal::BadRequest("a WebSocket begins with GET"));
        }
        let mut versions = fields.all(Known::SecWebSocketVersion);
        // Without one it is for the backend to say.
        if versions.next().is_some_and(|version| version != b"13") || versions.next().is_some() {
            return Err(Refusal::WebSocketVersion);
        }
    }
    Ok(())
}

/// The items of a list. Read as bytes: an item that is no text hides none of the others.
pub(super) fn items(list: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    list.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

fn lists(fields: &Fields, field: Known, wanted: &str) -> bool {
    fields.all(field).flat_map(items).any(|item| item.eq_ignore_ascii_case(wanted.as_bytes()))
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use http::header::{CONNECTION, HOST, HeaderValue, TRANSFER_ENCODING, UPGRADE};

    use super::*;

    fn parts(target: &str, hosts: &[&str]) -> Head {
        let mut request = http::Request::builder().uri(target);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        request.body(()).unwrap().into_parts().0.into()
    }

    #[test]
    fn hosts_are_made_canonical() {
        for (written, canonical) in [
            ("Bot.Contoso.com", "bot.contoso.com"),
            ("bot.contoso.com:8443", "bot.contoso.com"),
            ("bot.contoso.com.", "bot.contoso.com"),
            ("127.0.0.1:80", "127.0.0.1"),
            ("[::1]:443", "::1"),
            ("[::1]", "::1"),
        ] {
            assert_eq!(host(&parts("/", &[written])).unwrap(), canonical);
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for bad in [
            "",
            "user@host",
            "a/b",
            "a:b",
            "a:123456",
            "[::1",
            "[x]",
            "a b",
            "a,b",
            ".",
            "[::1]x",
            "..",
            ".a",
            "a..b",
            "a..",
        ] {
            assert!(host(&parts("/", &[bad])).is_err(), "{bad:?}");
        }
        assert!(host(&parts("/", &[])).is_err());
        assert!(host(&parts("/", &["a", "a"])).is_err(), "even two of the same");
    }

    #[test]
    fn only_plain_chunked_is_a_transfer_coding() {
        for (codings, fine) in [
            (&[][..], true),
            (&["chunked"], true),
            (&["Chunked"], true),
            (&["chunked, chunked"], false),
            (&["chunked", "chunked"], false),
            (&["gzip, chunked"], false),
        ] {
            let mut headers = HeaderMap::new();
            for coding in codings {
                headers.append(TRANSFER_ENCODING, HeaderValue::from_static(coding));
            }
            assert_eq!(transfer_coding(&headers.into()).is_ok(), fine, "{codings:?}");
        }
    }

    #[test]
    fn an_upgrade_to_http2_would_be_a_tunnel_past_the_routes() {
        for (protocol, asked) in
            [(&b"websocket"[..], true), (b"h2c", false), (b"websocket, H2C", false), (b"h2c,\x80", false)]
        {
            let request = http::Request::builder().header(CONNECTION, "upgrade").header(UPGRADE, protocol);
            let head = request.body(()).unwrap().into_parts().0.into();
            assert_eq!(upgrade(&head).is_some(), asked, "{}", protocol.escape_ascii());
        }
    }

    #[test]
    fn a_target_and_a_host_must_agree() {
        assert!(host(&parts("http://a/", &["b"])).is_err());
        assert_eq!(host(&parts("http://A/", &["a"])).unwrap(), "a");
        assert!(host(&parts("http://a/", &[])).is_err(), "HTTP/1.1 has a Host, whatever its target says");
        let mut http2 = parts("http://a/", &[]);
        http2.version = Version::HTTP_2;
        assert_eq!(host(&http2).unwrap(), "a");
        assert!(path(&parts("ftp://a/", &["a"])).is_err());
    }

    #[test]
    fn what_is_demanded_of_this_hop_is_served_or_refused() {
        let demand = |method: &str, headers: &[(&str, &str)]| {
            let request = http::Request::builder().method(method).uri("/");
            let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
            demands(&request.body(()).unwrap().into_parts().0.into())
        };
        let (connection, upgrade) = (("connection", "Upgrade"), ("upgrade", "WebSocket"));
        let version = |version| ("sec-websocket-version", version);
        assert_eq!(demand("GET", &[connection, upgrade, version("13")]), Ok(()));
        for bad in ["8", "1337", "13, 8", ""] {
            assert_eq!(demand("GET", &[connection, upgrade, version(bad)]), Err(Refusal::WebSocketVersion), "{bad}");
        }
        assert_eq!(demand("GET", &[connection, upgrade]), Ok(()), "its backend will say");
        let twice = [connection, upgrade, version("13"), version("13")];
        assert_eq!(demand("GET", &twice), Err(Refusal::WebSocketVersion));
        assert!(demand("POST", &[connection, upgrade, version("13")]).is_err());
        assert_eq!(demand("GET", &[upgrade]), Ok(()), "without Connection it is no upgrade");
        assert_eq!(demand("POST", &[("expect", "100-Continue")]), Ok(()));
        assert_eq!(demand("POST", &[("expect", "tea")]), Err(Refusal::Expectation));
    }

    #[test]
    fn a_target_of_a_query_alone_is_not_sent_on_as_it_is() {
        for bad in ["http://a?x", "http://a?", "http://a?/b"] {
            assert!(path(&parts(bad, &["a"])).is_err(), "{bad}");
        }
        assert_eq!(path(&parts("http://a", &["a"])).unwrap(), ("/", "/"));
    }

    #[test]
    fn a_host_with_two_trailing_dots_is_not_made_one_with_one() {
        for bad in ["a..", "a...", "..", ".a", "a..b", "a..:80"] {
            assert!(host(&parts("/", &[bad])).is_err(), "{bad}");
        }
        assert_eq!(host(&parts("/", &["a.:80"])).unwrap(), "a");
    }

    #[test]
    fn paths_that_can_be_read_in_two_ways_are_refused() {
        for bad in [
            "/a/../b",
            "/a/%2e%2E/b",
            "/a/.%2e/",
            "/.",
            "/a%2fb",
            "/a%5Cb",
            "/..",
            "/a%00",
            "*",
            "/a/..;/b",
            "/.;x=1/b",
            "/a/%2e;x=y",
        ] {
            assert!(path(&parts(bad, &["a"])).is_err(), "{bad}");
        }
        for good in
            ["/", "/a.b", "/...", "/a//b", "/a;/b", "/..a;b", "/language/:query-knowledgebases?x=%2f", "/a;b=c", "/%41"]
        {
            assert_eq!(path(&parts(good, &["a"])).unwrap().0, good);
        }
    }
}
