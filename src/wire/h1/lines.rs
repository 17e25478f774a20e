//! Lines that end in CR LF and hold no control character but the tab.

use std::ops::Range;

use super::fault::Fault;

/// Finds the lines of a text that may still grow at its end; looks at every byte once.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Where the next line begins.
    start: usize,
    /// Up to where that line was looked at.
    looked: usize,
}

impl Lines {
    /// Where the next line begins: all before it is whole lines.
    pub(super) const fn start(&self) -> usize {
        self.start
    }

    /// The next line, without its end; none while it has no end.
    ///
    /// # Errors
    /// A control character, or a line end that is not CR LF.
    pub(super) fn next(&mut self, text: &[u8]) -> Result<Option<Range<usize>>, Fault> {
        let Some(at) = control(&text[self.looked.min(text.len())..]) else {
            self.looked = text.len();
            return Ok(None);
        };
        let end = self.looked + at;
        match (text[end], text.get(end + 1)) {
            (b'\r', Some(b'\n')) => {
                let line = self.start..end;
                (self.start, self.looked) = (end + 2, end + 2);
                Ok(Some(line))
            }
            (b'\r', None) => {
                self.looked = end;
                Ok(None)
            }
            (b'\r', Some(_)) => Err(Fault::BareCr),
            (b'\n', _) => Err(Fault::BareLf),
            _ => Err(Fault::Control),
        }
    }
}

const fn is_control(byte: u8) -> bool {
    byte < 0x20 && byte != b'\t' || byte == 0x7f
}

/// Bytes that are looked at word by word before larger pieces are: most lines are no longer.
const SHORT: usize = 64;

/// The first control character but the tab.
fn control(bytes: &[u8]) -> Option<usize> {
    let (short, long) = bytes.split_at(bytes.len().min(SHORT));
    if let Some(at) = control_in_words(short) {
        return Some(at);
    }
    // A token is some hundred bytes long. The processor compares them side by side where nothing asks which one it is.
    let (pieces, _) = long.as_chunks::<32>();
    let has_none = |piece: &[u8; 32]| !piece.iter().fold(false, |found, byte| found | is_control(*byte));
    let clean = SHORT.min(bytes.len()) + 32 * pieces.iter().take_while(|piece| has_none(piece)).count();
    control_in_words(&bytes[clean..]).map(|at| clean + at)
}

/// The same, eight bytes at a time.
fn control_in_words(bytes: &[u8]) -> Option<usize> {
    const EACH: u64 = u64::MAX / 0xff;
    let is = is_control;
    let (words, rest) = bytes.as_chunks::<8>();
    for (at, bytes) in words.iter().enumerate() {
        // Eight bytes at a time: the high bit of each that is below 0x20, or 0x7f; or that a borrow made look so.
        let word = u64::from_le_bytes(*bytes);
        let (low, del) = (word.wrapping_sub(EACH * 0x20) & !word, word ^ (EACH * 0x7f));
        let mut suspects = (low | del.wrapping_sub(EACH) & !del) & (EACH * 0x80);
        while suspects != 0 {
            let place = suspects.trailing_zeros() as usize / 8;
            if is(bytes[place]) {
                return Some(at * 8 + place);
            }
            suspects &= suspects - 1;
        }
    }
    let clean = words.len() * 8;
    rest.iter().position(|byte| is(*byte)).map(|at| clean + at)
}

/// What a byte is in a token (RFC 9110, section 5.6.2): nothing, part of it, or a letter in upper case, which is also part of
/// it.
pub(super) const NONE: u8 = 0;
const PART: u8 = 1;
pub(super) const CAPITAL: u8 = 2;

/// What a byte is in a token.
pub(super) const fn tchar(byte: u8) -> u8 {
    TCHAR[byte as usize]
}

/// Whether a byte may be part of a token.
pub(super) const fn is_tchar(byte: u8) -> bool {
    tchar(byte) != NONE
}

static TCHAR: [u8; 256] = {
    let mut table = [NONE; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = match byte as u8 {
            b'A'..=b'Z' => CAPITAL,
            b'a'..=b'z' | b'0'..=b'9' => PART,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~' => {
                PART
            }
            _ => NONE,
        };
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_character_is_found_wherever_it_stands() {
        for length in [0, 1, 31, 32, 33, 64, 65, 95, 96, 97, 100, 127, 128, 129, 200] {
            assert_eq!(control(&vec![b'x'; length]), None);
            for at in 0..length {
                for byte in [0, b'\r', b'\n', 0x1f, 0x7f] {
                    let mut text = vec![b'\t'; length];
                    text[at] = byte;
                    assert_eq!(control(&text), Some(at), "{byte} at {at} of {length}");
                }
            }
        }
        assert_eq!(control(&[0x20, 0x7e, 0x80, 0xff, b'\t']), None);
    }

    #[test]
    fn a_line_is_found_however_it_comes_in() {
        let text = b"one\r\n\r\nthree\r\n";
        for split in 0..=text.len() {
            let (mut lines, mut found) = (Lines::default(), Vec::new());
            for known in [&text[..split], text] {
                while let Some(line) = lines.next(known).unwrap() {
                    found.push(&text[line]);
                }
            }
            assert_eq!(found, [&b"one"[..], b"", b"three"], "{split}");
        }
    }

    #[test]
    fn other_line_ends_are_refused() {
        for (text, fault) in
            [("a\n", Fault::BareLf), ("a\rb", Fault::BareCr), ("a\r\r\n", Fault::BareCr), ("a\0\r\n", Fault::Control)]
        {
            assert_eq!(Lines::default().next(text.as_bytes()), Err(fault), "{text:?}");
        }
    }
}
