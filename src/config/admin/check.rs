//! What the admin listener means: nobody commands it unproven from beyond this machine, and nothing secret passes a network
//! in plain unless that was asked for.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};

use super::oidc;
use super::raw::{RawAdmin, RawAdminClient, RawAdminToken};
use super::types::{AdminClient, AdminConfig, AdminTls, AdminToken, ClientName};
use crate::config::address;
use crate::config::findings::Place;
use crate::config::raw_tls::RawClientAuth;
use crate::config::resolve::Outside;
use crate::config::tls::client_auth;

/// A shorter token can be guessed: 16 characters at random are 64 bits even in hexadecimal.
const SHORTEST: usize = 16;
/// Longest name of a token, in bytes.
const LONGEST_NAME: usize = 64;

/// The admin listener at `bind`, which was checked before.
pub(in crate::config) fn validate(
    place: &Place<'_>,
    raw: Option<&RawAdmin>,
    bind: SocketAddr,
    outside: &Outside<'_>,
) -> AdminConfig {
    let none = RawAdmin::default();
    let raw = raw.unwrap_or(&none);
    let token = raw.token.as_ref().and_then(|raw| outside.secret(&place.key("token"), raw));
    if let Some(token) = &token {
        sound(&place.key("token"), token);
    }
    let tokens = tokens(&place.key("tokens"), raw.tokens.as_deref().unwrap_or_default(), token.as_deref(), outside);
    let tls = tls(place, raw, outside);
    let oidc = raw.oidc.as_ref().and_then(|raw| oidc::validate(&place.key("oidc"), raw, outside));
    let beyond = !bind.ip().to_canonical().is_loopback();
    let proof = raw.token.is_some() || raw.oidc.is_some();
    let proof = proof || raw.tokens.as_ref().is_some_and(|all| !all.is_empty());
    let proof = proof || raw.clients.as_ref().is_some_and(|all| !all.is_empty());
    if beyond && !proof && !place.is_reported_below() {
        let hint = "token = \"${BOTGATE_ADMIN_TOKEN}\", or bind to 127.0.0.1";
        place.key("bind").absent(format!("anybody who reaches {bind} could steer botgate: there is no token"), hint);
    }
    let plain = raw.tls == Some(false);
    if beyond && proof && raw.certificates.is_none() && !plain && !place.key("certificates").is_reported() {
        let hint = "certificates = [{ chain = \"…\", key = \"…\" }]; or tls = false where the way there is encrypted by others";
        place
            .key("bind")
            .absent(format!("who listens on the way to {bind} could take the token and steer botgate"), hint);
    }
    let hosts = raw.hosts.iter().flatten().enumerate();
    let hosts = hosts.filter_map(|(at, text)| host(&place.key("hosts").index(at), text)).collect();
    let activity_text = raw.activity_text.unwrap_or(false);
    AdminConfig { bind, token, tokens, tls, plain, oidc, hosts, activity_text }
}

/// Whether a token can be sent, and is worth it.
fn sound(place: &Place<'_>, token: &str) {
    if !token.bytes().all(|b| b.is_ascii_graphic()) {
        place.error("the token cannot be sent in a header", "ASCII without spaces and line breaks");
    } else if token.len() < SHORTEST {
        let hint = "`openssl rand -hex 32` makes a good one";
        place.warning(format!("a token of less than {SHORTEST} characters can be guessed"), hint);
    }
}

fn tokens(place: &Place<'_>, raw: &[RawAdminToken], first: Option<&str>, outside: &Outside<'_>) -> Vec<AdminToken> {
    let mut all: Vec<AdminToken> = Vec::new();
    let mut names = HashSet::new();
    let mut secrets: HashMap<String, String> = HashMap::new();
    secrets.extend(first.map(|token| (token.to_owned(), "admin.token".to_owned())));
    for (at, raw) in raw.iter().enumerate() {
        let place = place.index(at);
        let name = raw.name.as_deref().filter(|name| name_is_good(&place.key("name"), name, &mut names));
        let Some(token) = raw.token.as_ref().and_then(|raw| outside.secret(&place.key("token"), raw)) else { continue };
        sound(&place.key("token"), &token);
        if let Some(other) = secrets.get(&token) {
            let message = format!("this is the same token as that of {other}: nobody could tell who uses it");
            place.key("token").error(message, "give each its own");
        }
        secrets.insert(token.clone(), place.path().to_owned());
        let (Some(name), Some(role)) = (name, raw.role) else { continue };
        all.push(AdminToken { name: name.to_owned(), role, token });
    }
    all
}

fn name_is_good<'n>(place: &Place<'_>, name: &'n str, taken: &mut HashSet<&'n str>) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b".-_@".contains(&b);
    if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(plain) {
        place.error(format!("{name:?} is no name of a token"), "letters, digits and . - _ @, 64 at most");
        return false;
    }
    if !taken.insert(name) {
        place.error(format!("another token is called {name:?}"), "the journal tells them apart by their names");
        return false;
    }
    true
}

fn tls(place: &Place<'_>, raw: &RawAdmin, outside: &Outside<'_>) -> Option<AdminTls> {
    let written = raw.certificates.as_deref();
    if raw.tls == Some(false) && written.is_some() {
        place.key("certificates").error("a listener with tls = false shows no certificate", "leave one of them out");
    }
    if (raw.tls == Some(true) && written.is_none()) || written.is_some_and(<[_]>::is_empty) {
        let hint = "certificates = [{ chain = \"…\", key = \"…\" }]";
        place.key("certificates").absent("a listener with TLS needs a certificate", hint);
    }
    let all = written.unwrap_or_default().iter().enumerate();
    let certificates =
        all.filter_map(|(at, raw)| outside.server_certificate(&place.key("certificates").index(at), raw, false));
    let certificates: Vec<_> = certificates.collect();
    // A token will do as well, unless the config says otherwise.
    let mode = raw.client_auth.or(raw.client_ca.as_ref().map(|_| RawClientAuth::Request));
    let client_auth = client_auth(place, raw.client_ca.as_deref(), raw.client_crl.as_deref(), mode, outside);
    if raw.client_ca.is_some() && written.is_none() {
        let hint = "certificates = [{ chain = \"…\", key = \"…\" }], or leave the key out";
        place.key("client_ca").error("a listener without TLS is shown no certificate", hint);
    }
    let clients: Vec<AdminClient> = raw
        .clients
        .iter()
        .flatten()
        .enumerate()
        .filter_map(|(at, raw)| client(&place.key("clients").index(at), raw))
        .collect();
    match (&raw.client_ca, &raw.clients) {
        (None, Some(_)) => {
            place.key("clients").error("nothing says who vouches for their certificates", "client_ca = \"…\"");
        }
        (Some(_), None) => {
            let hint = "clients = [{ cn = \"…\", role = \"operator\" }]";
            place.key("client_ca").error("nothing says who of those it vouches for may do what", hint);
        }
        _ => {}
    }
    written?;
    Some(AdminTls { certificates, client_auth, clients })
}

fn client(place: &Place<'_>, raw: &RawAdminClient) -> Option<AdminClient> {
    let RawAdminClient { cn, dns, email, uri, role } = raw;
    let names = [
        cn.clone().map(ClientName::CommonName),
        dns.as_ref().map(|name| ClientName::Dns(name.to_ascii_lowercase())),
        email.clone().map(ClientName::Email),
        uri.clone().map(ClientName::Uri),
    ];
    let mut names = names.into_iter().flatten();
    let (name, more) = (names.next(), names.next());
    let hint = "one of cn, dns, email and uri";
    if more.is_some() {
        place.error("a client is known by one name", hint);
    }
    if name.is_none() && !place.is_reported_below() {
        place.absent("nothing says whose certificate this is", hint);
    }
    let name = name?;
    let text = name.to_string();
    // The journal shows it beside a label that callers choose, which stands in brackets.
    if text.trim().is_empty() || text.chars().any(|c| c.is_control() || c == '(' || c == ')') {
        place.error(format!("{text:?} is no name"), "as the certificate has it, without brackets");
    }
    Some(AdminClient { name, role: (*role)? })
}

/// A name or an address by which the listener is asked.
fn host(place: &Place<'_>, text: &str) -> Option<String> {
    let name = text.trim_end_matches('.').to_ascii_lowercase();
    let address = name.trim_start_matches('[').trim_end_matches(']');
    if address.parse::<IpAddr>().is_ok() {
        return Some(address.to_owned());
    }
    if !address::is_name(&name) {
        place.error(format!("{text:?} is no host"), "a name or an address without a port: \"gate.contoso.com\"");
        return None;
    }
    Some(name)
}
