//! The farewell to a peer that overdid it.

use super::Frame;
use crate::model::Excess;

/// The error code of RFC 9113, section 7.
const ENHANCE_YOUR_CALM: u32 = 0xb;

/// A GOAWAY frame (RFC 9113, section 6.8): streams after `last` were not looked at, and why the connection ends.
pub fn enhance_your_calm(last: u32, excess: Excess) -> Vec<u8> {
    let why = excess.as_str().as_bytes();
    let length = (8 + why.len() as u32).to_be_bytes();
    let head = [length[1], length[2], length[3], Frame::GOAWAY, 0, 0, 0, 0, 0];
    [&head[..], &last.to_be_bytes(), &ENHANCE_YOUR_CALM.to_be_bytes(), why].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::h2::Frames;

    #[test]
    fn it_is_one_whole_frame() {
        let bytes = enhance_your_calm(7, Excess::Pings);
        let (mut frames, mut rest) = (Frames::of_server(), &bytes[..]);
        let frame = frames.next(&mut rest).unwrap();
        assert_eq!((frame.kind, frame.stream, frame.length), (Frame::GOAWAY, 0, 13));
        assert!(frames.next(&mut rest).is_none() && frames.at_border());
        assert_eq!(bytes[9..17], [0, 0, 0, 7, 0, 0, 0, 11]);
        assert_eq!(&bytes[17..], b"pings");
    }
}
