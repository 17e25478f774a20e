//! Shows the library what came, and says what was in it.

use std::sync::Arc;

use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, UnbufferedStatus};
use rustls::{CommonState, ServerConfig};

use super::MOST_HELD;
use super::fault::Fault;
use crate::tls::asked;

/// How far a look at what came has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A record of data; there may be more.
    Data,
    /// More must come.
    Rest,
    /// The peer sends no more.
    Goodbye,
}

/// A TLS connection of the server's side.
pub struct Session {
    pub(super) connection: Box<UnbufferedServerConnection>,
    name: Option<String>,
    /// Bytes at the front of what came that the library has seen and not taken: it keeps places in them, so it is to see them
    /// whenever it is asked.
    pub(super) shown: usize,
    /// The library has said that it cannot go on. It is shown nothing after that: it does not bear it.
    pub(super) failed: bool,
    /// Said goodbye, or why not: nothing is sent after that.
    pub(super) ended: bool,
}

impl Session {
    /// A connection that begins with its handshake.
    ///
    /// # Errors
    /// A config that the library does not accept.
    pub fn new(config: Arc<ServerConfig>) -> Result<Self, Fault> {
        let connection = Box::new(UnbufferedServerConnection::new(config)?);
        Ok(Self { connection, name: None, shown: 0, failed: false, ended: false })
    }

    /// Goes on with what came, up to the next record of data, which is given to `data`: never more than
    /// [`MAX_PLAINTEXT`](super::MAX_PLAINTEXT) bytes. Writes behind `out` what is to be sent. How many bytes are to be taken
    /// from the front of `came`; what is left of them is to be there again, in front of what comes next.
    ///
    /// # Errors
    /// The connection cannot go on; the alert that says so is in `out`.
    pub fn advance(
        &mut self,
        came: &mut [u8],
        data: &mut impl FnMut(&[u8]),
        out: &mut Vec<u8>,
    ) -> Result<(usize, Progress), Fault> {
        if self.failed {
            return Err(Fault::Ended);
        }
        if came.len() == self.shown && !self.connection.wants_write() {
            return Ok((0, Progress::Rest));
        }
        let mut taken = 0;
        let progress = loop {
            let handshaking = self.connection.is_handshaking();
            let UnbufferedStatus { discard, state } = self.connection.process_tls_records(&mut came[taken..]);
            taken += discard;
            let step = match state {
                Ok(state) => step(state, data, &mut taken, out),
                Err(error) => Err(error.into()),
            };
            if handshaking {
                self.name = asked::take().or_else(|| self.name.take());
            }
            match step {
                Ok(None) => {}
                Ok(Some(progress)) => break progress,
                Err(fault) => {
                    self.fail(out);
                    return Err(fault);
                }
            }
        };
        self.shown = 0;
        match progress {
            // Nothing is kept by the library between a record of data and what follows it.
            Progress::Data => Ok((taken, progress)),
            Progress::Goodbye => Ok((came.len(), progress)),
            Progress::Rest => {
                self.shown = came.len() - taken;
                if self.shown > MOST_HELD {
                    self.fail(out);
                    return Err(Fault::TooLong);
                }
                Ok((taken, progress))
            }
        }
    }

    /// Whether the handshake is not yet done.
    pub fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// What has been agreed on.
    pub fn agreed(&self) -> &CommonState {
        &self.connection
    }

    /// The name that the client asked for, in lower case. It is not kept.
    pub fn take_server_name(&mut self) -> Option<String> {
        self.name.take()
    }

    /// Writes what the library still has to say, where it cannot go on, behind `out`. That it gives before it looks at
    /// anything that came.
    pub fn fail(&mut self, out: &mut Vec<u8>) {
        (self.failed, self.ended) = (true, true);
        while self.connection.wants_write() {
            let state = self.connection.process_tls_records(&mut []).state;
            if !state.is_ok_and(|state| step(state, &mut |_| (), &mut 0, out).is_ok()) {
                return;
            }
        }
    }
}

fn step<D>(
    state: ConnectionState<'_, '_, D>,
    data: &mut impl FnMut(&[u8]),
    taken: &mut usize,
    out: &mut Vec<u8>,
) -> Result<Option<Progress>, Fault> {
    match state {
        ConnectionState::ReadTraffic(mut records) => {
            while let Some(record) = records.next_record() {
                let record = record?;
                *taken += record.discard;
                data(record.payload);
            }
            Ok(Some(Progress::Data))
        }
        ConnectionState::EncodeTlsData(message) => {
            let end = out.len();
            encode(message, out, end)?;
            Ok(None)
        }
        // What was encoded is kept until it is written: for the library it is gone.
        ConnectionState::TransmitTlsData(sent) => {
            sent.done();
            Ok(None)
        }
        ConnectionState::BlockedHandshake | ConnectionState::WriteTraffic(_) => Ok(Some(Progress::Rest)),
        ConnectionState::PeerClosed | ConnectionState::Closed => Ok(Some(Progress::Goodbye)),
        // No early data is accepted.
        _ => Err(Fault::Unexpected),
    }
}

/// Writes a message to `out` from `at` on, which grows where it has too little room. How long it is.
pub(super) fn encode<D>(mut message: EncodeTlsData<'_, D>, out: &mut Vec<u8>, at: usize) -> Result<usize, Fault> {
    match message.encode(&mut out[at..]) {
        Ok(length) => Ok(length),
        Err(EncodeError::InsufficientSize(short)) => {
            out.resize(at + short.required_size, 0);
            message.encode(&mut out[at..]).map_err(|_| Fault::Unexpected)
        }
        Err(EncodeError::AlreadyEncoded) => Err(Fault::Unexpected),
    }
}
