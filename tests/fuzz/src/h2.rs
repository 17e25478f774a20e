//! HTTP/2 frames, in front of the library that speaks it. A byte of choices, then what one side sends.

use botgate::wire::h2::{Frame, Frames, Limits, Meter};

pub fn target(data: &[u8]) {
    let (choice, bytes) = crate::choice(data);
    let of_client = choice & 1 == 0;
    let follow = || if of_client { Frames::of_client() } else { Frames::of_server() };
    let whole = all(follow(), std::iter::once(bytes));
    let cut = all(follow(), crate::parts(bytes, choice));
    assert_eq!(whole.0, cut.0, "cut otherwise, there are other frames");
    assert_eq!(whole.1, cut.1);
    let plain = plain(if of_client { bytes.get(24..).unwrap_or_default() } else { bytes });
    let seen: Vec<_> = whole.0.iter().map(|frame| (frame.length, frame.kind, frame.flags, frame.stream)).collect();
    // The last one may still want an octet of its payload.
    assert!(plain.starts_with(&seen) && plain.len() <= seen.len() + 1, "{plain:?} is taken for {seen:?}");

    let meter = || {
        if choice & 2 == 0 {
            Meter::of_client(Limits::of_client(16_384, 10_000))
        } else {
            Meter::of_backend(Limits::of_backend(16_384, 10_000))
        }
    };
    let (mut one, mut many) = (meter(), meter());
    let verdict = one.received(bytes, 0);
    let in_parts = crate::parts(bytes, choice).try_for_each(|part| many.received(part, 0));
    assert_eq!(verdict, in_parts, "cut otherwise, another verdict");
    if verdict.is_ok() {
        assert_eq!((one.at_border(), one.newest()), (many.at_border(), many.newest()));
    }
    // Both directions of one connection, as time goes by.
    let mut both = meter();
    let mut now = choice as u32;
    for (at, part) in crate::parts(bytes, choice).enumerate() {
        let verdict = if at % 3 == 2 { both.sent(part, now) } else { both.received(part, now) };
        assert!(both.unfinished(part) <= part.len());
        if verdict.is_err() {
            break;
        }
        now = now.wrapping_add(part.len() as u32 * 7);
    }
}

fn all<'a>(mut frames: Frames, parts: impl Iterator<Item = &'a [u8]>) -> (Vec<Frame>, bool) {
    let mut seen = Vec::new();
    for mut part in parts {
        while let Some(frame) = frames.next(&mut part) {
            seen.push(frame);
        }
        assert!(part.is_empty());
    }
    (seen, frames.at_border())
}

/// Length, type, flags, stream of every frame that has begun (RFC 9113, section 4.1).
fn plain(mut bytes: &[u8]) -> Vec<(u32, u8, u8, u32)> {
    let mut all = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk::<9>() {
        let [a, b, c, kind, flags, s @ ..] = *head;
        let length = u32::from_be_bytes([0, a, b, c]);
        all.push((length, kind, flags, u32::from_be_bytes(s) & 0x7fff_ffff));
        bytes = rest.get(length as usize..).unwrap_or_default();
    }
    all
}
