//! WebSocket frames. A byte of choice, then what one side sends.

use botgate::proxy::fuzzing::frames;

pub fn target(data: &[u8]) {
    let (choice, bytes) = crate::choice(data);
    let of_client = choice % 2 == 0;
    let mut whole = frames(of_client);
    let passed = whole.pass(bytes);
    assert!(bytes.starts_with(&passed), "bytes changed");
    let mut cut = frames(of_client);
    let mut through = Vec::new();
    for part in crate::parts(bytes, choice) {
        through.extend(cut.pass(part));
    }
    assert!(passed == through, "cut otherwise, other bytes pass: {} and {}", passed.len(), through.len());
    let state = |it: &botgate::proxy::fuzzing::WebSocketFrames| (it.at_border(), it.is_over(), it.is_broken());
    assert_eq!(state(&whole), state(&cut));
    let (border, over) = followed(&passed, of_client);
    assert_eq!((whole.at_border(), whole.is_over()), (border, over), "{passed:?}");
}

/// Whether these bytes end with a frame, and whether one of them is a Close (RFC 6455, section 5.2).
fn followed(mut bytes: &[u8], masked: bool) -> (bool, bool) {
    while let [first, second, rest @ ..] = bytes {
        assert_eq!(second & 0x80 != 0, masked, "the wrong mask got through");
        let (length, rest) = match second & 0x7f {
            126 => (u64::from(u16::from_be_bytes(*rest.first_chunk().unwrap())), &rest[2..]),
            127 => (u64::from_be_bytes(*rest.first_chunk().unwrap()), &rest[8..]),
            short => (u64::from(short), rest),
        };
        let opcode = first & 0xf;
        assert!(matches!(opcode, 0..=2 | 8..=10), "opcode {opcode} got through");
        assert!(
            opcode < 8 || (length <= 125 && first & 0x80 != 0),
            "a control frame that is long or in parts got through"
        );
        assert!(length < 1 << 63);
        let rest = if masked { &rest[4..] } else { rest };
        let close = opcode == 8;
        if (rest.len() as u64) < length {
            return (false, false);
        }
        bytes = &rest[length as usize..];
        if close {
            return (true, true);
        }
    }
    assert!(bytes.is_empty(), "a part of a header got through");
    (true, false)
}
