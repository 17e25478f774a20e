//! Host, authority and target of a request.
//!
//! Three lines: the Host header, the authority of the target, and its path and query. A line that is empty is not there.

use botgate::proxy::fuzzing::{host, path};
use botgate::wire::Head;
use http::header::HOST;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Request, Uri};

pub fn target(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let mut line = || lines.next().filter(|line| !line.is_empty());
    let (header, authority, target) = (line(), line(), line());
    let second = lines.next();
    let mut parts = Request::new(()).into_parts().0;
    for value in header.into_iter().chain(second).filter_map(|value| HeaderValue::from_bytes(value).ok()) {
        parts.headers.append(HOST, value);
    }
    let mut uri = http::uri::Parts::default();
    uri.authority = authority.and_then(|text| Authority::try_from(text).ok());
    uri.scheme = uri.authority.is_some().then_some(Scheme::HTTPS);
    uri.path_and_query = target.and_then(|text| PathAndQuery::try_from(text).ok());
    if uri.authority.is_some() && uri.path_and_query.is_none() {
        uri.path_and_query = Some(PathAndQuery::from_static("/"));
    }
    let Ok(uri) = Uri::from_parts(uri) else { return };
    parts.uri = uri;
    let hosts = parts.headers.get_all(HOST).iter().count();
    let head = Head::from(parts);
    let named = host(&head).map(|host| canonical(&host, hosts));
    if let Some((sent, routed)) = path(&head) {
        assert!(sent.starts_with(routed) && routed.starts_with('/'), "{sent:?} is routed as {routed:?}");
        unambiguous(routed);
    }
    // The same host, written again, is the same host: nothing is to be had by writing it twice.
    if let Some(named) = named {
        let again = if named.contains(':') { format!("[{named}]") } else { named.clone() };
        let mut parts = Request::new(()).into_parts().0;
        parts.headers.insert(HOST, HeaderValue::from_str(&again).unwrap());
        assert_eq!(host(&Head::from(parts)), Some(named));
    }
}

fn canonical(host: &str, headers: usize) -> String {
    assert!(headers < 2, "one of {headers} Host headers was chosen");
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_:".contains(&byte);
    assert!(!host.is_empty() && host.bytes().all(fits), "{host:?}");
    // An address may hold colons; a name that does would be a name and a port.
    assert!(!host.contains(':') || host.parse::<std::net::Ipv6Addr>().is_ok(), "{host:?}");
    host.to_owned()
}

/// Decoded as often as servers in a row might: no dot segment, no slash out of an escape, no NUL.
fn unambiguous(path: &str) {
    let decoded = decoded(path.as_bytes());
    assert_eq!(
        decoded.iter().filter(|byte| **byte == b'/').count(),
        path.matches('/').count(),
        "{path:?} has slashes in escapes"
    );
    assert!(!decoded.contains(&b'\\') && !decoded.contains(&0), "{path:?}");
    let dots = |segment: &[u8]| segment == b"." || segment == b"..";
    assert!(!decoded.split(|byte| *byte == b'/').any(dots), "{path:?} has a dot segment");
}

fn decoded(path: &[u8]) -> Vec<u8> {
    let (mut all, mut at) = (Vec::new(), 0);
    while at < path.len() {
        let hex = path.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        let hex = hex.filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| path[at] == b'%') {
            Some(byte) => (all.push(byte), at += 3).0,
            None => (all.push(path[at]), at += 1).0,
        }
    }
    all
}
