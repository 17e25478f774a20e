//! The least of an HTTP/1.1 client: requests made beforehand, responses read to their end.

use std::borrow::Cow;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::dial::{Dial, Stream};

/// What stands in a body for the number of the request: activities differ, for a gateway that remembers them.
const NUMBER: &[u8] = b"##########";

/// A request made beforehand; only its number is still to come.
pub(crate) struct Request {
    bytes: Vec<u8>,
    /// Where the number goes.
    number: Option<usize>,
}

impl Request {
    /// `method path` with these header lines and this body.
    pub(crate) fn new(method: &str, path: &str, lines: &[String], body: &[u8]) -> Self {
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n");
        for line in lines {
            head.push_str(line);
            head.push_str("\r\n");
        }
        if !body.is_empty() || method == "POST" {
            head.push_str(&format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let number = body.windows(NUMBER.len()).position(|window| window == NUMBER).map(|at| head.len() + at);
        Self { bytes: [head.as_bytes(), body].concat(), number }
    }

    /// The bytes of one request.
    pub(crate) fn bytes(&self, number: u64) -> Cow<'_, [u8]> {
        let Some(at) = self.number else { return Cow::Borrowed(&self.bytes) };
        let mut bytes = self.bytes.clone();
        bytes[at..at + NUMBER.len()].copy_from_slice(format!("{:010}", number % 10_000_000_000).as_bytes());
        Cow::Owned(bytes)
    }
}

/// Why there was no whole response.
pub(crate) enum Failure {
    /// The connection ended before any byte of the response: over a kept one, a client sends again.
    Untaken,
    /// Anything else, in a word or two.
    Broken(String),
}

impl Failure {
    /// What it is counted under.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Untaken => "closed before a response".to_owned(),
            Self::Broken(why) => why.clone(),
        }
    }
}

/// A response, read to its end.
pub(crate) struct Response {
    pub(crate) status: u16,
    /// The connection takes another request.
    pub(crate) kept: bool,
    /// Bytes of the body.
    pub(crate) length: u64,
}

/// A connection and what was read ahead.
pub(crate) struct Connection {
    pub(crate) stream: Stream,
    buffer: Vec<u8>,
    start: usize,
}

impl Connection {
    /// A new one.
    pub(crate) async fn open(dial: &Dial) -> Result<Self, Failure> {
        let stream = dial.connect().await.map_err(|error| Failure::Broken(format!("connecting: {}", error.kind())))?;
        Ok(Self::over(stream))
    }

    /// Over a stream that is there.
    pub(crate) fn over(stream: Stream) -> Self {
        Self { stream, buffer: Vec::new(), start: 0 }
    }

    /// Sends a request and reads the response.
    pub(crate) async fn send(&mut self, request: &[u8]) -> Result<Response, Failure> {
        let sent = match self.stream.write_all(request).await {
            Ok(()) => self.stream.flush().await,
            Err(error) => Err(error),
        };
        // A response may be there all the same: it is read before the error counts.
        let answer = self.receive().await;
        match (answer, sent) {
            (Err(Failure::Broken(_)), Err(error)) => Err(Failure::Broken(format!("sending: {}", error.kind()))),
            (answer, _) => answer,
        }
    }

    async fn receive(&mut self) -> Result<Response, Failure> {
        let mut any = self.buffer.len() > self.start;
        let head = loop {
            if let Some(end) = self.pending().windows(4).position(|window| window == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&self.pending()[..end]).to_ascii_lowercase();
                self.start += end + 4;
                if head.starts_with("http/1.1 100") {
                    continue;
                }
                break head;
            }
            match self.more().await {
                Ok(0) | Err(_) if !any => return Err(Failure::Untaken),
                Ok(0) => return Err(Failure::Broken("closed within a response head".into())),
                Err(error) => return Err(Failure::Broken(format!("receiving: {}", error.kind()))),
                Ok(_) => any = true,
            }
        };
        let status = head.get(9..12).and_then(|text| text.parse().ok()).unwrap_or(0);
        let field =
            |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
        let mut kept = field("connection") != Some("close");
        let length = match field("content-length").and_then(|text| text.parse::<u64>().ok()) {
            Some(length) => self.skip(length).await?,
            None if field("transfer-encoding") == Some("chunked") => self.chunks().await?,
            None if status == 101 || status == 204 || status == 304 => 0,
            None => {
                kept = false;
                let mut length = self.pending().len() as u64;
                self.start = self.buffer.len();
                while let Ok(read @ 1..) = self.more().await {
                    length += read as u64;
                    self.start = self.buffer.len();
                }
                length
            }
        };
        Ok(Response { status, kept, length })
    }

    fn pending(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Takes away what was read beyond the last response.
    pub(crate) fn take_pending(&mut self) -> Vec<u8> {
        self.buffer.split_off(self.start)
    }

    async fn more(&mut self) -> std::io::Result<usize> {
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
        }
        self.buffer.reserve(16 * 1024);
        self.stream.read_buf(&mut self.buffer).await
    }

    async fn some(&mut self) -> Result<(), Failure> {
        match self.more().await {
            Ok(0) | Err(_) => Err(Failure::Broken("closed within a response body".into())),
            Ok(_) => Ok(()),
        }
    }

    async fn skip(&mut self, length: u64) -> Result<u64, Failure> {
        let mut left = length;
        loop {
            let now = left.min(self.pending().len() as u64);
            self.start += now as usize;
            left -= now;
            if left == 0 {
                return Ok(length);
            }
            self.some().await?;
        }
    }

    async fn chunks(&mut self) -> Result<u64, Failure> {
        let mut length = 0;
        loop {
            let Some(end) = self.pending().windows(2).position(|window| window == b"\r\n") else {
                self.some().await?;
                continue;
            };
            let line = String::from_utf8_lossy(&self.pending()[..end]);
            let size = line.split(';').next().and_then(|text| u64::from_str_radix(text.trim(), 16).ok());
            let size = size.ok_or_else(|| Failure::Broken("a chunk without a size".into()))?;
            self.start += end + 2;
            self.skip(size + 2).await?;
            length += size;
            if size == 0 {
                return Ok(length);
            }
        }
    }
}
