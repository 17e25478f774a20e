//! The doors by which the fuzz targets of `tests/fuzz` come in: what they need of the data plane, and nothing else.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Version};

use super::client::Client;
use super::forwarding::Told;
use super::survey::Survey;
use super::{head, headers};
use crate::config::MinRate;
use crate::model::Side;

pub use super::tunnel::WebSocketFrames;

/// A client at that address.
pub fn client(peer: SocketAddr, local: SocketAddr, tls: bool, trusted: bool) -> Client {
    Client {
        peer,
        local,
        tls,
        server_name: None,
        certificate_names: Arc::default(),
        trusted,
        networks: Vec::new(),
        listener: 0,
        body_timeout: Duration::from_secs(1),
        certificate: None,
        body_rate: MinRate::NONE,
        told: Told::default(),
    }
}

/// Makes a client's headers fit to be forwarded.
pub fn prepare_request(headers: &mut HeaderMap, client: &Client, host: &str, version: Version) {
    let survey = Survey::of(headers);
    if let Some(origin) = Told::origin(client, host) {
        headers::prepare_request(headers, survey, client, &origin, version);
    }
}

/// Makes a backend's headers fit for the client.
pub fn prepare_response(headers: &mut HeaderMap, version: Version, request_id: &HeaderValue) {
    headers::prepare_response(headers, version, request_id);
}

/// The host that a request is routed by; none where it is refused.
pub fn host(parts: &Parts) -> Option<String> {
    head::host(parts, Survey::of(&parts.headers)).ok().map(std::borrow::Cow::into_owned)
}

/// The target that is sent on and the path that is routed by; none where the request is refused.
pub fn path(parts: &Parts) -> Option<(&str, &str)> {
    head::path(parts).ok()
}

/// The frames that a client sends, or a backend.
pub fn frames(of_client: bool) -> WebSocketFrames {
    WebSocketFrames::new(if of_client { Side::Client } else { Side::Backend })
}
