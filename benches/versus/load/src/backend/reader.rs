//! Requests as proxies write them: well-formed, so the least of a reader will do.

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// How the body is framed.
#[derive(Clone, Copy)]
pub(super) enum Framing {
    Length(usize),
    Chunked,
}

pub(super) struct Head {
    pub(super) path: String,
    pub(super) body: Framing,
    /// The key of an upgrade to a WebSocket.
    pub(super) websocket: Option<String>,
}

/// Reads one connection.
#[derive(Default)]
pub(super) struct Reader {
    buffer: Vec<u8>,
    start: usize,
}

impl Reader {
    /// The next head; none at the end of the connection.
    pub(super) async fn head(&mut self, stream: &mut TcpStream) -> std::io::Result<Option<Head>> {
        loop {
            if let Some(end) = find(self.pending(), b"\r\n\r\n") {
                let head = parse(&self.pending()[..end]);
                self.start += end + 4;
                return Ok(Some(head));
            }
            if !self.more(stream).await? {
                return Ok(None);
            }
        }
    }

    /// Reads a body and throws it away.
    pub(super) async fn body(&mut self, stream: &mut TcpStream, framing: Framing) -> std::io::Result<()> {
        match framing {
            Framing::Length(length) => self.skip(stream, length).await,
            Framing::Chunked => loop {
                let Some(end) = find(self.pending(), b"\r\n") else {
                    self.must(stream).await?;
                    continue;
                };
                let line = String::from_utf8_lossy(&self.pending()[..end]).into_owned();
                let size = usize::from_str_radix(line.split(';').next().unwrap_or("").trim(), 16).unwrap_or(0);
                self.start += end + 2;
                self.skip(stream, size + 2).await?;
                if size == 0 {
                    return Ok(());
                }
            },
        }
    }

    /// What was read ahead.
    pub(super) fn pending(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    async fn skip(&mut self, stream: &mut TcpStream, length: usize) -> std::io::Result<()> {
        let mut left = length;
        loop {
            let now = left.min(self.pending().len());
            self.start += now;
            left -= now;
            if left == 0 {
                return Ok(());
            }
            self.must(stream).await?;
        }
    }

    async fn must(&mut self, stream: &mut TcpStream) -> std::io::Result<()> {
        if self.more(stream).await? { Ok(()) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) }
    }

    async fn more(&mut self, stream: &mut TcpStream) -> std::io::Result<bool> {
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
        }
        self.buffer.reserve(16 * 1024);
        Ok(stream.read_buf(&mut self.buffer).await? > 0)
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn parse(head: &[u8]) -> Head {
    let head = String::from_utf8_lossy(head);
    let mut lines = head.split("\r\n");
    let path = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or("/").to_owned();
    let (mut body, mut key, mut websocket) = (Framing::Length(0), None, false);
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            body = Framing::Length(value.parse().unwrap_or(0));
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            body = Framing::Chunked;
        } else if name.eq_ignore_ascii_case("upgrade") {
            websocket = value.eq_ignore_ascii_case("websocket");
        } else if name.eq_ignore_ascii_case("sec-websocket-key") {
            key = Some(value.to_owned());
        }
    }
    Head { path, body, websocket: key.filter(|_| websocket) }
}
