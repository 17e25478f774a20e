//! What a client's first message says of its taste, before the library is shown it.

/// Where the session id's length stands: behind the headers of record and message, the version and the random bytes
/// (RFC 8446, sections 4 and 5.1).
const SESSION_ID: usize = 5 + 4 + 2 + 32;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;

/// The suites that are told apart, of both versions (RFC 5289, RFC 7905, RFC 8446): with AES, and with ChaCha20.
const AES: [u16; 6] = [0x1301, 0x1302, 0xc02b, 0xc02c, 0xc02f, 0xc030];
const CHACHA20: [u16; 3] = [0x1303, 0xcca8, 0xcca9];

/// Whether a client would rather have ChaCha20 than AES: it puts that first because it has no AES in hardware. None while too
/// little has come to tell; what is no such message, or is in pieces, tells nothing more: the library has the word on it.
pub(super) fn prefers_chacha20(came: &[u8]) -> Option<bool> {
    let Some(head) = came.first_chunk::<6>() else {
        return if came.first().is_none_or(|first| *first == HANDSHAKE) { None } else { Some(false) };
    };
    if head[0] != HANDSHAKE || head[5] != CLIENT_HELLO {
        return Some(false);
    }
    let record = &came[..came.len().min(5 + usize::from(u16::from_be_bytes([head[3], head[4]])))];
    match prefers(record) {
        None if is_whole(record) => Some(false),
        told => told,
    }
}

/// Whether the record is there to its end.
fn is_whole(record: &[u8]) -> bool {
    record.len() >= 5 + usize::from(u16::from_be_bytes([record[3], record[4]]))
}

/// None where the record ends too early.
fn prefers(record: &[u8]) -> Option<bool> {
    let suites = SESSION_ID + 1 + usize::from(*record.get(SESSION_ID)?);
    let length = u16::from_be_bytes([*record.get(suites)?, *record.get(suites + 1)?]);
    let suites = &record[suites + 2..];
    let there = &suites[..suites.len().min(length.into())];
    let known = there.chunks_exact(2).map(|suite| u16::from_be_bytes([suite[0], suite[1]]));
    let first = known.filter_map(|suite| match suite {
        suite if CHACHA20.contains(&suite) => Some(true),
        suite if AES.contains(&suite) => Some(false),
        // One that nobody has here, or that is there to see who stumbles over it (RFC 8701).
        _ => None,
    });
    first.into_iter().next().or((there.len() == usize::from(length)).then_some(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(session: usize, suites: &[u16]) -> Vec<u8> {
        let mut message = vec![3, 3];
        message.extend([7; 32]);
        message.push(session as u8);
        message.extend(vec![9; session]);
        message.extend((suites.len() as u16 * 2).to_be_bytes());
        message.extend(suites.iter().flat_map(|suite| suite.to_be_bytes()));
        message.extend([1, 0, 0, 0]);
        let mut record = vec![HANDSHAKE, 3, 1];
        record.extend((message.len() as u16 + 4).to_be_bytes());
        record.extend([CLIENT_HELLO, 0]);
        record.extend((message.len() as u16).to_be_bytes());
        record.extend(message);
        record
    }

    #[test]
    fn who_puts_chacha20_first_prefers_it_whatever_nobody_knows_stands_before() {
        for session in [0, 32] {
            for (suites, expected) in [
                (&[0x1303, 0x1301][..], true),
                (&[0x1301, 0x1303], false),
                (&[0x0a0a, 0x1303, 0x1302], true),
                (&[0x2a2a, 0x1302, 0x1303], false),
                (&[0xcca9, 0xc02b], true),
                (&[0x009c, 0xc013, 0xcca8], true),
                (&[0xc030, 0xcca8], false),
                (&[0x0a0a], false),
                (&[], false),
            ] {
                assert_eq!(prefers_chacha20(&hello(session, suites)), Some(expected), "{suites:x?}");
            }
        }
    }

    #[test]
    fn more_is_waited_for_until_it_is_told_and_not_longer() {
        let whole = hello(32, &[0x0a0a, 0x1303]);
        let told = 5 + 4 + 2 + 32 + 1 + 32 + 2 + 4;
        for length in 0..whole.len() {
            let expected = (length >= told).then_some(true);
            assert_eq!(prefers_chacha20(&whole[..length]), expected, "{length}");
        }
    }

    #[test]
    fn what_is_no_first_message_or_is_in_pieces_tells_nothing() {
        for bytes in [&b"GET / HTTP/1.1\r\n"[..], b"\0", &[21, 3, 1, 0, 2, 1, 0], &[22, 3, 1, 0, 9, 2, 0, 0]] {
            assert_eq!(prefers_chacha20(bytes), Some(false), "{bytes:?}");
        }
        let mut pieces = hello(0, &[0x1303]);
        (pieces[3], pieces[4]) = (0, 3);
        assert_eq!(prefers_chacha20(&pieces), Some(false));
        assert_eq!(prefers_chacha20(&pieces[..8]), Some(false));
        let mut lies = hello(0, &[0x1303]);
        lies[SESSION_ID] = 255;
        assert_eq!(prefers_chacha20(&lies), Some(false));
    }
}
