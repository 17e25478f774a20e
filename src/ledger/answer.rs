//! What is kept of a response.

use bytes::{Buf, Bytes};
use http::header::HeaderName;
use http::{HeaderValue, StatusCode};

use crate::wire::{Fields, Set};

/// A response as it went to the client, for its resends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: KeptHeaders,
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
        Self { status, headers: KeptHeaders::default(), body: None }
    }

    /// Bytes of its headers and body.
    pub(super) fn size(&self) -> usize {
        self.headers.0.len() + self.body.as_ref().map_or(0, Bytes::len)
    }

    /// Whether it serves a resend that needs this.
    pub fn serves(&self, need: Need) -> bool {
        need == Need::Status || self.body.is_some()
    }
}

/// Headers in one piece of memory: a value that came over a connection holds on to the whole buffer that it was read into.
///
/// They are written as lines of HTTP/1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptHeaders(Bytes);

impl KeptHeaders {
    /// Copies the headers, but for these.
    pub fn copy(fields: &Fields, skipped: Set) -> Self {
        let mut all = Vec::with_capacity(fields.room());
        fields.write(&mut all, skipped, |_| true);
        // Without the room that was left: what is remembered counts by its length.
        Self(all.into_boxed_slice().into())
    }

    /// Appends them to the headers of a response.
    pub fn put(&self, fields: &mut Fields) {
        let mut rest = self.0.clone();
        while let Some((name, value)) = next(&mut rest) {
            // They were headers when they were copied.
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(&name), HeaderValue::from_maybe_shared(value)) {
                fields.append(name, value);
            }
        }
    }
}

/// Name and value of the next line. No name has a colon in it, and no value a line end.
fn next(rest: &mut Bytes) -> Option<(Bytes, Bytes)> {
    let colon = rest.iter().position(|byte| *byte == b':')?;
    let end = rest.iter().position(|byte| *byte == b'\r').filter(|end| *end >= colon + 2)?;
    let (name, value) = (rest.slice(..colon), rest.slice(colon + 2..end));
    rest.advance((end + 2).min(rest.len()));
    Some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Known;
    use http::HeaderMap;

    #[test]
    fn headers_come_back_as_they_were_and_in_their_order() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("set-cookie", "a=1"), ("x-own", ""), ("set-cookie", "b:2 "), ("via", "x/\u{e4}")] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let fields = Fields::from(headers.clone());
        let back = |skipped| {
            let mut back = Fields::default();
            KeptHeaders::copy(&fields, skipped).put(&mut back);
            HeaderMap::from(back)
        };
        assert_eq!(back(Set::NONE), headers);
        headers.remove("via");
        assert_eq!(back(Set::of(&[Known::Via])), headers);
    }
}
