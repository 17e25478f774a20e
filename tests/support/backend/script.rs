//! How a backend meets a request.

use std::time::Duration;

use bytes::Bytes;

/// How a request is met.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// 200 with the request's body and content type, and `x-backend`. An upgrade to WebSocket is accepted, and echoed.
    Echo,
    /// The request's body is sent back while it comes in (HTTP/1.1: chunked).
    StreamEcho,
    /// This answer.
    Answer(Answer),
    /// The request is read; then nothing, until the peer closes or the connections are cut.
    Stall,
    /// The request is read; then the connection is reset (HTTP/2: the stream).
    Reset,
    /// The request is read; then the connection is closed (HTTP/1.1).
    Close,
    /// As soon as the head is read, the connection is reset: the body may still be under way (HTTP/1.1).
    ResetAtHead,
    /// The request is read; then these bytes are written, and the connection closed (HTTP/1.1).
    Raw(Bytes),
}

/// How a probe is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// 200.
    Good,
    /// This status.
    Status(u16),
    /// Never.
    Stall,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// From the request being read to the response head.
    pub delay: Duration,
    /// A pause within the body: after so many bytes, for so long (HTTP/1.1).
    pub pause: Option<(usize, Duration)>,
    /// Interim responses sent first (HTTP/1.1).
    pub interim: Vec<u16>,
    /// Sent after a chunked body.
    pub trailers: Vec<(String, String)>,
    /// Says this length, whatever the body's is (HTTP/1.1).
    pub declares: Option<usize>,
    /// Chunked instead of by length; trailers make it so.
    pub chunked: bool,
    /// Where the body is cut, and how.
    pub cut: Option<(usize, Cut)>,
}

/// How a response body ends before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Nothing more comes.
    Stall,
    /// The connection is closed.
    Close,
    /// The connection is reset.
    Reset,
    /// The writing half is closed; the reading half stays.
    HalfClose,
}

impl Answer {
    /// This status with a short text.
    pub fn status(status: u16) -> Self {
        Self::with(status, format!("status {status}\n"))
    }

    /// This status and body.
    pub fn with(status: u16, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
            delay: Duration::ZERO,
            pause: None,
            interim: Vec::new(),
            trailers: Vec::new(),
            declares: None,
            chunked: false,
            cut: None,
        }
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    #[must_use]
    pub fn trailer(mut self, name: &str, value: &str) -> Self {
        self.trailers.push((name.to_owned(), value.to_owned()));
        self.chunked = true;
        self
    }

    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    #[must_use]
    pub fn pause(mut self, after: usize, pause: Duration) -> Self {
        self.pause = Some((after, pause));
        self
    }

    #[must_use]
    pub fn interim(mut self, status: u16) -> Self {
        self.interim.push(status);
        self
    }

    #[must_use]
    pub fn cut(mut self, after: usize, how: Cut) -> Self {
        self.cut = Some((after, how));
        self
    }

    #[must_use]
    pub fn declares(mut self, length: usize) -> Self {
        self.declares = Some(length);
        self
    }

    #[must_use]
    pub fn chunked(mut self) -> Self {
        self.chunked = true;
        self
    }
}

impl From<Answer> for Behaviour {
    fn from(answer: Answer) -> Self {
        Self::Answer(answer)
    }
}
