//! A socket of a backend: reading by lines and lengths, and closing in three ways.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// A TCP stream, bare or under TLS.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    fn tcp(&self) -> &TcpStream;
}

impl Stream for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Stream for tokio_rustls::server::TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// Lets the next close of this socket be a reset: RST in place of FIN.
pub fn reset_on_close(tcp: &TcpStream) {
    let _ = socket2::SockRef::from(tcp).set_linger(Some(Duration::ZERO));
}

/// A stream with what was read ahead.
pub struct Socket<S> {
    pub stream: S,
    buffer: BytesMut,
}

impl<S: Stream> Socket<S> {
    pub fn new(stream: S) -> Self {
        Self { stream, buffer: BytesMut::new() }
    }

    async fn more(&mut self) -> io::Result<()> {
        self.buffer.reserve(16 * 1024);
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    /// The next line without its end.
    pub async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(end + 1);
                return Ok(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned());
            }
            self.more().await?;
        }
    }

    /// Some of the next bytes: at least one, at most `most`.
    pub async fn some(&mut self, most: usize) -> io::Result<Bytes> {
        while self.buffer.is_empty() {
            self.more().await?;
        }
        let n = most.min(self.buffer.len());
        Ok(self.buffer.split_to(n).freeze())
    }

    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref()).await?;
        self.stream.flush().await
    }

    /// Waits until the peer closes.
    pub async fn until_closed(&mut self) {
        while self.more().await.is_ok() {}
    }

    /// Closes with a reset.
    pub fn reset(self) {
        reset_on_close(self.stream.tcp());
    }

    /// Closes the writing half.
    pub async fn half_close(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// The stream and what was read ahead.
    pub fn into_parts(self) -> (S, Bytes) {
        (self.stream, self.buffer.freeze())
    }
}
