//! What backends are told of where a request comes from: `Forwarded` (RFC 7239) and the older `X-Forwarded-*`.
//!
//! Of a client that is not believed, all of it is the same for every request of its connection to the same host. It is
//! written once, and remembered.

use std::cell::RefCell;
use std::fmt::Write;
use std::net::IpAddr;
use std::ops::Range;
use std::rc::Rc;

use bytes::BytesMut;
use http::HeaderValue;

use super::client::Client;
use crate::wire::{Fields, Head, Known, Set};

/// What is told.
const SAID: Set = Set::of(&[
    Known::Forwarded,
    Known::XForwardedFor,
    Known::XForwardedHost,
    Known::XForwardedPort,
    Known::XForwardedProto,
]);

/// Where the last request of a connection came from.
#[derive(Clone, Debug, Default)]
pub struct Told(RefCell<Option<Rc<Origin>>>);

/// Where the requests of a connection come from, and the host that they are for, in header text.
#[derive(Debug)]
pub(super) struct Origin {
    /// The `Host` field that told the host.
    said: Box<[u8]>,
    /// All of it.
    told: crate::wire::Told,
    address: HeaderValue,
    host: HeaderValue,
    port: HeaderValue,
    forwarded: HeaderValue,
}

/// Two clients that differ in what is remembered of them alone are the same.
impl PartialEq for Told {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Told {}

impl Told {
    /// Where a request of this client comes from, and its host, when that is told by `Host` alone, and as it was last time:
    /// most requests of a connection are for the host of the one before.
    pub(super) fn again(client: &Client, head: &Head) -> Option<Rc<Origin>> {
        let told = client.told.0.borrow();
        let last = told.as_ref()?;
        let alone = head.uri.authority().is_none() && !head.fields.repeats(Known::Host) && !last.said.is_empty();
        (alone && head.fields.get(Known::Host) == Some(&*last.said)).then(|| last.clone())
    }

    /// Where a request of this client for this host (canonical, `said` so) comes from; none when that is no header text, which
    /// addresses and hosts are.
    pub(super) fn origin(client: &Client, host: &str, said: &[u8]) -> Option<Rc<Origin>> {
        let mut told = client.told.0.borrow_mut();
        if let Some(last) = told.as_ref().filter(|last| last.host == host) {
            return Some(last.clone());
        }
        let origin = Rc::new(Origin::of(client, host, said)?);
        *told = Some(origin.clone());
        Some(origin)
    }
}

/// From an untrusted client told afresh, from a trusted one extended.
pub(super) fn tell(fields: &mut Fields, client: &Client, origin: &Origin) {
    if client.trusted && fields.has_any(SAID) {
        return extend(fields, client, origin);
    }
    fields.tell(&origin.told);
}

const fn proto(client: &Client) -> &'static str {
    if client.tls { "https" } else { "http" }
}

impl Origin {
    /// The host, canonical.
    pub(super) fn host(&self) -> &str {
        self.host.to_str().unwrap_or_default()
    }

    fn of(client: &Client, host: &str, said: &[u8]) -> Option<Self> {
        let address = client.peer.ip().to_canonical();
        let mut text = BytesMut::with_capacity(128);
        // The parts are found again by where they begin: all of them share one piece of memory.
        let told = write_forwarded(&mut text, &address, host, proto(client)).ok()?;
        let end = text.len();
        write!(text, "{}", client.local.port()).ok()?;
        let text = text.freeze();
        let value = |range: Range<usize>| HeaderValue::from_maybe_shared(text.slice(range)).ok();
        let (address, host) = (value(told.address)?, value(told.host)?);
        let (port, forwarded) = (value(end..text.len())?, value(0..end)?);
        let told = crate::wire::Told::new(&[
            (Known::XForwardedFor, address.clone()),
            (Known::Forwarded, forwarded.clone()),
            (Known::XForwardedProto, HeaderValue::from_static(proto(client))),
            (Known::XForwardedHost, host.clone()),
            (Known::XForwardedPort, port.clone()),
        ])?;
        Some(Self { said: said.into(), told, address, host, port, forwarded })
    }
}

/// Where in a `Forwarded` field its parts stand.
struct Written {
    address: Range<usize>,
    host: Range<usize>,
}

/// Writes one element of `Forwarded`. An IPv6 address is quoted and bracketed (RFC 7239, section 6); so is a host with a
/// colon in it.
fn write_forwarded(to: &mut BytesMut, address: &IpAddr, host: &str, proto: &str) -> Result<Written, std::fmt::Error> {
    let quotes = |colon: bool| if colon { ("\"[", "]\"") } else { ("", "") };
    let (open, close) = quotes(address.is_ipv6());
    write!(to, "for={open}")?;
    let begin = to.len();
    write!(to, "{address}")?;
    let address = begin..to.len();
    let (host_open, host_close) = quotes(host.contains(':'));
    write!(to, "{close};host={host_open}")?;
    let begin = to.len();
    to.write_str(host)?;
    let host = begin..to.len();
    write!(to, "{host_close};proto={proto}")?;
    Ok(Written { address, host })
}

/// What a trusted proxy has told stays, and is added to.
fn extend(fields: &mut Fields, client: &Client, origin: &Origin) {
    append(fields, Known::XForwardedFor, &origin.address);
    append(fields, Known::Forwarded, &origin.forwarded);
    last_or(fields, Known::XForwardedProto, &HeaderValue::from_static(proto(client)));
    last_or(fields, Known::XForwardedHost, &origin.host);
    last_or(fields, Known::XForwardedPort, &origin.port);
}

/// Joins all that was said into one line, and this after it.
fn append(fields: &mut Fields, field: Known, own: &HeaderValue) {
    let mut line = BytesMut::with_capacity(128);
    for value in fields.all(field) {
        // What a client wrote first must not take with it what the proxy in front has added to the same line.
        line.extend(value.iter().map(|byte| if byte.is_ascii() { *byte } else { b'?' }));
        line.extend_from_slice(b", ");
    }
    line.extend_from_slice(own.as_bytes());
    // Of header text only.
    if let Ok(value) = HeaderValue::from_maybe_shared(line.freeze()) {
        fields.put(field, value);
    }
}

/// Of several the last is that of the proxy in front: those before it may be anybody's.
fn last_or(fields: &mut Fields, field: Known, own: &HeaderValue) {
    let last = fields.all(field).next_back().and_then(|last| HeaderValue::from_bytes(last).ok());
    fields.put(field, last.unwrap_or_else(|| own.clone()));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(client: &Client, host: &str) -> Vec<(String, String)> {
        let mut fields = Fields::default();
        tell(&mut fields, client, &Told::origin(client, host, host.as_bytes()).unwrap());
        let text = |text: &[u8]| String::from_utf8(text.to_vec()).unwrap();
        fields.iter().map(|(name, value)| (text(name), text(value))).collect()
    }

    fn of(address: &str, host: &str, forwarded: &str) -> Vec<(String, String)> {
        [
            ("x-forwarded-for", address),
            ("forwarded", forwarded),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", host),
            ("x-forwarded-port", "8443"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    #[test]
    fn what_is_remembered_is_of_one_host() {
        let client = Client::stranger();
        for host in ["bot.contoso.com", "bot.contoso.com", "qna.contoso.com", "bot.contoso.com"] {
            let forwarded = format!("for=192.0.2.7;host={host};proto=https");
            assert_eq!(told(&client, host), of("192.0.2.7", host, &forwarded));
        }
    }

    #[test]
    fn addresses_with_colons_are_quoted_in_forwarded_alone() {
        let client = Client { peer: "[2001:db8::7]:1234".parse().unwrap(), ..Client::stranger() };
        let forwarded = "for=\"[2001:db8::7]\";host=\"[::1]\";proto=https";
        assert_eq!(told(&client, "::1"), of("2001:db8::7", "::1", forwarded));
        let mapped = Client { peer: "[::ffff:192.0.2.7]:1234".parse().unwrap(), ..Client::stranger() };
        assert_eq!(told(&mapped, "a"), of("192.0.2.7", "a", "for=192.0.2.7;host=a;proto=https"));
    }

    #[test]
    fn a_trusted_client_that_says_nothing_is_told_as_any_other() {
        let trusted = Client { trusted: true, ..Client::stranger() };
        assert_eq!(told(&trusted, "a"), told(&Client::stranger(), "a"));
    }
}
