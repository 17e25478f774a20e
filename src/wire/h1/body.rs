//! A body, by length, in chunks, or up to the end of the connection (RFC 9112, sections 6 and 7), told apart from its framing.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::chunks::{MOST_LINE, MOST_TRAILER_BYTES, MOST_TRAILERS, size};
use super::fault::Fault;
use super::fields::split;
use super::lines::Lines;
use crate::wire::may_trail;

/// Follows a body. Says of the bytes that come next what they are.
#[derive(Debug)]
pub struct BodyReader {
    state: State,
    lines: Lines,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// So many bytes before its end.
    Length(u64),
    /// Before the line that begins a chunk, or within it.
    ChunkLine {
        extensions: usize,
    },
    /// Within a chunk, so many bytes before its end.
    Chunk {
        left: u64,
        extensions: usize,
    },
    /// Before the CR LF that ends a chunk.
    ChunkEnd {
        extensions: usize,
    },
    /// After the last chunk.
    Trailers {
        count: usize,
    },
    /// Everything is content up to the end of the connection.
    Open,
    Ended,
    /// It broke a rule.
    Broken(Fault),
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub enum Part {
    /// So many bytes of content.
    Content(usize),
    /// So many bytes of framing, which are of no further use.
    Framing(usize),
    /// So many bytes that were the last of the body, and its trailers, if there are any.
    End(usize, Option<HeaderMap>),
    /// What has come does not show it: more is needed, behind these same bytes.
    More,
}

impl BodyReader {
    /// A body of so many bytes, more than none.
    pub fn length(bytes: u64) -> Self {
        Self { state: State::Length(bytes), lines: Lines::default() }
    }

    /// A body in chunks.
    pub fn chunked() -> Self {
        Self { state: State::ChunkLine { extensions: 0 }, lines: Lines::default() }
    }

    /// Everything that comes, up to the end of the connection.
    pub fn open() -> Self {
        Self { state: State::Open, lines: Lines::default() }
    }

    /// Whether the end of the connection is its end.
    pub const fn is_open(&self) -> bool {
        matches!(self.state, State::Open)
    }

    /// Bytes of content that are still to come, where that is known.
    pub const fn left(&self) -> Option<u64> {
        match self.state {
            State::Length(left) => Some(left),
            State::Ended => Some(0),
            _ => None,
        }
    }

    /// Whether all of it has come.
    pub const fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// Looks at what follows the bytes that were told apart before.
    ///
    /// # Errors
    /// The rule that its framing breaks; the same however often it is asked.
    pub fn next(&mut self, bytes: &[u8]) -> Result<Part, Fault> {
        let part = self.step(bytes);
        if let Err(fault) = &part {
            self.state = State::Broken(*fault);
        }
        part
    }

    fn step(&mut self, bytes: &[u8]) -> Result<Part, Fault> {
        match self.state {
            State::Broken(fault) => Err(fault),
            _ if bytes.is_empty() => Ok(Part::More),
            State::Length(left) => {
                let (now, left) = of(left, bytes);
                self.state = if left == 0 { State::Ended } else { State::Length(left) };
                Ok(Part::Content(now))
            }
            State::ChunkLine { extensions } => self.chunk_line(bytes, extensions),
            State::Chunk { left, extensions } => {
                let (now, left) = of(left, bytes);
                self.state = if left == 0 { State::ChunkEnd { extensions } } else { State::Chunk { left, extensions } };
                Ok(Part::Content(now))
            }
            State::ChunkEnd { extensions } => match bytes {
                [b'\r', b'\n', ..] => {
                    self.state = State::ChunkLine { extensions };
                    Ok(Part::Framing(2))
                }
                [b'\r'] => Ok(Part::More),
                _ => Err(Fault::ChunkEnd),
            },
            State::Trailers { count } => self.trailers(bytes, count),
            State::Open => Ok(Part::Content(bytes.len())),
            State::Ended => Ok(Part::End(0, None)),
        }
    }

    fn chunk_line(&mut self, bytes: &[u8], mut extensions: usize) -> Result<Part, Fault> {
        let Some(line) = self.lines.next(&bytes[..bytes.len().min(MOST_LINE)])? else {
            return if bytes.len() > MOST_LINE { Err(Fault::ChunkExtension) } else { Ok(Part::More) };
        };
        let passed = self.lines.start();
        self.lines = Lines::default();
        self.state = match size(&bytes[line], &mut extensions)? {
            0 => State::Trailers { count: 0 },
            left => State::Chunk { left, extensions },
        };
        Ok(Part::Framing(passed))
    }

    /// The lines of a trailer section; it counts as a whole.
    fn trailers(&mut self, bytes: &[u8], mut count: usize) -> Result<Part, Fault> {
        let fits = &bytes[..bytes.len().min(MOST_TRAILER_BYTES)];
        while let Some(line) = self.lines.next(fits)? {
            if line.is_empty() {
                let (passed, end) = (self.lines.start(), line.start);
                self.state = State::Ended;
                let trailers = if count == 0 { None } else { Some(fields(&bytes[..end])?) };
                return Ok(Part::End(passed, trailers));
            }
            count += 1;
            let (name, ..) = split(&bytes[line])?;
            if !may_trail(name) {
                return Err(Fault::Trailer);
            }
            if count > MOST_TRAILERS {
                return Err(Fault::TooManyTrailers);
            }
        }
        if bytes.len() > MOST_TRAILER_BYTES {
            return Err(Fault::TooManyTrailers);
        }
        self.state = State::Trailers { count };
        Ok(Part::More)
    }
}

/// How many bytes of `bytes` belong to a part of which `left` bytes are to come, and how many come after them.
fn of(left: u64, bytes: &[u8]) -> (usize, u64) {
    let now = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
    (now, left - now as u64)
}

/// The fields of whole lines that were checked.
fn fields(text: &[u8]) -> Result<HeaderMap, Fault> {
    let (mut lines, mut found) = (Lines::default(), HeaderMap::new());
    while let Some(line) = lines.next(text)? {
        let (name, value, _) = split(&text[line])?;
        let name = HeaderName::from_bytes(name).map_err(|_| Fault::FieldName)?;
        let value = Bytes::copy_from_slice(value.trim_ascii());
        found.append(name, HeaderValue::from_maybe_shared(value).map_err(|_| Fault::Control)?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The content, the trailers, and what follows, of bytes that come so many at a time.
    fn read(mut reader: BodyReader, text: &str, step: usize) -> Result<(String, Option<HeaderMap>, String), Fault> {
        let (bytes, mut came, mut passed, mut content) = (text.as_bytes(), 0, 0, Vec::new());
        while !reader.has_ended() {
            match reader.next(&bytes[passed..came])? {
                Part::Content(length) => {
                    content.extend_from_slice(&bytes[passed..passed + length]);
                    passed += length;
                }
                Part::Framing(length) => passed += length,
                Part::End(length, trailers) => {
                    let rest = String::from_utf8(bytes[passed + length..].to_vec()).unwrap();
                    return Ok((String::from_utf8(content).unwrap(), trailers, rest));
                }
                Part::More => {
                    assert!(came < bytes.len(), "it never ends: {text:?}");
                    came = (came + step).min(bytes.len());
                }
            }
        }
        Ok((String::from_utf8(content).unwrap(), None, String::from_utf8(bytes[passed..].to_vec()).unwrap()))
    }

    #[test]
    fn content_is_told_apart_from_its_framing_however_it_comes_in() {
        for step in [1, 3, 1000] {
            let by_length = read(BodyReader::length(5), "helloGET", step).unwrap();
            assert_eq!(by_length, ("hello".to_owned(), None, "GET".to_owned()));
            let mut open = BodyReader::open();
            assert_eq!((open.next(b"\0any\n"), open.next(b"")), (Ok(Part::Content(5)), Ok(Part::More)));
            assert!(open.is_open() && !open.has_ended());
            let chunks = "5;x=\"y\"\r\nhello\r\n1\r\n!\r\n0\r\n\r\nGET";
            assert_eq!(read(BodyReader::chunked(), chunks, step).unwrap(), ("hello!".into(), None, "GET".into()));
            let trailed = read(BodyReader::chunked(), "1\r\n!\r\n0\r\nx-sum:  1 \r\nx-sum: 2\r\n\r\n", step).unwrap();
            let trailers = trailed.1.unwrap();
            assert_eq!(trailers.get_all("x-sum").iter().collect::<Vec<_>>(), ["1", "2"]);
        }
    }

    #[test]
    fn a_body_is_stopped_where_its_framing_breaks() {
        for (bad, fault) in [
            ("zz\r\n", Fault::ChunkSize),
            ("5\r\nhello!\r\n", Fault::ChunkEnd),
            ("5\r\nhello\n", Fault::ChunkEnd),
            ("5\r\nhello\r\n\r\n", Fault::ChunkSize),
            ("0\n\r\n", Fault::BareLf),
            ("0\r\nhost: b\r\n\r\n", Fault::Trailer),
            ("0\r\na: b\r\n c\r\n\r\n", Fault::Folded),
            ("0\r\nGET / HTTP/1.1\r\n\r\n", Fault::FieldName),
        ] {
            for step in [1, 1000] {
                assert_eq!(read(BodyReader::chunked(), bad, step), Err(fault), "{bad:?}");
            }
            let (mut reader, mut rest) = (BodyReader::chunked(), bad.as_bytes());
            while let Ok(Part::Content(length) | Part::Framing(length)) = reader.next(rest) {
                rest = &rest[length..];
            }
            assert_eq!(reader.next(rest), Err(fault), "it is told again: {bad:?}");
        }
        let many = format!("0\r\n{}\r\n", "a: b\r\n".repeat(MOST_TRAILERS + 1));
        assert_eq!(read(BodyReader::chunked(), &many, 1000), Err(Fault::TooManyTrailers));
        let long = format!("1;{}", "a".repeat(MOST_LINE));
        assert_eq!(read(BodyReader::chunked(), &long, 5000), Err(Fault::ChunkExtension));
    }
}
