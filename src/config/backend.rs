//! What a backend means.

use super::address;
use super::defaulted::number;
use super::findings::Place;
use super::question;
use super::raw_pool::RawBackend;
use super::resolve::Outside;
use super::types_backend::{BackendConfig, RewriteConfig};

/// A backend, or none when it has no usable URL. `index` is its place in the pool, from 0.
pub(super) fn validate(
    place: &Place<'_>,
    raw: &RawBackend,
    index: usize,
    outside: &Outside<'_>,
) -> Option<BackendConfig> {
    let url = raw.url.as_ref().and_then(|url| place.key("url").take(address::backend_url(url)));
    let plain = url.as_ref().is_some_and(|url| !url.tls);
    let https_only = [
        ("server_name", raw.server_name.is_some()),
        ("ca", raw.ca.is_some()),
        ("client_certificate", raw.client_certificate.is_some()),
        ("http2", raw.http2 == Some(true)),
    ];
    for (name, _) in https_only.iter().filter(|(_, written)| plain && *written) {
        place.key(name).error("this needs TLS, and the backend's URL says http", "use https, or leave the key out");
    }
    let ca = raw.ca.as_ref().filter(|_| !plain).and_then(|path| outside.roots(&place.key("ca"), path));
    let client = raw.client_certificate.as_ref().filter(|_| !plain);
    let client_certificate = client.and_then(|raw| outside.certificate(&place.key("client_certificate"), raw));
    let mut headers = outside.headers(&place.key("headers"), raw.headers.as_ref());
    let question = question::validate(place, raw, &mut headers, outside);
    let host = raw.host.as_ref().and_then(|host| host_header(&place.key("host"), host));
    let server_name = raw.server_name.as_ref().filter(|name| {
        let good = rustls::pki_types::ServerName::try_from(name.as_str()).is_ok();
        if !good {
            place.key("server_name").error(format!("{name:?} is no server name"), "a host name, without port");
        }
        good
    });
    let mut rewrite = Vec::new();
    for (index, raw) in raw.rewrite.iter().flatten().enumerate() {
        let place = place.key("rewrite").index(index);
        let (Some(prefix), Some(to)) = (&raw.prefix, &raw.to) else { continue };
        let prefix_good = place.key("prefix").take(address::path(prefix)).is_some();
        if prefix_good & place.key("to").take(address::path(to)).is_some() {
            rewrite.push(RewriteConfig { prefix: prefix.clone(), to: to.clone() });
        }
    }
    let url = url?;
    Some(BackendConfig {
        name: raw.name.as_deref()?.into(),
        priority: number(raw.priority, u32::try_from(index + 1).unwrap_or(u32::MAX)),
        host,
        server_name: server_name.cloned(),
        headers,
        rewrite,
        question,
        ca,
        client_certificate,
        http2: url.tls && raw.http2.unwrap_or(true),
        url,
    })
}

fn host_header(place: &Place<'_>, host: &str) -> Option<http::HeaderValue> {
    let value = Some(host).filter(|host| is_host_header(host)).and_then(|host| http::HeaderValue::from_str(host).ok());
    if value.is_none() {
        place.error("this is no Host header", "a host, with a port if need be: \"contoso.net\"");
    }
    value
}

/// Whether this can be a Host header: a host, with a port if need be.
pub(super) fn is_host_header(text: &str) -> bool {
    text.parse::<http::uri::Authority>().is_ok_and(|authority| {
        let name = authority.host().trim_matches(['[', ']']);
        !text.contains('@') && (address::is_name(name) || name.parse::<std::net::IpAddr>().is_ok())
    })
}
