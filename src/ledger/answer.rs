//! What is kept of a response.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

/// A response as it went to the client, for its resends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers, but for those that name the request or frame the body.
    pub headers: HeaderMap,
    /// The body; none when it was too large to keep.
    pub body: Option<Bytes>,
}

/// What a resend needs to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The status is enough: the channel only wants to know that the activity was taken.
    Status,
    /// The body too: it is what the sender asked for (`invoke`, `expectReplies`).
    Body,
}

impl Answer {
    /// The status alone.
    pub fn bare(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: None }
    }

    /// Bytes of its headers and body.
    pub(super) fn size(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        headers + self.body.as_ref().map_or(0, Bytes::len)
    }

    /// Whether it serves a resend that needs this.
    pub fn serves(&self, need: Need) -> bool {
        need == Need::Status || self.body.is_some()
    }
}
