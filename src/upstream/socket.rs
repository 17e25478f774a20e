//! A socket that moves from one worker's runtime to another's beneath TLS, which does not notice.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::dial::Stream;

/// A TCP connection, registered with the runtime of a worker or with none.
#[derive(Debug)]
pub enum Socket {
    /// With the one that uses it.
    Here(TcpStream),
    /// On its way.
    Parked(std::net::TcpStream),
    /// It could not be moved.
    Gone,
}

/// A connection on its way to another worker.
#[derive(Debug)]
pub(super) enum Parked {
    Plain(std::net::TcpStream),
    Tls(Box<TlsStream<Socket>>),
}

impl Socket {
    fn park(&mut self) -> io::Result<()> {
        *self = match std::mem::replace(self, Self::Gone) {
            Self::Here(tcp) => Self::Parked(tcp.into_std()?),
            other => other,
        };
        Ok(())
    }

    fn land(&mut self) -> io::Result<()> {
        *self = match std::mem::replace(self, Self::Gone) {
            Self::Parked(tcp) => Self::Here(TcpStream::from_std(tcp)?),
            other => other,
        };
        Ok(())
    }

    fn here(self: Pin<&mut Self>) -> io::Result<Pin<&mut TcpStream>> {
        match self.get_mut() {
            Self::Here(tcp) => Ok(Pin::new(tcp)),
            Self::Parked(_) | Self::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl Stream {
    /// Takes the connection out of this worker's runtime. Nothing may be under way on it.
    ///
    /// # Errors
    /// The system's. The connection is closed then.
    pub(super) fn park(self) -> io::Result<Parked> {
        match self {
            Self::Plain(tcp) => Ok(Parked::Plain(tcp.into_std()?)),
            Self::Tls(mut stream) => {
                stream.get_mut().0.park()?;
                Ok(Parked::Tls(stream))
            }
        }
    }
}

impl Parked {
    /// Puts the connection into this worker's runtime.
    ///
    /// # Errors
    /// The system's. The connection is closed then.
    pub(super) fn land(self) -> io::Result<Stream> {
        match self {
            Self::Plain(tcp) => Ok(Stream::Plain(TcpStream::from_std(tcp)?)),
            Self::Tls(mut stream) => {
                stream.get_mut().0.land()?;
                Ok(Stream::Tls(stream))
            }
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.here()?.poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.here()?.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.here()?.poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        // As TCP is.
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.here()?.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.here()?.poll_shutdown(cx)
    }
}
