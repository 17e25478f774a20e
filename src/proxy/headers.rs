//! What changes in headers on the way through.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Version};

use super::client::Client;
use super::forwarding::{self, Origin};
use super::head::items;
use crate::wire::{Fields, Known, Set};

/// Meant for one connection only (RFC 9110, section 7.6.1).
const HOP_BY_HOP: Set = Set::of(&[
    Known::Connection,
    Known::KeepAlive,
    Known::ProxyConnection,
    Known::ProxyAuthenticate,
    Known::Te,
    Known::TransferEncoding,
    Known::Upgrade,
    Known::Http2Settings,
]);

/// Not a client's to say to a backend: what was settled with this gateway, and what only a gateway says. A 100 is answered
/// here, when the body is first asked for (RFC 9110, section 10.1.1).
const FOR_THE_GATEWAY: Set = Set::of(&[
    Known::Expect,
    Known::ProxyAuthorization,
    Known::BotgateAttempt,
    Known::BotgateEpoch,
    Known::BotgateResend,
    Known::BotgateProbe,
]);

/// Removes what is meant for one connection only, and `others`: the fixed names and those that `Connection` lists.
fn strip_hop_by_hop(fields: &mut Fields, others: Set) {
    if fields.has(Known::Connection) {
        let listed: Vec<HeaderName> = fields
            .all(Known::Connection)
            .flat_map(items)
            // What nearly every such header says, and is removed anyway.
            .filter(|name| !name.eq_ignore_ascii_case(b"keep-alive"))
            .filter_map(|name| HeaderName::from_bytes(name).ok())
            .filter(|name| !is_end_to_end(name.as_str()))
            .collect();
        if !listed.is_empty() {
            fields.remove_named(|name| listed.iter().any(|listed| listed.as_str().as_bytes() == name));
        }
    }
    fields.remove(HOP_BY_HOP.and(others));
}

/// What no `Connection` header can have removed: a list that names what frames, routes or authorizes the message, or what
/// tells where it came from, would change what the message is (RFC 9110, section 7.6.1, forbids to list such fields).
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

/// Makes a client's fields fit to be forwarded: hop-by-hop out, forwarding told afresh, the request id in place, which is
/// returned.
pub(super) fn prepare_request(fields: &mut Fields, client: &Client, origin: &Origin, version: Version) -> HeaderValue {
    strip_hop_by_hop(fields, FOR_THE_GATEWAY);
    if fields.has_underscore() {
        fields.remove_named(is_alias);
    }
    if fields.repeats(Known::Cookie) {
        join_cookies(fields);
    }
    tell_certificate(fields, client);
    forwarding::tell(fields, client, origin);
    append_via(fields, version);
    match fields.value(Known::XRequestId).filter(|id| is_request_id(id.as_bytes())) {
        Some(id) => id,
        None => {
            let id = new_request_id();
            fields.put(Known::XRequestId, id.clone());
            id
        }
    }
}

/// Some servers read `X_Forwarded_For` as `X-Forwarded-For`: no such alias gets past the check of the real name, or comes
/// beside what is added here.
fn is_alias(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 8] = [
        b"content-length",
        b"content-type",
        b"content-encoding",
        b"transfer-encoding",
        b"idempotency-key",
        b"proxy-authorization",
        b"proxy-connection",
        b"keep-alive",
    ];
    const BEGINNINGS: [&[u8]; 4] = [b"x-forwarded-", b"forwarded", b"botgate-", b"client-cert"];
    if !name.contains(&b'_') {
        return false;
    }
    // `X-Tenant_Id` is a name of its own; `X_Tenant_Id` might be another's.
    let read: Vec<u8> = name.iter().map(|byte| if *byte == b'_' { b'-' } else { *byte }).collect();
    name.starts_with(b"x_")
        || read == b"x-request-id"
        || BEGINNINGS.iter().any(|beginning| read.starts_with(beginning))
        || NAMES.contains(&read.as_slice())
}

/// HTTP/2 may split cookies over several fields; HTTP/1.1 has one (RFC 9113, section 8.2.3).
fn join_cookies(fields: &mut Fields) {
    let crumbs: Vec<&[u8]> = fields.all(Known::Cookie).collect();
    if let Ok(cookie) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        fields.put(Known::Cookie, cookie);
    }
}

/// `Client-Cert` (RFC 9440): only what this gateway has verified, or a trusted one before it.
fn tell_certificate(fields: &mut Fields, client: &Client) {
    const SAID: Set = Set::of(&[Known::ClientCert, Known::ClientCertChain]);
    if !client.trusted || client.certificate.is_some() {
        fields.remove(SAID);
    }
    if let Some(header) = client.certificate.as_ref().and_then(|certificate| certificate.header.as_ref()) {
        fields.put(Known::ClientCert, header.clone());
    }
}

/// `Via` (RFC 9110, section 7.6.3): the version received, and who passed it on.
fn append_via(fields: &mut Fields, version: Version) {
    let via = match version {
        Version::HTTP_2 => "2.0 botgate",
        Version::HTTP_10 => "1.0 botgate",
        _ => "1.1 botgate",
    };
    fields.add(Known::Via, HeaderValue::from_static(via));
}

pub(super) fn is_request_id(id: &[u8]) -> bool {
    (1..=128).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}

fn new_request_id() -> HeaderValue {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let random = fastrand::u128(..).to_le_bytes();
    let text: [u8; 32] = std::array::from_fn(|at| DIGITS[usize::from(random[at / 2] >> (4 * (at % 2)) & 15)]);
    // Owned, so that it is not moved to another place when it is first cloned.
    HeaderValue::from_maybe_shared(Bytes::from_owner(text)).unwrap_or(HeaderValue::from_static("-"))
}

/// Makes a backend's fields fit for the client.
pub(super) fn prepare_response(fields: &mut Fields, version: Version, request_id: &HeaderValue) {
    const RESEND: Set = Set::of(&[Known::BotgateResend, Known::XRequestId]);
    // The coding counts and the length may lie (RFC 9112, section 6.3): a client must not be told both lengths.
    let lengths = if fields.has(Known::TransferEncoding) { Set::of(&[Known::ContentLength]) } else { Set::NONE };
    strip_hop_by_hop(fields, RESEND.and(lengths));
    append_via(fields, version);
    fields.add(Known::XRequestId, request_id.clone());
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::proxy::forwarding::Told;

    fn client(trusted: bool) -> Client {
        Client { trusted, ..Client::stranger() }
    }

    fn prepare(headers: &mut HeaderMap, client: &Client) {
        let (mut fields, origin) =
            (Fields::from(std::mem::take(headers)), Told::origin(client, "bot.contoso.com", b"").unwrap());
        prepare_request(&mut fields, client, &origin, Version::HTTP_11);
        *headers = fields.into();
    }

    fn prepared(written: &[(&'static str, &'static str)], trusted: bool) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in written {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        prepare(&mut headers, &client(trusted));
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
        prepare(&mut headers, &client(true));
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
            prepare(&mut headers, client);
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
