//! Where a record ends (RFC 8446, section 5.1; RFC 5246, section 6.2).

use super::fault::Fault;

/// Bytes before a record's payload.
pub(super) const HEADER: usize = 5;
/// Most bytes of data in one record.
pub const MAX_PLAINTEXT: usize = 1 << 14;
/// What encryption may add to them: the larger limit of the two versions, TLS 1.2's.
const MAX_OVERHEAD: usize = 2048;
/// Most bytes that a record takes.
pub const MAX_RECORD: usize = HEADER + MAX_PLAINTEXT + MAX_OVERHEAD;

/// Content types.
pub(super) const CHANGE_CIPHER_SPEC: u8 = 20;
pub(super) const ALERT: u8 = 21;
pub(super) const HANDSHAKE: u8 = 22;
pub(super) const DATA: u8 = 23;

/// The first record of `bytes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Its content type as it is seen from outside.
    pub(super) kind: u8,
    /// With its header.
    pub(super) length: usize,
}

/// Finds the end of the first record; none while its header is not there whole. Whether the record itself is there whole,
/// the caller sees by `length`.
pub(super) fn first(bytes: &[u8]) -> Result<Option<Frame>, Fault> {
    let Some(&[kind, major, _, high, low]) = bytes.first_chunk() else { return Ok(None) };
    if !(CHANGE_CIPHER_SPEC..=DATA).contains(&kind) || major != 3 {
        return Err(Fault::Malformed);
    }
    let payload = usize::from(u16::from_be_bytes([high, low]));
    match HEADER + payload {
        length if length > MAX_RECORD => Err(Fault::TooLong),
        _ if payload == 0 && kind != DATA => Err(Fault::Malformed),
        length => Ok(Some(Frame { kind, length })),
    }
}

/// The header of a record of this kind and length of payload. The version is TLS 1.2's, for 1.3 too.
pub(super) fn header(kind: u8, payload: usize) -> [u8; HEADER] {
    let [high, low] = u16::try_from(payload).unwrap_or(u16::MAX).to_be_bytes();
    [kind, 3, 3, high, low]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_found_once_its_header_is_there() {
        let record = [23, 3, 3, 1, 2, 9, 9];
        for length in 0..5 {
            assert_eq!(first(&record[..length]), Ok(None));
        }
        assert_eq!(first(&record), Ok(Some(Frame { kind: DATA, length: HEADER + 258 })));
        assert_eq!(first(&header(ALERT, 2)), Ok(Some(Frame { kind: ALERT, length: HEADER + 2 })));
    }

    #[test]
    fn what_is_no_record_is_refused_by_its_header() {
        assert_eq!(first(b"GET / HTTP/1.1"), Err(Fault::Malformed));
        assert_eq!(first(&[23, 4, 3, 0, 1]), Err(Fault::Malformed));
        assert_eq!(first(&[22, 3, 3, 0, 0]), Err(Fault::Malformed));
        assert_eq!(first(&[24, 3, 3, 0, 1]), Err(Fault::Malformed));
        assert_eq!(first(&[23, 3, 3, 0x48, 1]), Err(Fault::TooLong));
        assert!(first(&[23, 3, 3, 0x48, 0]).is_ok());
    }
}
