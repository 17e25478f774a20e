//! One request and what its attempts share.

use std::rc::Rc;

use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Uri};

use super::client_upgrade::ClientUpgrade;
use super::limits::Slot;
use super::log::Line;
use super::recording::{Recording, RequestBody};
use super::target::Target;
use crate::bot::Facts;
use crate::config::MinRate;
use crate::model::Moment;
use crate::upstream::Outgoing;
use crate::wire::{Fields, Known};

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
    /// Fields for any backend.
    pub(super) fields: Fields,
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
    pub(super) fn request_for<'a>(
        &'a self,
        target: &'a Target,
        attempt: u32,
        http2: bool,
    ) -> Result<Outgoing<'a, RequestBody>, http::Error> {
        let backend = target.backend();
        let epoch = Some((Known::BotgateEpoch, target.pool().epoch_header.clone()));
        let number = (attempt > 1).then(|| (Known::BotgateAttempt, HeaderValue::from(attempt)));
        // HTTP/2 has no upgrade.
        let (first, second) = match &self.upgrade {
            Some((protocol, _)) => (
                Some((Known::Connection, HeaderValue::from_static("upgrade"))),
                Some((Known::Upgrade, protocol.clone())),
            ),
            None if http2 && self.wants_trailers => (Some((Known::Te, HeaderValue::from_static("trailers"))), None),
            None => (None, None),
        };
        Ok(Outgoing {
            method: &self.method,
            target: match http2 {
                true => backend.origin.target_http2(&self.target)?,
                false => backend.origin.target_http1(&self.target)?,
            },
            origin: &backend.origin,
            fields: &self.fields,
            own: &backend.config.headers,
            also: [epoch, number, first, second],
            body: self.body.as_ref().map_or_else(RequestBody::empty, Recording::next_turn),
        })
    }
}

/// Path and query of a request that was admitted, without copying.
pub(super) fn target_of(uri: Uri) -> PathAndQuery {
    uri.into_parts().path_and_query.unwrap_or(PathAndQuery::from_static("/"))
}
