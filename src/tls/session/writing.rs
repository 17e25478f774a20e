//! Data, and the goodbye behind them, on their way out.

use std::io::IoSlice;

use rustls::server::ServerConnectionData;
use rustls::unbuffered::{ConnectionState, EncryptError, UnbufferedStatus, WriteTraffic};

use super::MAX_PLAINTEXT;
use super::connection::{Session, encode};
use super::fault::Fault;

/// More than encryption adds to a record, with its header.
const ADDED: usize = 64;
/// Room that a full record needs.
const RECORD: usize = MAX_PLAINTEXT + ADDED;
/// Enough for a goodbye, and an answer to new keys before it.
const SHORT: usize = 256;

impl Session {
    /// Seals the bytes of `parts`, as far as `out` has room for them, and writes the records to it from `at` on. How many bytes
    /// were sealed, and where the records end. No bytes may be sealed where the library had something else to say first. `came`
    /// is what is left of what came.
    ///
    /// # Errors
    /// After the end, and where the keys are used up.
    pub fn seal(
        &mut self,
        came: &mut [u8],
        parts: &[IoSlice<'_>],
        out: &mut Vec<u8>,
        at: usize,
    ) -> Result<(usize, usize), Fault> {
        let mut end = at;
        let sealed = self.write(came, out, &mut end, |traffic, out, at| {
            let mut left = parts.iter().map(|part| part.len()).sum::<usize>();
            let mut parts = Parts::new(parts);
            let mut sealed = 0;
            loop {
                let room = data_in(out.len() - *at);
                // What is left over behind full records is no room for a short one, unless that is the last.
                if sealed > 0 && room < left.min(MAX_PLAINTEXT) {
                    return Ok(sealed);
                }
                let piece = parts.next(room);
                if piece.is_empty() || !encrypt(traffic, piece, out, at)? {
                    return Ok(sealed);
                }
                sealed += piece.len();
                left -= piece.len();
            }
        })?;
        Ok((sealed, end))
    }

    /// Says goodbye: seals a close_notify behind `out`, once.
    ///
    /// # Errors
    /// Where the library fails.
    pub fn close(&mut self, came: &mut [u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        if self.ended {
            return Ok(());
        }
        let mut end = out.len();
        out.resize(end + SHORT, 0);
        let closed = self.write(came, out, &mut end, |traffic, out, at| {
            let said = traffic.queue_close_notify(&mut out[*at..]);
            let length = match said {
                Err(EncryptError::InsufficientSize(short)) => {
                    out.resize(*at + short.required_size, 0);
                    traffic.queue_close_notify(&mut out[*at..])
                }
                said => said,
            };
            *at += length.map_err(|_| Fault::Exhausted)?;
            Ok(())
        });
        out.truncate(end);
        self.ended = true;
        closed
    }

    /// Has the library write: first what it has to say itself, then what `act` does.
    fn write<T>(
        &mut self,
        came: &mut [u8],
        out: &mut Vec<u8>,
        at: &mut usize,
        act: impl FnOnce(&mut WriteTraffic<'_, ServerConnectionData>, &mut Vec<u8>, &mut usize) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        if self.ended {
            return Err(Fault::Ended);
        }
        loop {
            let shown = came.get_mut(..self.shown).ok_or(Fault::Unexpected)?;
            // Nothing that it has not seen is shown to it: that is for who reads.
            let UnbufferedStatus { state, .. } = self.connection.process_tls_records(shown);
            match state {
                Ok(ConnectionState::EncodeTlsData(message)) => *at += encode(message, out, *at)?,
                Ok(ConnectionState::TransmitTlsData(sent)) => sent.done(),
                Ok(ConnectionState::WriteTraffic(mut traffic)) => return act(&mut traffic, out, at),
                Ok(_) => return Err(Fault::Unexpected),
                Err(error) => {
                    (self.failed, self.ended) = (true, true);
                    return Err(error.into());
                }
            }
        }
    }
}

/// How many bytes of data fit in records that have so much room.
const fn data_in(room: usize) -> usize {
    if room >= RECORD { room / RECORD * MAX_PLAINTEXT } else { room.saturating_sub(ADDED) }
}

/// Writes the records of these bytes. False where there is no room for them behind what is there already: the library had
/// something of its own to say.
fn encrypt(
    traffic: &mut WriteTraffic<'_, ServerConnectionData>,
    bytes: &[u8],
    out: &mut Vec<u8>,
    at: &mut usize,
) -> Result<bool, Fault> {
    let mut sealed = traffic.encrypt(bytes, &mut out[*at..]);
    if let Err(EncryptError::InsufficientSize(short)) = &sealed {
        if *at > 0 {
            return Ok(false);
        }
        out.resize(short.required_size, 0);
        sealed = traffic.encrypt(bytes, out);
    }
    *at += sealed.map_err(|_| Fault::Exhausted)?;
    Ok(true)
}

/// Bytes in pieces, that are sealed in as few records as there can be.
struct Parts<'a> {
    parts: &'a [IoSlice<'a>],
    /// Bytes of the first part that were given.
    begin: usize,
    /// Short parts, put together.
    together: Vec<u8>,
}

impl<'a> Parts<'a> {
    const fn new(parts: &'a [IoSlice<'a>]) -> Self {
        Self { parts, begin: 0, together: Vec::new() }
    }

    /// The next bytes, `most` of them at most: as they lie where they fill records or are the last ones, else as many as
    /// fill one, put together.
    fn next(&mut self, most: usize) -> &[u8] {
        while self.parts.first().is_some_and(|part| part.len() == self.begin) {
            (self.parts, self.begin) = (&self.parts[1..], 0);
        }
        let Some(first) = self.parts.first() else { return &[] };
        let rest = first.len() - self.begin;
        let alone = self.parts[1..].iter().all(|part| part.is_empty());
        let length = match rest / MAX_PLAINTEXT {
            _ if alone => rest.min(most),
            0 => 0,
            full => (full * MAX_PLAINTEXT).min(most),
        };
        if length > 0 || most == 0 {
            let begin = self.begin;
            self.begin += length;
            return &self.parts[0][begin..begin + length];
        }
        let most = most.min(MAX_PLAINTEXT);
        self.together.clear();
        while let Some(part) = self.parts.first().filter(|_| self.together.len() < most) {
            let length = (part.len() - self.begin).min(most - self.together.len());
            self.together.extend_from_slice(&part[self.begin..self.begin + length]);
            self.begin += length;
            if self.begin == part.len() {
                (self.parts, self.begin) = (&self.parts[1..], 0);
            }
        }
        &self.together
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_parts_are_put_together_and_long_ones_stay_where_they_lie() {
        let (head, body, tail) = (vec![1; 100], vec![2; 3 * MAX_PLAINTEXT], vec![3; 10]);
        let slices = [&head[..], &[], &body, &[], &tail].map(IoSlice::new);
        let mut parts = Parts::new(&slices);
        let mut lengths = Vec::new();
        let mut all = Vec::new();
        loop {
            let piece = parts.next(2 * MAX_PLAINTEXT);
            if piece.is_empty() {
                break;
            }
            lengths.push(piece.len());
            all.extend_from_slice(piece);
        }
        assert_eq!(all, [head, body, tail].concat());
        assert_eq!(lengths, [MAX_PLAINTEXT, 2 * MAX_PLAINTEXT, 110]);
        let slices = [IoSlice::new(&all)];
        let mut one = Parts::new(&slices);
        assert_eq!(one.next(4 * MAX_PLAINTEXT).as_ptr(), all.as_ptr(), "no copy");
        assert!(Parts::new(&slices).next(0).is_empty());
    }

    #[test]
    fn records_fit_in_the_room_they_were_counted_for() {
        assert_eq!(data_in(4 * RECORD), 4 * MAX_PLAINTEXT);
        assert_eq!(data_in(RECORD - 1), MAX_PLAINTEXT - 1);
        assert_eq!((data_in(ADDED), data_in(0)), (0, 0));
    }
}
