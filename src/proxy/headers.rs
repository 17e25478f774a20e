//! What changes in headers on the way through.

use std::fmt::Write;

use bytes::BytesMut;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Version};

use super::client::Client;
use super::head::items;

/// The id of a request: accepted from the client, or made here.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The application id by which a backend can tell a repetition.
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Which attempt of the request this is; from the second on.
pub(super) const BOTGATE_ATTEMPT: HeaderName = HeaderName::from_static("botgate-attempt");
/// Says to a resend that it was answered from its first delivery, and how.
pub(super) const BOTGATE_RESEND: HeaderName = HeaderName::from_static("botgate-resend");
/// Says to a bot that an activity is a probe's, which is sent past the data plane.
const BOTGATE_PROBE: HeaderName = HeaderName::from_static("botgate-probe");
/// The epoch of the pool, so that a backend can refuse what is stale.
pub(super) const BOTGATE_EPOCH: HeaderName = HeaderName::from_static("botgate-epoch");

pub(super) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(super) const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const CLIENT_CERT: HeaderName = HeaderName::from_static("client-cert");
const CLIENT_CERT_CHAIN: HeaderName = HeaderName::from_static("client-cert-chain");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// Meant for one connection only (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HTTP2_SETTINGS,
];

/// Removes what is meant for one connection only: the fixed names and those that `Connection` lists.
pub(super) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        let listed: Vec<HeaderName> = headers
            .get_all(header::CONNECTION)
            .iter()
            .flat_map(items)
            .filter_map(|name| HeaderName::from_bytes(name).ok())
            .filter(|name| !is_end_to_end(name))
            .collect();
        for name in listed {
            headers.remove(name);
        }
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

/// What no `Connection` header can have removed: a list that names what frames, routes or authorizes the message, or what
/// tells where it came from, would change what the message is (RFC 9110, section 7.6.1, forbids to list such fields).
fn is_end_to_end(name: &HeaderName) -> bool {
    const NAMES: [HeaderName; 10] = [
        header::HOST,
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::CONTENT_ENCODING,
        header::AUTHORIZATION,
        header::COOKIE,
        header::FORWARDED,
        header::VIA,
        X_REQUEST_ID,
        IDEMPOTENCY_KEY,
    ];
    let name_text = name.as_str();
    NAMES.contains(name) || name_text.starts_with("x-forwarded-") || name_text.starts_with("client-cert")
}

/// Makes a client's headers fit to be forwarded: hop-by-hop out, forwarding told afresh, the request id in place.
pub(super) fn prepare_request(headers: &mut HeaderMap, client: &Client, host: &str, version: Version) {
    strip_hop_by_hop(headers);
    // A 100 is answered here, when the body is first asked for (RFC 9110, section 10.1.1).
    headers.remove(header::EXPECT);
    headers.remove(header::PROXY_AUTHORIZATION);
    headers.remove(BOTGATE_ATTEMPT);
    headers.remove(BOTGATE_EPOCH);
    headers.remove(BOTGATE_RESEND);
    headers.remove(BOTGATE_PROBE);
    remove_aliases(headers);
    join_cookies(headers);
    tell_certificate(headers, client);
    tell_forwarding(headers, client, host);
    append_via(headers, version);
    if !headers.get(X_REQUEST_ID).is_some_and(is_request_id) {
        headers.insert(X_REQUEST_ID, new_request_id());
    }
}

/// Some servers read `X_Forwarded_For` as `X-Forwarded-For`: no such alias gets past the check of the real name, or comes
/// beside what is added here.
fn remove_aliases(headers: &mut HeaderMap) {
    const NAMES: [&str; 8] = [
        "content-length",
        "content-type",
        "content-encoding",
        "transfer-encoding",
        "idempotency-key",
        "proxy-authorization",
        "proxy-connection",
        "keep-alive",
    ];
    let aliased = |name: &&HeaderName| {
        let name = name.as_str();
        if !name.contains('_') {
            return false;
        }
        // `X-Tenant_Id` is a name of its own; `X_Tenant_Id` might be another's.
        let read = name.replace('_', "-");
        name.starts_with("x_")
            || read.starts_with("x-forwarded-")
            || read == "x-request-id"
            || read.starts_with("forwarded")
            || read.starts_with("botgate-")
            || read.starts_with("client-cert")
            || NAMES.contains(&read.as_str())
    };
    while let Some(alias) = headers.keys().find(aliased).cloned() {
        headers.remove(alias);
    }
}

/// HTTP/2 may split cookies over several fields; HTTP/1.1 has one (RFC 9113, section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut crumbs = headers.get_all(header::COOKIE).iter();
    if crumbs.next().is_none() || crumbs.next().is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(cookie) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        headers.insert(header::COOKIE, cookie);
    }
}

/// `Client-Cert` (RFC 9440): only what this gateway has verified, or a trusted one before it.
fn tell_certificate(headers: &mut HeaderMap, client: &Client) {
    if !client.trusted || client.certificate.is_some() {
        headers.remove(&CLIENT_CERT);
        headers.remove(&CLIENT_CERT_CHAIN);
    }
    if let Some(header) = client.certificate.as_ref().and_then(|certificate| certificate.header.as_ref()) {
        headers.insert(CLIENT_CERT, header.clone());
    }
}

/// `Forwarded` (RFC 7239) and the older `X-Forwarded-*`: from an untrusted client rebuilt, from a trusted one extended.
fn tell_forwarding(headers: &mut HeaderMap, client: &Client, host: &str) {
    let mut before = String::new();
    let mut forwarded_before = String::new();
    if client.trusted {
        before = joined(headers, &X_FORWARDED_FOR);
        forwarded_before = joined(headers, &header::FORWARDED);
        // Of several the last is that of the proxy in front: those before it may be anybody's.
        for name in [X_FORWARDED_HOST, X_FORWARDED_PORT, X_FORWARDED_PROTO] {
            let mut values = headers.get_all(&name).iter();
            if let (Some(_), Some(last)) = (values.next(), values.next_back()) {
                let last = last.clone();
                headers.insert(name, last);
            }
        }
    } else {
        headers.remove(X_FORWARDED_HOST);
        headers.remove(X_FORWARDED_PORT);
        headers.remove(X_FORWARDED_PROTO);
    }
    let proto = if client.tls { "https" } else { "http" };
    let address = client.peer.ip().to_canonical();
    insert_text(headers, X_FORWARDED_FOR, format_args!("{before}{address}"));
    // An IPv6 address is quoted and bracketed (RFC 7239, section 6); so is a host with a colon in it.
    let (open, close) = if address.is_ipv6() { ("\"[", "]\"") } else { ("", "") };
    let (host_open, host_close) = if host.contains(':') { ("\"[", "]\"") } else { ("", "") };
    insert_text(
        headers,
        header::FORWARDED,
        format_args!("{forwarded_before}for={open}{address}{close};host={host_open}{host}{host_close};proto={proto}"),
    );
    if !headers.contains_key(X_FORWARDED_PROTO) {
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(proto));
    }
    if !headers.contains_key(X_FORWARDED_HOST) {
        insert_text(headers, X_FORWARDED_HOST, format_args!("{host}"));
    }
    if !headers.contains_key(X_FORWARDED_PORT) {
        headers.insert(X_FORWARDED_PORT, HeaderValue::from(client.local.port()));
    }
}

fn joined(headers: &HeaderMap, name: &HeaderName) -> String {
    let mut text = String::new();
    for value in headers.get_all(name) {
        // What a client wrote first must not take with it what the proxy in front has added to the same line.
        text.extend(value.as_bytes().iter().map(|byte| if byte.is_ascii() { char::from(*byte) } else { '?' }));
        text.push_str(", ");
    }
    text
}

fn insert_text(headers: &mut HeaderMap, name: HeaderName, text: std::fmt::Arguments<'_>) {
    let mut bytes = BytesMut::with_capacity(64);
    // Writing to memory does not fail, and addresses and hosts are header text.
    if bytes.write_fmt(text).is_ok()
        && let Ok(value) = HeaderValue::from_maybe_shared(bytes.freeze())
    {
        headers.insert(name, value);
    }
}

/// `Via` (RFC 9110, section 7.6.3): the version received, and who passed it on.
fn append_via(headers: &mut HeaderMap, version: Version) {
    let via = match version {
        Version::HTTP_2 => "2.0 botgate",
        Version::HTTP_10 => "1.0 botgate",
        _ => "1.1 botgate",
    };
    headers.append(header::VIA, HeaderValue::from_static(via));
}

pub(super) fn is_request_id(id: &HeaderValue) -> bool {
    (1..=128).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
}

fn new_request_id() -> HeaderValue {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let random = fastrand::u128(..);
    let text: [u8; 32] = std::array::from_fn(|at| DIGITS[(random >> (4 * at)) as usize & 15]);
    HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("-"))
}

/// Makes a backend's headers fit for the client.
pub(super) fn prepare_response(headers: &mut HeaderMap, version: Version, request_id: &HeaderValue) {
    // The coding counts and the length may lie (RFC 9112, section 6.3): a client must not be told both lengths.
    if headers.contains_key(header::TRANSFER_ENCODING) {
        headers.remove(header::CONTENT_LENGTH);
    }
    strip_hop_by_hop(headers);
    headers.remove(BOTGATE_RESEND);
    append_via(headers, version);
    headers.insert(X_REQUEST_ID, request_id.clone());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(trusted: bool) -> Client {
        Client {
            peer: "192.0.2.7:1234".parse().unwrap(),
            local: "198.51.100.1:8443".parse().unwrap(),
            tls: true,
            server_name: None,
            certificate_names: Default::default(),
            trusted,
            listener: 0,
            body_timeout: std::time::Duration::from_secs(1),
            certificate: None,
            body_rate: crate::config::MinRate::NONE,
            networks: vec![],
        }
    }

    fn prepared(written: &[(&'static str, &'static str)], trusted: bool) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in written {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        prepare_request(&mut headers, &client(trusted), "bot.contoso.com", Version::HTTP_11);
        headers
    }

    #[test]
    fn forwarding_is_told_afresh_to_an_untrusted_client() {
        let headers = prepared(
            &[
                ("x-forwarded-for", "1.1.1.1"),
                ("x_forwarded_for", "2.2.2.2"),
                ("forwarded", "for=3.3.3.3"),
                ("x-forwarded-proto", "http"),
                ("x-forwarded-host", "evil"),
            ],
            false,
        );
        assert_eq!(headers["x-forwarded-for"], "192.0.2.7");
        assert_eq!(headers["x-forwarded-proto"], "https");
        assert_eq!(headers["x-forwarded-host"], "bot.contoso.com");
        assert_eq!(headers["x-forwarded-port"], "8443");
        assert_eq!(headers["forwarded"], "for=192.0.2.7;host=bot.contoso.com;proto=https");
        assert!(!headers.contains_key("x_forwarded_for"));
    }

    #[test]
    fn forwarding_of_a_trusted_client_is_extended() {
        let headers = prepared(&[("x-forwarded-for", "1.1.1.1"), ("x-forwarded-proto", "http")], true);
        assert_eq!(headers["x-forwarded-for"], "1.1.1.1, 192.0.2.7");
        assert_eq!(headers["x-forwarded-proto"], "http");
    }

    #[test]
    fn what_is_no_text_hides_nothing_that_stands_beside_it() {
        let mut headers = HeaderMap::new();
        for (name, value) in
            [("connection", &b"x-secret,\x80"[..]), ("x-secret", b"1"), ("x-forwarded-for", b"\x80, 192.0.2.1")]
        {
            headers.append(name, HeaderValue::from_bytes(value).unwrap());
        }
        prepare_request(&mut headers, &client(true), "bot.contoso.com", Version::HTTP_11);
        assert!(!headers.contains_key("x-secret"));
        assert_eq!(headers["x-forwarded-for"], "?, 192.0.2.1, 192.0.2.7");
    }

    #[test]
    fn of_what_a_trusted_client_says_twice_the_last_counts() {
        let twice = [("x-forwarded-proto", "http"), ("x-forwarded-proto", "ws"), ("x-forwarded-proto", "https")];
        let headers = prepared(&twice, true);
        assert_eq!(headers.get_all("x-forwarded-proto").iter().collect::<Vec<_>>(), ["https"]);
    }

    #[test]
    fn a_client_cannot_have_our_headers_stripped() {
        let headers = prepared(&[("connection", "close, X-Forwarded-For, x-secret"), ("x-secret", "1")], false);
        assert_eq!(headers["x-forwarded-for"], "192.0.2.7");
        assert!(!headers.contains_key("x-secret"));
        assert!(!headers.contains_key("connection"));
        // Nor those of the proxy before this one, which saw where the request came from.
        let listed = [
            ("connection", "x-forwarded-for, idempotency-key"),
            ("x-forwarded-for", "1.1.1.1"),
            ("idempotency-key", "k"),
        ];
        let headers = prepared(&listed, true);
        assert_eq!(
            (headers["x-forwarded-for"].as_bytes(), headers["idempotency-key"].as_bytes()),
            (&b"1.1.1.1, 192.0.2.7"[..], &b"k"[..])
        );
    }

    #[test]
    fn nothing_stands_beside_what_is_added_here_under_an_alias() {
        let aliases = [
            "x_forwarded_for",
            "x-forwarded_for",
            "x_request_id",
            "x-request_id",
            "botgate_epoch",
            "forwarded_",
            "idempotency_key",
            "content_length",
            "transfer_encoding",
        ];
        let headers = prepared(&aliases.map(|name| (name, "1")), false);
        assert!(aliases.iter().all(|name| !headers.contains_key(*name)), "{headers:?}");
        assert_eq!(
            prepared(&[("x-tenant_id", "7"), ("my_own", "8")], false)
                .keys()
                .filter(|name| name.as_str().contains('_'))
                .count(),
            2
        );
    }

    #[test]
    fn a_sound_request_id_is_kept_and_another_replaced() {
        assert_eq!(prepared(&[("x-request-id", "abc-1")], false)["x-request-id"], "abc-1");
        let made = prepared(&[("x-request-id", "a b")], false)["x-request-id"].clone();
        assert_eq!(made.len(), 32);
        assert_ne!(made, prepared(&[], false)["x-request-id"]);
    }

    #[test]
    fn cookie_crumbs_become_one_cookie() {
        assert_eq!(prepared(&[("cookie", "a=1"), ("cookie", "b=2")], false)["cookie"], "a=1; b=2");
    }

    #[test]
    fn botgates_own_headers_are_not_believed() {
        let own = ["botgate-attempt", "botgate-epoch", "botgate-resend", "botgate-probe"];
        let headers = prepared(&own.map(|name| (name, "9")), false);
        assert!(own.iter().all(|name| !headers.contains_key(*name)), "{headers:?}");
    }

    #[test]
    fn a_client_certificate_is_told_by_who_has_verified_it_and_by_nobody_else() {
        let told = |client: &Client| {
            let mut headers = HeaderMap::new();
            for name in ["client-cert", "client-cert-chain", "client_cert", "client-cert_chain"] {
                headers.append(HeaderName::from_static(name), HeaderValue::from_static(":AAAA:"));
            }
            prepare_request(&mut headers, client, "bot.contoso.com", Version::HTTP_11);
            assert!(headers.keys().all(|name| !name.as_str().contains('_')), "{headers:?}");
            assert_eq!(headers.contains_key("client-cert-chain"), client.trusted && client.certificate.is_none());
            headers.get("client-cert").map(|value| value.to_str().unwrap().to_owned())
        };
        let shown = |told| Some(Box::new(crate::proxy::ClientCertificate::new(Default::default(), &[1, 2], told)));
        assert_eq!(told(&client(false)), None);
        assert_eq!(told(&client(true)).as_deref(), Some(":AAAA:"), "a trusted proxy has verified it");
        assert_eq!(told(&Client { certificate: shown(true), ..client(true) }).as_deref(), Some(":AQI=:"));
        assert_eq!(told(&Client { certificate: shown(false), ..client(true) }), None);
    }
}
