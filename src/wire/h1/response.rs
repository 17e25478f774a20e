//! The head of a response, read once: checked line by line while it comes in, and made into a [`Response`] when it is whole.

use bytes::BytesMut;
use http::{StatusCode, Version};

use super::body::BodyReader;
use super::fault::Fault;
use super::fields::Framing;
use super::heading::Heading;
use super::limits::Limits;
use super::lines::Lines;
use super::start::status_line;
use crate::wire::{Fields, Response};

/// Interim responses (1xx) that one request may have.
const MOST_INTERIMS: u32 = 16;

/// What a request is that a response answers: its body depends on it (RFC 9112, section 6.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Its method is HEAD: the response has no body, whatever its head says.
    pub head: bool,
    /// It asked for an upgrade, and may be answered 101.
    pub upgrade: bool,
}

/// Follows the heads of the responses of a connection; they may come in parts.
#[derive(Debug)]
pub struct ResponseReader {
    limits: Limits,
    lines: Lines,
    /// What the status line says.
    start: Option<(Version, u16)>,
    heading: Heading,
    /// The request that is yet to be answered.
    asked: Option<Asked>,
    /// Interim responses that it had.
    interims: u32,
}

/// A response without its body, and what its head says about what follows it.
#[derive(Debug)]
pub struct ResponseHead {
    /// Status, version and fields.
    pub head: Response<()>,
    /// Reads the body, or what another protocol says behind a 101; none where there is none.
    pub body: Option<BodyReader>,
    /// Whether another response may follow on the connection (RFC 9112, section 9.3).
    pub keeps: bool,
}

impl ResponseReader {
    /// Reads heads up to these limits. Nothing was asked yet.
    pub fn new(limits: Limits) -> Self {
        let (lines, heading) = (Lines::default(), Heading::default());
        Self { limits, lines, start: None, heading, asked: None, interims: 0 }
    }

    /// A request was sent: one final response may come. Without it any byte is a fault.
    pub fn asked(&mut self, request: Asked) {
        (self.asked, self.interims) = (Some(request), 0);
    }

    /// Looks at all bytes of the head that have come, of which those that it saw before are not looked at again. Returns the
    /// length of the head when it is whole: then [`Self::finish`] is due.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Option<usize>, Fault> {
        if bytes.is_empty() {
            return Ok(None);
        }
        if self.asked.is_none() {
            return Err(Fault::Unsolicited);
        }
        let fits = &bytes[..bytes.len().min(self.limits.head)];
        while let Some(line) = self.lines.next(fits)? {
            let (at, text) = (line.start, &bytes[line]);
            if self.start.is_none() {
                self.start = Some(status_line(text)?);
                continue;
            }
            if text.is_empty() {
                return Ok(Some(self.lines.start()));
            }
            self.heading.take(at, text, self.limits.fields)?;
        }
        if bytes.len() > self.limits.head { Err(Fault::HeadTooLarge) } else { Ok(None) }
    }

    /// Makes the response of a head that is whole, and begins anew: after an interim one (1xx, but 101) with the same request.
    ///
    /// # Errors
    /// What only the whole head shows to be wrong.
    pub fn finish(&mut self, head: BytesMut) -> Result<ResponseHead, Fault> {
        let (start, heading) = (self.start.take(), std::mem::take(&mut self.heading));
        self.lines = Lines::default();
        let (version, status) = start.ok_or(Fault::StatusLine)?;
        let body = self.body(version, status, heading.framing)?;
        let keeps = heading.framing.is_persistent(version) && !body.as_ref().is_some_and(BodyReader::is_open);
        let status = StatusCode::from_u16(status).map_err(|_| Fault::StatusLine)?;
        let head = Response { status, version, fields: Fields::of_head(head, heading.lines), body: () };
        Ok(ResponseHead { head, body, keeps })
    }

    /// What follows a head (RFC 9112, section 6.3).
    fn body(&mut self, version: Version, status: u16, framing: Framing) -> Result<Option<BodyReader>, Fault> {
        if framing.chunked && version == Version::HTTP_10 {
            return Err(Fault::CodingTooOld);
        }
        if status == 101 {
            let upgrade = self.asked.take().is_some_and(|asked| asked.upgrade);
            return if upgrade { Ok(Some(BodyReader::open())) } else { Err(Fault::Switch) };
        }
        if status < 200 {
            self.interims += 1;
            return if self.interims > MOST_INTERIMS { Err(Fault::Interims) } else { Ok(None) };
        }
        let asked = self.asked.take().unwrap_or_default();
        Ok(match framing.length {
            _ if asked.head || matches!(status, 204 | 304) => None,
            _ if framing.chunked => Some(BodyReader::chunked()),
            Some(0) => None,
            Some(length) => Some(BodyReader::length(length)),
            None => Some(BodyReader::open()),
        })
    }
}
