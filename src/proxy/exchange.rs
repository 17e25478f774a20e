//! One request and what its attempts share.

use std::rc::Rc;

use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version};

use super::client_upgrade::ClientUpgrade;
use super::headers::{BOTGATE_ATTEMPT, BOTGATE_EPOCH};
use super::limits::Slot;
use super::log::Line;
use super::recording::{Recording, RequestBody};
use super::target::Target;
use crate::bot::Facts;
use crate::config::MinRate;
use crate::model::Moment;

/// A request, fit to be sent to any backend of its pool, any number of times.
pub(super) struct Exchange {
    /// When its head was read.
    pub(super) received: Moment,
    /// End of all attempts.
    pub(super) deadline: Moment,
    /// Its method.
    pub(super) method: Method,
    /// Path and query, as sent.
    pub(super) target: PathAndQuery,
    /// Headers for any backend.
    pub(super) headers: HeaderMap,
    /// Its id.
    pub(super) request_id: HeaderValue,
    /// Its body; none when it has none.
    pub(super) body: Option<Rc<Recording>>,
    /// Whether the replay rule of its pool lets it be tried elsewhere once written.
    pub(super) may_replay: bool,
    /// The activity that it carries, where a guard has read it.
    pub(super) activity: Option<Facts>,
    /// Whether its sender is known, or nobody checks who it is: what a backend does with it is evidence.
    pub(super) authentic: bool,
    /// Who sent it, where a token has proved that it is one and the same; none where nobody checked, or it could be several.
    pub(super) sender: Option<&'static str>,
    /// Its place among those under way in its pool.
    pub(super) slot: Option<Slot>,
    /// What the access log will tell; none when it is off.
    pub(super) log: Option<Line>,
    /// Longest pause in the client's body.
    pub(super) body_timeout: std::time::Duration,
    /// Pace at which that body must come.
    pub(super) body_rate: MinRate,
    /// Whether it asked for trailers (`TE: trailers`, RFC 9110, section 10.1.4).
    pub(super) wants_trailers: bool,
    /// The protocol it asks to upgrade to, and the client's side of the tunnel.
    pub(super) upgrade: Option<(HeaderValue, ClientUpgrade)>,
}

impl Exchange {
    /// Whether the whole body can be sent again.
    pub(super) fn body_is_whole(&self) -> bool {
        self.body.as_ref().is_none_or(|body| body.is_whole())
    }

    /// The request for one attempt.
    ///
    /// # Errors
    /// When the backend's rewrite rules make its path something that is no path.
    pub(super) fn request_for(
        &self,
        target: &Target,
        attempt: u32,
        http2: bool,
    ) -> Result<Request<RequestBody>, http::Error> {
        let backend = target.backend();
        let uri = match http2 {
            true => backend.origin.target_http2(&self.target)?,
            false => backend.origin.target_http1(&self.target)?,
        };
        let body = self.body.as_ref().map_or_else(RequestBody::empty, Recording::next_turn);
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri;
        *request.version_mut() = if http2 { Version::HTTP_2 } else { Version::HTTP_11 };
        let mut headers = self.headers.clone();
        if http2 {
            headers.remove(http::header::HOST);
            if self.wants_trailers {
                headers.insert(http::header::TE, HeaderValue::from_static("trailers"));
            }
        } else {
            headers.insert(http::header::HOST, backend.origin.host().clone());
            // Said in words: of a GET that does not say so, hyper takes it that it has no body, and drops the body.
            if self.body.as_ref().is_some_and(|body| body.is_open_ended()) && !headers.contains_key(CONTENT_LENGTH) {
                headers.insert(http::header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            }
        }
        backend.origin.strip_credentials(&mut headers);
        for (name, value) in &backend.config.headers {
            headers.insert(name, value.clone());
        }
        headers.insert(BOTGATE_EPOCH, target.pool().epoch_header.clone());
        if attempt > 1 {
            headers.insert(BOTGATE_ATTEMPT, HeaderValue::from(attempt));
        }
        if let Some((protocol, _)) = &self.upgrade {
            headers.insert(http::header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(http::header::UPGRADE, protocol.clone());
        }
        *request.headers_mut() = headers;
        Ok(request)
    }
}

/// Path and query of a request that was admitted, without copying.
pub(super) fn target_of(parts: &mut Parts) -> PathAndQuery {
    let uri: Uri = std::mem::take(&mut parts.uri);
    uri.into_parts().path_and_query.unwrap_or(PathAndQuery::from_static("/"))
}
