//! What may stand in a config, for what writes one. The rules are those that a config is checked by.

use std::time::Duration;

use super::{address, backend, pool, resolve};

/// Whether this can be the `url` of a backend.
pub fn is_backend_url(text: &str) -> bool {
    address::backend_url(text).is_ok()
}

/// Whether this can be the `host` of a route.
pub fn is_route_host(text: &str) -> bool {
    address::host_pattern(text).is_ok()
}

/// Whether this can be the `path` of a route.
pub fn is_path(text: &str) -> bool {
    address::path(text).is_ok()
}

/// Whether this can be the `path` of a probe: with a query, if need be.
pub fn is_probe_path(text: &str) -> bool {
    let graphic = text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains('#');
    graphic && text.split('?').next().is_some_and(is_path)
}

/// Whether this can be the `host` of a backend: the Host header that it is sent.
pub fn is_host_header(text: &str) -> bool {
    backend::is_host_header(text)
}

/// Whether this can be one of `headers`. The value is meant as it is: written, each `${` of it becomes `$${`.
pub fn is_header(name: &str, value: &str) -> bool {
    let known = name.parse::<http::HeaderName>().is_ok_and(|name| !resolve::is_forbidden_header(&name));
    known && !value.is_empty() && http::HeaderValue::from_str(value).is_ok()
}

/// Whether this can be the `name` of a pool or a backend.
pub fn is_plain_name(text: &str) -> bool {
    pool::is_plain_name(text)
}

/// Whether this can be a deadline, such as an `interval` or a `timeout`.
pub fn is_deadline(span: Duration) -> bool {
    !span.is_zero() && span <= super::values::LONGEST
}
