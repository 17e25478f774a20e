//! The head of a request, read once: checked line by line while it comes in, and made into a [`Request`] when it is whole.

use bytes::BytesMut;
use http::{Method, Uri, Version};

use super::body::BodyReader;
use super::fault::Fault;
use super::heading::Heading;
use super::limits::Limits;
use super::lines::Lines;
use super::start::{RequestLine, request_line};
use crate::wire::{Fields, Head, Known};

/// Follows the head of a request that may come in parts.
#[derive(Debug)]
pub struct RequestReader {
    limits: Limits,
    lines: Lines,
    /// Whether an empty line came first.
    blank: bool,
    /// Where the request line begins, and its parts.
    start: Option<(usize, RequestLine)>,
    heading: Heading,
}

/// A request without its body, and what its head says about what follows it.
#[derive(Debug)]
pub struct RequestHead {
    /// Method, target, version and fields.
    pub head: Head,
    /// Reads the body; none where there is none.
    pub body: Option<BodyReader>,
    /// Whether another request may follow on the connection (RFC 9112, section 9.3).
    pub keeps: bool,
    /// Whether its client waits for a 100 before it sends the body (RFC 9110, section 10.1.1).
    pub expects: bool,
    /// Whether it asks to speak another protocol behind its answer.
    pub upgrade: bool,
    /// Whether its client takes trailers (RFC 9110, section 10.1.4).
    pub trailers: bool,
}

impl RequestReader {
    /// Reads heads up to these limits.
    pub fn new(limits: Limits) -> Self {
        let (lines, heading) = (Lines::default(), Heading::default());
        Self { limits, lines, blank: false, start: None, heading }
    }

    /// Looks at all bytes of the head that have come, of which those that it saw before are not looked at again. Returns the
    /// length of the head when it is whole: then [`Self::finish`] is due.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Option<usize>, Fault> {
        let fits = &bytes[..bytes.len().min(self.limits.head)];
        while let Some(line) = self.lines.next(fits)? {
            let (at, text) = (line.start, &bytes[line]);
            if self.start.is_none() {
                if text.is_empty() {
                    // One is forgiven (RFC 9112, section 2.2).
                    if std::mem::replace(&mut self.blank, true) {
                        return Err(Fault::BlankLines);
                    }
                    continue;
                }
                self.start = Some((at, request_line(text)?));
                continue;
            }
            if text.is_empty() {
                return Ok(Some(self.lines.start()));
            }
            self.heading.take(at, text, self.limits.fields)?;
        }
        if bytes.len() > self.limits.head {
            return Err(if self.start.is_none() { Fault::TargetTooLong } else { Fault::HeadTooLarge });
        }
        Ok(None)
    }

    /// Makes the request of a head that is whole, and begins anew.
    ///
    /// # Errors
    /// What only the whole head shows to be wrong.
    pub fn finish(&mut self, head: BytesMut) -> Result<RequestHead, Fault> {
        let whole = std::mem::replace(self, Self::new(self.limits));
        let (at, line) = whole.start.ok_or(Fault::RequestLine)?;
        let framing = whole.heading.framing;
        if framing.chunked && line.version == Version::HTTP_10 {
            return Err(Fault::CodingTooOld);
        }
        let (target, end) = (at + line.method + 1, at + line.method + 1 + line.target);
        // What is longer cannot be told apart from what is malformed, there.
        if line.target > MOST_TARGET {
            return Err(Fault::TargetTooLong);
        }
        let method = Method::from_bytes(&head[at..at + line.method]).map_err(|_| Fault::RequestLine)?;
        let fields = Fields::of_head(head, whole.heading.lines);
        let uri = Uri::from_maybe_shared(fields.part(target..end)).map_err(|_| Fault::Target)?;
        let version = line.version;
        let http11 = version == Version::HTTP_11;
        let last_is = |value: &[u8]| value.eq_ignore_ascii_case(b"100-continue");
        let expects = fields.has(Known::Expect) && fields.all(Known::Expect).next_back().is_some_and(last_is);
        let trailers = fields.has(Known::Te) && fields.all(Known::Te).any(|value| lists(value, b"trailers"));
        let body = match framing.length {
            _ if framing.chunked => Some(BodyReader::chunked()),
            Some(length @ 1..) => Some(BodyReader::length(length)),
            _ => None,
        };
        Ok(RequestHead {
            head: Head { method, uri, version, fields },
            body,
            keeps: framing.is_persistent(line.version),
            expects: expects && http11,
            upgrade: framing.upgrade && http11,
            trailers,
        })
    }
}

/// The longest target that [`Uri`] takes.
const MOST_TARGET: usize = u16::MAX as usize - 1;

/// Whether a list of tokens has this one, in any case.
fn lists(value: &[u8], token: &[u8]) -> bool {
    value.split(|byte| *byte == b',').any(|item| item.trim_ascii().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { head: 200, fields: 10 };

    fn head(text: &str) -> Result<RequestHead, Fault> {
        let mut reader = RequestReader::new(LIMITS);
        let length = reader.read(text.as_bytes())?.expect("it is not whole");
        reader.finish(BytesMut::from(&text.as_bytes()[..length]))
    }

    #[test]
    fn a_head_becomes_a_request_however_it_comes_in() {
        let text =
            "\r\nPOST /a?b=c HTTP/1.1\r\nHost: a\r\nx-a: 1\r\nX-A:\t2 \r\nx-empty:\r\ncontent-length: 5\r\n\r\nhello";
        for step in [1, 7, text.len()] {
            let (mut reader, mut came, mut length) = (RequestReader::new(LIMITS), 0, None);
            while length.is_none() {
                came = (came + step).min(text.len());
                length = reader.read(&text.as_bytes()[..came]).unwrap();
            }
            let length = length.unwrap();
            assert_eq!(&text[length..], "hello");
            let head = reader.finish(BytesMut::from(&text.as_bytes()[..length])).unwrap();
            let request = &head.head;
            assert_eq!((&request.method, request.uri.to_string()), (&Method::POST, "/a?b=c".to_owned()));
            let all = |wanted: &[u8]| -> Vec<&[u8]> {
                request.fields.iter().filter(|(name, _)| *name == wanted).map(|(_, value)| value).collect()
            };
            assert_eq!((all(b"x-a"), all(b"x-empty")), (vec![&b"1"[..], b"2"], vec![&b""[..]]));
            assert_eq!(head.body.unwrap().left(), Some(5));
            assert!(head.keeps && !head.expects && !head.upgrade && !head.trailers);
        }
    }

    #[test]
    fn what_a_head_says_about_its_connection_is_heard() {
        for (fields, version, keeps) in [
            ("", "1.1", true),
            ("", "1.0", false),
            ("connection: Close\r\n", "1.1", false),
            ("connection: x, close\r\nconnection: keep-alive\r\n", "1.1", false),
            ("connection: Keep-Alive\r\n", "1.0", true),
        ] {
            let text = format!("GET / HTTP/{version}\r\nhost: a\r\n{fields}\r\n");
            assert_eq!(head(&text).unwrap().keeps, keeps, "{text:?}");
        }
        let asks = "GET / HTTP/1.1\r\nupgrade: x\r\nexpect: 100-Continue\r\nte: a, trailers\r\n\r\n";
        let asked = head(asks).unwrap();
        assert!(asked.upgrade && asked.expects && asked.trailers);
        let old = head(&asks.replace("1.1", "1.0")).unwrap();
        assert!(!old.upgrade && !old.expects, "HTTP/1.0 knows neither");
    }

    #[test]
    fn a_target_that_is_none_is_refused() {
        assert_eq!(head("GET http:// HTTP/1.1\r\n\r\n").unwrap_err(), Fault::Target);
        let old = "POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n";
        assert_eq!(head(old).unwrap_err(), Fault::CodingTooOld);
    }
}
