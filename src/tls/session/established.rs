//! Both directions of an established connection, and the rules between them.

use std::io::IoSlice;
use std::ops::Range;

use rustls::kernel::KernelConnection;
use rustls::server::ServerConnectionData;
use rustls::{ConnectionTrafficSecrets, Error, ExtractedSecrets};

use super::control::{CLOSE_NOTIFY, Control, FATAL, KEY_UPDATE, NO_RENEGOTIATION, Said, WARNING};
use super::fault::Fault;
use super::frame::{ALERT, DATA, HANDSHAKE, MAX_PLAINTEXT, first};
use super::protection::{MAX_ADDED, Parts, Protection};

/// Most bytes that a short message takes once it is sealed: an alert, or a key update.
const SHORT: usize = 8 + MAX_ADDED;
/// A key is changed before it has sealed this many records, whatever its suite would bear (RFC 8446, section 5.5, lets
/// AES-GCM seal 2^24.5).
const MOST_RECORDS: u64 = 1 << 23;

/// What a record was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Data, at this place in the bytes that were given.
    Data(Range<usize>),
    /// Something between the two ends.
    Nothing,
    /// The peer sends no more.
    Goodbye,
}

/// A record that was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Bytes that it took.
    pub length: usize,
    /// What it was.
    pub meaning: Meaning,
}

/// An established TLS connection, of the server's side.
pub struct Session {
    reading: Protection,
    writing: Protection,
    /// What the next keys are made from; none in TLS 1.2, which has no next keys.
    schedule: Option<Box<KernelConnection<ServerConnectionData>>>,
    control: Control,
    /// The peer asked for new keys, and has not been answered.
    owes_update: bool,
    /// Said goodbye, or why not: nothing is sent after that.
    ended: bool,
}

impl Session {
    pub(super) fn new(
        tls13: bool,
        secrets: ExtractedSecrets,
        schedule: KernelConnection<ServerConnectionData>,
    ) -> Result<Self, Fault> {
        Ok(Self {
            reading: Protection::new(tls13, secrets.rx)?,
            writing: Protection::new(tls13, secrets.tx)?,
            schedule: tls13.then(|| Box::new(schedule)),
            control: Control::default(),
            owes_update: false,
            ended: false,
        })
    }

    const fn tls13(&self) -> bool {
        self.schedule.is_some()
    }

    /// Opens the first record of `bytes`, in place; none while it is not there whole. What is to be answered is sealed behind
    /// `reply`.
    ///
    /// # Errors
    /// What the peer did wrong: the connection cannot go on, and [`Self::refuse`] tells it why.
    pub fn open(&mut self, bytes: &mut [u8], reply: &mut Vec<u8>) -> Result<Option<Opened>, Fault> {
        let Some(frame) = first(bytes)? else { return Ok(None) };
        let Some(record) = bytes.get_mut(..frame.length) else { return Ok(None) };
        let (kind, place) = self.reading.open(frame.kind, record)?;
        let content = &record[place.clone()];
        let said = match kind {
            DATA => {
                self.control.data()?;
                return Ok(Some(Opened { length: frame.length, meaning: Meaning::Data(place) }));
            }
            ALERT => self.control.alert(self.tls13(), content)?,
            HANDSHAKE => self.control.handshake(self.tls13(), content)?,
            _ => return Err(Fault::Unexpected),
        };
        let meaning = match said {
            Said::Nothing => Meaning::Nothing,
            Said::Goodbye => Meaning::Goodbye,
            Said::NewKey { asks } => {
                let secrets = self.next_secrets(KernelConnection::update_rx_secret)?;
                self.reading = Protection::new(true, secrets)?;
                self.owes_update |= asks;
                Meaning::Nothing
            }
            Said::Renegotiation => {
                if !self.ended {
                    self.seal_short(ALERT, &[WARNING, NO_RENEGOTIATION], reply)?;
                }
                Meaning::Nothing
            }
        };
        Ok(Some(Opened { length: frame.length, meaning }))
    }

    /// Seals the bytes of `parts`, as far as `out` has room for them, and writes the records to its front. How many bytes were
    /// sealed, and how long the records are.
    ///
    /// # Errors
    /// After goodbye was said, and where the keys are used up.
    pub fn seal(&mut self, parts: &[IoSlice<'_>], out: &mut [u8]) -> Result<(usize, usize), Fault> {
        if self.ended {
            return Err(Fault::Unexpected);
        }
        let mut parts = Parts::new(parts);
        let (mut left, mut sealed, mut written) = (parts.len(), 0, 0);
        while left > 0 {
            if self.owes_update || self.writing.used() >= MOST_RECORDS {
                let Some(room) = out.get_mut(written..written + SHORT) else { break };
                written += self.change_key(room)?;
            }
            let room = out.len().saturating_sub(written + MAX_ADDED);
            let length = left.min(MAX_PLAINTEXT).min(room);
            if length == 0 {
                break;
            }
            written += self.writing.seal(DATA, &mut parts, length, &mut out[written..])?;
            (left, sealed) = (left - length, sealed + length);
        }
        Ok((sealed, written))
    }

    /// Says goodbye: seals a close_notify behind `out`, once.
    ///
    /// # Errors
    /// Where the cryptography fails.
    pub fn close(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        self.end(WARNING, CLOSE_NOTIFY, out)
    }

    /// Says why the connection ends, where the peer is there to hear it.
    pub fn refuse(&mut self, fault: Fault, out: &mut Vec<u8>) {
        match fault.alert() {
            // There is nobody to tell when not even that can be sealed.
            Some(description) => drop(self.end(FATAL, description, out)),
            None => self.ended = true,
        }
    }

    fn end(&mut self, level: u8, description: u8, out: &mut Vec<u8>) -> Result<(), Fault> {
        if self.ended {
            return Ok(());
        }
        self.ended = true;
        self.seal_short(ALERT, &[level, description], out)
    }

    fn seal_short(&mut self, kind: u8, message: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let mut record = [0; SHORT];
        let length = self.writing.seal(kind, &mut Parts::of(message), message.len(), &mut record)?;
        out.extend_from_slice(&record[..length]);
        Ok(())
    }

    /// Tells the peer that the next record is sealed with the next key, and changes it. How long that message is.
    fn change_key(&mut self, out: &mut [u8]) -> Result<usize, Fault> {
        // It is not asked for one of its own: its records are counted by itself.
        let message = [KEY_UPDATE, 0, 0, 1, 0];
        let secrets = self.next_secrets(KernelConnection::update_tx_secret)?;
        let length = self.writing.seal(HANDSHAKE, &mut Parts::of(&message), message.len(), out)?;
        self.writing = Protection::new(true, secrets)?;
        self.owes_update = false;
        Ok(length)
    }

    fn next_secrets(&mut self, of: UpdateSecret) -> Result<(u64, ConnectionTrafficSecrets), Fault> {
        let schedule = self.schedule.as_mut().ok_or(Fault::Exhausted)?;
        of(schedule).map_err(|_| Fault::Crypto)
    }
}

type UpdateSecret = fn(&mut KernelConnection<ServerConnectionData>) -> Result<(u64, ConnectionTrafficSecrets), Error>;
