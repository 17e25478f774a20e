//! Headers of requests on their way to a backend, and of responses on theirs to a client.
//!
//! A byte of choices, then lines `name: value`.

use botgate::proxy::fuzzing::{client, prepare_request, prepare_response};
use http::{HeaderMap, HeaderName, HeaderValue, Version};

const HOP_BY_HOP: [&str; 7] =
    ["connection", "keep-alive", "proxy-connection", "proxy-authenticate", "te", "transfer-encoding", "upgrade"];
const OWN: [&str; 5] = ["botgate-attempt", "botgate-epoch", "botgate-resend", "botgate-probe", "expect"];
const FORWARDING: [&str; 5] =
    ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto"];

pub fn target(data: &[u8]) {
    let (choices, text) = crate::choice(data);
    let bit = |at: usize| choices >> at & 1 == 1;
    let mut before = HeaderMap::new();
    for line in text.split(|byte| *byte == b'\n').take(200) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            before.append(name, value);
        }
    }
    let peer = if bit(0) { "[2001:db8::7]:1234" } else { "192.0.2.7:1234" };
    let client = client(peer.parse().unwrap(), "198.51.100.1:8443".parse().unwrap(), bit(1), bit(2));
    let version = if bit(3) { Version::HTTP_2 } else { Version::HTTP_11 };
    let mut request = before.clone();
    prepare_request(&mut request, &client, "bot.example", version);
    connection_is_gone(&before, &request);
    for name in OWN {
        assert!(!request.contains_key(name), "{name} got through");
    }
    for name in FORWARDING {
        assert_eq!(request.get_all(name).iter().count(), 1, "{name}");
    }
    let alias = |name: &HeaderName| {
        let name = name.as_str();
        FORWARDING.iter().any(|known| name != *known && name.replace('_', "-") == *known)
    };
    assert!(!request.keys().any(alias), "an alias of a forwarding header got through: {request:?}");
    if !client.trusted {
        assert_eq!(
            request["x-forwarded-for"],
            peer.trim_start_matches('[').rsplit_once(':').unwrap().0.trim_end_matches(']')
        );
        assert_eq!(request["x-forwarded-proto"], if client.tls { "https" } else { "http" });
        assert_eq!(request["x-forwarded-host"], "bot.example");
        assert_eq!(request["x-forwarded-port"], "8443");
    }
    assert!(request.get_all("cookie").iter().count() <= 1);
    let id = request["x-request-id"].as_bytes();
    assert!((1..=128).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic), "{id:?}");
    for name in ["authorization", "content-type", "idempotency-key"] {
        assert!(before.get_all(name).iter().eq(request.get_all(name).iter()), "{name} changed");
    }
    assert_eq!(before.contains_key("cookie"), request.contains_key("cookie"));

    let mut response = before.clone();
    prepare_response(&mut response, version, &request["x-request-id"]);
    connection_is_gone(&before, &response);
    assert!(!(before.contains_key("transfer-encoding") && response.contains_key("content-length")), "both lengths");
}

/// Whether the header `Connection` names another.
fn named(headers: &HeaderMap, name: &str) -> bool {
    let lists = headers.get_all("connection").iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|one| one.trim().eq_ignore_ascii_case(name))
}

/// What `Connection` may not name: it stays, or is told afresh.
fn is_end_to_end(name: &str) -> bool {
    const NAMES: [&str; 10] = [
        "host",
        "content-length",
        "content-type",
        "content-encoding",
        "authorization",
        "cookie",
        "forwarded",
        "via",
        "x-request-id",
        "idempotency-key",
    ];
    NAMES.contains(&name) || name.starts_with("x-forwarded-") || name.starts_with("client-cert")
}

fn connection_is_gone(before: &HeaderMap, after: &HeaderMap) {
    for name in HOP_BY_HOP {
        assert!(!after.contains_key(name), "{name} got through");
    }
    for name in after.keys() {
        assert!(
            is_end_to_end(name.as_str()) || !named(before, name.as_str()),
            "{name} is named by Connection, and got through"
        );
    }
}
