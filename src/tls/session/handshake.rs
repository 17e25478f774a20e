//! Drives the library's handshake until both sides have finished, and not one record further.

use std::sync::Arc;

use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, UnbufferedStatus};
use rustls::{CommonState, Error, ProtocolVersion, ServerConfig};

use super::established::Session;
use super::fault::Fault;
use super::frame::{MAX_RECORD, first};
use crate::tls::asked;

/// Most bytes that are held of a handshake: its longest message, which is a chain of certificates, and a record.
const MOST_HELD: usize = (1 << 16) + MAX_RECORD;

/// Why a handshake failed.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeFault {
    /// The library says why.
    #[error(transparent)]
    Library(#[from] Error),
    /// What it agreed on cannot be taken over.
    #[error(transparent)]
    Session(#[from] Fault),
    /// A message that is longer than any is.
    #[error("a TLS handshake message that is too long")]
    TooLong,
}

/// A handshake under way, of the server's side.
pub struct Handshake {
    connection: UnbufferedServerConnection,
    name: Option<String>,
    /// Bytes at the front of what came that the library has seen.
    seen: usize,
}

/// What one look of the library came to.
enum Look {
    Again,
    Rest,
}

impl Handshake {
    /// A handshake that begins. `config` lets its secrets be taken over.
    ///
    /// # Errors
    /// A config that the library does not accept.
    pub fn new(config: Arc<ServerConfig>) -> Result<Self, HandshakeFault> {
        Ok(Self { connection: UnbufferedServerConnection::new(config)?, name: None, seen: 0 })
    }

    /// Goes on with what came: takes its bytes from the front of `came`, and writes behind `out` what is to be sent. True when
    /// both sides have finished and all is in `out`: what is left in `came` is the connection's.
    ///
    /// # Errors
    /// The handshake failed; the alert that says so is in `out`.
    pub fn advance(&mut self, came: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<bool, HandshakeFault> {
        loop {
            let UnbufferedStatus { discard, state } = self.connection.process_tls_records(&mut came[..self.seen]);
            let look = match state {
                Ok(state) => step(state, out).map_err(HandshakeFault::from),
                Err(error) => Err(error.into()),
            };
            self.name = asked::take().or_else(|| self.name.take());
            came.drain(..discard);
            self.seen = self.seen.saturating_sub(discard);
            let look = match look {
                Ok(look) => look,
                Err(fault) => {
                    self.tell(out);
                    return Err(fault);
                }
            };
            if matches!(look, Look::Again) {
                continue;
            }
            if !self.connection.is_handshaking() {
                // Keys never change within a message: the library has refused what is behind one.
                return if self.seen == 0 { Ok(true) } else { Err(Fault::Unexpected.into()) };
            }
            // One record more: what comes behind the last one of the handshake is not the library's.
            let next = match first(&came[self.seen..]) {
                Ok(Some(frame)) if came.len() - self.seen >= frame.length => self.seen + frame.length,
                Ok(_) if came.len() > MOST_HELD => return Err(HandshakeFault::TooLong),
                Ok(_) => return Ok(false),
                // The library says what is wrong with it.
                Err(_) => came.len(),
            };
            if next == self.seen {
                return Err(Fault::Malformed.into());
            }
            self.seen = next;
        }
    }

    /// What has been agreed on.
    pub fn agreed(&self) -> &CommonState {
        &self.connection
    }

    /// The name that the client asked for, in lower case.
    pub fn server_name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Takes the connection over, once the handshake is done and all of it was written.
    ///
    /// # Errors
    /// A handshake that is not done; suites that are not spoken here.
    pub fn finish(self) -> Result<Session, HandshakeFault> {
        let tls13 = self.connection.protocol_version() == Some(ProtocolVersion::TLSv1_3);
        let (secrets, schedule) = self.connection.dangerous_into_kernel_connection()?;
        Ok(Session::new(tls13, secrets, schedule)?)
    }

    /// Writes the alert of a handshake that failed. The library gives what it has to say before it looks at anything again.
    fn tell(&mut self, out: &mut Vec<u8>) {
        while self.connection.wants_write() {
            let state = self.connection.process_tls_records(&mut []).state;
            if !state.is_ok_and(|state| step(state, out).is_ok()) {
                return;
            }
        }
    }
}

fn step<D>(state: ConnectionState<'_, '_, D>, out: &mut Vec<u8>) -> Result<Look, Fault> {
    match state {
        ConnectionState::EncodeTlsData(mut data) => {
            let begin = out.len();
            match data.encode(&mut []) {
                Ok(_) => {}
                Err(EncodeError::InsufficientSize(short)) => {
                    out.resize(begin + short.required_size, 0);
                    data.encode(&mut out[begin..]).map_err(|_| Fault::Crypto)?;
                }
                Err(EncodeError::AlreadyEncoded) => return Err(Fault::Crypto),
            }
            Ok(Look::Again)
        }
        // What was encoded is kept until it is written: for the library it is gone.
        ConnectionState::TransmitTlsData(sent) => {
            sent.done();
            Ok(Look::Again)
        }
        ConnectionState::BlockedHandshake | ConnectionState::WriteTraffic(_) => Ok(Look::Rest),
        // No data is accepted before the handshake is done, and nobody ends well within it.
        _ => Err(Fault::Unexpected),
    }
}
