//! What is kept of a response.

use bytes::{BufMut, Bytes, BytesMut};
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, StatusCode};

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

/// Headers in one piece of memory: a map takes a kilobyte for its empty places alone, and a value that came over a
/// connection holds on to the whole buffer that it was read into.
///
/// Each header is the length of its name, the length of its value (both four bytes, big-endian), the name, the value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptHeaders(Bytes);

impl KeptHeaders {
    /// Copies the headers that are to be kept.
    pub fn copy(headers: &HeaderMap, kept: impl Fn(&HeaderName) -> bool) -> Self {
        let kept = || headers.iter().filter(|(name, _)| kept(name));
        let size = kept().map(|(name, value)| 8 + name.as_str().len() + value.len()).sum();
        let mut all = BytesMut::with_capacity(size);
        for (name, value) in kept() {
            // A head has a limit far below 4 GiB.
            all.put_u32(name.as_str().len() as u32);
            all.put_u32(value.len() as u32);
            all.put_slice(name.as_str().as_bytes());
            all.put_slice(value.as_bytes());
        }
        Self(all.freeze())
    }

    /// Appends them to the headers of a response.
    pub fn put(&self, headers: &mut HeaderMap) {
        let mut rest = self.0.clone();
        while let Some((name, value)) = next(&mut rest) {
            // They were headers when they were copied.
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(&name), HeaderValue::from_maybe_shared(value)) {
                headers.append(name, value);
            }
        }
    }
}

fn next(rest: &mut Bytes) -> Option<(Bytes, Bytes)> {
    let (lengths, _) = rest.split_at_checked(8)?;
    let (name, value) = lengths.split_at_checked(4)?;
    let length = |bytes: &[u8]| bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
    let (name, value) = (length(name), length(value));
    if rest.len() < 8 + name + value {
        return None;
    }
    let _ = rest.split_to(8);
    let name = rest.split_to(name);
    Some((name, rest.split_to(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_as_they_were_and_in_their_order() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("set-cookie", "a=1"), ("x-own", ""), ("set-cookie", "b=2"), ("content-type", "x/\u{e4}")]
        {
            headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let mut back = HeaderMap::new();
        KeptHeaders::copy(&headers, |_| true).put(&mut back);
        assert_eq!(back, headers);
        let mut back = HeaderMap::new();
        KeptHeaders::copy(&headers, |name| name == "x-own").put(&mut back);
        assert_eq!(back.len(), 1);
    }
}
