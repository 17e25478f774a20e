//! The body of a request that came over HTTP/2.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body::{Frame, SizeHint};

use super::client_body::BrokenBody;

/// The body of a request of an HTTP/2 connection. The client may send more only as this is read.
#[derive(Debug)]
pub struct Http2Body {
    stream: RecvStream,
    /// Bytes that are still to come, where the client has said how many.
    left: Option<u64>,
    /// Whether all data came: only trailers may follow.
    trailing: bool,
}

impl Http2Body {
    /// The rest of a request with this head. The library holds the client to the length that it declares.
    pub fn new(stream: RecvStream, headers: &HeaderMap) -> Self {
        let left = if stream.is_end_stream() { Some(0) } else { declared(headers) };
        Self { stream, left, trailing: false }
    }

    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenBody>>> {
        if !self.trailing {
            match ready!(self.stream.poll_data(cx)) {
                Some(Ok(data)) => {
                    // Of what was just received there is always that much to be released.
                    let _ = self.stream.flow_control().release_capacity(data.len());
                    self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                // Whatever the reason says: only a server may take back a stream whose body it does not need (RFC 9113,
                // section 8.1). A client that does has broken off, and half a body is never whole.
                Some(Err(_)) => return Poll::Ready(Some(Err(BrokenBody))),
                None => self.trailing = true,
            }
        }
        match ready!(self.stream.poll_trailers(cx)) {
            Ok(trailers) => Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers)))),
            Err(_) => Poll::Ready(Some(Err(BrokenBody))),
        }
    }

    pub(super) fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// The length that all of its fields agree on.
fn declared(headers: &HeaderMap) -> Option<u64> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter().map(|length| length.to_str().ok()?.parse::<u64>().ok());
    let first = lengths.next()??;
    lengths.all(|length| length == Some(first)).then_some(first)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_length_is_known_when_it_is_one_number() {
        let known = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CONTENT_LENGTH, HeaderValue::from_static(value));
            }
            declared(&headers)
        };
        assert_eq!(known(&["12"]), Some(12));
        assert_eq!(known(&["12", "12"]), Some(12));
        assert_eq!([known(&[]), known(&["12", "13"]), known(&["12", "x"]), known(&["-1"])], [None; 4]);
    }
}
