//! The doors by which the fuzz targets of `tests/fuzz` and the benchmarks come in: what they need of the data plane, and
//! nothing else.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Version};

use super::client::Client;
use super::forwarding::Told;
use super::waits::{Terms, Wait, Waits};
use super::{head, headers};
use crate::config::MinRate;
use crate::model::{AttemptPhase, BackendId, Moment, Side};
use crate::wire::{Fields, Head};

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
    let mut fields = Fields::from(std::mem::take(headers));
    if let Some(origin) = Told::origin(client, host, host.as_bytes()) {
        headers::prepare_request(&mut fields, client, &origin, version);
    }
    *headers = fields.into();
}

/// Makes a backend's headers fit for the client.
pub fn prepare_response(headers: &mut HeaderMap, version: Version, request_id: &HeaderValue) {
    let mut fields = Fields::from(std::mem::take(headers));
    headers::prepare_response(&mut fields, version, request_id);
    *headers = fields.into();
}

/// The host that a request is routed by; none where it is refused.
pub fn host(head: &Head) -> Option<String> {
    head::host(head).ok().map(std::borrow::Cow::into_owned)
}

/// The target that is sent on and the path that is routed by; none where the request is refused.
pub fn path(head: &Head) -> Option<(&str, &str)> {
    head::path(head).ok()
}

/// Attempts that wait for a backend.
pub struct Waiting {
    waits: Rc<Waits>,
    _others: Vec<Wait>,
}

impl Waiting {
    /// So many of them, until long after `now`.
    pub fn new(count: usize, now: Moment) -> Self {
        let waits = Rc::new(Waits::default());
        let terms = || Terms::of_a_part(BackendId(1), now + Duration::from_secs(3600));
        let _others = (0..count).map(|_| waits.watch(terms(), None, now)).collect();
        Self { waits, _others }
    }

    /// One more begins to wait, and has its answer.
    pub fn one_more(&self, now: Moment) {
        let wait = self.waits.watch(Terms::of_a_part(BackendId(1), now + Duration::from_secs(14)), None, now);
        wait.reached(AttemptPhase::Send, now);
        drop(wait);
    }

    /// All of them are looked at; how many backends have become suspects.
    pub fn sweep(&self, now: Moment) -> usize {
        self.waits.sweep(now).len()
    }
}

/// The frames that a client sends, or a backend.
pub fn frames(of_client: bool) -> WebSocketFrames {
    WebSocketFrames::new(if of_client { Side::Client } else { Side::Backend })
}
