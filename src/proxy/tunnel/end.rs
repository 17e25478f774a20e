//! One end of a tunnel: a connection that HTTP has left.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream of bytes in both directions.
pub trait ByteStream: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> ByteStream for T {}

/// One end of a tunnel.
pub struct End {
    ahead: Bytes,
    io: Box<dyn ByteStream>,
}

impl End {
    /// A connection, and what was read of it beyond the last of its HTTP.
    pub fn new(io: Box<dyn ByteStream>, ahead: Bytes) -> Self {
        Self { ahead, io }
    }
}

impl fmt::Debug for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("End").finish_non_exhaustive()
    }
}

impl AsyncRead for End {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            let length = self.ahead.len().min(buffer.remaining());
            buffer.put_slice(&self.ahead[..length]);
            self.ahead.advance(length);
            if self.ahead.is_empty() {
                // What it shared its memory with need not be kept for as long as the tunnel lasts.
                self.ahead = Bytes::new();
            }
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl AsyncWrite for End {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn what_was_read_ahead_comes_first() {
        let (mut other, io) = tokio::io::duplex(64);
        other.write_all(b"behind").await.unwrap();
        drop(other);
        let mut end = End::new(Box::new(io), Bytes::from_static(b"ahead "));
        let mut text = [0; 3];
        end.read_exact(&mut text).await.unwrap();
        assert_eq!(&text, b"ahe");
        let mut rest = String::new();
        end.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "ad behind");
    }
}
