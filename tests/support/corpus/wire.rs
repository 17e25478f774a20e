//! The client's side: bytes out, and everything that comes back.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use super::strict::{Message, Side, read};

/// How long after a whole answer more bytes are waited for.
const QUIET: Duration = Duration::from_millis(120);

/// What a client got.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// Every byte.
    pub bytes: Vec<u8>,
    /// Final responses in order; the last may be incomplete.
    pub responses: Vec<Message>,
    /// Interim responses among them.
    pub interim: usize,
    /// What the strictest reading says against the bytes.
    pub malformed: Option<String>,
    /// The connection was ended by the peer.
    pub closed: bool,
    /// HTTP/2: the stream was.
    pub reset: bool,
}

impl Heard {
    fn parse(&mut self, head_only: bool) {
        (self.responses, self.interim, self.malformed) = (Vec::new(), 0, None);
        let mut at = 0;
        while at < self.bytes.len() {
            let side = Side::Response { bodiless: head_only, closed: self.closed };
            match read(&self.bytes[at..], side) {
                Err(why) => {
                    self.malformed = Some(why);
                    return;
                }
                Ok((message, 0)) => {
                    if message.head {
                        self.responses.push(message);
                    }
                    return;
                }
                Ok((message, taken)) => {
                    at += taken;
                    if matches!(message.status(), 100..=199) && message.status() != 101 {
                        self.interim += 1;
                    } else {
                        self.responses.push(message);
                    }
                }
            }
        }
    }

    /// Whether the last final response is whole.
    pub fn is_whole(&self) -> bool {
        self.malformed.is_none() && self.responses.last().is_some_and(|response| response.complete)
    }

    /// The statuses of the final responses.
    pub fn statuses(&self) -> Vec<u16> {
        self.responses.iter().map(Message::status).collect()
    }
}

/// Sends bytes and hears until the peer closes, the answers are whole and nothing more comes, or for `patience`.
pub(super) async fn ask<S>(mut stream: S, bytes: &[u8], half_close: bool, head_only: bool, patience: Duration) -> Heard
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut heard = Heard::default();
    let end = Instant::now() + patience;
    // A peer that answers early and closes may leave part of it unwritten.
    let written = timeout_at(end, async {
        stream.write_all(bytes).await?;
        stream.flush().await?;
        if half_close { stream.shutdown().await } else { Ok(()) }
    });
    let _ = written.await;
    loop {
        let until = if heard.is_whole() { end.min(Instant::now() + QUIET) } else { end };
        let mut part = [0; 16 * 1024];
        match timeout_at(until, stream.read(&mut part)).await {
            Ok(Ok(n @ 1..)) => heard.bytes.extend_from_slice(&part[..n]),
            Ok(_) => heard.closed = true,
            Err(_) => return heard,
        }
        heard.parse(head_only);
        if heard.closed {
            return heard;
        }
    }
}
