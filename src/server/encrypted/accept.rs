//! The handshake over a socket.

use std::io;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::incoming::Incoming;
use super::{Encrypted, End};
use crate::tls::session::{Fault, Progress, Session};

/// Room for a client's first message with a post-quantum key.
const HELLO: usize = 2048;

/// A connection whose handshake is done.
pub(in crate::server) struct Accepted<S> {
    pub(in crate::server) stream: Encrypted<S>,
    /// The name that the client asked for, in lower case.
    pub(in crate::server) server_name: Option<String>,
    /// Whether HTTP/2 was agreed on.
    pub(in crate::server) http2: bool,
}

/// Why a handshake came to nothing.
#[derive(Debug, thiserror::Error)]
pub(in crate::server) enum AcceptError<E> {
    #[error(transparent)]
    Handshake(#[from] Fault),
    #[error("{0}")]
    Socket(#[from] io::Error),
    /// Its certificate, shown in a session that is resumed, is not accepted any more.
    #[error("the client's certificate: {0}")]
    Refused(E),
}

/// Shakes hands over `io`. Then `judge` looks at what was agreed on, and may refuse the client.
///
/// # Errors
/// [`AcceptError`]. A client whose handshake fails is told why.
pub(in crate::server) async fn accept<S, T, E>(
    mut io: S,
    config: Arc<ServerConfig>,
    judge: impl FnOnce(&rustls::CommonState) -> Result<T, E>,
) -> Result<(Accepted<S>, T), AcceptError<E>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut session = Session::new(config)?;
    let (mut came, mut data, mut out) = (Vec::with_capacity(HELLO), Vec::new(), Vec::new());
    let end = loop {
        let advanced = session.advance(&mut came, &mut |bytes| data.extend_from_slice(bytes), &mut out);
        if !out.is_empty() {
            let written = io.write_all(&out).await;
            // What is wrong with the handshake says more than that nobody hears it.
            if advanced.is_ok() {
                written?;
            }
            out.clear();
        }
        let (taken, progress) = advanced?;
        came.drain(..taken);
        match progress {
            Progress::Goodbye => break End::Goodbye,
            _ if !session.is_handshaking() => break End::No,
            _ => {}
        }
        if io.read_buf(&mut came).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    };
    let judged = judge(session.agreed()).map_err(AcceptError::Refused)?;
    let server_name = session.take_server_name();
    let http2 = session.agreed().alpn_protocol() == Some(b"h2");
    // Not larger than what is in it: it may wait for long.
    came.shrink_to_fit();
    let stream = Encrypted::new(io, session, Incoming::of(came, data), end);
    Ok((Accepted { stream, server_name, http2 }, judged))
}
