//! By what name a request asks, and whether a page of another site sends it.

use std::net::IpAddr;

use http::header::{HOST, ORIGIN};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderValue, StatusCode};

use super::access::Access;
use super::problem::{Kind, Problem};

/// The authority that the request is for: its target's, else its one `Host` (RFC 9112, section 3.2).
///
/// # Errors
/// 400 when there is none, or more than one.
pub(super) fn host(parts: &Parts) -> Result<Authority, Problem> {
    let bad = |detail| Problem::of_status(StatusCode::BAD_REQUEST, detail);
    let mut hosts = parts.headers.get_all(HOST).iter();
    let (first, second) = (hosts.next(), hosts.next());
    if second.is_some() {
        return Err(bad("the request has more than one Host header"));
    }
    if let Some(authority) = parts.uri.authority() {
        return Ok(authority.clone());
    }
    let host: &HeaderValue = first.ok_or_else(|| bad("the request has no Host header"))?;
    Authority::try_from(host.as_bytes()).map_err(|_| bad("the Host header is not a host name or address"))
}

/// Whether `host` names this listener in a way that no DNS answer can forge: its address, loopback, or a name that is known
/// to be its own. The port may differ: it may be forwarded. `called` is the address that the connection was made to.
pub(super) fn is_own_name(access: &Access, host: &Authority, called: Option<IpAddr>) -> bool {
    let name = host.host().trim_end_matches('.').to_ascii_lowercase();
    let address: Option<IpAddr> = name.trim_start_matches('[').trim_end_matches(']').parse().ok();
    let own = match address.map(|address| address.to_canonical()) {
        Some(address) => {
            address.is_loopback() || address == access.bind || called.is_some_and(|called| address == called)
        }
        None if access.hosts.is_empty() => {
            name == "localhost" || access.tls.as_ref().is_some_and(|tls| tls.set.bears(&name))
        }
        None => name == "localhost",
    };
    let written = name.trim_start_matches('[').trim_end_matches(']');
    own || access.hosts.iter().any(|known| known == written)
}

/// Refuses what a browser says another site sends.
///
/// # Errors
/// 403.
pub(super) fn same_origin(parts: &Parts, host: &Authority) -> Result<(), Problem> {
    let refuse = || {
        let detail = "orders are taken from pages of this listener only, not from other origins";
        Problem::new(Kind::CrossOrigin, detail)
    };
    if let Some(site) = parts.headers.get("sec-fetch-site")
        && site != "same-origin"
        && site != "none"
    {
        return Err(refuse());
    }
    for origin in parts.headers.get_all(ORIGIN) {
        let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        let Some(("http" | "https", authority)) = origin else { return Err(refuse()) };
        if !authority.eq_ignore_ascii_case(host.as_str()) {
            return Err(refuse());
        }
    }
    Ok(())
}
