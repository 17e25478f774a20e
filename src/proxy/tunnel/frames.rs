//! Where the frames of one direction of a WebSocket begin and end (RFC 6455, section 5.2). Reads headers, never payloads.

use std::io::Cursor;

use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, OpCode};

use crate::model::Side;

/// The longest header: two bytes, eight of length, four of mask.
const LONGEST: usize = 14;
/// The longest payload of a control frame (section 5.5).
const CONTROL: u64 = 125;

/// Follows the frames that one side sends.
///
/// A header is let through once all of it has come and is found sound, so that what was let through ends at a border or
/// within a payload, never within a header.
#[derive(Debug)]
pub(super) struct Frames {
    masked: bool,
    head: [u8; LONGEST],
    held: usize,
    left: u64,
    closed: bool,
    broken: bool,
}

/// What of a chunk of bytes may go on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Passed<'a> {
    /// The part of a header that came with an earlier chunk; goes first.
    pub(super) held: Held,
    /// The beginning of this chunk.
    pub(super) bytes: &'a [u8],
}

/// The first bytes of a header whose rest came later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Held([u8; LONGEST], usize);

impl Held {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0[..self.1]
    }
}

impl Frames {
    /// The frames of one side. A client masks its frames and a server does not (section 5.1).
    pub(super) fn of(sender: Side) -> Self {
        let masked = sender == Side::Client;
        Self { masked, head: [0; LONGEST], held: 0, left: 0, closed: false, broken: false }
    }

    /// Whether what was let through so far ends with a frame.
    pub(super) const fn at_border(&self) -> bool {
        self.left == 0
    }

    /// Whether a Close frame was let through, or seen, to its end: the last frame of its side.
    pub(super) const fn is_over(&self) -> bool {
        self.closed && self.left == 0
    }

    /// Whether the Close frame has begun.
    pub(super) const fn is_closing(&self) -> bool {
        self.closed
    }

    /// Whether a header broke the protocol. Nothing of that frame, and nothing after it, is let through.
    pub(super) const fn is_broken(&self) -> bool {
        self.broken
    }

    /// Takes in the next bytes that came.
    pub(super) fn pass<'a>(&mut self, bytes: &'a [u8]) -> Passed<'a> {
        let (mut at, mut sound, mut held) = (0, 0, Held::default());
        loop {
            let payload = self.payload(&bytes[at..]);
            if payload > 0 {
                at += payload;
                sound = at;
            }
            if at == bytes.len() || self.broken {
                break;
            }
            if self.is_over() {
                // Nothing follows a Close: what does is no frame, and is nobody's business but the receiver's.
                sound = bytes.len();
                break;
            }
            let came = (LONGEST - self.held).min(bytes.len() - at);
            self.head[self.held..self.held + came].copy_from_slice(&bytes[at..at + came]);
            let mut cursor = Cursor::new(&self.head[..self.held + came]);
            match FrameHeader::parse(&mut cursor) {
                Ok(None) => {
                    self.held += came;
                    break;
                }
                Ok(Some((header, length))) if self.is_sound(&header, length) => {
                    let from_here = usize::try_from(cursor.position()).unwrap_or(LONGEST).saturating_sub(self.held);
                    if self.held > 0 {
                        held = Held(self.head, self.held);
                    }
                    self.held = 0;
                    self.left = length;
                    self.closed = header.opcode == OpCode::Control(Control::Close);
                    at += from_here;
                    sound = at;
                }
                Ok(Some(_)) | Err(_) => self.broken = true,
            }
        }
        Passed { held, bytes: &bytes[..sound] }
    }

    /// Takes in the rest of the frame under way, or as much of it as came, and nothing after it: how many bytes.
    pub(super) fn payload(&mut self, bytes: &[u8]) -> usize {
        let length = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
        self.left -= length as u64;
        length
    }

    fn is_sound(&self, header: &FrameHeader, length: u64) -> bool {
        let control = matches!(header.opcode, OpCode::Control(_));
        header.mask.is_some() == self.masked && length < 1 << 63 && (!control || (header.is_final && length <= CONTROL))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(first: u8, masked: bool, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first];
        let mask = if masked { 0x80 } else { 0 };
        match payload.len() {
            short @ 0..126 => bytes.push(mask | short as u8),
            middle @ 126..65_536 => {
                bytes.push(mask | 126);
                bytes.extend((middle as u16).to_be_bytes());
            }
            long => {
                bytes.push(mask | 127);
                bytes.extend((long as u64).to_be_bytes());
            }
        }
        if masked {
            bytes.extend([1, 2, 3, 4]);
        }
        bytes.extend(payload);
        bytes
    }

    fn passed(frames: &mut Frames, bytes: &[u8]) -> Vec<u8> {
        let passed = frames.pass(bytes);
        [passed.held.bytes(), passed.bytes].concat()
    }

    proptest! {
        #[test]
        fn whatever_the_cuts_the_bytes_are_unchanged_and_the_borders_are_where_frames_end(
            frames in prop::collection::vec((any::<bool>(), 0_usize..4, prop::sample::select(&[0_usize, 1, 125, 126, 300, 65_535, 65_536][..])), 1..6),
            cuts in prop::collection::vec(1_usize..3_000, 1..40),
            masked in any::<bool>(),
        ) {
            let side = if masked { Side::Client } else { Side::Backend };
            let (mut stream, mut borders) = (Vec::new(), vec![0]);
            for (last, opcode, length) in &frames {
                // Data and continuation frames with extension bits; a control frame is short and whole.
                let first = match opcode {
                    0..3 => (if *last { 0x80 } else { 0 }) | 0x40 | *opcode as u8,
                    _ => 0x89,
                };
                let length = if *opcode == 3 { (*length).min(125) } else { *length };
                stream.extend(frame(first, masked, &vec![7; length]));
                borders.push(stream.len());
            }
            let (mut follower, mut through, mut at) = (Frames::of(side), Vec::new(), 0);
            for cut in cuts.iter().cycle() {
                if at == stream.len() {
                    break;
                }
                let end = (at + cut).min(stream.len());
                through.extend(passed(&mut follower, &stream[at..end]));
                at = end;
                prop_assert!(!follower.is_broken());
                prop_assert_eq!(follower.at_border(), borders.contains(&through.len()));
                prop_assert!(at - through.len() < LONGEST);
            }
            prop_assert!(through == stream);
        }
    }

    #[test]
    fn a_header_is_let_through_when_it_is_whole() {
        let bytes = frame(0x82, true, &[9; 200]);
        let mut frames = Frames::of(Side::Client);
        for at in 0..7 {
            assert!(passed(&mut frames, &bytes[at..=at]).is_empty() && frames.at_border(), "byte {at}");
        }
        assert_eq!(passed(&mut frames, &bytes[7..8]), &bytes[..8]);
        assert!(!frames.at_border());
    }

    #[test]
    fn a_broken_header_is_told_and_what_came_before_it_is_passed_on() {
        let sound = frame(0x81, false, b"hello");
        let long_ping = frame(0x89, false, &[0; 126]);
        let endless = [0x82, 127, 0xff, 0, 0, 0, 0, 0, 0, 0];
        let bad: [&[u8]; 6] = [&[0x83, 0], &[0x8b, 0], &[0x09, 0], &[0x81, 0x85, 1, 2, 3, 4, 5], &long_ping, &endless];
        for bad in bad {
            let mut frames = Frames::of(Side::Backend);
            assert_eq!(passed(&mut frames, &[&sound, bad].concat()), sound, "{bad:?}");
            assert!(frames.is_broken() && frames.at_border(), "{bad:?}");
        }
        let mut client = Frames::of(Side::Client);
        assert!(passed(&mut client, &sound).is_empty());
        assert!(client.is_broken(), "a client must mask");
    }

    #[test]
    fn a_close_is_the_last_frame() {
        let mut frames = Frames::of(Side::Backend);
        let close = frame(0x88, false, &[3, 0xe8]);
        assert_eq!(passed(&mut frames, &close[..3]), &close[..3]);
        assert!(frames.is_closing() && !frames.is_over());
        assert_eq!(passed(&mut frames, &[close[3], 0xff, 0xff]), [close[3], 0xff, 0xff]);
        assert!(frames.is_over() && !frames.is_broken());
    }
}
