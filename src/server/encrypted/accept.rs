//! The handshake over a socket.

use std::io;

use rustls::ProtocolVersion::TLSv1_3;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::incoming::Incoming;
use super::outgoing::Outgoing;
use super::{Encrypted, End};
use crate::tls::Realm;
use crate::tls::session::{Fault, Progress, Session};

/// Room for a client's first message with a post-quantum key.
const HELLO: usize = 2048;

/// Most bytes of tickets that wait for the response.
const FEW: usize = 8192;

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

/// Shakes hands over `io`, by what `realm` has for such a client. Then `judge` looks at what was agreed on, and may refuse the client.
///
/// # Errors
/// [`AcceptError`]. A client whose handshake fails is told why.
pub(in crate::server) async fn accept<S, T, E>(
    mut io: S,
    realm: &Realm,
    judge: impl FnOnce(&rustls::CommonState) -> Result<T, E>,
) -> Result<(Accepted<S>, T), AcceptError<E>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut came, mut data, mut out) = (Vec::with_capacity(HELLO), Vec::new(), Vec::new());
    let mut session = loop {
        read(&mut io, &mut came).await?;
        if let Some(config) = realm.config_for(&came) {
            break Session::new(config)?;
        }
    };
    let end = loop {
        let advanced = session.advance(&mut came, &mut |bytes| data.extend_from_slice(bytes), &mut out);
        // A client that has gone on to its first request gets its tickets with the response.
        let goes_on = advanced.as_ref().is_ok_and(|(taken, _)| *taken < came.len() || !data.is_empty());
        let waits = goes_on
            && out.len() <= FEW
            && !session.is_handshaking()
            && session.agreed().protocol_version() == Some(TLSv1_3);
        if !out.is_empty() && !waits {
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
        read(&mut io, &mut came).await?;
    };
    let judged = judge(session.agreed()).map_err(AcceptError::Refused)?;
    let server_name = session.take_server_name();
    let http2 = session.agreed().alpn_protocol() == Some(b"h2");
    // Not larger than what is in it: it may wait for long.
    came.shrink_to_fit();
    out.shrink_to_fit();
    let stream = Encrypted::new(io, session, Incoming::of(came, data), Outgoing::of(out), end);
    Ok((Accepted { stream, server_name, http2 }, judged))
}

/// Reads more; the end is an error.
async fn read(io: &mut (impl AsyncRead + Unpin), came: &mut Vec<u8>) -> io::Result<()> {
    if io.read_buf(came).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}
