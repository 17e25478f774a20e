//! The handshake over a socket.

use std::io;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::Encrypted;
use crate::tls::session::{Handshake, HandshakeFault};

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
    Handshake(#[from] HandshakeFault),
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
    let mut handshake = Handshake::new(config)?;
    let (mut came, mut out) = (Vec::with_capacity(HELLO), Vec::new());
    loop {
        let advanced = handshake.advance(&mut came, &mut out);
        if !out.is_empty() {
            let written = io.write_all(&out).await;
            // What is wrong with the handshake says more than that nobody hears it.
            if advanced.is_ok() {
                written?;
            }
            out.clear();
        }
        if advanced? {
            break;
        }
        if io.read_buf(&mut came).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    }
    let judged = judge(handshake.agreed()).map_err(AcceptError::Refused)?;
    let server_name = handshake.server_name().map(str::to_owned);
    let http2 = handshake.agreed().alpn_protocol() == Some(b"h2");
    // Not larger than what is in it: it may wait for long.
    came.shrink_to_fit();
    let stream = Encrypted::new(io, handshake.finish()?, came);
    Ok((Accepted { stream, server_name, http2 }, judged))
}
