//! The doors by which the fuzz targets of `tests/fuzz` come in: what they need of the data plane, and nothing else.

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Version};

use super::client::Client;
use super::{head, headers};
use crate::model::Side;

pub use super::tunnel::WebSocketFrames;

/// Makes a client's headers fit to be forwarded.
pub fn prepare_request(headers: &mut HeaderMap, client: &Client, host: &str, version: Version) {
    headers::prepare_request(headers, client, host, version);
}

/// Makes a backend's headers fit for the client.
pub fn prepare_response(headers: &mut HeaderMap, version: Version, request_id: &HeaderValue) {
    headers::prepare_response(headers, version, request_id);
}

/// The host that a request is routed by; none where it is refused.
pub fn host(parts: &Parts) -> Option<String> {
    head::host(parts).ok().map(std::borrow::Cow::into_owned)
}

/// The target that is sent on and the path that is routed by; none where the request is refused.
pub fn path(parts: &Parts) -> Option<(&str, &str)> {
    head::path(parts).ok()
}

/// The frames that a client sends, or a backend.
pub fn frames(of_client: bool) -> WebSocketFrames {
    WebSocketFrames::new(if of_client { Side::Client } else { Side::Backend })
}
