//! Where frames begin and end in a stream of bytes, however it is cut (RFC 9113, section 4.1).

/// Octets of a frame's head.
const HEAD: u8 = 9;
/// Octets of a client's connection preface (RFC 9113, section 3.4).
const PREFACE: u32 = 24;

/// The beginning of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Octets of its payload, as it says: 0 to 2^24 - 1.
    pub length: u32,
    /// Its type.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its stream; 0 is the connection.
    pub stream: u32,
    /// The first octets of its payload, where the kind needs them: [`Frame::pads`], [`Frame::code`]; else 0.
    first: [u8; 4],
}

impl Frame {
    /// DATA.
    pub const DATA: u8 = 0;
    /// HEADERS.
    pub const HEADERS: u8 = 1;
    /// PRIORITY.
    pub const PRIORITY: u8 = 2;
    /// RST_STREAM.
    pub const RST_STREAM: u8 = 3;
    /// SETTINGS.
    pub const SETTINGS: u8 = 4;
    /// PUSH_PROMISE.
    pub const PUSH_PROMISE: u8 = 5;
    /// PING.
    pub const PING: u8 = 6;
    /// GOAWAY.
    pub const GOAWAY: u8 = 7;
    /// WINDOW_UPDATE.
    pub const WINDOW_UPDATE: u8 = 8;
    /// CONTINUATION.
    pub const CONTINUATION: u8 = 9;
    /// PRIORITY_UPDATE (RFC 9218, section 7.1).
    pub const PRIORITY_UPDATE: u8 = 16;

    /// END_STREAM of DATA and HEADERS.
    pub const END_STREAM: u8 = 0x1;
    /// END_HEADERS of HEADERS, PUSH_PROMISE and CONTINUATION.
    pub const END_HEADERS: u8 = 0x4;
    /// PADDED of DATA and HEADERS.
    pub const PADDED: u8 = 0x8;

    /// Whether a flag is set.
    pub const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// DATA: octets that are padding, the one that says how many among them.
    pub const fn pads(&self) -> u32 {
        if self.kind == Self::DATA && self.has(Self::PADDED) { self.first[0] as u32 + 1 } else { 0 }
    }

    /// RST_STREAM: the error code.
    pub const fn code(&self) -> u32 {
        u32::from_be_bytes(self.first)
    }

    /// How many octets of the payload are looked at.
    const fn wanted(kind: u8, flags: u8, length: u32) -> u8 {
        let wanted = match kind {
            Self::DATA if flags & Self::PADDED != 0 => 1,
            Self::RST_STREAM => 4,
            _ => 0,
        };
        if length < wanted as u32 { length as u8 } else { wanted }
    }
}

/// Follows one direction of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Frames {
    /// The head of the frame that begins, and what is wanted of its payload.
    held: [u8; HEAD as usize + 4],
    have: u8,
    /// Octets to pass over before the next head.
    skip: u32,
}

impl Frames {
    /// From a server: frames from the first octet on.
    pub const fn of_server() -> Self {
        Self { held: [0; HEAD as usize + 4], have: 0, skip: 0 }
    }

    /// From a client: after its preface, which is for others to check.
    pub const fn of_client() -> Self {
        Self { skip: PREFACE, ..Self::of_server() }
    }

    /// Whether the next octet begins a frame.
    pub const fn at_border(&self) -> bool {
        self.have == 0 && self.skip == 0
    }

    /// Follows `bytes` up to and with the next beginning of a frame; `bytes` is then what comes after it. None when they
    /// are used up before.
    pub fn next(&mut self, bytes: &mut &[u8]) -> Option<Frame> {
        let passed = bytes.len().min(self.skip as usize);
        self.skip -= passed as u32;
        *bytes = &bytes[passed..];
        // What is left to pass over has used up the bytes.
        while !bytes.is_empty() {
            let wanted = self.wanted().unwrap_or(HEAD);
            let take = bytes.len().min(usize::from(wanted - self.have));
            let (taken, rest) = bytes.split_at(take);
            self.held[usize::from(self.have)..usize::from(self.have) + take].copy_from_slice(taken);
            self.have += take as u8;
            *bytes = rest;
            if self.wanted() == Some(self.have) {
                return Some(self.begin());
            }
        }
        None
    }

    /// How many of the next `bytes` still belong to a frame that has begun; 0 at a border.
    pub fn unfinished(&self, bytes: &[u8]) -> usize {
        if self.at_border() {
            return 0;
        }
        let (mut ahead, mut rest) = (*self, bytes);
        if ahead.skip == 0 && ahead.next(&mut rest).is_none() {
            return bytes.len();
        }
        bytes.len() - rest.len() + rest.len().min(ahead.skip as usize)
    }

    /// Octets to be held before the frame can be told; none before its head is whole.
    const fn wanted(&self) -> Option<u8> {
        if self.have < HEAD {
            return None;
        }
        let [a, b, c, kind, flags, ..] = self.held;
        Some(HEAD + Frame::wanted(kind, flags, u32::from_be_bytes([0, a, b, c])))
    }

    fn begin(&mut self) -> Frame {
        let [a, b, c, kind, flags, s, t, u, v, first @ ..] = self.held;
        let frame = Frame {
            length: u32::from_be_bytes([0, a, b, c]),
            kind,
            flags,
            // The first bit is reserved, and ignored (RFC 9113, section 4.1).
            stream: u32::from_be_bytes([s & 0x7f, t, u, v]),
            first,
        };
        self.skip = frame.length - u32::from(self.have - HEAD);
        self.have = 0;
        self.held = [0; HEAD as usize + 4];
        frame
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = (payload.len() as u32).to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    }

    /// All frames of `parts`, fed one after the other.
    fn followed(mut frames: Frames, parts: &[&[u8]]) -> (Vec<Frame>, Frames) {
        let mut seen = Vec::new();
        for part in parts {
            let mut rest = *part;
            while let Some(frame) = frames.next(&mut rest) {
                seen.push(frame);
            }
            assert!(rest.is_empty());
        }
        (seen, frames)
    }

    #[test]
    fn a_clients_preface_is_passed_over() {
        let bytes =
            [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(4, 0, 0, &[]), frame(6, 1, 0, &[7; 8])].concat();
        let (seen, end) = followed(Frames::of_client(), &[&bytes]);
        assert_eq!(seen.iter().map(|frame| (frame.kind, frame.length)).collect::<Vec<_>>(), [(4, 0), (6, 8)]);
        assert!(end.at_border());
    }

    #[test]
    fn padding_and_error_codes_are_seen_and_the_reserved_bit_is_not() {
        let bytes = [
            frame(Frame::DATA, Frame::PADDED, 1, &[3, 0, 0, 0]),
            frame(Frame::RST_STREAM, 0, 0x8000_0005, &[0, 0, 0, 8]),
            frame(Frame::DATA, Frame::PADDED, 1, &[]),
            frame(Frame::RST_STREAM, 0, 5, &[1]),
        ];
        let (seen, _) = followed(Frames::of_server(), &[&bytes.concat()]);
        assert_eq!((seen[0].pads(), seen[0].length), (4, 4));
        assert_eq!((seen[1].code(), seen[1].stream), (8, 5));
        assert_eq!(seen[2].pads(), 1, "longer than the frame: an error, and surely no data");
        assert_eq!(seen.len(), 4);
    }

    proptest! {
        #[test]
        fn frames_are_the_same_however_the_bytes_are_cut(
            wanted in prop::collection::vec((0..20_u8, any::<u8>(), any::<u32>(), prop::collection::vec(any::<u8>(), 0..40)), 0..12),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let bytes: Vec<u8> =
                wanted.iter().flat_map(|(kind, flags, stream, payload)| frame(*kind, *flags, *stream, payload)).collect();
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            at.extend([0, bytes.len()]);
            at.sort_unstable();
            let parts: Vec<&[u8]> = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            let (seen, end) = followed(Frames::of_server(), &parts);
            prop_assert!(end.at_border());
            prop_assert_eq!(seen.len(), wanted.len());
            for (seen, (kind, flags, stream, payload)) in seen.iter().zip(&wanted) {
                prop_assert_eq!((seen.kind, seen.flags, seen.stream), (*kind, *flags, stream & 0x7fff_ffff));
                prop_assert_eq!(seen.length as usize, payload.len());
            }
        }

        #[test]
        fn the_rest_of_a_frame_is_known_wherever_it_is_cut(
            first in prop::collection::vec(any::<u8>(), 0..40),
            kind in 0..10_u8,
            flags: u8,
            cut: prop::sample::Index,
        ) {
            let (one, two) = (frame(kind, flags, 1, &first), frame(0, 1, 3, b"second"));
            let bytes = [&one[..], &two].concat();
            let cut = cut.index(one.len() + 1);
            let (_, frames) = followed(Frames::of_server(), &[&bytes[..cut]]);
            let left = if cut == 0 { 0 } else { one.len() - cut };
            prop_assert_eq!(frames.unfinished(&bytes[cut..]), left);
            prop_assert_eq!(frames.unfinished(&bytes[cut..cut + left / 2]), left / 2);
        }
    }
}
