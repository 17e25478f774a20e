//! What a peer may say after the handshake besides data: alerts, key updates, a renegotiation that is declined.

use super::fault::Fault;

/// Key updates without data between them, warnings and renegotiations: as many as other servers bear.
const MOST_UPDATES: u8 = 32;
const MOST_WARNINGS: u8 = 4;

/// Alerts.
pub(super) const WARNING: u8 = 1;
pub(super) const FATAL: u8 = 2;
pub(super) const CLOSE_NOTIFY: u8 = 0;
pub(super) const NO_RENEGOTIATION: u8 = 100;
const USER_CANCELED: u8 = 90;

/// Handshake messages.
const CLIENT_HELLO: u8 = 1;
pub(super) const KEY_UPDATE: u8 = 24;

/// What a peer has said besides data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Nothing that asks for anything.
    Nothing,
    /// It sends no more.
    Goodbye,
    /// It reads and seals with its next key from the next record on; whether it asks for the same.
    NewKey { asks: bool },
    /// It wants to negotiate anew, which TLS 1.2 knows and nobody here does.
    Renegotiation,
}

/// Counts and joins what comes besides data.
#[derive(Default)]
pub(super) struct Control {
    updates: u8,
    warnings: u8,
    renegotiated: bool,
    /// The beginning of a key update (RFC 8446, section 4.6.3) that goes on in the next record.
    begun: ([u8; 4], u8),
    /// Bytes of a declined renegotiation that are still to come.
    skip: usize,
}

impl Control {
    /// Data came. Not in the middle of a message (RFC 8446, section 5.1).
    pub(super) const fn data(&mut self) -> Result<(), Fault> {
        self.updates = 0;
        if self.begun.1 > 0 || self.skip > 0 { Err(Fault::Unexpected) } else { Ok(()) }
    }

    /// An alert came (RFC 8446, section 6; RFC 5246, section 7.2).
    pub(super) fn alert(&mut self, tls13: bool, message: &[u8]) -> Result<Said, Fault> {
        let &[level @ (WARNING | FATAL), description] = message else { return Err(Fault::Malformed) };
        match (level, description) {
            (_, CLOSE_NOTIFY) => Ok(Said::Goodbye),
            // TLS 1.3 knows no other warning.
            (WARNING, _) if !tls13 || description == USER_CANCELED => {
                self.warnings += 1;
                if self.warnings > MOST_WARNINGS { Err(Fault::TooMany) } else { Ok(Said::Nothing) }
            }
            _ => Err(Fault::Alerted(description)),
        }
    }

    /// A record of handshake messages came.
    pub(super) fn handshake(&mut self, tls13: bool, messages: &[u8]) -> Result<Said, Fault> {
        if tls13 { self.key_update(messages) } else { self.renegotiation(messages) }
    }

    /// Whoever changes keys begins a new record (RFC 8446, section 5.1): there is one message, and nothing behind it.
    fn key_update(&mut self, part: &[u8]) -> Result<Said, Fault> {
        let (held, count) = (self.begun.0, usize::from(self.begun.1));
        let mut message = [0; 5];
        let Some(room) = message.get_mut(count..count + part.len()) else { return Err(Fault::Unexpected) };
        if part.is_empty() {
            return Err(Fault::Unexpected);
        }
        room.copy_from_slice(part);
        message[..count].copy_from_slice(&held[..count]);
        let length = count + part.len();
        if !message[..length.min(4)].iter().eq([KEY_UPDATE, 0, 0, 1][..length.min(4)].iter()) {
            return Err(Fault::Unexpected);
        }
        if length < message.len() {
            self.begun.0.copy_from_slice(&message[..4]);
            self.begun.1 = length as u8;
            return Ok(Said::Nothing);
        }
        self.begun.1 = 0;
        self.updates += 1;
        match message[4] {
            _ if self.updates > MOST_UPDATES => Err(Fault::TooMany),
            asks @ (0 | 1) => Ok(Said::NewKey { asks: asks == 1 }),
            _ => Err(Fault::Illegal),
        }
    }

    /// Declined once, and thrown away; a second one is too many.
    fn renegotiation(&mut self, part: &[u8]) -> Result<Said, Fault> {
        if self.skip > 0 {
            self.skip = self.skip.checked_sub(part.len()).ok_or(Fault::Unexpected)?;
            return Ok(Said::Nothing);
        }
        let Some((&[CLIENT_HELLO, 0, high, low], body)) = part.split_first_chunk() else {
            return Err(Fault::Unexpected);
        };
        if self.renegotiated {
            return Err(Fault::TooMany);
        }
        self.renegotiated = true;
        let length = usize::from(u16::from_be_bytes([high, low]));
        self.skip = length.checked_sub(body.len()).ok_or(Fault::Unexpected)?;
        Ok(Said::Renegotiation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKS: [u8; 5] = [KEY_UPDATE, 0, 0, 1, 1];

    #[test]
    fn a_key_update_may_come_in_pieces_but_nothing_between_or_behind_them() {
        for border in 1..5 {
            let mut control = Control::default();
            assert_eq!(control.handshake(true, &ASKS[..border]), Ok(Said::Nothing));
            assert_eq!(control.handshake(true, &ASKS[border..]), Ok(Said::NewKey { asks: true }));
            assert_eq!(control.handshake(true, &ASKS[..border]), Ok(Said::Nothing));
            assert_eq!(control.data(), Err(Fault::Unexpected));
        }
        let mut control = Control::default();
        assert_eq!(control.handshake(true, &[KEY_UPDATE, 0, 0, 1, 0, KEY_UPDATE]), Err(Fault::Unexpected));
        assert_eq!(control.handshake(true, &[]), Err(Fault::Unexpected));
        assert_eq!(control.handshake(true, &[KEY_UPDATE, 0, 0, 1, 2]), Err(Fault::Illegal));
        assert_eq!(control.handshake(true, &[4, 0, 0, 1, 0]), Err(Fault::Unexpected), "clients give no tickets");
    }

    #[test]
    fn key_updates_without_end_are_too_many_and_data_between_them_make_them_few() {
        let mut control = Control::default();
        for _ in 0..10 {
            for _ in 0..MOST_UPDATES {
                assert!(control.handshake(true, &ASKS).is_ok());
            }
            control.data().unwrap();
        }
        let ended = (0..=MOST_UPDATES).map(|_| control.handshake(true, &ASKS)).find_map(Result::err);
        assert_eq!(ended, Some(Fault::TooMany));
    }

    #[test]
    fn alerts_say_goodbye_or_end_the_connection() {
        let mut control = Control::default();
        assert_eq!(control.alert(true, &[WARNING, CLOSE_NOTIFY]), Ok(Said::Goodbye));
        assert_eq!(control.alert(true, &[FATAL, 40]), Err(Fault::Alerted(40)));
        assert_eq!(control.alert(true, &[WARNING, 40]), Err(Fault::Alerted(40)));
        assert_eq!(control.alert(true, &[WARNING, USER_CANCELED]), Ok(Said::Nothing));
        assert_eq!(control.alert(true, &[3, 0]), Err(Fault::Malformed));
        assert_eq!(control.alert(true, &[WARNING, 0, 0]), Err(Fault::Malformed));
        for _ in 1..MOST_WARNINGS {
            assert_eq!(control.alert(false, &[WARNING, 41]), Ok(Said::Nothing));
        }
        assert_eq!(control.alert(false, &[WARNING, 41]), Err(Fault::TooMany));
    }

    #[test]
    fn a_renegotiation_is_declined_once() {
        let mut control = Control::default();
        assert_eq!(control.handshake(false, &[CLIENT_HELLO, 0, 0, 6, 1, 2]), Ok(Said::Renegotiation));
        assert_eq!(control.data(), Err(Fault::Unexpected));
        assert_eq!(control.handshake(false, &[3, 4, 5, 6]), Ok(Said::Nothing));
        assert_eq!(control.data(), Ok(()));
        assert_eq!(control.handshake(false, &[CLIENT_HELLO, 0, 0, 0]), Err(Fault::TooMany));
        assert_eq!(control.handshake(false, &[20, 0, 0, 0]), Err(Fault::Unexpected));
    }
}
