//! The state machine of responses: where in which of them a connection is.

use http::Version;

use super::chunks::{MOST_LINE, MOST_TRAILER_BYTES, MOST_TRAILERS, may_trail, size};
use super::fault::Fault;
use super::fields::{Framing, split};
use super::heading::Heading;
use super::limits::Limits;
use super::lines::Lines;
use super::start::status_line;
use super::step::{Rest, Step};
use crate::wire::fields::Line;

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

/// Why a reader stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The head that comes next breaks a rule; nothing of it was passed.
    Head(Fault),
    /// The body of the last head breaks a rule.
    Body(Fault),
}

/// Follows the responses of a connection.
#[derive(Debug)]
pub struct ResponseReader {
    limits: Limits,
    state: State,
    lines: Lines,
    /// The request that is yet to be answered.
    asked: Option<Asked>,
    /// Interim responses that it had.
    interims: u32,
    /// What the last head said; none where nobody asks.
    heading: Option<Heading>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Between two messages, or within the lines of a head.
    Head(Head),
    /// Within a body, so many bytes before its end.
    Length { left: u64 },
    /// Before the line that begins a chunk, or within it.
    ChunkLine { extensions: usize },
    /// Within a chunk, so many bytes before its end.
    Chunk { left: u64, extensions: usize },
    /// Before the CR LF that ends a chunk.
    ChunkEnd { extensions: usize },
    /// After the last chunk.
    Trailers { count: usize },
    /// Within a body that the end of the connection ends, or in another protocol: everything passes.
    Open,
    /// It stopped.
    Stopped(Stop),
}

#[derive(Clone, Copy, Debug, Default)]
struct Head {
    start: Option<Start>,
    fields: usize,
    framing: Framing,
}

#[derive(Clone, Copy, Debug)]
struct Start {
    version: Version,
    status: u16,
}

impl ResponseReader {
    /// Nothing was asked yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            state: State::Head(Head::default()),
            lines: Lines::default(),
            asked: None,
            interims: 0,
            heading: None,
        }
    }

    /// The same; what each head says is found in [`ResponseReader::heading_mut`].
    pub fn telling(self) -> Self {
        Self { heading: Some(Heading::default()), ..self }
    }

    /// What the head, or the trailer section, that passed last says, so that its fields can be taken; none unless this reader is
    /// [`ResponseReader::telling`].
    pub const fn heading_mut(&mut self) -> Option<&mut Heading> {
        self.heading.as_mut()
    }

    /// What is to come of the message whose head passed last.
    pub const fn rest(&self) -> Rest {
        match self.state {
            State::Head(_) | State::Stopped(_) => Rest::Nothing,
            State::Length { left } => Rest::Length(left),
            State::Open => Rest::All,
            State::ChunkLine { .. } | State::Chunk { .. } | State::ChunkEnd { .. } | State::Trailers { .. } => {
                Rest::Chunks
            }
        }
    }

    /// A request was sent: one final response may come. Without it any byte is a fault.
    pub fn asked(&mut self, request: Asked) {
        (self.asked, self.interims) = (Some(request), 0);
    }

    /// Looks at what comes after the bytes that were passed, no further than to the end of the part that comes next. What was
    /// looked at before and not passed is not looked at again, but must be brought.
    ///
    /// # Errors
    /// Why nothing more may pass.
    pub fn next(&mut self, bytes: &[u8]) -> Result<Step, Stop> {
        if let State::Stopped(stop) = self.state {
            return Err(stop);
        }
        if bytes.is_empty() {
            return Ok(Step::More);
        }
        let within_head = matches!(self.state, State::Head(_));
        self.step(bytes).map_err(|fault| {
            let stop = if within_head { Stop::Head(fault) } else { Stop::Body(fault) };
            self.state = State::Stopped(stop);
            stop
        })
    }

    fn step(&mut self, rest: &[u8]) -> Result<Step, Fault> {
        match self.state {
            State::Head(head) => self.head(rest, head),
            State::Length { left } => {
                let (now, left) = of(left, rest);
                self.state = if left == 0 { State::Head(Head::default()) } else { State::Length { left } };
                Ok(Step::Data(now))
            }
            State::ChunkLine { extensions } => self.chunk_line(rest, extensions),
            State::Chunk { left, extensions } => {
                let (now, left) = of(left, rest);
                self.state = if left == 0 { State::ChunkEnd { extensions } } else { State::Chunk { left, extensions } };
                Ok(Step::Data(now))
            }
            State::ChunkEnd { extensions } => match rest {
                [b'\r', b'\n', ..] => {
                    self.state = State::ChunkLine { extensions };
                    Ok(Step::Framing(2))
                }
                [b'\r'] => Ok(Step::More),
                _ => Err(Fault::ChunkEnd),
            },
            State::Trailers { count } => self.trailers(rest, count),
            State::Open | State::Stopped(_) => Ok(Step::Data(rest.len())),
        }
    }

    /// Lines of a head; it passes as a whole.
    fn head(&mut self, rest: &[u8], mut head: Head) -> Result<Step, Fault> {
        if self.asked.is_none() {
            return Err(Fault::Unsolicited);
        }
        let fits = &rest[..rest.len().min(self.limits.head)];
        while let Some(line) = self.lines.next(fits)? {
            let (from, line) = (line.start, &rest[line]);
            let Some(start) = head.start else {
                let (version, status) = status_line(line)?;
                head.start = Some(Start { version, status });
                if let Some(heading) = &mut self.heading {
                    heading.fields.clear();
                }
                continue;
            };
            if line.is_empty() {
                let length = self.lines.start();
                self.lines = Lines::default();
                self.state = self.after_head(start, head.framing)?;
                if let Some(heading) = &mut self.heading {
                    (heading.version, heading.status) = (start.version, start.status);
                    heading.persistent = head.framing.is_persistent(start.version);
                }
                return Ok(Step::Head(length));
            }
            head.fields += 1;
            if head.fields > self.limits.fields {
                return Err(Fault::TooManyFields);
            }
            let (name, value, capitals) = split(line)?;
            head.framing.take(name, value)?;
            if let Some(heading) = &mut self.heading {
                heading.note(Line::new(from, name, value, capitals));
            }
        }
        if rest.len() > self.limits.head {
            return Err(Fault::HeadTooLarge);
        }
        self.state = State::Head(head);
        Ok(Step::More)
    }

    /// What follows a head (RFC 9112, section 6.3).
    fn after_head(&mut self, start: Start, framing: Framing) -> Result<State, Fault> {
        if framing.chunked && start.version == Version::HTTP_10 {
            return Err(Fault::CodingTooOld);
        }
        let over = State::Head(Head::default());
        if start.status == 101 {
            let upgrade = self.asked.take().is_some_and(|asked| asked.upgrade);
            return if upgrade { Ok(State::Open) } else { Err(Fault::Switch) };
        }
        if start.status < 200 {
            self.interims += 1;
            return if self.interims > MOST_INTERIMS { Err(Fault::Interims) } else { Ok(over) };
        }
        let asked = self.asked.take().unwrap_or_default();
        Ok(match framing.length {
            _ if asked.head || matches!(start.status, 204 | 304) => over,
            _ if framing.chunked => State::ChunkLine { extensions: 0 },
            Some(0) => over,
            Some(left) => State::Length { left },
            None => State::Open,
        })
    }

    fn chunk_line(&mut self, rest: &[u8], mut extensions: usize) -> Result<Step, Fault> {
        let Some(line) = self.lines.next(&rest[..rest.len().min(MOST_LINE)])? else {
            return if rest.len() > MOST_LINE { Err(Fault::ChunkExtension) } else { Ok(Step::More) };
        };
        let passed = self.lines.start();
        self.lines = Lines::default();
        self.state = match size(&rest[line], &mut extensions)? {
            0 => State::Trailers { count: 0 },
            left => State::Chunk { left, extensions },
        };
        Ok(Step::Framing(passed))
    }

    /// The lines of a trailer section; it passes as a whole.
    fn trailers(&mut self, rest: &[u8], mut count: usize) -> Result<Step, Fault> {
        let fits = &rest[..rest.len().min(MOST_TRAILER_BYTES)];
        if let Some(heading) = self.heading.as_mut().filter(|_| count == 0) {
            heading.fields.clear();
        }
        while let Some(line) = self.lines.next(fits)? {
            if line.is_empty() {
                let passed = self.lines.start();
                self.lines = Lines::default();
                self.state = State::Head(Head::default());
                return Ok(Step::Trailers(passed));
            }
            count += 1;
            let (from, line) = (line.start, &rest[line]);
            let (name, value, capitals) = split(line)?;
            if !may_trail(name) {
                return Err(Fault::Trailer);
            }
            if count > MOST_TRAILERS {
                return Err(Fault::TooManyTrailers);
            }
            if let Some(heading) = &mut self.heading {
                heading.note(Line::new(from, name, value, capitals));
            }
        }
        if rest.len() > MOST_TRAILER_BYTES {
            return Err(Fault::TooManyTrailers);
        }
        self.state = State::Trailers { count };
        Ok(Step::More)
    }
}

/// How many bytes of `rest` belong to a part of a body of which `left` bytes are to come, and how many come after them.
fn of(left: u64, rest: &[u8]) -> (usize, u64) {
    let now = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
    (now, left - now as u64)
}
